//! A plan drawn from a seed: some of every fault that a pipeline must survive.

use std::time::Duration;

use crate::faults::kind::{Chance, DataKind, Target};
use crate::faults::plan::{Plan, Probability, Scheduled};
use crate::load::random_bits;

/// Keeps the plan independent of other choices of the same seed.
const STREAM: u64 = 0x6368_616f;

/// Shortest fault; instants and durations are multiples of it.
const GRAIN: Duration = Duration::from_millis(100);

/// Limits of a drawn plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChaosBounds {
    /// Duration of the emission, warm-up included.
    pub emission: Duration,
    /// Whether the readings of a vehicle share a partition and so have an order.
    pub ordered: bool,
}

impl Plan {
    /// Draws the plan of a seed, for servers that allow every fault.
    ///
    /// The plan never has a broker crash: it may lose acknowledged records.
    pub fn draw_chaos(seed: u64, bounds: &ChaosBounds) -> Self {
        let mut dice = Dice { seed, drawn: 0 };
        let mut plan = Self::default();
        for kind in DataKind::ALL {
            let possible = kind != DataKind::OutOfOrder || bounds.ordered;
            // Oversized readings take megabytes each.
            let most = if kind == DataKind::Oversized { 2 } else { 20 };
            if dice.below(2) == 0 && possible {
                plan.data.push((kind, dice.permille(most)));
            }
        }
        for target in [Target::Broker, Target::Store] {
            let (at, lasting) = dice.window(bounds.emission);
            match dice.below(4) {
                0 => plan.scheduled.push(Scheduled::Restart { target, at }),
                1 => plan.scheduled.push(Scheduled::Hang {
                    target,
                    at,
                    lasting,
                }),
                2 => plan.scheduled.push(Scheduled::Slow {
                    target,
                    delay: Duration::from_millis(5 + dice.below(36)),
                    at,
                    lasting,
                }),
                _ => {}
            }
        }
        for chance in Chance::ALL {
            if dice.below(2) == 0 {
                plan.chances.push((chance, dice.permille(20)));
            }
        }
        if plan == Self::default() {
            plan.data.push((DataKind::Duplicate, dice.permille(20)));
        }
        plan
    }
}

/// Numbers drawn from a seed.
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    /// Draws a number below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        random_bits(self.seed ^ STREAM, self.drawn, 0) % bound
    }

    /// Draws a probability of at most this many thousandths.
    fn permille(&mut self, most: u64) -> Probability {
        let permille = 1 + self.below(most);
        Probability::new(permille as f64 / 1_000.0).expect("the probability is far below 1")
    }

    /// Draws an instant and a duration within the middle of the emission.
    fn window(&mut self, emission: Duration) -> (Duration, Duration) {
        let grains = u64::try_from(emission.as_nanos() / GRAIN.as_nanos()).unwrap_or(u64::MAX);
        let at = grains / 4 + self.below((grains / 4).max(1));
        let lasting = 1 + self.below((grains / 4).clamp(1, 20));
        (Self::grains(at), Self::grains(lasting))
    }

    fn grains(number: u64) -> Duration {
        GRAIN * u32::try_from(number).unwrap_or(u32::MAX)
    }
}
