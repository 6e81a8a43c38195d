//! Goal: displayed plans parse back, errors name their position, and a seed always gives the same
//! faults.

use std::time::Duration;

use proptest::prelude::*;

use crate::faults::data::BATCH;
use crate::faults::*;

fn probability() -> impl Strategy<Value = Probability> {
    (0.0..=0.1).prop_map(|value| Probability::new(value).unwrap())
}

fn millis() -> impl Strategy<Value = Duration> {
    (1u64..1_000_000).prop_map(Duration::from_millis)
}

fn scheduled() -> impl Strategy<Value = Scheduled> {
    let target = prop_oneof![Just(Target::Broker), Just(Target::Store)];
    let parts = (target, millis(), millis(), millis(), 0..4);
    parts.prop_map(|(target, at, lasting, delay, which)| match which {
        0 => Scheduled::Restart { target, at },
        1 => Scheduled::Crash {
            target: match target {
                Target::Broker => Target::Broker,
                _ => Target::Consumer,
            },
            at,
        },
        2 => Scheduled::Hang {
            target,
            at,
            lasting,
        },
        _ => Scheduled::Slow {
            target,
            delay,
            at,
            lasting,
        },
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let data = prop::sample::subsequence(DataKind::ALL.to_vec(), 0..=DataKind::ALL.len());
    let chances = prop::sample::subsequence(Chance::ALL.to_vec(), 0..=Chance::ALL.len());
    let scheduled = prop::collection::vec(scheduled(), 1..5);
    (data, chances, scheduled, probability()).prop_map(|(data, chances, scheduled, share)| Plan {
        data: data.into_iter().map(|kind| (kind, share)).collect(),
        scheduled,
        chances: chances.into_iter().map(|chance| (chance, share)).collect(),
    })
}

fn parse(text: &str) -> Plan {
    match text.parse() {
        Ok(Spec::Plan(plan)) => plan,
        other => panic!("{text}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn displayed_plan_parses_back(plan in plan()) {
        prop_assert_eq!(parse(&plan.to_string()), plan);
    }

    #[test]
    fn any_text_parses_or_fails_at_a_position_within_it(text in "[a-z@+=:,. 0-9-]{0,60}") {
        if let Err(error) = text.parse::<Spec>() {
            prop_assert!((1..=text.len() + 1).contains(&error.position), "{error}");
        }
    }

    #[test]
    fn each_kind_has_its_share_of_readings_and_a_seed_repeats(seed: u64) {
        let plan = parse("data=missing-batch:0.2+duplicate:0.1+na-storm:0.3");
        let faults = DataFaults::from_plan(&plan, seed).unwrap();
        let readings = || (0..100).flat_map(|vehicle| (0..200).map(move |n| (vehicle, n)));
        let found = || readings().map(|(vehicle, n)| faults.fault_for(vehicle, n));
        let share = |kind| {
            let count = found().filter(|fault| *fault == Some(kind)).count();
            count as f64 / readings().count() as f64
        };
        prop_assert!((share(DataKind::MissingBatch) - 0.2).abs() < 0.05);
        // Shares of the readings that are not missing.
        prop_assert!((share(DataKind::Duplicate) - 0.08).abs() < 0.02);
        prop_assert!((share(DataKind::NaStorm) - 0.24).abs() < 0.03);
        prop_assert!(found().eq(found()));
    }

    #[test]
    fn missing_batches_are_complete(seed: u64, vehicle: u32, batch in 0u64..1_000) {
        let faults = DataFaults::from_plan(&parse("data=missing-batch:0.5"), seed).unwrap();
        let first = faults.is_in_missing_batch(vehicle, batch * BATCH);
        for n in 0..BATCH {
            prop_assert_eq!(faults.is_in_missing_batch(vehicle, batch * BATCH + n), first);
        }
    }

    #[test]
    fn chaos_stays_within_its_bounds_and_parses_back(seed: u64, seconds in 1u64..600) {
        let bounds = ChaosBounds {
            emission: Duration::from_secs(seconds),
            ordered: false,
        };
        let plan = Plan::draw_chaos(seed, &bounds);
        prop_assert_eq!(&Plan::draw_chaos(seed, &bounds), &plan);
        prop_assert_eq!(parse(&plan.to_string()), plan.clone());
        prop_assert!(plan.data.iter().all(|(kind, _)| *kind != DataKind::OutOfOrder));
        for scheduled in plan.scheduled {
            prop_assert!(scheduled.at() + scheduled.lasting() <= bounds.emission, "{scheduled}");
            let crash = matches!(scheduled, Scheduled::Crash { .. });
            prop_assert!(!crash);
        }
    }
}

#[test]
fn plan_is_restricted_to_the_faults_that_its_servers_allow() {
    let everything = "broker-restart@1s,store-hang@1s+1s,broker-cut-after-append=0.1,\
                      store-concern-unmet=0.1,data=duplicate:0.1";
    let plan = parse(everything);
    let within = |broker, store| plan.within(broker, store).to_string();
    assert_eq!(within(Reach::Embedded, Reach::Embedded), plan.to_string());
    assert_eq!(
        within(Reach::Container, Reach::Container),
        "data=duplicate:0.1,broker-restart@1s,store-hang@1s+1s,broker-cut-after-append=0.1"
    );
    assert_eq!(
        within(Reach::External, Reach::External),
        "data=duplicate:0.1,store-hang@1s+1s,broker-cut-after-append=0.1"
    );
    let beyond = plan.first_beyond(Reach::External, Reach::Embedded).unwrap();
    assert_eq!(beyond, ("broker-restart".to_owned(), Target::Broker));
    assert_eq!(plan.first_beyond(Reach::Embedded, Reach::Embedded), None);
}

#[test]
fn slow_server_without_an_instant_is_slow_for_the_whole_run() {
    let plan = parse("slow-store=20ms");
    assert_eq!(plan.to_string(), "slow-store=20ms");
    let [slow] = plan.scheduled[..] else {
        panic!("{plan}")
    };
    assert_eq!(slow.at(), Duration::ZERO);
    assert!(slow.lasting() > Duration::from_secs(3_600));
    assert_ne!(parse("slow-store=20ms@0s+1h"), plan);
}

#[test]
fn errors_name_their_position_and_a_suggestion() {
    let errors: Vec<String> = [
        "broker-restrt@5s",
        "broker-restart@5s,,store-hang@1s+1s",
        "broker-restart",
        "broker-restart@soon",
        "broker-restart@5s+1s",
        "store-hang@8s",
        "store-hang@8s+0s",
        "slow-store@10s+5s",
        "slow-store=20@10s+5s",
        "store-cut-after-apply=2",
        "store-cut-after-apply=0.1,store-cut-after-apply=0.2",
        "data=na-strom:0.1",
        "data=na-storm",
        "data=na-storm:0.6+duplicate:0.6",
        "chaos,broker-restart@5s",
    ]
    .map(|text| format!("{text}\n  {}", text.parse::<Spec>().unwrap_err()))
    .into();
    insta::assert_snapshot!(errors.join("\n"), @"
    broker-restrt@5s
      at character 1: unknown fault `broker-restrt`; did you mean `broker-restart`?
    broker-restart@5s,,store-hang@1s+1s
      at character 19: expected the name of a fault
    broker-restart
      at character 1: expected `broker-restart@WHEN`
    broker-restart@soon
      at character 16: `soon` is not a duration (expected a number with a unit, such as `5s` or `20ms`)
    broker-restart@5s+1s
      at character 1: expected `broker-restart@WHEN`
    store-hang@8s
      at character 1: expected `store-hang@WHEN+HOW_LONG`
    store-hang@8s+0s
      at character 15: duration must be longer than `0s`
    slow-store@10s+5s
      at character 1: expected `slow-store=DELAY` or `…=DELAY@WHEN+HOW_LONG`
    slow-store=20@10s+5s
      at character 12: `20` is not a duration (expected a number with a unit, such as `5s` or `20ms`)
    store-cut-after-apply=2
      at character 23: `2`: expected a probability from 0 to 1
    store-cut-after-apply=0.1,store-cut-after-apply=0.2
      at character 27: `store-cut-after-apply` is given twice
    data=na-strom:0.1
      at character 6: unknown data fault `na-strom`; did you mean `na-storm`?
    data=na-storm
      at character 6: expected `KIND:PROBABILITY`, such as `duplicate:0.01`
    data=na-storm:0.6+duplicate:0.6
      at character 1: the sum of the probabilities of `data=` is above 1
    chaos,broker-restart@5s
      at character 1: `chaos` cannot be combined with other faults
    ");
}
