//! Decides when an external consumer is done.

use std::sync::Arc;
use std::time::Duration;

use convoy_mongodb_server::bson::Doc;
use serde::{Deserialize, Serialize};

use crate::pipeline::context::Context;
use crate::pipeline::external::arrivals::Arrivals;
use crate::pipeline::external::holding::{Holding, LONGEST_HOLD};
use crate::pipeline::external::seen::Seen;
use crate::pipeline::interrupt::Interrupt;
use crate::record::find_identity;
use crate::store::Documents;

/// Interval between two looks at whether the consumer can read at all.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Deadline of a count of the documents that only asks whether the store responds.
const STORE_DEADLINE: Duration = Duration::from_secs(3);

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
    /// No new document arrived for the settle time, while the consumer could read and store.
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
    pub async fn wait(
        &self,
        arrivals: Option<&Arrivals>,
        holding: Holding<'_>,
        interrupt: &Interrupt,
    ) -> Settled {
        let clock = self.context.clock;
        let quiet = Quiet {
            settling: self,
            holding,
            new_at: clock.now(),
            since: clock.now(),
            looked_at: clock.now(),
        };
        let waiting = async {
            match arrivals {
                Some(arrivals) => self.watch(arrivals, quiet).await,
                None => self.poll(quiet).await,
            }
        };
        let waited = interrupt
            .drain_over
            .run_until_cancelled(Box::pin(waiting))
            .await;
        waited.unwrap_or(Settled::Interrupted)
    }

    async fn watch(&self, arrivals: &Arrivals, mut quiet: Quiet<'_>) -> Settled {
        let mut arrived = arrivals.watch();
        loop {
            if *arrived.borrow_and_update() >= self.expected {
                return Settled::AllPresent;
            }
            let interval = LOOK_INTERVAL.min(self.settle);
            match tokio::time::timeout(interval, arrived.changed()).await {
                Ok(Ok(())) => quiet.end(),
                Ok(Err(_closed)) => return Settled::Quiet,
                Err(_elapsed) if quiet.is_over().await => return Settled::Quiet,
                Err(_elapsed) => {}
            }
        }
    }

    /// Counts the documents of a store that is not embedded. A count that is high enough is checked by
    /// a scan, because documents may repeat.
    async fn poll(&self, mut quiet: Quiet<'_>) -> Settled {
        let clock = self.context.clock;
        let enough = self.existing.saturating_add(self.expected);
        let (mut last, mut scanned) = (self.existing, None);
        let mut scanned_at = 0;
        loop {
            // A store that does not respond has no new document.
            let count = self.documents.count().await.unwrap_or(last);
            let now = clock.now();
            if count > last {
                // Further documents can only repeat readings.
                if last < enough {
                    quiet.end();
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
            if quiet.is_over().await {
                return Settled::Quiet;
            }
            tokio::time::sleep(POLL_INTERVAL.min(self.settle)).await;
        }
    }

    /// Returns whether the store responds. Without it no document can arrive.
    async fn store_responds(&self) -> bool {
        let counted = tokio::time::timeout(STORE_DEADLINE, self.documents.count()).await;
        matches!(counted, Ok(Ok(_)))
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

/// A time without new documents. It does not count while the consumer cannot read or store.
#[derive(Debug)]
struct Quiet<'a> {
    settling: &'a Settling<'a>,
    holding: Holding<'a>,
    /// When the last document arrived, on the run's clock.
    new_at: u64,
    /// When the quiet began that counts.
    since: u64,
    looked_at: u64,
}

impl Quiet<'_> {
    /// A document has arrived.
    fn end(&mut self) {
        self.new_at = self.settling.context.clock.now();
        self.since = self.new_at;
    }

    /// Returns whether it has lasted for the settle time, or for the longest time in any case.
    async fn is_over(&mut self) -> bool {
        let settle = self.settling.settle;
        let longest = settle.saturating_add(LONGEST_HOLD);
        if self.elapsed(self.looked_at) >= LOOK_INTERVAL.min(settle) {
            let held = self.holding.holds().await
                || self.elapsed(self.since) >= settle && !self.settling.store_responds().await;
            self.looked_at = self.settling.context.clock.now();
            if held && self.elapsed(self.new_at) < longest {
                self.since = self.looked_at;
            }
        }
        self.elapsed(self.since) >= settle
    }

    fn elapsed(&self, since: u64) -> Duration {
        let now = self.settling.context.clock.now();
        Duration::from_nanos(now.saturating_sub(since))
    }
}
