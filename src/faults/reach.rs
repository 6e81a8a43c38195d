//! Which faults can be injected into a server, depending on where it runs.

use crate::faults::kind::{Chance, Target};
use crate::faults::plan::{Plan, Scheduled};

/// Where a server runs, which decides what faults it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In this process: every fault.
    Embedded,
    /// In a container behind a proxy: restarts, hangs, crashes, cut and delayed requests.
    Container,
    /// An existing server behind a proxy: hangs, cut and delayed requests.
    External,
}

impl Reach {
    /// Returns whether a scheduled fault can be injected.
    pub fn allows(self, scheduled: Scheduled) -> bool {
        match scheduled {
            Scheduled::Restart { .. } | Scheduled::Crash { .. } => self != Self::External,
            Scheduled::Hang { .. } | Scheduled::Slow { .. } => true,
        }
    }

    /// Returns whether a fault of single requests can be injected.
    pub fn allows_chance(self, chance: Chance) -> bool {
        self == Self::Embedded || chance.cuts()
    }
}

impl Plan {
    /// Returns whether the plan has a fault of a server.
    pub fn concerns(&self, server: Target) -> bool {
        self.scheduled.iter().any(|it| it.target() == server)
            || self.chances.iter().any(|(it, _)| it.target() == server)
    }

    /// Returns the faults of the plan that the servers allow.
    #[must_use]
    pub fn within(&self, broker: Reach, store: Reach) -> Self {
        let reach = |target| match target {
            Target::Broker => broker,
            Target::Store => store,
            // convoy runs its command.
            Target::Consumer => Reach::Embedded,
        };
        let mut plan = self.clone();
        plan.scheduled
            .retain(|scheduled| reach(scheduled.target()).allows(*scheduled));
        plan.chances
            .retain(|(chance, _)| reach(chance.target()).allows_chance(*chance));
        plan
    }

    /// Returns the name and the server of the first fault that does not reach the clients of another
    /// program: proxies are only between convoy's own clients and servers that are not embedded.
    pub fn first_beyond_others(&self, broker: Reach, store: Reach) -> Option<(String, Target)> {
        let reach = |target| match target {
            Target::Broker => broker,
            Target::Store => store,
            Target::Consumer => Reach::Embedded,
        };
        let proxied = |scheduled: &&Scheduled| match scheduled {
            Scheduled::Slow { target, .. } => reach(*target) != Reach::Embedded,
            Scheduled::Hang { target, .. } => reach(*target) == Reach::External,
            Scheduled::Restart { .. } | Scheduled::Crash { .. } => false,
        };
        // The producer is convoy's own.
        let of_producer = [Chance::BrokerCutBeforeAppend, Chance::BrokerCutAfterAppend];
        let chances = self.chances.iter().map(|(chance, _)| *chance);
        let mut chances = chances.filter(|chance| {
            reach(chance.target()) != Reach::Embedded && !of_producer.contains(chance)
        });
        let first = self.scheduled.iter().find(proxied);
        let first = first.map(|it| (it.name(), it.target()));
        first.or_else(|| {
            let chance = chances.next()?;
            Some((chance.to_string(), chance.target()))
        })
    }

    /// Returns the name and the server of the first fault that its server does not allow.
    pub fn first_beyond(&self, broker: Reach, store: Reach) -> Option<(String, Target)> {
        let within = self.within(broker, store);
        let scheduled = self.scheduled.iter();
        let mut scheduled = scheduled.filter(|it| !within.scheduled.contains(it));
        let chances = self.chances.iter();
        let mut chances = chances.filter(|it| !within.chances.contains(it));
        let first = scheduled.next().map(|it| (it.name(), it.target()));
        first.or_else(|| {
            let (chance, _) = chances.next()?;
            Some((chance.to_string(), chance.target()))
        })
    }
}
