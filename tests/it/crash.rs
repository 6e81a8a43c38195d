//! Goal: a consumer that is killed at any moment loses nothing and stores nothing twice.
//! Method: `convoy consume` as a child whose store this test runs. The store holds an answer, so
//! that the child is killed at an exactly known point, or counts commands up to a drawn one. What
//! is in the store at the end is compared with what `convoy produce` emitted.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use convoy::load::random_bits;
use convoy::store::Connection;
use convoy_kafka_server as broker;
use convoy_kafka_server::Broker;
use convoy_mongodb_server as store;
use convoy_mongodb_server::Store;
use convoy_mongodb_server::faults::{Disturbance, FaultPlan, Injected, Occasion};
use convoy_server_kit::SecretUri;
use convoy_server_kit::clock::RunClock;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::place::Place;

const RECORDS: u64 = 3_000;

/// Rounds of kills at random moments in the ordinary test run.
const FEW: u64 = 4;

/// Rounds behind `just crash`.
const MANY: u64 = 50;

/// Where a consumer is when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// Fetched, and nothing of it stored.
    BeforeInsert,
    /// Stored, without knowing it.
    AfterInsert,
    /// Stored, and no checkpoint written.
    BeforeCheckpoint,
    /// The checkpoint written, without knowing it.
    AfterCheckpoint,
    /// At the n-th command, whatever it is: nothing is held.
    Command(u64),
}

/// Holds the answer at one point, once.
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

impl FaultPlan for Hold {
    fn inject(&self, occasion: &Occasion<'_>) -> Injected {
        let mut injected = Injected::default();
        let commands = self.commands.fetch_add(1, Ordering::Relaxed);
        if self.released.load(Ordering::Relaxed) {
            return injected;
        }
        let hang = Some(Disturbance::Hang);
        let inserted = self.inserts.load(Ordering::Relaxed) > 0;
        match (occasion.command, occasion.collection, self.point) {
            ("insert", "sensor", Point::BeforeInsert) => injected.before = hang,
            ("insert", "sensor", Point::AfterInsert) => injected.after = hang,
            ("update", "sensor_checkpoints", Point::BeforeCheckpoint) if inserted => {
                injected.before = hang;
            }
            ("update", "sensor_checkpoints", Point::AfterCheckpoint) if inserted => {
                injected.after = hang;
            }
            (_, _, Point::Command(nth)) if commands == nth => {
                self.reached.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        if occasion.command == "insert" {
            self.inserts.fetch_add(1, Ordering::Relaxed);
        }
        if injected != Injected::default() {
            self.reached.store(true, Ordering::Relaxed);
        }
        injected
    }
}

/// Passes on to whichever hold is in force.
#[derive(Debug)]
struct Seam(std::sync::RwLock<Arc<Hold>>);

impl FaultPlan for Seam {
    fn inject(&self, occasion: &Occasion<'_>) -> Injected {
        let hold = Arc::clone(&self.0.read().unwrap());
        hold.inject(occasion)
    }
}

/// A broker that holds what was produced, and a store.
struct Servers {
    runtime: Runtime,
    broker: Broker,
    store: Store,
    seam: Arc<Seam>,
    place: Place,
}

impl Servers {
    /// Starts them, and fills the topic.
    fn filled() -> Self {
        let runtime = Runtime::new().unwrap();
        let broker = runtime
            .block_on(Broker::start(broker::Settings::default()))
            .unwrap();
        let open = Hold::at(Point::Command(u64::MAX));
        let seam = Arc::new(Seam(std::sync::RwLock::new(Arc::new(open))));
        let settings = store::Settings {
            faults: Some(Arc::<Seam>::clone(&seam)),
            ..store::Settings::default()
        };
        let store = runtime.block_on(Store::start(settings)).unwrap();
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
            seam,
            place,
        }
    }

    /// The line of a consumer of the one group.
    fn consume(&self, more: &str) -> String {
        format!(
            "consume --broker {} --store mongodb://{} --topic readings --batch-records 100 \
             --beat 100ms --dead-after 1s --progress never --format json {more}",
            self.broker.address(),
            self.store.address()
        )
    }

    /// Consumes until `hold` is reached, and kills the consumer there.
    fn kill_at(&self, point: Point) {
        let hold = Arc::new(Hold::at(point));
        *self.seam.0.write().unwrap() = Arc::clone(&hold);
        let mut child = self.place.start(&self.consume(""));
        until(&mut child, "the point", || hold.reached());
        // What is to be done before the answer is being done.
        match point {
            Point::AfterInsert => until(&mut child, "an insert", || self.stored().len() > 99),
            Point::AfterCheckpoint => until(&mut child, "a checkpoint", || self.position() > 0),
            _ => {}
        }
        child.kill().unwrap();
        child.wait().unwrap();
        hold.released.store(true, Ordering::Relaxed);
    }

    /// Consumes to the end; returns the counters of the report.
    fn resume(&self) -> Value {
        *self.seam.0.write().unwrap() = Arc::new(Hold::at(Point::Command(u64::MAX)));
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

    /// Vehicle and sequence of every document, with how many there are of each.
    fn stored(&self) -> BTreeMap<(i64, i64), u64> {
        let mut found = BTreeMap::new();
        let documents = self.connection().documents("sensor");
        let scan = documents.scan(bson::doc! {}, |document| {
            let number = |name: &str| match document.get(name).unwrap().unwrap() {
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

    /// Sum of the group's positions.
    fn position(&self) -> i64 {
        let mut sum = 0;
        let checkpoints = self.connection().documents("sensor_checkpoints");
        let scan = checkpoints.scan(bson::doc! {}, |checkpoint| {
            sum += checkpoint.get_i64("offset").unwrap_or_default();
        });
        self.runtime.block_on(scan).unwrap();
        sum
    }

    /// Missing nothing, nothing twice, and every checkpoint at its end.
    fn check(&self, told: &str) {
        let stored = self.stored();
        assert!(stored.values().all(|count| *count == 1), "twice, {told}");
        assert_eq!(stored.len() as u64, RECORDS, "missing, {told}");
        let per_vehicle = i64::try_from(RECORDS / 10).unwrap();
        let whole = (0..10).all(|vehicle| stored.contains_key(&(vehicle, per_vehicle - 1)));
        assert!(whole, "{told}");
        assert_eq!(self.position().unsigned_abs(), RECORDS, "{told}");
    }

    fn stop(self) {
        self.runtime.block_on(self.broker.stop()).unwrap();
        self.runtime.block_on(self.store.stop()).unwrap();
    }
}

/// Waits until something has happened while the child runs.
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
fn a_consumer_killed_at_any_point_of_a_batch_loses_and_doubles_nothing() {
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
        // Read again is what was stored behind the checkpoint: the window of a writer at most.
        let replayed = counters["replayed"].as_u64().unwrap();
        let behind = stored - position.unsigned_abs();
        assert_eq!(replayed, behind, "{point:?}");
        let window = convoy::pipeline::ingest::writer::CHECKPOINT_WINDOW;
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
fn a_consumer_killed_at_random_moments_loses_and_doubles_nothing() {
    kill_at_random(0..FEW);
}

#[test]
#[ignore = "takes minutes: just crash"]
fn a_consumer_killed_fifty_times_loses_and_doubles_nothing() {
    let kills = kill_at_random(FEW..FEW + MANY);
    println!("{kills}");
}

/// Kills one consumer after the other at a command drawn from a seed, then consumes the rest.
fn kill_at_random(seeds: std::ops::Range<u64>) -> String {
    let servers = Servers::filled();
    let mut kills = Vec::new();
    for seed in seeds {
        let nth = 10 + random_bits(seed, 12, 0) % 60;
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
