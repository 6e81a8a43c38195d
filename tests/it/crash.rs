//! Goal: a consumer that is killed at any moment loses and duplicates no record.
//! Method: `convoy consume` as a child process, with a store of this test. The store holds back one
//! response, so that the child is killed at a known point, or counts commands up to a random one. At
//! the end the documents are compared with the readings of `convoy produce`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use convoy::broker::{Connector, Endpoint, Partitions};
use convoy::load::random_bits;
use convoy::store::Connection;
use convoy_kafka_server as broker;
use convoy_kafka_server::KafkaServer;
use convoy_mongodb_server::{Fault, FaultHook, Interruption, Moment, MongoServer, Settings};
use convoy_server_kit::RunClock;
use convoy_server_kit::SecretUri;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::place::Place;

const RECORDS: u64 = 3_000;

/// Sum of the checkpoints after all of them.
const END: i64 = RECORDS.cast_signed();

/// Kills at random moments in the ordinary test run.
const FEW: u64 = 4;

/// Kills of `just crash`.
const MANY: u64 = 50;

/// Point at which a consumer is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// Records are fetched, and none is stored.
    BeforeInsert,
    /// Documents are stored, and the response is missing.
    AfterInsert,
    /// Documents are stored, and no checkpoint is written.
    BeforeCheckpoint,
    /// The checkpoint is written, and the response is missing.
    AfterCheckpoint,
    /// At the n-th command of any kind; no response is held back.
    Command(u64),
}

/// Holds back the response at one point, once.
#[derive(Debug)]
struct Hold {
    point: Point,
    inserts: AtomicU64,
    commands: AtomicU64,
    reached: AtomicBool,
    released: AtomicBool,
}

impl Hold {
    fn at(point: Point) -> Self {
        Self {
            point,
            inserts: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            reached: AtomicBool::new(false),
            released: AtomicBool::new(false),
        }
    }

    fn reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl FaultHook<Moment<'_>, Fault> for Hold {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let mut fault = Fault::default();
        let commands = self.commands.fetch_add(1, Ordering::Relaxed);
        if self.released.load(Ordering::Relaxed) {
            return None;
        }
        let hang = Some(Interruption::Hang);
        let inserted = self.inserts.load(Ordering::Relaxed) > 0;
        match (moment.command, moment.collection, self.point) {
            ("insert", "sensor", Point::BeforeInsert) => fault.before = hang,
            ("insert", "sensor", Point::AfterInsert) => fault.after = hang,
            ("update", "sensor_checkpoints", Point::BeforeCheckpoint) if inserted => {
                fault.before = hang;
            }
            ("update", "sensor_checkpoints", Point::AfterCheckpoint) if inserted => {
                fault.after = hang;
            }
            (_, _, Point::Command(nth)) if commands == nth => {
                self.reached.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        if moment.command == "insert" {
            self.inserts.fetch_add(1, Ordering::Relaxed);
        }
        if fault == Fault::default() {
            return None;
        }
        self.reached.store(true, Ordering::Relaxed);
        Some(fault)
    }
}

/// Delegates to the current hold.
#[derive(Debug)]
struct CurrentHold(std::sync::RwLock<Arc<Hold>>);

impl FaultHook<Moment<'_>, Fault> for CurrentHold {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let hold = Arc::clone(&self.0.read().unwrap());
        hold.fault_for(moment)
    }
}

/// A broker with the produced records, and a store.
struct Servers {
    runtime: Runtime,
    broker: KafkaServer,
    store: MongoServer,
    hold: Arc<CurrentHold>,
    place: Place,
}

impl Servers {
    /// Starts the servers and fills the topic.
    fn filled() -> Self {
        let runtime = Runtime::new().unwrap();
        let mut settings = broker::Settings::default();
        settings.group_min_session_timeout = Duration::ZERO;
        settings.group_join_delay = Duration::ZERO;
        let broker = runtime.block_on(KafkaServer::start(settings)).unwrap();
        let open = Hold::at(Point::Command(u64::MAX));
        let hold = Arc::new(CurrentHold(std::sync::RwLock::new(Arc::new(open))));
        let faults = Arc::<CurrentHold>::clone(&hold);
        let settings = Settings::default().with_faults(faults);
        let store = runtime.block_on(MongoServer::start(settings)).unwrap();
        let place = Place::with_rows();
        let produced = place.convoy(&format!(
            "produce --broker {} --topic readings --dataset rows.csv --vehicles 10 --rate max \
             --records {RECORDS} --partitions 2 --progress never",
            broker.address()
        ));
        assert_eq!(produced.code, 0, "{produced}");
        Self {
            runtime,
            broker,
            store,
            hold,
            place,
        }
    }

    /// Returns the command line of a consumer of the group.
    fn consume(&self, more: &str) -> String {
        format!(
            "consume --broker {} --store mongodb://{} --topic readings --batch-records 100 \
             --heartbeat-interval 100ms --session-timeout 1s --progress never --format json {more}",
            self.broker.address(),
            self.store.address()
        )
    }

    /// Consumes until `hold` is reached, and kills the consumer there.
    fn kill_at(&self, point: Point) {
        let hold = Arc::new(Hold::at(point));
        *self.hold.0.write().unwrap() = Arc::clone(&hold);
        let mut child = self.place.start(&self.consume(""));
        let stored = || matches!(point, Point::Command(_)) && self.position() == END;
        until(&mut child, "the point", || hold.reached() || stored());
        // The command is being applied before its response is held back.
        match point {
            Point::AfterInsert => until(&mut child, "an insert", || self.stored().len() > 99),
            Point::AfterCheckpoint => until(&mut child, "a checkpoint", || self.position() > 0),
            _ => {}
        }
        child.kill().unwrap();
        child.wait().unwrap();
        hold.released.store(true, Ordering::Relaxed);
    }

    /// Consumes the rest. Returns the counters of the report.
    fn resume(&self) -> Value {
        *self.hold.0.write().unwrap() = Arc::new(Hold::at(Point::Command(u64::MAX)));
        let outcome = self.place.convoy(&self.consume("--idle 2s"));
        assert_eq!(outcome.code, 0, "{outcome}");
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        report["counters"].clone()
    }

    fn connection(&self) -> Connection {
        let uri = SecretUri::new(format!("mongodb://{}", self.store.address()));
        let opened = self.runtime.block_on(Connection::open(&uri, "convoy", 1));
        opened.unwrap()
    }

    /// Returns the number of documents of each vehicle and sequence.
    fn stored(&self) -> BTreeMap<(i64, i64), u64> {
        let mut found = BTreeMap::new();
        let documents = self.connection().documents("sensor");
        let scan = documents.scan(bson::doc! {}, |document| {
            let own = document.get_document("_convoy").unwrap();
            let number = |name: &str| match own.get(name).unwrap().unwrap() {
                bson::RawBsonRef::Int32(number) => i64::from(number),
                bson::RawBsonRef::Int64(number) => number,
                other => panic!("{name} is {other:?}"),
            };
            *found
                .entry((number("vehicle"), number("sequence")))
                .or_insert(0) += 1;
        });
        self.runtime.block_on(scan).unwrap();
        found
    }

    /// Returns the sum of the group's checkpoints.
    fn position(&self) -> i64 {
        let mut sum = 0;
        let checkpoints = self.connection().documents("sensor_checkpoints");
        let scan = checkpoints.scan(bson::doc! {}, |checkpoint| {
            sum += checkpoint.get_i64("offset").unwrap_or_default();
        });
        self.runtime.block_on(scan).unwrap();
        sum
    }

    /// Checks that no document is missing or duplicated, and that each checkpoint is at the end.
    fn check(&self, details: &str) {
        let stored = self.stored();
        assert!(stored.values().all(|count| *count == 1), "twice, {details}");
        assert_eq!(stored.len() as u64, RECORDS, "missing, {details}");
        let per_vehicle = i64::try_from(RECORDS / 10).unwrap();
        let whole = (0..10).all(|vehicle| stored.contains_key(&(vehicle, per_vehicle - 1)));
        assert!(whole, "{details}");
        assert_eq!(self.position().unsigned_abs(), RECORDS, "{details}");
        assert_eq!(self.committed(), END, "{details}");
    }

    /// Returns the sum of the offsets that the group has committed to the broker.
    fn committed(&self) -> i64 {
        let broker = Endpoint::plain(self.broker.address().to_string());
        let mut group = Connector::new(broker).coordinator("convoy", "test");
        let partitions = Partitions::from([("readings".to_owned(), BTreeSet::from([0, 1]))]);
        let committed = self.runtime.block_on(group.committed(&partitions));
        committed.unwrap().values().map(|it| it.offset).sum()
    }

    fn stop(self) {
        self.runtime.block_on(self.broker.stop()).unwrap();
        self.runtime.block_on(self.store.stop()).unwrap();
    }
}

/// Waits for a condition while the child runs, with a deadline.
fn until(child: &mut Child, what: &str, happened: impl Fn() -> bool) {
    const DEADLINE: Duration = Duration::from_secs(60);
    let clock = RunClock::start();
    while !happened() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?} before {what}");
        assert!(Duration::from_nanos(clock.now()) < DEADLINE, "no {what}");
        std::thread::yield_now();
    }
}

/// Row 12 of the fault matrix, with a real process.
#[test]
fn consumer_killed_at_any_point_of_a_batch_loses_and_duplicates_no_record() {
    for point in [
        Point::BeforeInsert,
        Point::AfterInsert,
        Point::BeforeCheckpoint,
        Point::AfterCheckpoint,
    ] {
        let servers = Servers::filled();
        servers.kill_at(point);
        let (stored, position) = (servers.stored().len() as u64, servers.position());
        let counters = servers.resume();
        servers.check(&format!("{point:?}"));
        // Documents after the checkpoint are read again: at most one window of a writer.
        let replayed = counters["replayed"].as_u64().unwrap();
        let after = stored - position.unsigned_abs();
        assert_eq!(replayed, after, "{point:?}");
        let window = convoy::pipeline::CHECKPOINT_WINDOW;
        assert!(replayed <= window, "{point:?}");
        match point {
            Point::BeforeInsert => assert_eq!((stored, position), (0, 0)),
            Point::AfterInsert | Point::BeforeCheckpoint => assert!(stored > 0 && position == 0),
            _ => assert!(position > 0),
        }
        servers.stop();
    }
}

#[test]
fn consumer_killed_at_random_moments_loses_and_duplicates_no_record() {
    kill_at_random(0..FEW);
}

#[test]
#[ignore = "takes minutes: just crash"]
fn consumer_killed_fifty_times_loses_and_duplicates_no_record() {
    let kills = kill_at_random(FEW..FEW + MANY);
    println!("{kills}");
}

/// Kills consumers one after another at a command drawn from a seed, then consumes the rest.
fn kill_at_random(seeds: std::ops::Range<u64>) -> String {
    let servers = Servers::filled();
    let mut kills = Vec::new();
    for seed in seeds {
        let nth = 5 + random_bits(seed, 12, 0) % 30;
        servers.kill_at(Point::Command(nth));
        kills.push(format!(
            "seed {seed}: command {nth}, {} stored",
            servers.stored().len()
        ));
    }
    let kills = kills.join("\n");
    servers.resume();
    servers.check(&kills);
    servers.stop();
    format!("{kills}\nmissing 0, twice 0")
}
