//! Goal: rejected records are kept unchanged, each once, in the dead letter collection and topic.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, RawDocumentBuf, doc};
use convoy_mongodb_server::{ErrorReply, Fault, FaultHook, Moment};

use crate::broker::RecordBuf;
use crate::pipeline::emit::EncodeBuffer;
use crate::pipeline::tests::*;
use crate::store::Connection;

/// Rejects the first document of each insert, and fails the first insert of dead letters afterwards.
#[derive(Debug, Default)]
struct Rejecting {
    forgot: AtomicBool,
}

impl FaultHook<Moment<'_>, Fault> for Rejecting {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let mut fault = Fault::default();
        match (moment.command, moment.collection) {
            ("insert", "sensor") => {
                fault.write_errors = vec![(0, ErrorReply::new(121, "Document failed validation"))];
            }
            ("insert", "sensor_dead_letters") if !self.forgot.swap(true, Ordering::Relaxed) => {
                fault.write_concern_error = Some(ErrorReply::new(64, "waiting timed out"));
            }
            _ => {}
        }
        Some(fault)
    }
}

impl Place {
    async fn collected(&self) -> Vec<Document> {
        let uri = SecretUri::new(format!("mongodb://{}", self.store.address()));
        let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
        let collection = connection.documents("sensor_dead_letters");
        let mut letters = Vec::new();
        let visit = |letter: &bson::RawDocument| {
            let letter = RawDocumentBuf::from_bytes(letter.as_bytes().to_vec()).unwrap();
            letters.push(Document::try_from(letter).unwrap());
        };
        collection.scan(doc! {}, visit).await.unwrap();
        letters
    }

    async fn published(&self) -> Vec<RecordBuf> {
        let connector = Connector::new(Endpoint::plain(self.broker.address().to_string()));
        let topics = connector.topics().await.unwrap();
        if !topics.contains_key("readings.dead-letters") {
            return Vec::new();
        }
        read_all(&connector, "readings.dead-letters", 0).await
    }
}

fn binary(letter: &Document, field: &str) -> Vec<u8> {
    letter.get_binary_generic(field).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_document_is_kept_once_in_dead_letter_collection_and_topic() {
    let place = Place::open_with(None, Some(Arc::new(Rejecting::default()))).await;
    let context = small_run(21);
    let outcome = place.run(&context).await;
    let verdict = outcome.verdict.unwrap();
    assert!(verdict.whole() && !verdict.clean(), "{verdict:?}");
    assert!(verdict.dead_lettered > 0);
    let log = place.log().await;
    let letters = place.collected().await;
    assert_eq!(letters.len() as u64, verdict.dead_lettered);
    for letter in &letters {
        let kafka = letter.get_document("kafka").unwrap();
        let partition = usize::try_from(kafka.get_i32("partition").unwrap()).unwrap();
        let offset = usize::try_from(kafka.get_i64("offset").unwrap()).unwrap();
        let (vehicle, sequence, value) = &log[partition][offset];
        assert_eq!(letter.get_i64("vehicle").unwrap(), i64::from(*vehicle));
        assert_eq!(letter.get_i64("sequence").unwrap(), sequence.cast_signed());
        assert_eq!(&binary(letter, "value"), value);
        let reason = letter.get_str("reason").unwrap();
        assert!(reason.contains("Document failed validation"), "{reason}");
        assert!(letter.get_bool("published").unwrap());
        letter.get_datetime("at").unwrap();
    }
    let mut published: Vec<String> = Vec::new();
    for record in place.published().await {
        let header =
            |name: &str| String::from_utf8(record.headers.get(name).unwrap().to_vec()).unwrap();
        let id = header("dead-letter.id");
        let letter = letters.iter().find(|it| it.get_str("_id").unwrap() == id);
        let letter = letter.unwrap();
        assert_eq!(record.value.as_ref(), Some(&binary(letter, "value")));
        assert_eq!(record.key.as_ref(), Some(&binary(letter, "key")));
        assert!(record.headers.get(Envelope::HEADER).is_some());
        published.push(id);
    }
    published.sort();
    let mut ids: Vec<&str> = letters
        .iter()
        .map(|it| it.get_str("_id").unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(published, ids, "each is in the topic once");
    place.close().await;
}

/// Row 16 of the fault matrix: oversized messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_message_becomes_a_dead_letter_with_its_bytes() {
    let context = small_run(22);
    let workload = &context.simulation.emission.workload;
    let mut sizes: Vec<usize> = (0..workload.rows())
        .map(|row| {
            let mut buffer = EncodeBuffer::default();
            workload.encode(row, &mut buffer, |_label| ()).unwrap();
            buffer.payload.len()
        })
        .collect();
    sizes.sort_unstable();
    let mut settings = embedded_broker::Settings::default();
    // A batch of one message of medium size: some fit, some do not.
    settings.max_batch_bytes = sizes[sizes.len() / 2] + 61 + Envelope::FIXED_LENGTH + 30;
    let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
    let store = embedded_store::MongoServer::start(embedded_store::Settings::default());
    let store = store.await.unwrap();
    let place = Place { broker, store };
    let outcome = place.run(&context).await;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let verdict = outcome.verdict.unwrap();
    let letters = place.collected().await;
    assert!(verdict.whole(), "{verdict:?}");
    assert!(
        verdict.stored > 0 && verdict.dead_lettered > 0,
        "{verdict:?}"
    );
    assert_eq!(letters.len() as u64, verdict.dead_lettered);
    for letter in &letters {
        let reason = letter.get_str("reason").unwrap();
        assert!(
            reason.starts_with("the broker rejected the message"),
            "{reason}"
        );
        assert!(!binary(letter, "value").is_empty());
        let kafka = letter.get_document("kafka").unwrap();
        assert_eq!(kafka.get("offset"), Some(&bson::Bson::Null));
    }
    let published = letters
        .iter()
        .filter(|it| it.get_bool("published").unwrap());
    assert_eq!(published.count(), place.published().await.len());
    place.close().await;
}
