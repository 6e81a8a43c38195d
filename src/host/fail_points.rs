//! Fail points: decide at every request whether a fault is injected, and which.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use convoy_kafka_server::{Fault, FaultHook, Moment};
use convoy_mongodb_server::{self as store, ErrorReply, Interruption};

use crate::faults::{Chance, Plan, Scheduled, Target};
use crate::load::random_bits;
use crate::measure::RunClock;
use crate::proxy::ProxyFault;

/// Makes these draws independent of others with the same seed.
const STREAM: u64 = 0x7265_7175;

/// An instant that never comes.
const NEVER: u64 = u64::MAX;

/// Kafka's error code `NOT_LEADER_OR_FOLLOWER`.
const NOT_LEADER: i16 = 6;

/// MongoDB's error code `WriteConcernFailed`.
const CONCERN_UNMET: i32 = 64;

/// Fail points of all servers of a run, with counters.
#[derive(Debug)]
pub struct FailPoints {
    plan: Plan,
    seed: u64,
    clock: RunClock,
    /// Begin of the emission, in nanoseconds on the run's clock; [`NEVER`] while injection is off.
    begun: AtomicU64,
    drawn: AtomicU64,
    /// Injected faults of each of the plan's probabilities, in its order.
    injected: Vec<AtomicU64>,
}

impl FailPoints {
    /// Creates the fail points of a plan. Injection is off.
    pub fn new(plan: Plan, seed: u64, clock: RunClock) -> Self {
        Self {
            injected: plan.chances.iter().map(|_| AtomicU64::new(0)).collect(),
            plan,
            seed,
            clock,
            begun: AtomicU64::new(NEVER),
            drawn: AtomicU64::new(0),
        }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Turns injection on.
    pub fn begin(&self, now: u64) {
        self.begun.store(now, Ordering::Relaxed);
    }

    /// Turns injection off.
    pub fn end(&self) {
        self.begun.store(NEVER, Ordering::Relaxed);
    }

    /// Returns the number of injected faults of each of the plan's probabilities, in its order.
    pub fn injected(&self) -> impl Iterator<Item = u64> {
        self.injected
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Draws whether to inject a fault now, and counts it.
    fn draw(&self, chance: Chance) -> bool {
        let planned = self.plan.chances.iter();
        let mut planned = planned.zip(&self.injected);
        let Some(((_, probability), count)) = planned.find(|((planned, _), _)| *planned == chance)
        else {
            return false;
        };
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let inject = self.active() && {
            let bits = random_bits(self.seed ^ STREAM, drawn, 0);
            probability.occurs(bits)
        };
        if inject {
            count.fetch_add(1, Ordering::Relaxed);
        }
        inject
    }

    /// Returns the fault of a request to a server behind a proxy, which does not know the kinds of
    /// requests.
    pub(super) fn proxied_fault(&self, target: Target) -> Option<ProxyFault> {
        let (hang, slow) = self.delays(target);
        if let Some(rest) = hang {
            return Some(ProxyFault::Delay(rest));
        }
        let chances: &[(Chance, ProxyFault)] = match target {
            Target::Broker => &[
                (Chance::BrokerCutBeforeAppend, ProxyFault::CutBefore),
                (Chance::BrokerCutAfterAppend, ProxyFault::CutAfter),
                (Chance::BrokerCutOnFetch, ProxyFault::CutAfter),
            ],
            Target::Store => &[
                (Chance::StoreCutBeforeApply, ProxyFault::CutBefore),
                (Chance::StoreCutAfterApply, ProxyFault::CutAfter),
            ],
            Target::Consumer => &[],
        };
        let mut chances = chances.iter();
        let drawn = chances.find(|(chance, _)| self.draw(*chance));
        drawn
            .map(|(_, fault)| *fault)
            .or(slow.map(ProxyFault::Delay))
    }

    fn active(&self) -> bool {
        self.begun.load(Ordering::Relaxed) != NEVER
    }

    /// Returns the remaining time of a hang of the server, and the delay of slow responses.
    fn delays(&self, server: Target) -> (Option<Duration>, Option<Duration>) {
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

impl FaultHook<Moment<'_>, Fault> for FailPoints {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        // A delay before the response has the same effect.
        if matches!(moment, Moment::BeforeRequest { .. }) {
            return None;
        }
        let (hang, slow) = self.delays(Target::Broker);
        if let Some(rest) = hang {
            return Some(Fault::Delay(rest));
        }
        let (chances, delayed): (&[(Chance, Fault)], bool) = match moment {
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
            _ => (&[], false),
        };
        let drawn = chances.iter().find(|(chance, _)| self.draw(*chance));
        match (drawn, slow) {
            (Some((_, fault)), _) => Some(*fault),
            (None, Some(delay)) if delayed => Some(Fault::Delay(delay)),
            (None, _) => None,
        }
    }
}

impl FaultHook<store::Moment<'_>, store::Fault> for FailPoints {
    fn fault_for(&self, moment: &store::Moment<'_>) -> Option<store::Fault> {
        let (hang, slow) = self.delays(Target::Store);
        if let Some(rest) = hang {
            return Some(store::Fault::before(Interruption::Delay(rest)));
        }
        if !["insert", "update"].contains(&moment.command) {
            return None;
        }
        let mut fault = store::Fault {
            before: slow.map(Interruption::Delay),
            ..store::Fault::default()
        };
        if self.draw(Chance::StoreCutBeforeApply) {
            fault.before = Some(Interruption::Cut);
        } else if self.draw(Chance::StoreCutAfterApply) {
            fault.after = Some(Interruption::Cut);
        } else if moment.command == "insert" && self.draw(Chance::StoreConcernUnmet) {
            let message = "waiting for replication timed out";
            fault.write_concern_error = Some(ErrorReply::new(CONCERN_UNMET, message));
        }
        Some(fault)
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
    fn nothing_is_injected_before_the_begin_and_after_the_end() {
        let points = points("broker-cut-before-append=1,broker-hang@0s+1h");
        assert_eq!(points.fault_for(&APPEND), None);
        points.begin(0);
        assert!(points.fault_for(&APPEND).is_some());
        points.end();
        assert_eq!(points.fault_for(&APPEND), None);
    }

    #[test]
    fn faults_are_injected_with_their_probability_and_counted() {
        let points = points("broker-cut-before-append=0.2");
        points.begin(0);
        let injected = (0..10_000).filter(|_| points.fault_for(&APPEND) == Some(Fault::Cut));
        let injected = injected.count() as u64;
        assert!((1_800..2_200).contains(&injected), "{injected}");
        assert_eq!(points.injected().collect::<Vec<_>>(), [injected]);
    }

    #[test]
    fn hang_lasts_until_its_end_and_slow_delays_each_request() {
        let hanging = points("broker-hang@0s+1h");
        hanging.begin(0);
        let Some(Fault::Delay(rest)) = hanging.fault_for(&Moment::BeforeResponse { api: 3 }) else {
            panic!("it does not hang");
        };
        assert!(rest > Duration::from_secs(3_000));
        let slow = points("slow-store=20ms@0s+1h");
        slow.begin(0);
        let moment = |command| store::Moment {
            command,
            database: "convoy",
            collection: "sensor",
            connection: 1,
        };
        let delay = Interruption::Delay(Duration::from_millis(20));
        let delayed = store::Fault::before(delay);
        assert_eq!(slow.fault_for(&moment("insert")), Some(delayed));
        assert_eq!(slow.fault_for(&moment("hello")), None);
    }
}
