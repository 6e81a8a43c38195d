//! The fail points of servers that several runs share: each run sets its own.

use std::sync::{Arc, PoisonError, RwLock};

use convoy_kafka_server::{self as kafka, FaultHook};
use convoy_mongodb_server as store;

use crate::error::Error;
use crate::faults::{Plan, Reach, Target};
use crate::host::fail_points::FailPoints;
use crate::proxy::{ProxyFault, ProxyFaults};
use crate::report::BackendKind;

/// Asked by the servers at every request; answers by the fail points of the current run.
#[derive(Debug)]
pub struct FaultSwitch {
    plans: Vec<Plan>,
    current: RwLock<Option<Arc<FailPoints>>>,
}

impl FaultSwitch {
    /// Creates a switch for runs with these plans, before the first of them.
    pub fn new(plans: Vec<Plan>) -> Self {
        Self {
            plans,
            current: RwLock::default(),
        }
    }

    /// Sets the fail points of the run that starts; `None` injects nothing.
    pub fn set(&self, points: Option<Arc<FailPoints>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = points;
    }

    /// Checks that servers of these kinds can have all planned faults.
    pub fn check_reach(&self, broker: BackendKind, store: BackendKind) -> Result<(), Error> {
        let (broker, store) = (reach(broker), reach(store));
        let mut plans = self.plans.iter();
        match plans.find_map(|plan| plan.first_beyond(broker, store)) {
            None => Ok(()),
            Some((fault, server)) => Err(Error::FaultOutOfReach { fault, server }),
        }
    }

    /// Returns whether a plan has faults of requests to a server.
    pub(super) fn concerns(&self, target: Target) -> bool {
        self.plans.iter().any(|plan| plan.concerns(target))
    }

    fn ask<T>(&self, fault: impl FnOnce(&FailPoints) -> Option<T>) -> Option<T> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_deref().and_then(fault)
    }
}

impl FaultHook<kafka::Moment<'_>, kafka::Fault> for FaultSwitch {
    fn fault_for(&self, moment: &kafka::Moment<'_>) -> Option<kafka::Fault> {
        self.ask(|points| points.fault_for(moment))
    }
}

impl FaultHook<store::Moment<'_>, store::Fault> for FaultSwitch {
    fn fault_for(&self, moment: &store::Moment<'_>) -> Option<store::Fault> {
        self.ask(|points| points.fault_for(moment))
    }
}

/// A server behind a proxy that injects faults.
#[derive(Debug)]
pub struct ProxiedServer {
    /// Fail points of the current run.
    pub switch: Arc<FaultSwitch>,
    /// Server behind the proxy.
    pub target: Target,
}

impl ProxyFaults for ProxiedServer {
    fn next(&self) -> Option<ProxyFault> {
        self.switch.ask(|points| points.proxied_fault(self.target))
    }
}

fn reach(kind: BackendKind) -> Reach {
    match kind {
        BackendKind::Embedded => Reach::Embedded,
        BackendKind::Container => Reach::Container,
        BackendKind::External | BackendKind::None => Reach::External,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Spec;
    use crate::measure::RunClock;

    #[test]
    fn servers_get_the_faults_of_the_current_run() {
        let Ok(Spec::Plan(plan)) = "broker-cut-before-append=1".parse() else {
            panic!("not a plan");
        };
        let switch = FaultSwitch::new(vec![plan.clone()]);
        let moment = kafka::Moment::BeforeAppend {
            topic: "readings",
            partition: 0,
        };
        assert_eq!(switch.fault_for(&moment), None);
        let points = Arc::new(FailPoints::new(plan, 1, RunClock::start()));
        points.begin(0);
        switch.set(Some(points));
        assert_eq!(switch.fault_for(&moment), Some(kafka::Fault::Cut));
        switch.set(None);
        assert_eq!(switch.fault_for(&moment), None);
    }
}
