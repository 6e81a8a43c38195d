//! One kind of fault at a time, in every n-th request.

use std::sync::atomic::{AtomicU64, Ordering};

use convoy_kafka_server::{Fault, FaultHook, Moment};

use crate::broker::{Batch, HeaderRef, NewRecord};
use crate::pipeline::tests::*;

/// Injects a fault into every n-th produce request, and counts.
#[derive(Debug)]
struct EveryNth {
    n: u64,
    /// Whether the fault is after the append, not before it.
    after: bool,
    fault: Fault,
    requests: AtomicU64,
    injected: AtomicU64,
}

impl EveryNth {
    fn new(n: u64, after: bool, fault: Fault) -> Arc<Self> {
        let (requests, injected) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            n,
            after,
            fault,
            requests,
            injected,
        })
    }

    fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }
}

impl FaultHook<Moment<'_>, Fault> for EveryNth {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let here = match moment {
            Moment::BeforeAppend { .. } => !self.after,
            Moment::AfterAppend { .. } => self.after,
            _ => false,
        };
        let due = here && self.requests.fetch_add(1, Ordering::Relaxed) % self.n == self.n - 1;
        due.then(|| {
            self.injected.fetch_add(1, Ordering::Relaxed);
            self.fault
        })
    }
}

/// Row 3a of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_cut_before_append_loses_and_duplicates_no_record() {
    let faults = EveryNth::new(5, false, Fault::Cut);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = small_run(3);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.injected() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.injected());
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, 0);
    place.close().await;
}

/// Row 3b of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_ack_duplicates_records_in_the_broker_only() {
    let faults = EveryNth::new(5, true, Fault::Cut);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = small_run(4);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.injected() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.injected());
    let in_broker: usize = place.log().await.iter().map(Vec::len).sum();
    let doubled = in_broker as u64 - RECORDS;
    assert!(doubled > 0);
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, doubled);
    place.close().await;
}

/// Row 5 of the fault matrix: codes after which nothing was appended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_batches_are_retried() {
    const NOT_LEADER: i16 = 6;
    let faults = EveryNth::new(4, false, Fault::Refuse(NOT_LEADER));
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let context = small_run(5);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert_eq!(context.counters.produce_rejected.get(), faults.injected());
    place.close().await;
}

/// Row 6 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_retried_while_the_broker_disk_is_full() {
    let faults = EveryNth::new(4, false, Fault::FailWrite);
    let place = Place::open(Some(Arc::<EveryNth>::clone(&faults))).await;
    let outcome = place.run(&small_run(6)).await;
    assert_all_stored(&outcome);
    assert!(faults.injected() > 0);
    place.close().await;
}

/// Appends a record with an envelope.
fn push(batch: &mut Batch, header: &[u8], value: &[u8]) {
    batch.push(&NewRecord {
        key: None,
        value: Some(value.into()),
        headers: &[HeaderRef {
            name: Envelope::HEADER,
            value: Some(header),
        }],
        timestamp_ms: 0,
    });
}

/// Row 14 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_records_become_dead_letters_and_others_are_stored() {
    let place = Place::open(None).await;
    let context = small_run(9);
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
        connector.producer("readings", 0)
    });
    let running = place.run(&context);
    let poison = async {
        let mut producer = poisoning.await.unwrap();
        // The run reads only records that arrive after it has looked up its positions.
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
        push(&mut batch, &header, b"{\"class\":7}");
        push(&mut batch, &[0; 46], b"not json");
        producer.produce(&mut batch, Compression::None).await
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
