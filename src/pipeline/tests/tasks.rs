//! Tasks of convoy that panic or get no CPU time.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::Stage;
use crate::pipeline::tests::*;

/// Panics at the first interval.
#[derive(Debug)]
struct PanickingObserver;

impl Observer for PanickingObserver {
    fn phase(&self, _: Phase) {}
    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {
        panic!("expected by the test");
    }
}

/// Row 18 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_panic_fails_the_run_after_the_audit() {
    let place = Place::open(None).await;
    let context = small_run(61);
    let observer = Arc::new(PanickingObserver);
    let outcome = observed_run(place.endpoints(), &context, observer).await;
    let failure = outcome.failure.unwrap();
    assert!(failure.is_bug(), "{failure:?}");
    assert!(outcome.verdict.unwrap().clean());
    place.close().await;
}

/// Row 18 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generator_panic_fails_the_run() {
    let place = Place::open(None).await;
    // Without a topic, the router cannot route the first reading and panics.
    let context = small_run_with(62, |parts| parts.settings.topics.clear());
    let failure = place.run(&context).await.failure.unwrap();
    assert!(failure.is_bug(), "{failure:?}");
    place.close().await;
}

/// Row 21 of the fault matrix: a starved producer has a publish delay, and the report says
/// "generator-limited".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starved_producer_shows_as_publish_delay() {
    const BUSY: Duration = Duration::from_millis(40);
    let place = Place::open(None).await;
    let context = small_run(63);
    let starved = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (busy, clock) = (Arc::clone(&over), context.clock);
    starved.spawn(async move {
        while !busy.load(Ordering::Relaxed) {
            let until = clock.now() + crate::measure::nanos(BUSY);
            while clock.now() < until {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
    });
    let roles = Roles {
        producer: starved.handle().clone(),
        consumer: Handle::current(),
    };
    let observer = Arc::new(NoObserver);
    let outcome = run_with_roles(place.endpoints(), &context, roles, observer).await;
    over.store(true, Ordering::Relaxed);
    starved.shutdown_background();
    assert_all_stored(&outcome);
    let delay = outcome.recording.stages.get(Stage::PublishDelay).summary();
    assert!(delay.p99_us > Some(20_000), "{delay:?}");
    place.close().await;
}
