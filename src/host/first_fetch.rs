//! Notices the first consumer that reads from the embedded broker.

use std::sync::Arc;

use convoy_kafka_server::{Fault, FaultHook, Moment};
use tokio::sync::watch;

use crate::host::fail_points::FailPoints;

/// A hook of the broker that sees every fetch, and asks the fail points of a run, if it has any.
#[derive(Debug)]
pub struct FirstFetch {
    points: Option<Arc<FailPoints>>,
    fetched: watch::Sender<bool>,
}

impl FirstFetch {
    /// Puts the hook before the fail points of a run.
    pub fn new(points: Option<Arc<FailPoints>>) -> Self {
        Self {
            points,
            fetched: watch::Sender::new(false),
        }
    }

    /// Waits until a consumer has read from a partition.
    pub async fn wait(&self) {
        // The sender lives as long as self.
        let mut fetched = self.fetched.subscribe();
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
        self.points.as_ref()?.fault_for(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_fetch_ends_the_wait() {
        let hook = FirstFetch::new(None);
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
