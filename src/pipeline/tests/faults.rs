//! One kind of fault at a time, at every n-th request.

use std::sync::atomic::{AtomicU64, Ordering};

use convoy_kafka_server::{Fault, Moment};

use crate::broker::Batch;
use crate::pipeline::tests::*;

/// Does to every n-th produce request what it is told, and counts.
#[derive(Debug)]
struct EveryNth {
    n: u64,
    /// Whether it strikes before the append, or after it.
    after: bool,
    fault: Fault,
    asked: AtomicU64,
    struck: AtomicU64,
}

impl EveryNth {
    fn new(n: u64, after: bool, fault: Fault) -> Arc<Self> {
        let (asked, struck) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            n,
            after,
            fault,
            asked,
            struck,
        })
    }

    fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Faults for EveryNth {
    fn strike(&self, moment: Moment<'_>) -> Option<Fault> {
        let here = match moment {
            Moment::BeforeAppend { .. } => !self.after,
            Moment::AfterAppend { .. } => self.after,
            Moment::BeforeResponse { .. } | Moment::OnFetch { .. } => false,
        };
        let strikes = here && self.asked.fetch_add(1, Ordering::Relaxed) % self.n == self.n - 1;
        strikes.then(|| {
            self.struck.fetch_add(1, Ordering::Relaxed);
            self.fault
        })
    }
}

/// Row 3a of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_before_the_append_loses_and_doubles_nothing() {
    let faults = EveryNth::new(5, false, Fault::Cut);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = context(3);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.struck());
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, 0);
    place.close().await;
}

/// Row 3b of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ack_doubles_records_in_the_broker_and_not_in_the_store() {
    let faults = EveryNth::new(5, true, Fault::Cut);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = context(4);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.struck());
    let in_broker: usize = place.log().await.iter().map(Vec::len).sum();
    let doubled = in_broker as u64 - RECORDS;
    assert!(doubled > 0);
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, doubled);
    place.close().await;
}

/// Row 5 of the fault matrix: codes after which nothing was appended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_ready_is_asked_again() {
    const NOT_LEADER: i16 = 6;
    let faults = EveryNth::new(4, false, Fault::Refuse(NOT_LEADER));
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = context(5);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert_eq!(context.counters.produce_rejected.get(), faults.struck());
    place.close().await;
}

/// Row 6 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_a_full_disk_is_waited_for() {
    let faults = EveryNth::new(4, false, Fault::FailWrite);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let outcome = place.run(&context(6)).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    place.close().await;
}

/// Row 14 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_do_not_fit_are_set_aside_and_the_others_unaffected() {
    let place = Place::open(None).await;
    let context = context(9);
    let address = place.broker.address().to_string();
    let poisoning = tokio::spawn(async move {
        let connector = Connector::new(Endpoint::plain(address));
        let reachable = async {
            while !connector.topics().await.unwrap().contains_key("readings") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reachable)
            .await
            .unwrap();
        connector.partition("readings", 0)
    });
    let running = place.run(&context);
    let poison = async {
        let mut partition = poisoning.await.unwrap();
        // Only what comes after the run has taken its positions is its own to judge.
        let begun = async {
            while context.counters.acked.get() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), begun)
            .await
            .unwrap();
        let mut batch = Batch::default();
        let envelope = Envelope {
            run: context.run,
            vehicle: 1_000,
            sequence: 0,
            warm_up: false,
            intended: 0,
            sent: 0,
            payload_hash: crate::record::payload_hash(b"{\"class\":7}"),
        };
        let emission = Emission {
            run_id: &context.settings.run_id,
            boot: 0,
            emitted_at_unix_ms: 0,
        };
        let header = envelope.encode(&emission);
        batch.push(None, header, b"{\"class\":7}".to_vec(), 0);
        batch.push(None, vec![0; 46], b"not json".to_vec(), 0);
        partition.produce(batch, Compression::None).await
    };
    let (outcome, _sent) = tokio::join!(running, poison);
    let verdict = outcome.verdict.unwrap();
    assert_eq!(
        (verdict.emitted, verdict.stored),
        (RECORDS, RECORDS),
        "{verdict:?}"
    );
    assert_eq!(
        (verdict.dead_lettered, verdict.missing),
        (2, 0),
        "{verdict:?}"
    );
    assert!(!verdict.clean());
    place.close().await;
}
