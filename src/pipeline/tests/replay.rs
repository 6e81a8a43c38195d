//! Goal: a dead letter is stored once after its cause is fixed.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::doc;
use convoy_mongodb_server::{ErrorReply, Fault, FaultHook, Moment};

use crate::measure::RunClock;
use crate::pipeline::ingest::replay;
use crate::pipeline::tests::*;
use crate::store::Connection;

/// Rejects some documents until it is fixed.
#[derive(Debug, Default)]
struct Rejecting {
    fixed: AtomicBool,
}

impl FaultHook<Moment<'_>, Fault> for Rejecting {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let mut fault = Fault::default();
        let here = moment.command == "insert" && moment.collection == "sensor";
        if here && !self.fixed.load(Ordering::Relaxed) {
            let message = "Document failed validation";
            fault.write_errors = vec![(0, ErrorReply::new(121, message))];
        }
        Some(fault)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letter_is_stored_once_after_its_cause_is_fixed() {
    let rejecting = Arc::new(Rejecting::default());
    let plan: Arc<embedded_store::FaultPlan> = Arc::<Rejecting>::clone(&rejecting);
    let place = Place::open_with(None, Some(plan)).await;
    let emitted = small_run(61);
    let verdict = place.run(&emitted).await.verdict.unwrap();
    assert!(verdict.dead_lettered > 0, "{verdict:?}");

    let endpoints = place.endpoints();
    let store = Connection::open(&endpoints.store, "convoy", 1);
    let store = store.await.unwrap();
    let storage = StorageSettings {
        group: Some("fixers".to_owned()),
        ..(*emitted.simulation.storage).clone()
    };
    let again = || {
        let clock = RunClock::reaching_back(Duration::from_secs(3_600));
        Arc::new(Context::new(emitted.settings.clone(), clock))
    };
    let broken = again();
    replay(&broken, &storage, &store, None).await.unwrap();
    let kept = broken.counters.dead_letters_kept.get();
    assert!(kept > 0, "one document of each insert is still rejected");

    rejecting.fixed.store(true, Ordering::Relaxed);
    let fixed = again();
    replay(&fixed, &storage, &store, None).await.unwrap();
    let both = [&broken, &fixed].map(|it| it.counters.dead_letters_replayed.get());
    assert_eq!(both.iter().sum::<u64>(), verdict.dead_lettered);
    assert_eq!(fixed.counters.dead_letters_kept.get(), 0);
    let mut stored = 0;
    let filter = doc! { "_convoy.run": &emitted.settings.run_id };
    let documents = store.documents("sensor");
    documents.scan(filter, |_| stored += 1).await.unwrap();
    assert_eq!(stored, RECORDS, "each reading once");

    let done = again();
    replay(&done, &storage, &store, None).await.unwrap();
    assert_eq!(done.counters.dead_letters_replayed.get(), 0);
    place.close().await;
}
