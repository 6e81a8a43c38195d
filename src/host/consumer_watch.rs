//! What embedded servers tell of an external consumer: that it reads, and what it has stored.

use std::sync::{Arc, OnceLock};

use convoy_kafka_server::{Fault, FaultHook, Moment};
use tokio::sync::watch;

use crate::host::fault_switch::FaultSwitch;
use crate::pipeline::Arrivals;

/// Watches an external consumer through the embedded servers.
#[derive(Debug, Clone)]
pub struct ConsumerWatch {
    /// Hook of the broker: notices when the consumer reads.
    pub first_fetch: Arc<FirstFetch>,
    /// Observer of the store: notices what the consumer stores.
    pub arrivals: Arc<Arrivals>,
}

/// A hook of the broker that sees every fetch, and asks the faults of the run, if it has any.
#[derive(Debug)]
pub struct FirstFetch {
    faults: OnceLock<Arc<FaultSwitch>>,
    fetched: watch::Sender<bool>,
}

impl FirstFetch {
    /// Creates a hook that has seen no fetch.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            faults: OnceLock::new(),
            fetched: watch::Sender::new(false),
        })
    }

    /// Puts the hook before the faults of the run.
    pub(super) fn before(&self, faults: &Arc<FaultSwitch>) {
        self.faults.get_or_init(|| Arc::clone(faults));
    }

    /// Returns whether a consumer has read from a partition.
    pub fn is_fetched(&self) -> bool {
        *self.fetched.borrow()
    }

    /// Waits until a consumer has read from a partition.
    pub async fn wait(&self) {
        let mut fetched = self.fetched.subscribe();
        // The sender lives as long as self.
        let _fetched = fetched.wait_for(|fetched| *fetched).await;
    }
}

impl FaultHook<Moment<'_>, Fault> for FirstFetch {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        if matches!(moment, Moment::OnFetch { .. }) {
            self.fetched.send_if_modified(|fetched| {
                let first = !*fetched;
                *fetched = true;
                first
            });
        }
        self.faults.get()?.fault_for(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_fetch_ends_the_wait() {
        let hook = FirstFetch::new();
        let append = Moment::BeforeAppend {
            topic: "readings",
            partition: 0,
        };
        assert_eq!(hook.fault_for(&append), None);
        assert!(!*hook.fetched.borrow());
        let fetch = Moment::OnFetch {
            topic: "readings",
            partition: 0,
        };
        assert_eq!(hook.fault_for(&fetch), None);
        hook.wait().await;
    }
}
