//! Goal: a dead letter whose cause is mended becomes the document that it should have been, once.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::doc;
use convoy_mongodb_server::{ErrorReply, Fault, FaultHook, Moment};

use crate::measure::RunClock;
use crate::pipeline::dead_letter::replay;
use crate::pipeline::tests::*;
use crate::store::Connection;

/// Refuses some documents until it is mended.
#[derive(Debug, Default)]
struct Refusing {
    mended: AtomicBool,
}

impl FaultHook<Moment<'_>, Fault> for Refusing {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let mut fault = Fault::default();
        let here = moment.command == "insert" && moment.collection == "sensor";
        if here && !self.mended.load(Ordering::Relaxed) {
            let message = "Document failed validation";
            fault.write_errors = vec![(0, ErrorReply::new(121, message))];
        }
        Some(fault)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_stored_once_its_cause_is_mended_and_not_twice() {
    let refusing = Arc::new(Refusing::default());
    let plan: Arc<embedded_store::FaultPlan> = Arc::<Refusing>::clone(&refusing);
    let place = Place::open_with(None, Some(plan)).await;
    let emitted = context(61);
    let verdict = place.run(&emitted).await.verdict.unwrap();
    assert!(verdict.dead_lettered > 0, "{verdict:?}");

    let endpoints = place.endpoints();
    let store = Connection::open(&endpoints.store, "convoy", 1);
    let store = store.await.unwrap();
    let (documents, letters) = (
        store.documents("sensor"),
        store.documents("sensor_dead_letters"),
    );
    let again = || {
        let clock = RunClock::reaching_back(Duration::from_secs(3_600));
        let settings = Settings {
            group: Some("menders".to_owned()),
            ..emitted.settings.clone()
        };
        Arc::new(Context::new(settings, clock, Workload::new(Vec::new())))
    };
    let unmended = again();
    replay(&unmended, &documents, &letters, None).await.unwrap();
    let kept = unmended.counters.dead_letters_kept.get();
    assert!(kept > 0, "one document of each insert is still refused");

    refusing.mended.store(true, Ordering::Relaxed);
    let mended = again();
    replay(&mended, &documents, &letters, None).await.unwrap();
    let both = [&unmended, &mended].map(|it| it.counters.dead_letters_replayed.get());
    assert_eq!(both.iter().sum::<u64>(), verdict.dead_lettered);
    assert_eq!(mended.counters.dead_letters_kept.get(), 0);
    let mut stored = 0;
    let filter = doc! { "run": &emitted.settings.run_id };
    documents.scan(filter, |_| stored += 1).await.unwrap();
    assert_eq!(stored, RECORDS, "all that was emitted, each once");

    let done = again();
    replay(&done, &documents, &letters, None).await.unwrap();
    assert_eq!(done.counters.dead_letters_replayed.get(), 0);
    place.close().await;
}
