//! What can be done to a server, by where it is.

use crate::faults::kind::{Chance, Target};
use crate::faults::plan::{Plan, Scheduled};

/// How far a run's hands reach into a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is in this process: everything.
    Embedded,
    /// It is in a container, with a proxy before it: stop, pause and kill it, cut and delay requests.
    Container,
    /// It is somebody else's, with a proxy before it: cut and delay requests.
    External,
}

impl Reach {
    /// Returns whether something can be done at an instant.
    pub fn allows(self, scheduled: Scheduled) -> bool {
        match scheduled {
            Scheduled::Restart { .. } | Scheduled::Crash { .. } => self != Self::External,
            Scheduled::Hang { .. } | Scheduled::Slow { .. } => true,
        }
    }

    /// Returns whether something can be done to single requests.
    pub fn allows_chance(self, chance: Chance) -> bool {
        self == Self::Embedded || chance.cuts()
    }
}

impl Plan {
    /// Returns whether anything is to be done to a server.
    pub fn concerns(&self, server: Target) -> bool {
        self.scheduled.iter().any(|it| it.target() == server)
            || self.chances.iter().any(|(it, _)| it.target() == server)
    }

    /// Returns the part of the plan that can be done to servers.
    #[must_use]
    pub fn within(&self, broker: Reach, store: Reach) -> Self {
        let reach = |target| match target {
            Target::Broker => broker,
            Target::Store => store,
        };
        let mut plan = self.clone();
        plan.scheduled
            .retain(|scheduled| reach(scheduled.target()).allows(*scheduled));
        plan.chances
            .retain(|(chance, _)| reach(chance.target()).allows_chance(*chance));
        plan
    }

    /// Returns the name and the server of the first part that cannot be done, if there is one.
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
