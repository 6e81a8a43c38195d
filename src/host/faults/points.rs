//! What embedded servers ask at every request: does it go wrong, and how?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use convoy_kafka_server::{Fault, Faults, Moment};
use convoy_mongodb_server::faults::{Disturbance, FaultPlan, Injected, InjectedError, Occasion};

use crate::faults::{Chance, Plan, Scheduled, Target};
use crate::load::random_bits;
use crate::measure::RunClock;
use crate::proxy::{Mishap, Mishaps};

/// Keeps these choices independent of others of the same seed.
const STREAM: u64 = 0x7265_7175;

/// An instant that never comes.
const NEVER: u64 = u64::MAX;

/// Kafka's code for a broker that does not lead the partition (any more).
const NOT_LEADER: i16 = 6;

/// MongoDB's code for a write concern that was not met.
const CONCERN_UNMET: i32 = 64;

/// Answers for both embedded servers, and counts.
#[derive(Debug)]
pub struct FailPoints {
    plan: Plan,
    seed: u64,
    clock: RunClock,
    /// When the emission began, nanoseconds on the run's clock; [`NEVER`] while nothing happens.
    begun: AtomicU64,
    drawn: AtomicU64,
    /// How often each of the plan's chances struck, in its order.
    struck: Vec<AtomicU64>,
}

impl FailPoints {
    /// Prepares a plan; nothing happens yet.
    pub fn new(plan: Plan, seed: u64, clock: RunClock) -> Self {
        Self {
            struck: plan.chances.iter().map(|_| AtomicU64::new(0)).collect(),
            plan,
            seed,
            clock,
            begun: AtomicU64::new(NEVER),
            drawn: AtomicU64::new(0),
        }
    }

    /// Lets things happen from now on.
    pub fn begin(&self, now: u64) {
        self.begun.store(now, Ordering::Relaxed);
    }

    /// Lets nothing happen any more.
    pub fn end(&self) {
        self.begun.store(NEVER, Ordering::Relaxed);
    }

    /// Returns how often each of the plan's chances struck, in its order.
    pub fn struck(&self) -> impl Iterator<Item = u64> {
        self.struck
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Returns whether a chance strikes now.
    fn strikes(&self, chance: Chance) -> bool {
        let planned = self.plan.chances.iter();
        let mut planned = planned.zip(&self.struck);
        let Some(((_, probability), count)) = planned.find(|((planned, _), _)| *planned == chance)
        else {
            return false;
        };
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let strikes = self.active() && {
            let bits = random_bits(self.seed ^ STREAM, drawn, 0);
            probability.occurs(bits)
        };
        if strikes {
            count.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }

    fn active(&self) -> bool {
        self.begun.load(Ordering::Relaxed) != NEVER
    }

    /// Returns what a server waits now: the rest of a hang, and the delay of a slow while.
    fn waits(&self, server: Target) -> (Option<Duration>, Option<Duration>) {
        let begun = self.begun.load(Ordering::Relaxed);
        let (mut hang, mut slow) = (None, None);
        if begun == NEVER {
            return (hang, slow);
        }
        let now = Duration::from_nanos(self.clock.now().saturating_sub(begun));
        for scheduled in &self.plan.scheduled {
            let left = (scheduled.at() + scheduled.lasting()).saturating_sub(now);
            if scheduled.target() != server || now < scheduled.at() || left.is_zero() {
                continue;
            }
            match scheduled {
                Scheduled::Hang { .. } => hang = hang.max(Some(left)),
                Scheduled::Slow { delay, .. } => slow = slow.max(Some(*delay)),
                Scheduled::Restart { .. } | Scheduled::Crash { .. } => {}
            }
        }
        (hang, slow)
    }
}

impl Faults for FailPoints {
    fn strike(&self, moment: Moment<'_>) -> Option<Fault> {
        let (hang, slow) = self.waits(Target::Broker);
        if let Some(rest) = hang {
            return Some(Fault::Delay(rest));
        }
        let (chances, waits): (&[(Chance, Fault)], bool) = match moment {
            Moment::BeforeAppend { .. } => (
                &[
                    (Chance::BrokerCutBeforeAppend, Fault::Cut),
                    (Chance::BrokerNotReady, Fault::Refuse(NOT_LEADER)),
                    (Chance::BrokerDiskFull, Fault::FailWrite),
                ],
                true,
            ),
            Moment::AfterAppend { .. } => (&[(Chance::BrokerCutAfterAppend, Fault::Cut)], false),
            Moment::OnFetch { .. } => (&[(Chance::BrokerCutOnFetch, Fault::Cut)], true),
            Moment::BeforeResponse { .. } => (&[], false),
        };
        let struck = chances.iter().find(|(chance, _)| self.strikes(*chance));
        match (struck, slow) {
            (Some((_, fault)), _) => Some(*fault),
            (None, Some(delay)) if waits => Some(Fault::Delay(delay)),
            (None, _) => None,
        }
    }
}

impl FaultPlan for FailPoints {
    fn inject(&self, occasion: &Occasion<'_>) -> Injected {
        let mut injected = Injected::default();
        let (hang, slow) = self.waits(Target::Store);
        injected.before = hang.map(Disturbance::Delay);
        let writes = ["insert", "update"].contains(&occasion.command);
        if !writes || injected.before.is_some() {
            return injected;
        }
        injected.before = slow.map(Disturbance::Delay);
        if self.strikes(Chance::StoreCutBeforeApply) {
            injected.before = Some(Disturbance::Cut);
        } else if self.strikes(Chance::StoreCutAfterApply) {
            injected.after = Some(Disturbance::Cut);
        } else if occasion.command == "insert" && self.strikes(Chance::StoreConcernUnmet) {
            injected.write_concern_error = Some(InjectedError::new(
                CONCERN_UNMET,
                "waiting for replication timed out",
            ));
        }
        injected
    }
}

/// A server behind a proxy, which cannot tell one kind of request from another.
#[derive(Debug)]
pub struct ProxiedServer {
    /// The answers.
    pub points: Arc<FailPoints>,
    /// Which server it is.
    pub target: Target,
}

impl Mishaps for ProxiedServer {
    fn next(&self) -> Option<Mishap> {
        let (hang, slow) = self.points.waits(self.target);
        if let Some(rest) = hang {
            return Some(Mishap::Delay(rest));
        }
        let chances: &[(Chance, Mishap)] = match self.target {
            Target::Broker => &[
                (Chance::BrokerCutBeforeAppend, Mishap::CutBefore),
                (Chance::BrokerCutAfterAppend, Mishap::CutAfter),
                (Chance::BrokerCutOnFetch, Mishap::CutAfter),
            ],
            Target::Store => &[
                (Chance::StoreCutBeforeApply, Mishap::CutBefore),
                (Chance::StoreCutAfterApply, Mishap::CutAfter),
            ],
        };
        let mut chances = chances.iter();
        let struck = chances.find(|(chance, _)| self.points.strikes(*chance));
        struck
            .map(|(_, mishap)| *mishap)
            .or(slow.map(Mishap::Delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Spec;

    fn points(spec: &str) -> FailPoints {
        let Ok(Spec::Plan(plan)) = spec.parse() else {
            panic!("{spec}");
        };
        FailPoints::new(plan, 1, RunClock::start())
    }

    const APPEND: Moment<'_> = Moment::BeforeAppend {
        topic: "readings",
        partition: 0,
    };

    #[test]
    fn nothing_happens_before_the_begin_and_after_the_end() {
        let points = points("broker-cut-before-append=1,broker-hang@0s+1h");
        assert_eq!(points.strike(APPEND), None);
        points.begin(0);
        assert!(points.strike(APPEND).is_some());
        points.end();
        assert_eq!(points.strike(APPEND), None);
    }

    #[test]
    fn a_chance_strikes_its_share_and_is_counted() {
        let points = points("broker-cut-before-append=0.2");
        points.begin(0);
        let struck = (0..10_000).filter(|_| points.strike(APPEND) == Some(Fault::Cut));
        let struck = struck.count() as u64;
        assert!((1_800..2_200).contains(&struck), "{struck}");
        assert_eq!(points.struck().collect::<Vec<_>>(), [struck]);
    }

    #[test]
    fn a_hang_lasts_to_its_end_and_a_slow_while_delays_each() {
        let hanging = points("broker-hang@0s+1h");
        hanging.begin(0);
        let Some(Fault::Delay(rest)) = hanging.strike(Moment::BeforeResponse { api: 3 }) else {
            panic!("it does not hang");
        };
        assert!(rest > Duration::from_secs(3_000));
        let slow = points("slow-store=20ms@0s+1h");
        slow.begin(0);
        let occasion = |command| Occasion {
            command,
            database: "convoy",
            collection: "sensor",
            connection: 1,
        };
        let delay = Disturbance::Delay(Duration::from_millis(20));
        assert_eq!(slow.inject(&occasion("insert")).before, Some(delay));
        assert_eq!(slow.inject(&occasion("hello")).before, None);
    }
}
