//! Goal: the pipeline keeps its promises, also while servers fail.
//! Method: whole runs on embedded servers, and the verdict of each. [`faults`] injects one fault into
//! every n-th request, [`outages`] restarts, slows and hangs servers, [`losses`] makes a broker lose
//! records, [`tasks`] makes convoy's own tasks fail, and [`chaos`] draws faults from a seed.

mod chaos;
mod columns;
mod coordination;
mod dead_letters;
mod dirty_data;
mod faults;
mod foreign_logs;
mod foreign_records;
mod losses;
mod mutations;
mod outages;
mod processes;
mod replay;
mod tasks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server as embedded_broker;
use convoy_mongodb_server as embedded_store;
use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;

use crate::broker::{Compression, Connector, Endpoint, Isolation, RecordBuf};
use crate::dataset::{Dataset, ReadOptions};
use crate::fleet::{self, Key};
use crate::load::{Arrival, Bound, Rate};
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::pipeline::Interrupt;
use crate::pipeline::*;
use crate::record::{Emission, Envelope};

const PARTITIONS: u32 = 3;
const RECORDS: u64 = 600;

/// Ignores all progress.
#[derive(Debug)]
struct NoObserver;

impl Observer for NoObserver {
    fn phase(&self, _: Phase) {}
    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {}
}

/// Settings of a small run, before it starts.
#[derive(Debug, Clone)]
struct Parts {
    settings: Settings,
    emission: EmissionSettings,
    storage: StorageSettings,
}

impl Parts {
    fn new(seed: u64) -> Self {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
        let workload = Workload::new(Dataset::open(&sample, &ReadOptions::default()).unwrap());
        let fleet = fleet::Settings {
            vehicles: 20,
            rate: Rate::per_second(100.0).unwrap(),
            total_rate: None,
            arrival: Arrival::Uniform,
            seed,
            warm_up: Duration::ZERO,
            bound: Bound::Records(RECORDS),
            rows: workload.rows(),
            shard: None,
        };
        Self {
            settings: Settings {
                run_id: format!("run-{seed}"),
                topics: vec!["readings".to_owned()],
                creation: TopicCreation {
                    partitions: PARTITIONS,
                    partitions_required: false,
                    replication_factor: 1,
                },
                timeouts: Timeouts {
                    request: Duration::from_secs(10),
                    broker: Duration::from_secs(60),
                    interrupt: Duration::from_secs(8),
                },
            },
            emission: EmissionSettings {
                fleet,
                workload: Arc::new(workload),
                key: Key::Vehicle,
                compression: Compression::None,
                linger: Duration::from_millis(2),
                data_faults: None,
            },
            storage: StorageSettings {
                group: None,
                database: "convoy".to_owned(),
                collection: "sensor".to_owned(),
                connections: 2,
                batch_records: 100,
                batch_wait: Duration::from_millis(5),
                drain_timeout: Duration::from_secs(30),
                store_timeout: Duration::from_secs(60),
                extended_json: false,
                on_error: OnError::DeadLetter,
            },
        }
    }

    fn start(self) -> SmallRun {
        SmallRun {
            context: Arc::new(Context::new(self.settings, RunClock::start())),
            simulation: SimulationSettings {
                emission: Arc::new(self.emission),
                storage: Arc::new(self.storage),
                log_may_be_lost: false,
            },
        }
    }
}

/// A run of [`RECORDS`] readings.
#[derive(Debug)]
struct SmallRun {
    context: Arc<Context>,
    simulation: SimulationSettings,
}

impl std::ops::Deref for SmallRun {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

fn small_run(seed: u64) -> SmallRun {
    Parts::new(seed).start()
}

/// A small run with other settings.
fn small_run_with(seed: u64, change: impl FnOnce(&mut Parts)) -> SmallRun {
    let mut parts = Parts::new(seed);
    change(&mut parts);
    parts.start()
}

/// Waits for a condition, with a deadline.
async fn until(what: &str, happened: impl Fn() -> bool + Send + Sync) {
    const DEADLINE: Duration = Duration::from_secs(20);
    const LOOK: Duration = Duration::from_millis(1);
    let waiting = async {
        while !happened() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    waited.unwrap_or_else(|_elapsed| panic!("{what} did not happen"));
}

/// Embedded servers.
struct Place {
    broker: embedded_broker::KafkaServer,
    store: embedded_store::MongoServer,
}

impl Place {
    async fn open(faults: Option<Arc<embedded_broker::FaultPlan>>) -> Self {
        Self::open_with(faults, None).await
    }

    async fn open_with(
        faults: Option<Arc<embedded_broker::FaultPlan>>,
        plan: Option<Arc<embedded_store::FaultPlan>>,
    ) -> Self {
        let mut settings = embedded_broker::Settings::default();
        settings.faults = faults;
        settings.group_join_delay = Duration::ZERO;
        settings.group_min_session_timeout = Duration::ZERO;
        let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
        let mut settings = embedded_store::Settings::default();
        settings.faults = plan;
        let store = embedded_store::MongoServer::start(settings).await.unwrap();
        Self { broker, store }
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            broker: Endpoint::plain(self.broker.address().to_string()),
            registry: None,
            store: SecretUri::new(self.store.uri()),
        }
    }

    async fn run(&self, context: &SmallRun) -> Outcome {
        run_on(self.endpoints(), context).await
    }

    /// Returns vehicle, sequence and payload of each record of each partition, in order.
    async fn log(&self) -> Vec<Vec<(u32, u64, Vec<u8>)>> {
        let connector = Connector::new(Endpoint::plain(self.broker.address().to_string()));
        let mut log = Vec::new();
        for number in 0..PARTITIONS.cast_signed() {
            let records = read_all(&connector, "readings", number).await.into_iter();
            let records = records.map(|record| {
                let header = record.headers.get(Envelope::HEADER).unwrap();
                let (envelope, _emission) = Envelope::decode(header).unwrap();
                (envelope.vehicle, envelope.sequence, record.value.unwrap())
            });
            log.push(records.collect());
        }
        log
    }

    async fn close(self) {
        self.broker.stop().await.unwrap();
        self.store.stop().await.unwrap();
    }
}

/// Reads all records of a partition.
async fn read_all(connector: &Connector, topic: &str, partition: i32) -> Vec<RecordBuf> {
    let mut reader = connector.reader(topic, partition, Isolation::ReadCommitted);
    let (mut at, end) = reader.offsets().await.unwrap();
    let mut records = Vec::new();
    while at < end {
        let wait = Duration::from_secs(1);
        let mut fetched = reader.fetch(at, 1 << 20, wait).await.unwrap();
        while let Some(part) = fetched.records.next_part() {
            records.extend(part.records().map(|record| record.to_buf()));
            at = part.next_offset;
        }
    }
    records
}

/// Runs a fleet on servers that the test may change during the run.
async fn run_on(endpoints: Endpoints, context: &SmallRun) -> Outcome {
    observed_run(endpoints, context, Arc::new(NoObserver)).await
}

async fn observed_run(
    endpoints: Endpoints,
    context: &SmallRun,
    observer: Arc<dyn Observer>,
) -> Outcome {
    let roles = Roles {
        producer: Handle::current(),
        consumer: Handle::current(),
    };
    run_with_roles(endpoints, context, roles, observer).await
}

async fn run_with_roles(
    endpoints: Endpoints,
    context: &SmallRun,
    roles: Roles,
    observer: Arc<dyn Observer>,
) -> Outcome {
    let (shared, simulation) = (Arc::clone(&context.context), context.simulation.clone());
    let interrupt = Interrupt::default();
    let running = run(shared, simulation, endpoints, roles, observer, interrupt);
    Box::pin(running).await.unwrap()
}

fn assert_all_stored(outcome: &Outcome) {
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let verdict = outcome.verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.emitted, verdict.stored),
        (RECORDS, RECORDS),
        "{verdict:?}"
    );
    assert!(verdict.clean(), "{verdict:?}");
    assert_eq!(outcome.recording.stored, RECORDS);
    assert_eq!(outcome.recording.stages.end_to_end_latency.count(), RECORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reading_is_stored_once_and_each_stage_is_measured() {
    let place = Place::open(None).await;
    let outcome = place.run(&small_run(1)).await;
    assert_all_stored(&outcome);
    assert_eq!(outcome.verdict.as_ref().unwrap().reordered, 0);
    for stage in crate::measure::Stage::ALL {
        assert_eq!(
            outcome.recording.stages.get(stage).count(),
            RECORDS,
            "{stage:?}"
        );
    }
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_seed_gives_the_same_records_in_each_partition() {
    let mut logs = Vec::new();
    for seed in [7, 7, 8] {
        let place = Place::open(None).await;
        assert_all_stored(&place.run(&small_run(seed)).await);
        logs.push(place.log().await);
        place.close().await;
    }
    assert_eq!(logs[0], logs[1]);
    assert_ne!(logs[0], logs[2]);
}
