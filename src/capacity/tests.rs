//! The search over simulated pipelines with noise.

use std::time::Duration;

use proptest::prelude::*;

use crate::capacity::answer::{Answer, Origin, Terms, published};
use crate::capacity::plan::Plan;
use crate::capacity::probe::{Binding, Goal, Probe, Purpose};
use crate::capacity::search::{Ended, Search, Step};
use crate::load::Vary;

/// A pipeline whose latency rises with the load.
#[derive(Debug, Clone, Copy)]
struct Pipeline {
    /// Vehicles above which it falls behind.
    most: f64,
    /// p99 without load as a share of its limit.
    idle: f64,
    /// Steepness: the latency doubles when this share of `most` is left.
    knee: f64,
    /// Standard deviation of the logarithm of the p99.
    noise: f64,
    /// Time beyond the load of each trial, in seconds.
    overhead_s: f64,
    /// Share of trials in which something pauses that has nothing to do with the load.
    pauses: f64,
    seed: u64,
}

impl Pipeline {
    /// Returns the true margin of a load.
    fn margin(&self, vehicles: f64) -> f64 {
        if vehicles > self.most {
            return (self.idle * (1.0 + self.knee / 1e-3)).ln().max(0.0) + 1.0;
        }
        let left = (1.0 - vehicles / self.most).max(1e-3);
        (self.idle * (1.0 + self.knee / left)).ln()
    }

    /// Returns the load at which the true margin is 0.
    fn limit(&self) -> f64 {
        let left = self.knee / (1.0 / self.idle - 1.0);
        self.most * (1.0 - left.max(1e-3))
    }

    fn uniform(&self, draw: u64, stream: u64) -> f64 {
        let bits = crate::load::random_bits(self.seed, draw, stream);
        ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn gaussian(&self, draw: u64) -> f64 {
        let angle = std::f64::consts::TAU * self.uniform(draw, 1);
        (-2.0 * self.uniform(draw, 0).ln()).sqrt() * angle.cos()
    }

    fn trial(&self, step: &Step, plan: &Plan, draw: u64) -> Probe {
        let Step::Trial {
            vehicles,
            measured,
            purpose,
        } = *step
        else {
            panic!("not a trial");
        };
        let planned_s = measured.as_secs_f64();
        // Longer trials are less noisy.
        let noise = self.noise * (5.0 / planned_s.max(1.0)).sqrt().min(1.5);
        let undisturbed = self.margin(f64::from(vehicles)) + noise * self.gaussian(draw);
        let pauses = self.uniform(draw, 2) < self.pauses;
        let margin = undisturbed.max(if pauses { PAUSED } else { f64::MIN });
        let microseconds =
            |share: f64| u64::try_from(LIMIT.mul_f64(share.min(1e3)).as_micros()).ok();
        let falls_behind = f64::from(vehicles) > self.most && purpose != Purpose::Ceiling;
        let load_s = if falls_behind {
            planned_s.min(3.0)
        } else {
            planned_s
        };
        Probe {
            vehicles,
            purpose,
            planned_s,
            margin,
            missed: (margin > 0.0).then_some(Goal::EndToEndP99),
            failure: None,
            stopped_early: falls_behind,
            counted: true,
            throughput_records_per_second: Some(self.most * plan.rate),
            end_to_end_p50_us: microseconds(undisturbed.exp() / 5.0),
            end_to_end_p99_us: microseconds(margin.exp()),
            publish_delay_p99_us: Some(100),
            backlog_slope_records_per_second: None,
            binding: None,
            cpu_bound: false,
            took_s: plan.warm_up.as_secs_f64() + load_s + self.overhead_s,
        }
    }
}

fn plan(budget_s: u64) -> Plan {
    Plan {
        vary: Vary::Vehicles,
        from: 50,
        to: 1_000_000,
        rate: 1.0,
        precision: 0.05,
        budget: Duration::from_secs(budget_s),
        warm_up: Duration::from_secs(2),
    }
}

/// Searches until the end; returns the search, and the time that it took.
fn search(pipeline: &Pipeline, plan: Plan) -> (Search, Duration) {
    let mut search = Search::new(plan);
    let mut elapsed = Duration::ZERO;
    for draw in 0.. {
        let step = search.next(elapsed);
        if step == Step::End {
            break;
        }
        let probe = pipeline.trial(&step, search.plan(), draw);
        elapsed += Duration::from_secs_f64(probe.took_s);
        search.record(probe);
    }
    (search, elapsed)
}

fn answer(search: &Search) -> Answer {
    let terms = Terms {
        max_end_to_end_p99_us: 100_000,
        elapsed_s: 1.0,
    };
    Answer::new(search, terms, Origin::default())
}

const STEADY: Pipeline = Pipeline {
    most: 12_000.0,
    idle: 0.3,
    knee: 0.05,
    noise: 0.05,
    overhead_s: 1.5,
    pauses: 0.0,
    seed: 1,
};

/// Limit of the p99.
const LIMIT: Duration = Duration::from_millis(100);

/// Margin of a trial in which something pauses.
const PAUSED: f64 = 1.2;

#[test]
fn limit_is_found_and_the_load_below_it_is_published() {
    let (search, _elapsed) = search(&STEADY, plan(300));
    let answer = answer(&search);
    let found = f64::from(answer.limit_vehicles.unwrap());
    assert!((found / STEADY.limit() - 1.0).abs() < 0.12, "{answer:#?}");
    let published = f64::from(answer.vehicles.unwrap());
    assert!((published / found - 0.8).abs() < 0.01, "{answer:#?}");
    assert_eq!(answer.ended, Ended::Precision);
    let purposes: Vec<Purpose> = answer.trials.iter().map(|probe| probe.purpose).collect();
    assert_eq!(purposes[0], Purpose::Ceiling);
    let long: Vec<Purpose> = purposes.into_iter().rev().take(2).collect();
    assert_eq!(long, [Purpose::ConfirmLimit, Purpose::Confirm]);
}

/// With pauses in every fifth trial, most answers are within a tenth of the one without.
#[test]
fn pauses_that_have_nothing_to_do_with_the_load_hardly_change_the_answer() {
    let mut published: Vec<u32> = (0..100)
        .filter_map(|seed| {
            let restless = Pipeline {
                pauses: 0.2,
                seed,
                ..STEADY
            };
            answer(&search(&restless, plan(300)).0).vehicles
        })
        .collect();
    published.sort_unstable();
    let calm = f64::from(answer(&search(&STEADY, plan(300)).0).vehicles.unwrap());
    let near = |share: &u32| (0.9..1.1).contains(&(f64::from(*share) / calm));
    let count = published.iter().filter(|it| near(it)).count();
    assert!(count >= 94, "{calm} {published:?}");
}

#[test]
fn smallest_fleet_that_is_too_large_ends_the_search() {
    let small = Pipeline {
        most: 40.0,
        ..STEADY
    };
    let (search, elapsed) = search(&small, plan(300));
    let answer = answer(&search);
    assert_eq!((answer.ended, answer.vehicles), (Ended::NoPass, None));
    assert_eq!(answer.too_many_vehicles, Some(50));
    assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
}

#[test]
fn largest_fleet_that_holds_ends_the_search() {
    let bounded = Plan {
        to: 4_000,
        ..plan(300)
    };
    let (search, _elapsed) = search(&STEADY, bounded);
    let answer = answer(&search);
    assert_eq!(answer.ended, Ended::NoFail);
    assert_eq!(answer.limit_vehicles, Some(4_000));
    assert_eq!(answer.too_many_vehicles, None);
}

#[test]
fn budget_without_time_for_a_confirmation_answers_with_what_short_trials_held() {
    let (search, elapsed) = search(&STEADY, plan(16));
    let answer = answer(&search);
    assert_eq!((answer.ended, answer.vehicles), (Ended::Budget, None));
    assert!(answer.limit_vehicles.is_some(), "{answer:#?}");
    assert!(elapsed <= Duration::from_secs(16), "{elapsed:?}");
}

#[test]
fn interrupted_search_makes_no_more_trials() {
    let mut search = Search::new(plan(300));
    let step = search.next(Duration::ZERO);
    search.record(STEADY.trial(&step, search.plan(), 0));
    search.end(Ended::Interrupted);
    assert_eq!(search.next(Duration::from_secs(5)), Step::End);
    assert_eq!(answer(&search).ended, Ended::Interrupted);
}

#[test]
fn server_that_a_held_trial_names_is_what_limits() {
    let (search, _elapsed) = search(&STEADY, plan(300));
    let named = |id: &str| Binding {
        id: id.to_owned(),
        message: format!("the {id} limits the run"),
        evidence: String::new(),
        advice: None,
    };
    let with = |below: &str, above: &str| {
        let mut told = Search::new(search.plan().clone());
        for probe in search.probes() {
            let mut probe = probe.clone();
            let id = if probe.held() { below } else { above };
            probe.cpu_bound = !probe.held();
            probe.binding = Some(named(id));
            told.record(probe);
        }
        while told.next(Duration::from_secs(1_000)) != Step::End {}
        answer(&told).binding.unwrap().id
    };
    assert_eq!(with("store", "fetch"), "store");
    assert_eq!(with("batch_wait", "fetch"), "machine");
}

fn pipelines() -> impl Strategy<Value = Pipeline> {
    (
        3.0f64..5.5,
        0.05f64..0.6,
        0.005f64..0.1,
        0.0f64..0.12,
        0.5f64..3.0,
        any::<u64>(),
    )
        .prop_map(|(decades, idle, knee, noise, overhead_s, seed)| Pipeline {
            most: 10f64.powf(decades),
            idle,
            knee,
            noise,
            overhead_s,
            pauses: 0.0,
            seed,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn search_ends_within_its_budget(pipeline in pipelines(), budget_s in 10u64..900) {
        let (search, elapsed) = search(&pipeline, plan(budget_s));
        // The overhead is not known before the first trial.
        let slack = Duration::from_secs_f64(pipeline.overhead_s);
        prop_assert!(elapsed <= Duration::from_secs(budget_s) + slack, "{elapsed:?} {:?}", search.probes());
    }

    #[test]
    fn published_load_has_held_a_long_trial(pipeline in pipelines(), budget_s in 10u64..900) {
        let (search, _elapsed) = search(&pipeline, plan(budget_s));
        if let Some(vehicles) = published(search.probes()).map(|probe| probe.vehicles) {
            let least = search.plan().least_confirmation().as_secs_f64();
            let confirms = |probe: &&Probe| probe.vehicles == vehicles && probe.purpose == Purpose::Confirm;
            let probe = search.probes().iter().find(confirms).unwrap();
            prop_assert!(probe.held() && probe.planned_s >= least);
        }
    }

    #[test]
    fn search_with_time_converges(pipeline in pipelines()) {
        let (search, _elapsed) = search(&pipeline, plan(600));
        let found = f64::from(search.limit().unwrap());
        // Noise moves the limit as far as it moves the margin there.
        let within = |factor: f64| pipeline.margin(pipeline.limit() * factor);
        let (low, high) = (0.82, 1.12);
        prop_assert!(within(low) < 0.0);
        prop_assert!((low..high).contains(&(found / pipeline.limit())), "{found} {} {:?}", pipeline.limit(), search.probes());
        prop_assert!(published(search.probes()).is_some());
    }
}
