//! A broker that loses acknowledged records, or holds records that no consumer can read: the run must
//! report it and never skip a record silently.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bson::doc;
use convoy_kafka_server::protocol::{HEADER_BYTES, Header};
use convoy_kafka_server::{Fault, FaultHook, Moment};
use rskafka::client::partition::UnknownTopicHandling;
use rskafka::client::{Client, ClientBuilder};

use crate::pipeline::tests::*;
use crate::record::DocumentId;
use crate::store::Connection;

/// Rejects fetches while it holds.
#[derive(Debug)]
struct Hold {
    holding: AtomicBool,
}

impl Hold {
    fn new() -> Arc<Self> {
        let holding = AtomicBool::new(true);
        Arc::new(Self { holding })
    }

    fn release(&self) {
        self.holding.store(false, Ordering::Relaxed);
    }
}

impl FaultHook<Moment<'_>, Fault> for Hold {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        const LEADER_NOT_AVAILABLE: i16 = 5;
        let here = matches!(moment, Moment::OnFetch { .. });
        let holds = here && self.holding.load(Ordering::Relaxed);
        holds.then_some(Fault::Refuse(LEADER_NOT_AVAILABLE))
    }
}

/// A broker with a data directory, at a free or a given port.
async fn broker(
    directory: &Path,
    listen: SocketAddr,
    faults: Option<Arc<embedded_broker::FaultPlan>>,
) -> embedded_broker::KafkaServer {
    let mut settings = embedded_broker::Settings::default()
        .with_listen(listen)
        .with_data_dir(directory);
    settings.auto_create_topics = false;
    settings.faults = faults;
    embedded_broker::KafkaServer::start(settings).await.unwrap()
}

async fn client(broker: &embedded_broker::KafkaServer) -> Client {
    let bootstrap = vec![broker.address().to_string()];
    ClientBuilder::new(bootstrap).build().await.unwrap()
}

/// Row 2 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_truncated_after_ack_and_before_fetch_are_missing() {
    let hold = Hold::new();
    let mut place = Place::open(Some(Arc::<Hold>::clone(&hold))).await;
    let context = small_run(41);
    let running = run_on(place.endpoints(), &context);
    let crash = async {
        until("an ack", || context.counters.acked.get() >= 200).await;
        let lost = place.broker.crash().await.unwrap();
        hold.release();
        lost
    };
    let (outcome, lost) = tokio::join!(running, crash);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let verdict = outcome.verdict.unwrap();
    assert!(!verdict.clean(), "{verdict:?}");
    assert!(
        (200..=lost).contains(&verdict.missing),
        "{verdict:?}, {lost}"
    );
    assert_eq!(verdict.stored + verdict.missing, RECORDS, "{verdict:?}");
    assert_eq!((verdict.corrupt, verdict.duplicated), (0, 0), "{verdict:?}");
    place.close().await;
}

/// Row 2 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_truncated_after_fetch_are_reported() {
    let mut place = Place::open(None).await;
    // Slow enough for there to be more after the crash.
    let context = small_run_with(42, |parts| {
        parts.emission.fleet.rate = Rate::per_second(5.0).unwrap();
    });
    let running = run_on(place.endpoints(), &context);
    let crash = async {
        until("a document", || context.counters.stored.get() >= 200).await;
        place.broker.crash().await.unwrap()
    };
    let (outcome, lost) = tokio::join!(running, crash);
    assert!(lost >= 200, "{lost}");
    let verdict = outcome.verdict.unwrap();
    let reported = outcome.failure.as_ref().is_some_and(Error::is_loss);
    assert!(
        reported || verdict.missing > 0,
        "{:?}, {verdict:?}",
        outcome.failure
    );
    assert!(!verdict.clean(), "{verdict:?}");
    // Readings that are in the broker may be undelivered; only what is nowhere is missing.
    let mut there = stored(&place).await;
    for (vehicle, sequence, _payload) in place.log().await.into_iter().flatten() {
        there.insert((vehicle, sequence));
    }
    let nowhere = verdict.emitted - there.len() as u64;
    assert_eq!(verdict.missing, nowhere, "{verdict:?}");
    assert_eq!(
        verdict.stored + verdict.missing + verdict.undelivered,
        verdict.emitted,
        "{verdict:?}"
    );
    place.close().await;
}

/// Returns vehicle and sequence of each document.
async fn stored(place: &Place) -> BTreeSet<(u32, u64)> {
    let uri = SecretUri::new(place.store.uri());
    let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
    let mut found = BTreeSet::new();
    let visit = |document: &bson::RawDocument| {
        let id = document.get_binary("_id").unwrap().bytes;
        let id = DocumentId::from_bytes(id.try_into().unwrap()).unwrap();
        found.insert((id.vehicle(), id.sequence()));
    };
    let documents = connection.documents("sensor");
    documents.scan(doc! {}, visit).await.unwrap();
    found
}

/// Row 7 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_deleted_before_fetch_end_the_run() {
    let hold = Hold::new();
    let place = Place::open(Some(Arc::<Hold>::clone(&hold))).await;
    let context = small_run(43);
    let trim = async {
        until("an ack", || context.counters.acked.get() >= 200).await;
        let client = client(&place.broker).await;
        for number in 0..PARTITIONS.cast_signed() {
            let found = client.partition_client("readings", number, UnknownTopicHandling::Error);
            found.await.unwrap().delete_records(5, 5_000).await.unwrap();
        }
        hold.release();
    };
    let (outcome, ()) = tokio::join!(place.run(&context), trim);
    let failure = outcome.failure.unwrap();
    assert!(failure.is_loss(), "{failure:?}");
    assert!(failure.to_string().contains("broker"), "{failure}");
    assert!(!outcome.verdict.unwrap().clean());
    place.close().await;
}

/// Row 7 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreated_topic_has_lost_acknowledged_records() {
    let hold = Hold::new();
    let directory = tempfile::tempdir().unwrap();
    let faults: Arc<embedded_broker::FaultPlan> = Arc::<Hold>::clone(&hold);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut place = Place::open(None).await;
    place.broker = broker(directory.path(), listen, Some(faults)).await;
    let context = small_run(44);
    let recreate = async {
        until("an ack", || context.counters.acked.get() >= 200).await;
        let client = client(&place.broker).await;
        let controller = client.controller_client().unwrap();
        controller.delete_topic("readings", 5_000).await.unwrap();
        let partitions = PARTITIONS.cast_signed();
        let created = controller.create_topic("readings", partitions, 1, 5_000);
        created.await.unwrap();
        hold.release();
    };
    let (outcome, ()) = tokio::join!(place.run(&context), recreate);
    let verdict = outcome.verdict.unwrap();
    assert!(!verdict.clean(), "{verdict:?}");
    let reported = outcome.failure.as_ref().is_some_and(Error::is_loss);
    assert!(
        reported || verdict.missing >= 200,
        "{:?}, {verdict:?}",
        outcome.failure
    );
    place.close().await;
}

/// Row 8 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compacted_batch_ends_the_run_with_a_gap() {
    let outcome = with_log_changed(45, |log| {
        let (start, end) = batch(log, 1);
        log.drain(start..end);
    })
    .await;
    let failure = outcome.failure.unwrap();
    assert!(matches!(failure, Error::Gap { .. }), "{failure:?}");
}

/// Row 8 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_in_whose_place_a_control_batch_is_are_missing() {
    let outcome = with_log_changed(46, |log| {
        let (start, end) = batch(log, 1);
        make_control_batch(&mut log[start..end]);
    })
    .await;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(outcome.verdict.unwrap().missing > 0);
}

/// Row 8 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_at_the_log_end_in_whose_place_a_control_batch_is_are_missing() {
    let outcome = with_log_changed(47, |log| {
        let mut last = 0;
        while batch_at(log, last).1 < log.len() {
            last = batch_at(log, last).1;
        }
        make_control_batch(&mut log[last..]);
    })
    .await;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(outcome.verdict.unwrap().missing > 0);
}

/// Makes a stored batch a control batch.
fn make_control_batch(batch: &mut [u8]) {
    /// Attributes of a batch: transactional, and a control batch.
    const CONTROL: u8 = 0x30;
    batch[22] |= CONTROL;
    let checksum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    let header = Header::parse(batch).unwrap();
    let sealed = header.encode_sealed(header.base_offset);
    batch[..HEADER_BYTES].copy_from_slice(&sealed);
}

/// Returns where the n-th batch of a log begins and ends.
fn batch(log: &[u8], number: usize) -> (usize, usize) {
    let mut range = batch_at(log, 0);
    for _ in 0..number {
        range = batch_at(log, range.1);
    }
    range
}

fn batch_at(log: &[u8], start: usize) -> (usize, usize) {
    let length = log[start + 8..start + 12].try_into().unwrap();
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap();
    (start, start + 12 + length)
}

/// Changes the log with the most batches before it is read. Returns how the run ended.
async fn with_log_changed(seed: u64, change: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let hold = Hold::new();
    let directory = tempfile::tempdir().unwrap();
    let faults = || -> Option<Arc<embedded_broker::FaultPlan>> { Some(Arc::<Hold>::clone(&hold)) };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = broker(directory.path(), listen, faults()).await;
    let address = first.address();
    let store = embedded_store::MongoServer::start(embedded_store::Settings::default());
    let store = store.await.unwrap();
    let endpoints = Endpoints {
        broker: Endpoint::plain(address.to_string()),
        registry: None,
        store: SecretUri::new(format!("mongodb://{}", store.address())),
    };
    let context = small_run_with(seed, |parts| {
        // Slow enough for many batches, and for some after the change.
        parts.emission.fleet.rate = Rate::per_second(15.0).unwrap();
        parts.settings.timeouts.request = Duration::from_secs(2);
        parts.settings.timeouts.broker = Duration::from_secs(3);
    });
    let changing = async {
        // At least one partition has its share of them.
        let enough = 4 * u64::from(PARTITIONS);
        until("a batch", || {
            context.counters.produce_requests.get() >= enough
        })
        .await;
        first.stop().await.unwrap();
        let (path, mut log) = longest_log(directory.path());
        change(&mut log);
        fs::write(&path, log).unwrap();
        // The broker misses bytes that were there when it stopped.
        embedded_broker::repair(directory.path()).unwrap();
        let second = broker(directory.path(), address, faults()).await;
        hold.release();
        second
    };
    let (outcome, second) = tokio::join!(run_on(endpoints, &context), changing);
    assert!(!outcome.verdict.as_ref().unwrap().clean());
    second.stop().await.unwrap();
    store.stop().await.unwrap();
    outcome
}

fn longest_log(directory: &Path) -> (PathBuf, Vec<u8>) {
    let mut open = vec![directory.to_owned()];
    let mut logs = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                let log = fs::read(&path).unwrap();
                logs.push((batches(&log), path, log));
            }
        }
    }
    let (batches, path, log) = logs.into_iter().max().unwrap();
    assert!(batches >= 3, "{batches}");
    (path, log)
}

fn batches(log: &[u8]) -> usize {
    let (mut count, mut start) = (0, 0);
    while start < log.len() {
        start = batch_at(log, start).1;
        count += 1;
    }
    count
}
