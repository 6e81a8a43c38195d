//! Decides when an external consumer is done.

use std::sync::Arc;
use std::time::Duration;

use convoy_mongodb_server::bson::Doc;
use serde::{Deserialize, Serialize};

use crate::pipeline::context::Context;
use crate::pipeline::external::arrivals::Arrivals;
use crate::pipeline::external::seen::Seen;
use crate::pipeline::interrupt::Interrupt;
use crate::record::find_identity;
use crate::store::Documents;

/// Interval between two counts of the documents in a store that is not embedded.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Shortest time between two scans of the collection.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// Why a run no longer waits for its external consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Every acknowledged reading has a document.
    AllPresent,
    /// No new document arrived for the settle time.
    Quiet,
    /// The user no longer waits.
    Interrupted,
}

/// What to wait for.
#[derive(Debug)]
pub struct Settling<'a> {
    pub context: &'a Arc<Context>,
    /// Number of vehicles.
    pub vehicles: u32,
    /// Readings to wait for.
    pub expected: u64,
    /// How long no document may arrive.
    pub settle: Duration,
    pub documents: &'a Documents,
    /// Documents that were in the collection before.
    pub existing: u64,
}

impl Settling<'_> {
    /// Waits until every reading has arrived, or none has for the settle time.
    pub async fn wait(&self, arrivals: Option<&Arrivals>, interrupt: &Interrupt) -> Settled {
        let waiting = async {
            match arrivals {
                Some(arrivals) => self.watch(arrivals).await,
                None => self.poll().await,
            }
        };
        let waited = interrupt
            .drain_over
            .run_until_cancelled(Box::pin(waiting))
            .await;
        waited.unwrap_or(Settled::Interrupted)
    }

    async fn watch(&self, arrivals: &Arrivals) -> Settled {
        let mut arrived = arrivals.watch();
        loop {
            if *arrived.borrow_and_update() >= self.expected {
                return Settled::AllPresent;
            }
            let changed = tokio::time::timeout(self.settle, arrived.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return Settled::Quiet;
            }
        }
    }

    /// Counts the documents of a store that is not embedded. A count that is high enough is checked by
    /// a scan, because documents may repeat.
    async fn poll(&self) -> Settled {
        let clock = self.context.clock;
        let enough = self.existing.saturating_add(self.expected);
        let (mut last, mut scanned) = (self.existing, None);
        let (mut new_at, mut scanned_at) = (clock.now(), 0);
        loop {
            // A store that does not respond has no new document.
            let count = self.documents.count().await.unwrap_or(last);
            let now = clock.now();
            if count > last {
                // Further documents can only repeat readings.
                if last < enough {
                    new_at = now;
                }
                last = count;
            }
            let since_scan = Duration::from_nanos(now - scanned_at);
            if last >= enough && scanned != Some(last) && since_scan >= SCAN_INTERVAL {
                if self.all_present().await {
                    return Settled::AllPresent;
                }
                (scanned, scanned_at) = (Some(last), clock.now());
            }
            if Duration::from_nanos(clock.now() - new_at) >= self.settle {
                return Settled::Quiet;
            }
            tokio::time::sleep(POLL_INTERVAL.min(self.settle)).await;
        }
    }

    /// Returns whether every reading has a document.
    async fn all_present(&self) -> bool {
        let run = &self.context.settings.run_id;
        let emitted = self.context.counters.emitted.get();
        let mut seen = Seen::new(self.vehicles);
        let mut distinct = 0;
        let scan = self
            .documents
            .scan_in_stored_order(bson::doc! {}, |document| {
                let identity = find_identity(Doc::new(document.as_bytes()));
                let identity = identity.filter(|it| it.run == *run);
                let reading = identity.and_then(|it| it.vehicle.zip(it.sequence));
                let Some((vehicle, sequence)) = reading.filter(|(_, it)| *it < emitted) else {
                    return;
                };
                let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
                distinct += u64::from(seen.add(vehicle, sequence));
            });
        let scanned = scan.await;
        scanned.is_ok() && distinct >= self.expected
    }
}
