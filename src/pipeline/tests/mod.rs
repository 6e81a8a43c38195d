//! Goal: what the pipeline promises holds, also while servers misbehave.
//! Method: whole runs on embedded servers, and the verdict of each. [`faults`] does one thing to
//! every n-th request, [`outages`] lets servers be away, slow or silent for a while, [`losses`] lets
//! a broker forget; [`tasks`] lets convoy's own tasks fail; [`chaos`] draws what goes wrong from a
//! seed.

mod chaos;
mod dead_letters;
mod dirty_data;
mod faults;
mod halves;
mod losses;
mod mutations;
mod outages;
mod replay;
mod tasks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server as embedded_broker;
use convoy_kafka_server::Faults;
use convoy_mongodb_server as embedded_store;
use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::broker::{Compression, Connector, Endpoint};
use crate::dataset::Dataset;
use crate::fleet::{self, Key};
use crate::load::{Arrival, Bound, Rate};
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::pipeline::run::progress::Totals;
use crate::pipeline::*;
use crate::record::{Emission, Envelope};

const PARTITIONS: u32 = 3;
const RECORDS: u64 = 600;

#[derive(Debug)]
struct Deaf;

impl Observer for Deaf {
    fn phase(&self, _: Phase) {}
    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {}
}

/// Everything that the tasks of a small run share.
fn context(seed: u64) -> Arc<Context> {
    context_with(seed, |_settings| ())
}

/// The same, with some settings changed.
fn context_with(seed: u64, change: impl FnOnce(&mut Settings)) -> Arc<Context> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let workload = Workload::new(Dataset::open(&sample).unwrap());
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
    let mut settings = Settings {
        run_id: format!("run-{seed}"),
        fleet,
        key: Key::Vehicle,
        topics: vec!["readings".to_owned()],
        group: None,
        partitions: PARTITIONS,
        partitions_required: false,
        replication_factor: 1,
        compression: Compression::None,
        linger: Duration::from_millis(2),
        consumers: 2,
        batch_records: 100,
        batch_wait: Duration::from_millis(5),
        database: "convoy".to_owned(),
        collection: "sensor".to_owned(),
        drain_timeout: Duration::from_secs(30),
        replay_dead_letters: false,
        data_faults: None,
        log_may_be_lost: false,
        request_timeout: Duration::from_secs(10),
        broker_timeout: Duration::from_secs(60),
        store_timeout: Duration::from_secs(60),
    };
    change(&mut settings);
    Arc::new(Context::new(settings, RunClock::start(), workload))
}

/// Waits until something has happened; it must within seconds.
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

/// Embedded servers, and everything to run a fleet on them.
struct Place {
    broker: embedded_broker::Broker,
    store: embedded_store::Store,
}

impl Place {
    async fn open(faults: Option<Arc<dyn Faults>>) -> Self {
        Self::open_with(faults, None).await
    }

    async fn open_with(
        faults: Option<Arc<dyn Faults>>,
        plan: Option<Arc<dyn embedded_store::faults::FaultPlan>>,
    ) -> Self {
        let settings = embedded_broker::Settings {
            faults,
            ..Default::default()
        };
        let broker = embedded_broker::Broker::start(settings).await.unwrap();
        let settings = embedded_store::Settings {
            faults: plan,
            ..Default::default()
        };
        let store = embedded_store::Store::start(settings).await.unwrap();
        Self { broker, store }
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            broker: Endpoint::plain(self.broker.address().to_string()),
            registry: None,
            store: SecretUri::new(format!("mongodb://{}", self.store.address())),
        }
    }

    async fn run(&self, context: &Arc<Context>) -> Outcome {
        run_on(self.endpoints(), context).await
    }

    /// Returns vehicle, sequence and payload of each record of each partition, in order.
    async fn log(&self) -> Vec<Vec<(u32, u64, Vec<u8>)>> {
        let connector = Connector::new(Endpoint::plain(self.broker.address().to_string()));
        let mut log = Vec::new();
        for number in 0..PARTITIONS.cast_signed() {
            let mut partition = connector.partition("readings", number);
            let (_earliest, end) = partition.offsets().await.unwrap();
            let mut records = Vec::new();
            while i64::try_from(records.len()).unwrap() < end {
                let at = i64::try_from(records.len()).unwrap();
                let fetched = partition
                    .fetch(at, 1 << 20, Duration::from_secs(1))
                    .await
                    .unwrap();
                for record in fetched.records {
                    let header = &record.headers[Envelope::HEADER];
                    let (envelope, _emission) = Envelope::decode(header).unwrap();
                    records.push((envelope.vehicle, envelope.sequence, record.value.unwrap()));
                }
            }
            log.push(records);
        }
        log
    }

    async fn close(self) {
        self.broker.stop().await.unwrap();
        self.store.stop().await.unwrap();
    }
}

/// Runs a fleet on servers that the test may disturb meanwhile.
async fn run_on(endpoints: Endpoints, context: &Arc<Context>) -> Outcome {
    let roles = Roles {
        producer: Handle::current(),
        consumer: Handle::current(),
    };
    let (context, interrupt) = (Arc::clone(context), CancellationToken::new());
    run(context, endpoints, roles, Arc::new(Deaf), interrupt)
        .await
        .unwrap()
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
async fn everything_emitted_is_stored_once_and_every_stage_is_measured() {
    let place = Place::open(None).await;
    let outcome = place.run(&context(1)).await;
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
async fn the_same_seed_sends_the_same_readings_in_the_same_order_to_the_same_partitions() {
    let mut logs = Vec::new();
    for seed in [7, 7, 8] {
        let place = Place::open(None).await;
        assert_all_stored(&place.run(&context(seed)).await);
        logs.push(place.log().await);
        place.close().await;
    }
    assert_eq!(logs[0], logs[1]);
    assert_ne!(logs[0], logs[2]);
}
