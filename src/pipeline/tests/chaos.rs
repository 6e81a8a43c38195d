//! Many faults at once, drawn from a seed: connections cut before and after append and insert,
//! rejections, delays, hangs, unmet write concerns, broker restarts. A failure names its seed, and
//! `CONVOY_CHAOS_SEED` runs that one alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use convoy_kafka_server::{Fault, FaultHook, Moment};
use convoy_mongodb_server::{ErrorReply, Interruption};

use crate::load::random_bits;
use crate::pipeline::tests::*;

/// Seeds in the ordinary test run.
const FEW: u64 = 6;

/// Seeds of the soak test [default of `CONVOY_CHAOS_SEEDS`].
const MANY: u64 = 200;

/// Short, so that hangs are noticed soon.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);

/// Retriable error codes of Kafka: leader not available, not leader, timed out, not enough replicas,
/// and the same after the append.
const TRANSIENT: [i16; 5] = [5, 6, 7, 19, 20];

/// Injects faults into about one request in twelve, drawn from a seed and counted by kind.
#[derive(Debug, Default)]
struct Chaos {
    seed: u64,
    drawn: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Chaos {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            seed,
            ..Self::default()
        })
    }

    /// Draws a number below `bound`.
    fn draw(&self, bound: u64) -> u64 {
        random_bits(self.seed, self.drawn.fetch_add(1, Ordering::Relaxed), 0) % bound
    }

    fn count(&self, kind: &'static str) {
        *self.counts.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// Longer than the request timeout.
    fn hang() -> Duration {
        2 * REQUEST_TIMEOUT
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(self.draw(40))
    }
}

impl FaultHook<Moment<'_>, Fault> for Chaos {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let (kind, fault) = match (moment, self.draw(60)) {
            (Moment::BeforeAppend { .. }, 0) => ("broker cut before append", Fault::Cut),
            (Moment::BeforeAppend { .. }, 1) => ("broker disk full", Fault::FailWrite),
            (Moment::BeforeAppend { .. }, 2..=3) => {
                let code = TRANSIENT[usize::try_from(self.draw(5)).unwrap()];
                ("broker refused before append", Fault::Refuse(code))
            }
            (Moment::AfterAppend { .. }, 0..=1) => ("broker cut after append", Fault::Cut),
            (Moment::AfterAppend { .. }, 2) => ("broker timed out after append", Fault::Refuse(7)),
            (Moment::BeforeAppend { .. } | Moment::OnFetch { .. }, 4..=6) => {
                ("broker slow", Fault::Delay(self.pause()))
            }
            (Moment::BeforeAppend { .. }, 7) if self.draw(4) == 0 => {
                ("broker hung before append", Fault::Delay(Self::hang()))
            }
            (Moment::AfterAppend { .. }, 7) if self.draw(4) == 0 => {
                ("broker hung after append", Fault::Delay(Self::hang()))
            }
            (Moment::OnFetch { .. }, 0) => ("broker cut on fetch", Fault::Cut),
            _ => return None,
        };
        self.count(kind);
        Some(fault)
    }
}

impl FaultHook<embedded_store::Moment<'_>, embedded_store::Fault> for Chaos {
    fn fault_for(&self, moment: &embedded_store::Moment<'_>) -> Option<embedded_store::Fault> {
        let mut fault = embedded_store::Fault::default();
        if moment.command != "insert" || moment.collection != "sensor" {
            return None;
        }
        let kind = match self.draw(30) {
            0..=1 => {
                fault.before = Some(Interruption::Cut);
                "store cut before insert"
            }
            2..=3 => {
                fault.after = Some(Interruption::Cut);
                "store cut after insert"
            }
            4 => {
                fault.before = Some(Interruption::Delay(self.pause()));
                "store slow"
            }
            5 => {
                fault.write_concern_error =
                    Some(ErrorReply::new(64, "waiting for replication timed out"));
                "store write concern unmet"
            }
            6 => {
                fault.write_errors = vec![(0, ErrorReply::new(121, "Document failed validation"))];
                "store rejected a document"
            }
            7 if self.draw(3) == 0 => {
                fault.before = Some(Interruption::Hang);
                "store hung before insert"
            }
            8 if self.draw(3) == 0 => {
                fault.after = Some(Interruption::Hang);
                "store hung after insert"
            }
            _ => return None,
        };
        self.count(kind);
        Some(fault)
    }
}

/// Runs one seed; returns what was fault.
async fn survive(seed: u64) -> BTreeMap<&'static str, u64> {
    let chaos = Chaos::new(seed);
    let (faults, plan) = (Arc::clone(&chaos), Arc::clone(&chaos));
    let mut place = Place::open_with(Some(faults), Some(plan)).await;
    let context = small_run_with(seed, |parts| {
        parts.settings.timeouts.request = REQUEST_TIMEOUT;
    });
    let running = run_on(place.endpoints(), &context);
    let restarts = chaos.draw(3);
    let restarting = async {
        for restart in 1..=restarts {
            let acked = RECORDS * restart / (restarts + 1);
            until("an ack", || context.counters.acked.get() >= acked).await;
            place.broker.restart().await.unwrap();
            chaos.count("broker restarted");
        }
    };
    let (outcome, ()) = tokio::join!(running, restarting);
    let replay = format!("replay with CONVOY_CHAOS_SEED={seed}");
    assert!(outcome.failure.is_none(), "{:?}, {replay}", outcome.failure);
    let verdict = outcome.verdict.unwrap();
    let details = format!("{verdict:?}, {replay}");
    assert_eq!(verdict.emitted, RECORDS, "{details}");
    assert_eq!(
        verdict.emitted,
        verdict.stored + verdict.dead_lettered,
        "{details}"
    );
    let broken = (
        verdict.missing,
        verdict.duplicated,
        verdict.corrupt,
        verdict.undelivered,
    );
    assert_eq!(broken, (0, 0, 0, 0), "{details}");
    place.close().await;
    let counts = chaos.counts.lock().unwrap();
    let refused = counts
        .get("store rejected a document")
        .copied()
        .unwrap_or_default();
    // Fewer if a reading was rejected at one offset and stored from another.
    assert!(verdict.dead_lettered <= refused, "{details}");
    counts.clone()
}

async fn survive_all(seeds: std::ops::Range<u64>) {
    let chosen = std::env::var("CONVOY_CHAOS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(seeds, |seed: u64| seed..seed + 1);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        for (kind, count) in survive(seed).await {
            *counts.entry(kind).or_default() += count;
        }
    }
    println!("seeds {seeds:?}: no violation");
    for (kind, count) in &counts {
        println!("{count:6} × {kind}");
    }
    assert!(counts.len() > 3, "hardly anything was fault: {counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_lose_and_duplicate_no_record() {
    survive_all(0..FEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `just soak`"]
async fn soak() {
    let many = std::env::var("CONVOY_CHAOS_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    survive_all(0..many.unwrap_or(MANY)).await;
}
