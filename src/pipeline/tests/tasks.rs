//! Tasks of convoy itself that fail, or get no time.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::Stage;
use crate::pipeline::tests::*;

/// Panics when it hears of the first interval.
#[derive(Debug)]
struct Clumsy;

impl Observer for Clumsy {
    fn phase(&self, _: Phase) {}
    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {
        panic!("on purpose");
    }
}

/// Row 18 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_collector_fails_the_run_and_the_rest_is_audited() {
    let place = Place::open(None).await;
    let context = context(61);
    let roles = Roles {
        producer: Handle::current(),
        consumer: Handle::current(),
    };
    let outcome = run(
        Arc::clone(&context),
        place.endpoints(),
        roles,
        Arc::new(Clumsy),
        CancellationToken::new(),
    )
    .await
    .unwrap();
    let failure = outcome.failure.unwrap();
    assert!(failure.is_bug(), "{failure:?}");
    assert!(outcome.verdict.unwrap().clean());
    place.close().await;
}

/// Row 18 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_generator_fails_the_run() {
    let place = Place::open(None).await;
    // Without any topic the first reading has nowhere to go, which no settings allow.
    let context = context_with(62, |settings| settings.topics.clear());
    let failure = place.run(&context).await.failure.unwrap();
    assert!(failure.is_bug(), "{failure:?}");
    place.close().await;
}

/// Row 21 of the fault matrix: what a starved producer costs is its publish delay, of which the
/// report makes "generator-limited".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_without_cpu_time_shows_as_publish_delay() {
    const BUSY: Duration = Duration::from_millis(40);
    let place = Place::open(None).await;
    let context = context(63);
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
    let interrupt = CancellationToken::new();
    let ran = run(
        Arc::clone(&context),
        place.endpoints(),
        roles,
        Arc::new(Deaf),
        interrupt,
    );
    let outcome = ran.await.unwrap();
    over.store(true, Ordering::Relaxed);
    starved.shutdown_background();
    assert_all_stored(&outcome);
    let delay = outcome.recording.stages.get(Stage::PublishDelay).summary();
    assert!(delay.p99_us > 20_000, "{delay:?}");
    place.close().await;
}
