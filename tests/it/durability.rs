//! Goal: `convoy up --data-dir` loses no acknowledged write when its process is killed.
//! Method: Kafka and MongoDB clients write numbers as fast as possible and collect the acknowledged
//! ones. The process is killed at a random moment. After the next start, every acknowledged number
//! must exist once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use convoy_server_kit::RunClock;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Acknowledgment, InsertManyOptions, WriteConcern};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;

use crate::place::Place;
use crate::serving::Up;

const TOPIC: &str = "durable";

const ROUNDS: i64 = 4;

/// On an idle machine, no call takes a tenth of this.
const DEADLINE: Duration = Duration::from_secs(30);

/// Maximum time of a start, with the data of a few rounds.
const RECOVERY: Duration = Duration::from_secs(10);

/// Numbers per batch.
const BATCH: i64 = 20;

/// Acknowledged writes.
#[derive(Default)]
struct Acknowledged {
    /// Offset by number.
    records: BTreeMap<i64, i64>,
    documents: BTreeSet<i64>,
}

struct Clients {
    kafka: Client,
    mongo: mongodb::Client,
}

impl Clients {
    async fn connect(up: &Up) -> Self {
        let (user, password) = (up.value("API_KEY"), up.value("API_SECRET_KEY"));
        let credentials = Credentials::new(user.to_owned(), password.to_owned());
        // A call without a response is not retried: it might be stored twice.
        let no_retries = BackoffConfig {
            deadline: Some(Duration::ZERO),
            ..BackoffConfig::default()
        };
        let kafka = ClientBuilder::new(vec![up.value("BOOTSTRAP_SERVER").to_owned()])
            .sasl_config(SaslConfig::Plain(credentials))
            .backoff_config(no_retries);
        // A writer must give up soon when the store has ended.
        let store = format!("{}&serverSelectionTimeoutMS=3000", up.value("MONGO_DB_URL"));
        Self {
            kafka: within(kafka.build()).await.unwrap(),
            mongo: within(mongodb::Client::with_uri_str(store)).await.unwrap(),
        }
    }

    async fn partition(&self) -> PartitionClient {
        let partition = self
            .kafka
            .partition_client(TOPIC, 0, UnknownTopicHandling::Error);
        within(partition).await.unwrap()
    }

    fn collection(&self) -> mongodb::Collection<Document> {
        self.mongo.database("test").collection(TOPIC)
    }

    async fn create(&self) {
        let controller = self.kafka.controller_client().unwrap();
        let created = controller.create_topic(TOPIC, 1, 1, 5_000);
        within(created).await.unwrap();
    }

    /// Checks that every acknowledged write exists once.
    async fn check(&self, acknowledged: &Acknowledged) {
        let records = self.all_records().await;
        let distinct: BTreeSet<i64> = records.values().copied().collect();
        assert_eq!(distinct.len(), records.len(), "a record is duplicated");
        for (number, offset) in &acknowledged.records {
            assert_eq!(records.get(offset), Some(number), "record at {offset}");
        }
        let found = within(self.collection().distinct("_id", doc! {}))
            .await
            .unwrap();
        let found: BTreeSet<i64> = found.iter().filter_map(Bson::as_i64).collect();
        let lost: Vec<_> = acknowledged.documents.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged documents are lost: {lost:?}");
    }

    /// Returns the numbers by offset.
    async fn all_records(&self) -> BTreeMap<i64, i64> {
        let partition = self.partition().await;
        let end = within(partition.get_offset(OffsetAt::Latest))
            .await
            .unwrap();
        let mut records = BTreeMap::new();
        let mut next = 0;
        while next < end {
            let fetched = partition.fetch_records(next, 1..10_000_000, 1_000);
            for fetched in within(fetched).await.unwrap().0 {
                let value = fetched.record.value.unwrap();
                let number = i64::from_be_bytes(value[..8].try_into().unwrap());
                records.insert(fetched.offset, number);
                next = fetched.offset + 1;
            }
        }
        records
    }

    /// Produces batches until the broker has ended. Returns the acknowledged ones.
    async fn produce(
        partition: PartitionClient,
        first: i64,
        stop: &AtomicBool,
    ) -> BTreeMap<i64, i64> {
        let mut acknowledged = BTreeMap::new();
        for batch in 0.. {
            let numbers = (first + batch * BATCH)..(first + (batch + 1) * BATCH);
            let records = numbers.clone().map(record).collect();
            let produced = partition.produce(records, Compression::NoCompression);
            match tokio::time::timeout(DEADLINE, produced).await.unwrap() {
                Ok(offsets) => acknowledged.extend(numbers.zip(offsets)),
                Err(_gone) => break,
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        acknowledged
    }

    /// Inserts batches until the store has ended. Returns the documents acknowledged as durable.
    async fn insert(&self, first: i64, stop: &AtomicBool) -> BTreeSet<i64> {
        let concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = InsertManyOptions::builder().write_concern(concern).build();
        let mut acknowledged = BTreeSet::new();
        for batch in 0.. {
            let numbers = (first + batch * BATCH)..(first + (batch + 1) * BATCH);
            let text = "x".repeat(500);
            let documents = numbers
                .clone()
                .map(|number| doc! { "_id": number, "text": &text });
            let collection = self.collection();
            let inserted = collection
                .insert_many(documents)
                .with_options(options.clone());
            match tokio::time::timeout(DEADLINE, inserted).await.unwrap() {
                Ok(_) => acknowledged.extend(numbers),
                Err(_gone) => break,
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        acknowledged
    }
}

async fn within<F: IntoFuture>(call: F) -> F::Output {
    tokio::time::timeout(DEADLINE, call.into_future())
        .await
        .expect("the call ends in time")
}

fn record(number: i64) -> Record {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(500, b'x');
    Record {
        key: None,
        value: Some(value),
        headers: BTreeMap::new(),
        timestamp: DateTime::UNIX_EPOCH,
    }
}

/// Starts the servers with the data of the last round.
fn start(place: &Place) -> (Up, Duration) {
    let clock = RunClock::start();
    let up = Up::start(place, "--data-dir data");
    (up, Duration::from_nanos(clock.now()))
}

/// Writes with several clients at once until the process is killed.
async fn write_and_kill(up: Up, round: i64, alive: Duration, acknowledged: &mut Acknowledged) {
    let clients = Arc::new(Clients::connect(&up).await);
    let stop = Arc::new(AtomicBool::new(false));
    let (mut producers, mut inserters) = (Vec::new(), Vec::new());
    for writer in 0..3 {
        let first = (round * 10 + writer) * 1_000_000_000;
        let (partition, stopped) = (clients.partition().await, Arc::clone(&stop));
        producers.push(tokio::spawn(async move {
            Clients::produce(partition, first, &stopped).await
        }));
        let (shared, stopped) = (Arc::clone(&clients), Arc::clone(&stop));
        inserters.push(tokio::spawn(
            async move { shared.insert(first, &stopped).await },
        ));
    }
    // The moment varies between rounds, so there is no condition to wait for.
    tokio::time::sleep(alive).await;
    tokio::task::spawn_blocking(move || up.kill())
        .await
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        acknowledged.records.extend(within(producer).await.unwrap());
    }
    for inserter in inserters {
        acknowledged
            .documents
            .extend(within(inserter).await.unwrap());
    }
}

#[test]
fn acknowledged_writes_survive_a_kill_at_any_moment() {
    let seed = rand::rng().random();
    eprintln!("seed = {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let place = Place::empty();
    let mut acknowledged = Acknowledged::default();
    runtime().block_on(async {
        for round in 0..ROUNDS {
            let (up, took) = start(&place);
            assert!(took < RECOVERY, "round {round}: up after {took:?}");
            let clients = Clients::connect(&up).await;
            if round == 0 {
                clients.create().await;
            }
            clients.check(&acknowledged).await;
            let alive = Duration::from_millis(random.random_range(50..800));
            write_and_kill(up, round, alive, &mut acknowledged).await;
        }
        let (up, _) = start(&place);
        Clients::connect(&up).await.check(&acknowledged).await;
        assert!(acknowledged.records.len() > 100, "records were written");
        assert!(acknowledged.documents.len() > 100, "documents were written");
    });
}

#[test]
fn torn_log_tail_is_truncated_and_logged() {
    let place = Place::empty();
    let mut acknowledged = Acknowledged::default();
    runtime().block_on(async {
        let (up, _) = start(&place);
        Clients::connect(&up).await.create().await;
        write_and_kill(up, 0, Duration::from_millis(300), &mut acknowledged).await;
        for server in ["broker", "store"] {
            tear(&newest_log(&place.path("data").join(server)));
        }
        let (up, _) = start(&place);
        Clients::connect(&up).await.check(&acknowledged).await;
    });
    let logs = fs::read_dir(place.path("logs")).unwrap();
    let logged: String = logs
        .map(|log| fs::read_to_string(log.unwrap().path()).unwrap())
        .collect();
    let lines: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("removed an incomplete"))
        .collect();
    assert!(lines.len() >= 2, "both servers log it: {lines:?}\n{logged}");
}

/// Appends the start of a record, as an interrupted write does.
fn tear(log: &Path) {
    let mut file = OpenOptions::new().append(true).open(log).unwrap();
    file.write_all(&[0, 0, 0, 7, 0, 0, 1]).unwrap();
}

/// Returns the log file with the latest write.
fn newest_log(directory: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                files.push(path);
            }
        }
    }
    let written = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    files.sort_by_key(written);
    files.pop().expect("there is a log")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
