//! Goal: the audit accounts for every injected data fault by kind, and other readings are unchanged.

use crate::faults::{DataFaults, Plan, Spec};
use crate::pipeline::tests::*;

fn plan(spec: &str) -> Plan {
    match spec.parse() {
        Ok(Spec::Plan(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

fn dirty(seed: u64, spec: &str) -> SmallRun {
    small_run_with(seed, |parts| {
        parts.emission.data_faults = DataFaults::from_plan(&plan(spec), seed);
    })
}

/// Servers with the default limits of Kafka.
async fn place() -> Place {
    let mut settings = embedded_broker::Settings::default();
    settings.max_batch_bytes = 1_048_588;
    let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
    let store = embedded_store::MongoServer::start(embedded_store::Settings::default());
    Place {
        broker,
        store: store.await.unwrap(),
    }
}

const EVERYTHING: &str = "data=missing-batch:0.1+out-of-order:0.05+duplicate:0.05+na-storm:0.05\
    +wrong-type:0.03+extra-column:0.03+missing-column:0.03+truncated-header:0.03+oversized:0.01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_injected_data_fault_is_accounted_for_by_kind() {
    for seed in 31..33 {
        let place = place().await;
        let context = dirty(seed, EVERYTHING);
        let outcome = place.run(&context).await;
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let verdict = outcome.verdict.unwrap();
        assert_eq!(verdict.faults.len(), 9);
        for account in &verdict.faults {
            assert!(account.injected > 0, "{account:?} of seed {seed}");
            assert_eq!(
                account.injected, account.accounted,
                "{account:?} of seed {seed}"
            );
        }
        assert!(verdict.clean(), "{verdict:?}");
        assert_eq!(verdict.emitted + verdict.withheld, RECORDS);
        assert_eq!(verdict.dead_lettered, verdict.declared);
        assert_eq!(verdict.stray, 0);
        let stored = outcome.recording.stored;
        assert_eq!(stored, verdict.stored, "what is reported is what is stored");
        place.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unaccounted_data_fault_fails_the_verdict() {
    let place = place().await;
    let context = dirty(35, "data=wrong-type:0.1");
    let outcome = place.run(&context).await;
    let mut verdict = outcome.verdict.unwrap();
    assert!(verdict.clean(), "{verdict:?}");
    verdict.faults[0].accounted -= 1;
    assert!(!verdict.clean());
    assert_eq!(verdict.unaccounted(), 1);
    place.close().await;
}
