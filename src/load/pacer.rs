//! The pacer: when the n-th reading of a vehicle is intended.

use std::time::Duration;

use crate::load::arrival::{Arrival, BURST_READINGS};
use crate::load::duration::saturating_nanos;
use crate::load::permutation::Permutation;
use crate::load::random::{exponential, random_bits};
use crate::load::rate::Frequency;

/// Keeps the phases and the Poisson distances of one seed independent of each other.
const PHASE_STREAM: u64 = 0x7068_6173;

/// Whether a rate applies to every vehicle or to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// Every vehicle has the rate.
    Vehicle,
    /// All vehicles together have the rate.
    Fleet,
}

/// Settings of a pacer.
#[derive(Debug, Clone, Copy)]
pub struct PacerSettings {
    /// Number of vehicles, at least one.
    pub vehicles: u32,
    /// Rate of each vehicle or of the fleet.
    pub frequency: Frequency,
    /// Whether `frequency` applies to each vehicle or to the fleet.
    pub scope: RateScope,
    /// Shape of the arrivals.
    pub arrival: Arrival,
    /// Seed of phases and distances.
    pub seed: u64,
    /// Time until [`Arrival::Ramp`] reaches the full rate.
    pub ramp: Duration,
}

/// Intended instants of every vehicle: a pure function of the settings.
///
/// With even phases, readings of the whole fleet are equally far apart: number g, counted over the
/// fleet, is intended at g × `nanos` ÷ `events`, in exact integer arithmetic.
#[derive(Debug, Clone)]
pub struct Pacer {
    arrival: Arrival,
    seed: u64,
    vehicles: u64,
    phases: Permutation,
    /// Readings of the whole fleet in `nanos`.
    events: u128,
    nanos: u128,
    /// Nanoseconds between two readings of a vehicle.
    period: f64,
    /// The period if it is a whole number.
    whole_period: Option<u64>,
    ramp: u64,
}

impl Pacer {
    /// Computes the schedule of a fleet.
    pub fn new(settings: &PacerSettings) -> Self {
        let vehicles = u64::from(settings.vehicles);
        let frequency = settings.frequency;
        let nanos = u128::from(frequency.nanos());
        let events = match settings.scope {
            RateScope::Vehicle => u128::from(frequency.events()) * u128::from(vehicles),
            RateScope::Fleet => u128::from(frequency.events()),
        };
        let per_round = nanos * u128::from(vehicles);
        Self {
            arrival: settings.arrival,
            seed: settings.seed,
            vehicles,
            phases: Permutation::new(settings.vehicles, settings.seed ^ PHASE_STREAM),
            events,
            nanos,
            period: per_round as f64 / events as f64,
            whole_period: (per_round % events == 0)
                .then(|| u64::try_from(per_round / events).ok())
                .flatten(),
            ramp: saturating_nanos(settings.ramp),
        }
    }

    /// Returns when the n-th reading of a vehicle is intended, in nanoseconds after the epoch.
    ///
    /// For [`Arrival::Poisson`] this takes n steps; [`Self::next`] takes one.
    pub fn intended(&self, vehicle: u32, n: u64) -> u64 {
        match self.arrival {
            Arrival::Uniform => self.even(vehicle, n, 1),
            Arrival::Burst => self.even(vehicle, n / BURST_READINGS, BURST_READINGS),
            Arrival::Ramp => self.ramped(self.even(vehicle, n, 1)),
            Arrival::Poisson => {
                (0..=n).fold(0, |at: u64, n| at.saturating_add(self.distance(vehicle, n)))
            }
        }
    }

    /// Returns when the n-th reading is intended, given the instant of the one before it.
    pub fn next(&self, vehicle: u32, n: u64, previous: u64) -> u64 {
        match (self.arrival, self.whole_period) {
            (Arrival::Poisson, _) => previous.saturating_add(self.distance(vehicle, n)),
            (Arrival::Uniform, Some(period)) => previous.saturating_add(period),
            (Arrival::Burst, _) if !n.is_multiple_of(BURST_READINGS) => previous,
            _ => self.intended(vehicle, n),
        }
    }

    /// Returns the mean distance between two readings of the whole fleet, in nanoseconds.
    pub fn mean_distance(&self) -> f64 {
        self.period / self.vehicles as f64
    }

    /// Returns the n-th of instants that are `scale` periods apart.
    fn even(&self, vehicle: u32, n: u64, scale: u64) -> u64 {
        let phase = u128::from(self.phases.map(vehicle));
        let number = u128::from(n) * u128::from(self.vehicles) + phase;
        let nanos = number
            .checked_mul(self.nanos)
            .and_then(|scaled| scaled.checked_mul(u128::from(scale)));
        nanos.map_or(u64::MAX, |nanos| {
            u64::try_from(nanos / self.events).unwrap_or(u64::MAX)
        })
    }

    /// Maps an even instant to a ramp: the rate grows linearly until `ramp` and is full afterwards.
    fn ramped(&self, even: u64) -> u64 {
        if even >= self.ramp / 2 {
            return even.saturating_add(self.ramp / 2);
        }
        let square = 2.0 * self.ramp as f64 * even as f64;
        // Square roots are exact to the last bit on every machine.
        whole_nanos(square.sqrt()).min(self.ramp)
    }

    fn distance(&self, vehicle: u32, n: u64) -> u64 {
        let bits = random_bits(self.seed, u64::from(vehicle), n);
        whole_nanos(exponential(bits) * self.period)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floating-point numbers saturate, and durations are not negative"
)]
fn whole_nanos(nanos: f64) -> u64 {
    nanos.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::rate::Rate;

    const SECOND: u64 = 1_000_000_000;

    fn settings(vehicles: u32, rate: &str, arrival: Arrival) -> PacerSettings {
        let Ok(Rate::Timed(frequency)) = rate.parse() else {
            panic!("`{rate}` is a timed rate");
        };
        PacerSettings {
            vehicles,
            frequency,
            scope: RateScope::Vehicle,
            arrival,
            seed: 42,
            ramp: Duration::from_secs(10),
        }
    }

    fn first_instants(pacer: &Pacer, vehicles: u32) -> Vec<u64> {
        let mut instants: Vec<_> = (0..vehicles).map(|v| pacer.intended(v, 0)).collect();
        instants.sort_unstable();
        instants
    }

    #[test]
    fn phases_are_spread_evenly_over_the_period() {
        let pacer = Pacer::new(&settings(4, "1", Arrival::Uniform));
        let quarter = SECOND / 4;
        assert_eq!(
            first_instants(&pacer, 4),
            [0, quarter, 2 * quarter, 3 * quarter]
        );
        assert_eq!(pacer.intended(2, 5) - pacer.intended(2, 0), 5 * SECOND);
    }

    #[test]
    fn fleet_rate_is_shared_by_the_vehicles() {
        let mut settings = settings(4, "4", Arrival::Uniform);
        settings.scope = RateScope::Fleet;
        let pacer = Pacer::new(&settings);
        assert_eq!(pacer.intended(1, 9) - pacer.intended(1, 8), SECOND);
    }

    #[test]
    fn fractional_period_does_not_drift() {
        let pacer = Pacer::new(&settings(1, "3", Arrival::Uniform));
        assert_eq!(pacer.intended(0, 1), 333_333_333);
        assert_eq!(pacer.intended(0, 3_000_000_000), SECOND * SECOND);
        assert_eq!(pacer.intended(0, u64::MAX), u64::MAX, "instants saturate");
    }

    #[test]
    fn burst_keeps_the_mean_rate() {
        let pacer = Pacer::new(&settings(7, "2", Arrival::Burst));
        for n in 0..100 {
            assert_eq!(
                pacer.intended(3, n),
                pacer.intended(3, n / BURST_READINGS * BURST_READINGS)
            );
        }
        assert_eq!(
            pacer.intended(3, 1_000) - pacer.intended(3, 0),
            500 * SECOND
        );
    }

    #[test]
    fn ramp_emits_half_its_rate_and_then_the_full_rate() {
        let pacer = Pacer::new(&settings(1, "100", Arrival::Ramp));
        let before = |end| (0..9_999).filter(|&n| pacer.intended(0, n) < end).count();
        assert_eq!(before(10 * SECOND), 500);
        assert_eq!(before(5 * SECOND), 125);
        assert_eq!(before(20 * SECOND) - before(10 * SECOND), 1_000);
    }

    #[test]
    fn poisson_counts_have_the_mean_and_variance_of_their_rate() {
        let pacer = Pacer::new(&settings(1_000, "10", Arrival::Poisson));
        let counts: Vec<_> = (0..1_000)
            .map(|v| {
                let mut at = 0;
                let mut n = 0;
                while at < 10 * SECOND {
                    at = pacer.next(v, n, at);
                    n += 1;
                }
                (n - 1) as f64
            })
            .collect();
        let mean = counts.iter().sum::<f64>() / 1_000.0;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 1_000.0;
        assert!((mean - 100.0).abs() < 1.5, "{mean}");
        assert!((variance - 100.0).abs() < 20.0, "{variance}");
    }

    proptest! {
        #[test]
        fn next_agrees_with_intended(
            vehicles in 1_u32..50, micros in 1_u64..10_000_000, arrival in 0..4_usize, seed: u64,
        ) {
            let rate = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let settings = PacerSettings { seed, ..settings(vehicles, &rate, Arrival::ALL[arrival]) };
            let pacer = Pacer::new(&settings);
            let vehicle = vehicles / 2;
            let mut at = pacer.intended(vehicle, 0);
            for n in 1..40 {
                let next = pacer.next(vehicle, n, at);
                prop_assert!(next >= at, "instants do not go back");
                prop_assert_eq!(next, pacer.intended(vehicle, n));
                at = next;
            }
        }

        #[test]
        fn readings_of_the_fleet_are_equally_far_apart(vehicles in 1_u32..300, seed: u64) {
            let settings = PacerSettings { seed, ..settings(vehicles, "0.7", Arrival::Uniform) };
            let pacer = Pacer::new(&settings);
            for (g, at) in first_instants(&pacer, vehicles).into_iter().enumerate() {
                let exact = g as u128 * 10 * u128::from(SECOND) / (7 * u128::from(vehicles));
                prop_assert_eq!(u128::from(at), exact);
            }
        }
    }
}
