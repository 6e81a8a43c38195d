//! The readings of a fleet, in the order in which they are intended.

use std::fmt;
use std::time::Duration;

use crate::fleet::reading::Reading;
use crate::load::{
    Arrival, Bound, Pacer, PacerSettings, Permutation, Rate, RateScope, Timer, Wheel,
    saturating_nanos,
};

/// Duration of a ramp in a run that is not limited by time.
const RAMP: Duration = Duration::from_secs(60);

/// Keeps the vehicle order of unlimited runs independent of the phases of timed ones.
const ORDER_STREAM: u64 = 0x6f72_6472;

/// Settings of a fleet.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Number of vehicles, at least one.
    pub vehicles: u32,
    /// Rate of every vehicle.
    pub rate: Rate,
    /// Rate of all vehicles together; replaces `rate`.
    pub total_rate: Option<Rate>,
    /// Shape of the arrivals.
    pub arrival: Arrival,
    /// Seed of phases, arrivals and the order of vehicles.
    pub seed: u64,
    /// Duration of the warm-up; earlier readings are marked.
    pub warm_up: Duration,
    /// Limit of a timed emission.
    pub bound: Bound,
    /// Number of rows of the workload, at least one.
    pub rows: u64,
    /// Part of the fleet to emit; `None` for all of it.
    pub shard: Option<Shard>,
}

/// The vehicles whose index modulo `count` is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Index of the part, from 0.
    pub index: u32,
    /// Number of parts.
    pub count: u32,
}

/// Iterates over the readings of a fleet in the order of (intended, vehicle).
///
/// The n-th reading of the whole fleet is row n modulo `rows`. With a timed rate the iteration
/// ends at the bound. With [`Rate::Max`] it has no end, vehicles take turns, and readings have
/// neither an instant nor a warm-up mark: the emitter stamps, marks and stops by itself.
///
/// A shard goes through the schedule of the whole fleet and skips the vehicles of other shards, so
/// that it emits the same readings as the whole fleet for every arrival shape.
#[derive(Debug)]
pub struct Readings {
    schedule: Schedule,
    rows: u64,
    shard: Shard,
    /// Whether the shard has no vehicles.
    idle: bool,
    /// Readings of the whole fleet so far.
    emitted: u64,
}

#[derive(Debug)]
enum Schedule {
    Timed(Box<Timed>),
    InTurn { order: Permutation, vehicles: u64 },
}

#[derive(Debug)]
struct Timed {
    pacer: Pacer,
    wheel: Wheel,
    warm_up: u64,
    bound: TimedBound,
}

#[derive(Debug, Clone, Copy)]
enum TimedBound {
    /// Readings intended at this instant or later are not emitted.
    Instant(u64),
    /// Number of readings left after the warm-up.
    Records(u64),
    /// Number of readings in total, warm-up included.
    Readings(u64),
}

impl Settings {
    /// Returns how many of the whole fleet's first `readings` the shard emits at an unlimited rate.
    pub fn share(&self, readings: u64) -> u64 {
        let Some(shard) = self.shard else {
            return readings;
        };
        let order = Permutation::new(self.vehicles, self.seed ^ ORDER_STREAM);
        let vehicles = u64::from(self.vehicles);
        let ours = |turn: u64| in_turn(turn, &order, vehicles).vehicle % shard.count == shard.index;
        let of_first = |turns: u64| (0..turns).filter(|turn| ours(*turn)).count() as u64;
        readings / vehicles * of_first(vehicles) + of_first(readings % vehicles)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl Readings {
    /// Starts at the first reading.
    pub fn new(settings: &Settings) -> Self {
        assert!(settings.vehicles > 0, "a fleet has at least one vehicle");
        assert!(settings.rows > 0, "a workload has at least one row");
        let shard = settings.shard.unwrap_or(Shard { index: 0, count: 1 });
        assert!(
            shard.index < shard.count,
            "the index of a shard is below its count"
        );
        let (rate, scope) = match settings.total_rate {
            Some(rate) => (rate, RateScope::Fleet),
            None => (settings.rate, RateScope::Vehicle),
        };
        let schedule = match rate {
            Rate::Timed(frequency) => {
                let pacer = Pacer::new(&PacerSettings {
                    vehicles: settings.vehicles,
                    frequency,
                    scope,
                    arrival: settings.arrival,
                    seed: settings.seed,
                    ramp: match settings.bound {
                        Bound::Duration(duration) => settings.warm_up.saturating_add(duration),
                        Bound::Records(_) | Bound::Rows => RAMP,
                    },
                });
                Schedule::Timed(Box::new(Timed::new(settings, pacer)))
            }
            Rate::Max => Schedule::InTurn {
                order: Permutation::new(settings.vehicles, settings.seed ^ ORDER_STREAM),
                vehicles: u64::from(settings.vehicles),
            },
        };
        Self {
            schedule,
            rows: settings.rows,
            shard,
            idle: shard.index >= settings.vehicles,
            emitted: 0,
        }
    }

    /// Returns the next reading of the whole fleet.
    fn next_of_fleet(&mut self) -> Option<Reading> {
        let number = self.emitted;
        self.emitted += 1;
        let mut reading = match &mut self.schedule {
            Schedule::Timed(timed) => timed.next(number)?,
            Schedule::InTurn { order, vehicles } => in_turn(number, order, *vehicles),
        };
        reading.row = number % self.rows;
        Some(reading)
    }
}

impl Iterator for Readings {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        while !self.idle {
            let reading = self.next_of_fleet()?;
            if reading.vehicle % self.shard.count == self.shard.index {
                return Some(reading);
            }
        }
        None
    }
}

impl Timed {
    fn new(settings: &Settings, pacer: Pacer) -> Self {
        let warm_up = saturating_nanos(settings.warm_up);
        let mut wheel = Wheel::new(pacer.mean_distance());
        for vehicle in 0..settings.vehicles {
            wheel.arm(Timer {
                due: pacer.intended(vehicle, 0),
                number: vehicle,
                fired: 0,
            });
        }
        Self {
            pacer,
            wheel,
            warm_up,
            bound: match settings.bound {
                Bound::Duration(duration) => {
                    TimedBound::Instant(warm_up.saturating_add(saturating_nanos(duration)))
                }
                Bound::Records(records) => TimedBound::Records(records),
                Bound::Rows => TimedBound::Readings(settings.rows),
            },
        }
    }

    /// Returns the reading with this number, counted over the fleet; its row is not set yet.
    fn next(&mut self, number: u64) -> Option<Reading> {
        if matches!(self.bound, TimedBound::Records(0)) {
            return None;
        }
        let Timer {
            due: intended,
            number: vehicle,
            fired: sequence,
        } = self.wheel.fire()?;
        let warm_up = intended < self.warm_up;
        match &mut self.bound {
            TimedBound::Instant(end) if intended >= *end => return None,
            TimedBound::Readings(readings) if number >= *readings => return None,
            TimedBound::Records(left) if !warm_up => *left -= 1,
            _ => {}
        }
        self.wheel.arm(Timer {
            due: self.pacer.next(vehicle, sequence + 1, intended),
            number: vehicle,
            fired: sequence + 1,
        });
        Some(Reading {
            vehicle,
            sequence,
            row: 0,
            intended,
            warm_up,
        })
    }
}

/// Returns the reading with this number if vehicles take turns; its row is not set yet.
fn in_turn(number: u64, order: &Permutation, vehicles: u64) -> Reading {
    let turn =
        u32::try_from(number % vehicles).expect("the remainder is below the number of vehicles");
    Reading {
        vehicle: order.map(turn),
        sequence: number / vehicles,
        row: 0,
        intended: 0,
        warm_up: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn settings(vehicles: u32, rate: &str, bound: Bound) -> Settings {
        Settings {
            vehicles,
            rate: rate.parse().expect("the text is a rate"),
            total_rate: None,
            arrival: Arrival::Uniform,
            seed: 42,
            warm_up: Duration::ZERO,
            bound,
            rows: 17,
            shard: None,
        }
    }

    fn seconds(seconds: u64) -> Bound {
        Bound::Duration(Duration::from_secs(seconds))
    }

    fn readings(settings: &Settings) -> Vec<Reading> {
        Readings::new(settings).collect()
    }

    #[test]
    fn timed_run_emits_its_rate_for_its_duration_after_the_warm_up() {
        let mut settings = settings(50, "2", seconds(10));
        settings.warm_up = Duration::from_secs(3);
        let readings = readings(&settings);
        assert_eq!(readings.len(), 50 * 2 * 13);
        let (warm_up, measured): (Vec<Reading>, Vec<Reading>) =
            readings.into_iter().partition(|r| r.warm_up);
        assert_eq!(measured.len(), 50 * 2 * 10);
        assert!(warm_up.iter().all(|r| r.intended < 3 * SECOND));
        assert!(
            measured
                .iter()
                .all(|r| (3 * SECOND..13 * SECOND).contains(&r.intended))
        );
    }

    #[test]
    fn record_limit_does_not_count_the_warm_up() {
        let mut settings = settings(5, "10", Bound::Records(123));
        settings.warm_up = Duration::from_secs(2);
        let readings = readings(&settings);
        assert_eq!(readings.iter().filter(|r| !r.warm_up).count(), 123);
        assert_eq!(readings.iter().filter(|r| r.warm_up).count(), 100);
        settings.bound = Bound::Records(0);
        assert!(Readings::new(&settings).all(|r| r.warm_up));
    }

    #[test]
    fn rows_limit_replays_every_row_once() {
        let mut settings = settings(5, "10", Bound::Rows);
        settings.warm_up = Duration::from_secs(1);
        settings.rows = 1_000;
        let mut rows: Vec<_> = readings(&settings).iter().map(|r| r.row).collect();
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..1_000));
    }

    #[test]
    fn total_rate_replaces_the_rate_per_vehicle() {
        let mut settings = settings(40, "1", seconds(5));
        settings.total_rate = "100".parse().ok();
        assert_eq!(readings(&settings).len(), 500);
        settings.total_rate = Some(Rate::Max);
        assert_eq!(Readings::new(&settings).take(1_000).count(), 1_000);
    }

    #[test]
    fn unlimited_rate_lets_vehicles_take_turns_without_end() {
        let settings = settings(7, "max", Bound::Records(1));
        let readings: Vec<_> = Readings::new(&settings).take(70).collect();
        for (n, reading) in (0..).zip(&readings) {
            assert_eq!(reading.sequence, n / 7);
            assert_eq!(reading.row, n % 17);
            assert_eq!((reading.intended, reading.warm_up), (0, false));
            let before = usize::try_from(n).expect("few").checked_sub(7);
            if let Some(before) = before {
                assert_eq!(readings[before].vehicle, reading.vehicle);
            }
        }
        let first: std::collections::BTreeSet<_> =
            readings[..7].iter().map(|r| r.vehicle).collect();
        assert_eq!(first.len(), 7);
    }

    #[test]
    fn different_seeds_give_different_orders_of_vehicles() {
        for rate in ["1", "max"] {
            let order = |seed| {
                let settings = Settings {
                    seed,
                    ..settings(100, rate, Bound::Records(100))
                };
                let vehicles: Vec<_> = Readings::new(&settings)
                    .take(100)
                    .map(|r| r.vehicle)
                    .collect();
                vehicles
            };
            assert_eq!(order(1), order(1));
            assert_ne!(order(1), order(2));
        }
    }

    proptest! {
        #[test]
        fn readings_are_ordered_complete_and_repeatable(
            vehicles in 1_u32..60, arrival in 0..4_usize, seed: u64, rate in 1_u32..5_000,
        ) {
            let rate = format!("{}.{:03}", rate / 1_000, rate % 1_000);
            let arrival = Arrival::ALL[arrival];
            let settings = Settings { arrival, seed, ..settings(vehicles, &rate, Bound::Records(500)) };
            let readings = readings(&settings);
            prop_assert_eq!(readings.len(), 500);
            prop_assert!(readings.is_sorted_by_key(|r| (r.intended, r.vehicle)));
            let mut sequences = BTreeMap::new();
            for (n, reading) in (0..).zip(&readings) {
                prop_assert_eq!(reading.row, n % 17);
                let next = sequences.entry(reading.vehicle).or_insert(0);
                prop_assert_eq!(reading.sequence, *next);
                *next += 1;
            }
            prop_assert!(Readings::new(&settings).eq(readings));
        }

        #[test]
        fn shards_together_emit_the_readings_of_the_fleet(
            vehicles in 1_u32..40, count in 1_u32..6, arrival in 0..4_usize, limited: bool,
        ) {
            let rate = if limited { "0.7" } else { "max" };
            let arrival = Arrival::ALL[arrival];
            let whole = Settings { arrival, ..settings(vehicles, rate, Bound::Records(300)) };
            let expected: Vec<_> = Readings::new(&whole).take(300).collect();
            for index in 0..count {
                let settings = Settings { shard: Some(Shard { index, count }), ..whole };
                let expected = expected.iter().copied().filter(|r| r.vehicle % count == index);
                let expected: Vec<_> = expected.collect();
                let idle = index >= vehicles;
                let enough = if idle { usize::MAX } else { expected.len() };
                let shard: Vec<_> = Readings::new(&settings).take(enough).collect();
                if !limited {
                    prop_assert_eq!(settings.share(300), expected.len() as u64);
                }
                prop_assert_eq!(shard, expected);
            }
        }
    }
}
