//! Goal: what is written is what is read, what is wrong is told with its place, and a seed always
//! spoils the same readings.

use std::time::Duration;

use proptest::prelude::*;

use crate::faults::chaos::{self, Bounds};
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
        1 => Scheduled::Crash { at },
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
    fn a_plan_is_read_as_it_is_written(plan in plan()) {
        prop_assert_eq!(parse(&plan.to_string()), plan);
    }

    #[test]
    fn any_text_is_a_plan_or_told_with_a_place_within_it(text in "[a-z@+=:,. 0-9-]{0,60}") {
        if let Err(error) = text.parse::<Spec>() {
            prop_assert!((1..=text.len() + 1).contains(&error.position), "{error}");
        }
    }

    #[test]
    fn each_kind_strikes_its_share_of_readings_and_always_the_same(seed: u64) {
        let plan = parse("data=missing-batch:0.2+duplicate:0.1+na-storm:0.3");
        let faults = DataFaults::of(&plan, seed).unwrap();
        let readings = || (0..100).flat_map(|vehicle| (0..200).map(move |n| (vehicle, n)));
        let strikes = || readings().map(|(vehicle, n)| faults.strikes(vehicle, n));
        let share = |kind| {
            let struck = strikes().filter(|struck| *struck == Some(kind)).count();
            struck as f64 / readings().count() as f64
        };
        prop_assert!((share(DataKind::MissingBatch) - 0.2).abs() < 0.05);
        // Of what is not missing.
        prop_assert!((share(DataKind::Duplicate) - 0.08).abs() < 0.02);
        prop_assert!((share(DataKind::NaStorm) - 0.24).abs() < 0.03);
        prop_assert!(strikes().eq(strikes()));
    }

    #[test]
    fn batches_are_missing_whole(seed: u64, vehicle: u32, batch in 0u64..1_000) {
        let faults = DataFaults::of(&parse("data=missing-batch:0.5"), seed).unwrap();
        let first = faults.withholds(vehicle, batch * BATCH);
        for n in 0..BATCH {
            prop_assert_eq!(faults.withholds(vehicle, batch * BATCH + n), first);
        }
    }

    #[test]
    fn chaos_keeps_within_its_bounds_and_can_be_written(seed: u64, seconds in 1u64..600) {
        let bounds = Bounds {
            emission: Duration::from_secs(seconds),
            ordered: false,
        };
        let plan = chaos::draw(seed, &bounds);
        prop_assert_eq!(&chaos::draw(seed, &bounds), &plan);
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
fn a_plan_is_restricted_to_what_can_be_done_to_its_servers() {
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
fn what_is_wrong_is_told_with_its_place_and_what_may_be_meant() {
    let told: Vec<String> = [
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
    insta::assert_snapshot!(told.join("\n"), @"
    broker-restrt@5s
      at character 1: `broker-restrt` is no fault; did you mean `broker-restart`?
    broker-restart@5s,,store-hang@1s+1s
      at character 19: a fault is missing here
    broker-restart
      at character 1: expected `broker-restart@WHEN`
    broker-restart@soon
      at character 16: `soon` is no time such as `5s` or `20ms`
    broker-restart@5s+1s
      at character 1: expected `broker-restart@WHEN`
    store-hang@8s
      at character 1: expected `store-hang@WHEN+HOW_LONG`
    store-hang@8s+0s
      at character 15: must last longer than 0s
    slow-store@10s+5s
      at character 1: expected `slow-store=DELAY@WHEN+HOW_LONG`
    slow-store=20@10s+5s
      at character 12: `20` is no time such as `5s` or `20ms`
    store-cut-after-apply=2
      at character 23: `2`: expected a probability from 0 to 1
    store-cut-after-apply=0.1,store-cut-after-apply=0.2
      at character 27: `store-cut-after-apply` is given twice
    data=na-strom:0.1
      at character 6: `na-strom` is no kind of spoilt data; did you mean `na-storm`?
    data=na-storm
      at character 6: expected KIND:PROBABILITY, such as `duplicate:0.01`
    data=na-storm:0.6+duplicate:0.6
      at character 1: the probabilities of `data=` are more than 1 together
    chaos,broker-restart@5s
      at character 1: `chaos` draws the whole plan, so it stands alone
    ");
}
