//! Readings that arrive in the collection of an external consumer, as the embedded store sees them:
//! each at the instant at which its first document is durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use convoy_mongodb_server::bson::Doc;
use convoy_mongodb_server::{Ticket, WriteObserver};
use tokio::sync::watch;

use crate::measure::{Recorder, Stage};
use crate::pipeline::context::Context;
use crate::pipeline::external::seen::Seen;
use crate::record::find_identity;

/// Readings that may arrive before the counter of emitted readings has them.
const UNCOUNTED: u64 = 1 << 16;

/// Watches a collection of the embedded store.
#[derive(Debug)]
pub struct Arrivals {
    context: Arc<Context>,
    database: String,
    collection: String,
    recorder: Arc<Recorder>,
    /// End of the warm-up on the run's clock; nothing is measured before it is known.
    warm_up_end: AtomicU64,
    seen: Mutex<Seen>,
    /// Readings that have arrived.
    arrived: watch::Sender<u64>,
}

impl Arrivals {
    /// Watches a collection for the readings of a run with this many vehicles.
    pub fn new(context: &Arc<Context>, vehicles: u32, database: &str, collection: &str) -> Self {
        Self {
            context: Arc::clone(context),
            database: database.to_owned(),
            collection: collection.to_owned(),
            recorder: Arc::default(),
            warm_up_end: AtomicU64::new(u64::MAX),
            seen: Mutex::new(Seen::new(vehicles)),
            arrived: watch::Sender::new(0),
        }
    }

    /// Sets the end of the warm-up, before the first reading is emitted.
    pub(in crate::pipeline) fn begin(&self, warm_up_end: u64) {
        self.warm_up_end.store(warm_up_end, Ordering::Relaxed);
    }

    /// Returns the recorder of the latencies.
    pub(in crate::pipeline) fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Returns the number of readings that have arrived, and its changes.
    pub(in crate::pipeline) fn watch(&self) -> watch::Receiver<u64> {
        self.arrived.subscribe()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the instant of the run's clock at microseconds since 1970; `None` before its epoch.
    fn stamp(&self, unix_us: u64) -> Option<u64> {
        let epoch_us = self.context.clock.epoch_unix_ms() * 1_000;
        unix_us.checked_sub(epoch_us)?.checked_mul(1_000)
    }
}

impl WriteObserver for Arrivals {
    fn written(&self, database: &str, collection: &str, document: &[u8]) -> Option<Ticket> {
        if database != self.database || collection != self.collection {
            return None;
        }
        let identity = find_identity(Doc::new(document))?;
        if identity.run != self.context.settings.run_id {
            return None;
        }
        let (vehicle, sequence) = identity.vehicle.zip(identity.sequence)?;
        let emitted_at = identity.emitted_at_us.unwrap_or_default();
        // No other sequence was emitted; a bound on the memory for what has arrived.
        let emitted = self.context.counters.emitted.get() + UNCOUNTED;
        let sequence = u32::try_from(sequence).ok()?;
        (u64::from(sequence) < emitted).then(|| ticket(vehicle, sequence, emitted_at))
    }

    fn durable(&self, tickets: &[Ticket]) {
        let now = self.context.clock.now();
        let warm_up_end = self.warm_up_end.load(Ordering::Relaxed);
        let mut new = 0;
        let mut seen = self.seen();
        let mut recording = self.recorder.lock();
        for ticket in tickets {
            let (vehicle, sequence, emitted_at) = parts(*ticket);
            if !seen.add(vehicle, sequence) {
                continue;
            }
            new += 1;
            recording.first_stored.get_or_insert(now);
            // A consumer may have changed the field.
            let Some(intended) = self.stamp(emitted_at).filter(|it| *it <= now) else {
                continue;
            };
            // Microseconds: the last nanoseconds are unknown.
            if intended + 999 < warm_up_end {
                recording.warm_up.record(intended, now);
                continue;
            }
            let stages = &mut recording.stages;
            stages.get_mut(Stage::EndToEndLatency).record(intended, now);
            recording.count_stored(intended, now, now, 0);
        }
        recording.counted.stored += new as u64;
        drop(recording);
        drop(seen);
        if new > 0 {
            self.context.counters.stored.add(new);
            self.arrived.send_modify(|arrived| *arrived += new as u64);
        }
    }
}

fn ticket(vehicle: u32, sequence: u32, emitted_at_us: u64) -> Ticket {
    Ticket::from(vehicle) << 96 | Ticket::from(sequence) << 64 | Ticket::from(emitted_at_us)
}

#[expect(clippy::cast_possible_truncation, reason = "the parts of a ticket")]
fn parts(ticket: Ticket) -> (u32, u32, u64) {
    ((ticket >> 96) as u32, (ticket >> 64) as u32, ticket as u64)
}
