//! Topics and documents that the servers start with.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bson::RawDocumentBuf;
use convoy_kafka_server::KafkaServer;
use convoy_server_kit::SecretUri;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::record::exact_document;
use crate::settings::{LoadFile, NewTopic};
use crate::store::{Connection, Documents, InsertOutcome};

/// Maximum number of documents, and of their bytes, per insert.
const BATCH_DOCUMENTS: usize = 1_000;
const BATCH_BYTES: usize = 8 << 20;

/// Creates the topics that do not exist.
pub(super) fn create_topics(broker: &KafkaServer, topics: &[NewTopic]) -> Result<(), Error> {
    for topic in topics {
        match broker.partition_count(&topic.name)? {
            None => broker.add_topic(&topic.name, topic.partitions.cast_signed())?,
            Some(found) if found == topic.partitions => {}
            Some(found) => {
                return Err(Error::TopicExists {
                    topic: topic.name.clone(),
                    found,
                    wanted: topic.partitions,
                });
            }
        }
    }
    Ok(())
}

/// Stores the documents of a file; returns how many. `block_on` waits for the store.
///
/// The file is a JSON array of objects, or objects one after the other, with extended JSON.
pub(super) fn load(
    file: &LoadFile,
    uri: &SecretUri,
    block_on: &dyn Fn(Insert<'_>) -> Result<(), String>,
) -> Result<u64, Error> {
    let failed = |reason: String| Error::Load {
        path: file.path.clone(),
        reason,
    };
    let mut batch = Batch {
        documents: Vec::new(),
        bytes: 0,
        number: 0,
        insert: &|documents| {
            block_on(Insert {
                uri,
                file,
                documents,
            })
        },
    };
    read(&file.path, &mut |text| batch.add(text))
        .and_then(|()| batch.flush())
        .map_err(failed)?;
    Ok(batch.number)
}

/// Documents for a collection.
pub(super) struct Insert<'a> {
    uri: &'a SecretUri,
    file: &'a LoadFile,
    documents: &'a [RawDocumentBuf],
}

impl Insert<'_> {
    /// Inserts the documents.
    pub(super) async fn run(self) -> Result<(), String> {
        let connection = Connection::open(self.uri, &self.file.database, 1).await;
        let connection = connection.map_err(|error| crate::cause::chain(&error))?;
        insert(&connection.documents(&self.file.collection), self.documents).await
    }
}

async fn insert(collection: &Documents, documents: &[RawDocumentBuf]) -> Result<(), String> {
    match collection.insert(documents).await {
        InsertOutcome::Answered { taken, rejected } => {
            match taken.into_iter().chain(rejected).next() {
                None => Ok(()),
                Some(refusal) => Err(format!("the store refused a document: {}", refusal.reason)),
            }
        }
        InsertOutcome::Unknown(cause) => Err(cause.to_string()),
    }
}

/// Documents until there are enough for an insert.
struct Batch<'a> {
    documents: Vec<RawDocumentBuf>,
    bytes: usize,
    /// Number of documents so far.
    number: u64,
    insert: &'a dyn Fn(&[RawDocumentBuf]) -> Result<(), String>,
}

impl Batch<'_> {
    fn add(&mut self, text: &str) -> Result<(), String> {
        self.number += 1;
        let number = self.number;
        let document = exact_document(text.as_bytes());
        let document = document.map_err(|reason| format!("document {number}: {reason}"))?;
        self.bytes += document.as_bytes().len();
        self.documents.push(document);
        if self.documents.len() >= BATCH_DOCUMENTS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        if !self.documents.is_empty() {
            (self.insert)(&self.documents)?;
        }
        self.documents.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Calls `each` with the text of each document of a file.
fn read(path: &Path, each: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(file);
    let first = first_byte(&mut reader).map_err(|error| error.to_string())?;
    let mut json = serde_json::Deserializer::from_reader(reader);
    if first == Some(b'[') {
        let mut failure = None;
        let items = Items {
            each,
            failure: &mut failure,
        };
        let ended = json.deserialize_seq(items).and_then(|()| json.end());
        return match failure {
            Some(failure) => Err(failure),
            None => ended.map_err(|error| error.to_string()),
        };
    }
    for document in json.into_iter::<Box<RawValue>>() {
        let document = document.map_err(|error| error.to_string())?;
        each(document.get())?;
    }
    Ok(())
}

/// Skips a byte order mark and blanks, and returns the byte after them.
fn first_byte(reader: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if reader.fill_buf()?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    loop {
        match reader.fill_buf()?.first() {
            Some(byte) if byte.is_ascii_whitespace() => reader.consume(1),
            first => return Ok(first.copied()),
        }
    }
}

/// Visits the items of an array.
struct Items<'a> {
    each: &'a mut dyn FnMut(&str) -> Result<(), String>,
    /// Why an item was not taken.
    failure: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(Item)? {
            if let Err(failure) = (self.each)(item.get()) {
                *self.failure = Some(failure);
                return Err(A::Error::custom("not taken"));
            }
        }
        Ok(())
    }
}

/// Reads an item as text.
struct Item;

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Box<RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, item: D) -> Result<Self::Value, D::Error> {
        serde::Deserialize::deserialize(item)
    }
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::{self as server, MongoServer};

    use super::*;

    fn texts(content: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let mut texts = Vec::new();
        read(file.path(), &mut |text| {
            texts.push(text.to_owned());
            exact_document(text.as_bytes()).map(|_| ())
        })?;
        Ok(texts)
    }

    #[test]
    fn arrays_lines_and_concatenated_objects_are_read() {
        let two = Ok(vec![r#"{"a":1}"#.to_owned(), r#"{"a":[2]}"#.to_owned()]);
        for content in [
            "[{\"a\":1}, {\"a\":[2]}]",
            "\u{feff} [\n{\"a\":1},{\"a\":[2]}\n]\n",
            "{\"a\":1}\n{\"a\":[2]}\n",
            "{\"a\":1}\r\n\r\n{\"a\":[2]}",
            "{\"a\":1}{\"a\":[2]}",
        ] {
            assert_eq!(texts(content), two, "{content:?}");
        }
        assert_eq!(texts(""), Ok(Vec::new()));
        assert_eq!(texts("[]"), Ok(Vec::new()));
    }

    #[test]
    fn defects_are_told_with_their_place() {
        for (content, place) in [
            ("[{\"a\":1},\n {\"a\":}]", "line 2"),
            ("{\"a\":1}\n{\"a\"\n", "line 3"),
            ("[{\"a\":1}", "line 1"),
            ("[1]", ""),
            ("7", ""),
            ("[{}] {}", "line 1"),
        ] {
            let error = texts(content).unwrap_err();
            assert!(error.contains(place), "{content:?}: {error}");
        }
        let missing = read(Path::new("absent.json"), &mut |_| Ok(())).unwrap_err();
        assert!(missing.contains("No such file"), "{missing}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn documents_are_stored_with_their_own_ids_and_types() {
        let place = tempfile::tempdir().unwrap();
        let settings = server::Settings::default()
            .with_listen(crate::host::embedded::loopback(0))
            .with_data_dir(place.path().join("data"));
        let store = MongoServer::start(settings).await.unwrap();
        let uri = SecretUri::new(store.uri());
        let path = place.path().join("seed.json");
        let seed = r#"{"_id":7,"at":{"$date":"2025-03-03T08:00:00Z"},"n":{"$numberLong":"5"},"big":18446744073709551615,"x":1.5}"#;
        std::fs::write(&path, format!("{seed}\n{{\"a.b\":null}}\n")).unwrap();
        let file = LoadFile {
            path,
            database: "shop".to_owned(),
            collection: "items".to_owned(),
        };
        let handle = tokio::runtime::Handle::current();
        let loading = uri.clone();
        let load_twice = move || {
            let block_on = |insert: Insert<'_>| handle.block_on(insert.run());
            [(); 2].map(|()| load(&file, &loading, &block_on))
        };
        let loaded = tokio::task::spawn_blocking(load_twice).await.unwrap();
        let [Ok(2), Err(again)] = loaded else {
            panic!("{loaded:?}");
        };
        assert!(again.to_string().contains("seed.json"), "{again}");
        let connection = Connection::open(&uri, "shop", 1).await.unwrap();
        let items = connection.documents("items");
        let found = items.find_one(bson::doc! {"_id": 7});
        let found = bson::Document::try_from(found.await.unwrap().unwrap()).unwrap();
        let big: bson::Decimal128 = "18446744073709551615".parse().unwrap();
        let expected = bson::doc! {
            "_id": 7, "at": bson::DateTime::from_millis(1_740_988_800_000), "n": 5_i64, "big": big,
            "x": 1.5,
        };
        assert_eq!(found, expected);
        store.stop().await.unwrap();
    }
}
