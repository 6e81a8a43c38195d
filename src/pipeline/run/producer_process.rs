//! `convoy produce`: prepare ─▶ emit ─▶ flush. Other processes consume and audit.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::audit::Ledger;
use crate::measure::{Interval, Outage, Recording};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::run::parts::ProducerSettings;
use crate::pipeline::run::prepare::prepare_producers;
use crate::pipeline::run::progress::{Observer, Phase};
use crate::pipeline::run::tasks::Tasks;

/// Result of a producer process.
#[derive(Debug)]
pub struct Produced {
    /// Account of the emitted readings, for the audit by another process.
    pub ledger: Ledger,
    /// Latencies up to the acks.
    pub recording: Recording,
    /// Counts and latencies per second.
    pub intervals: Vec<Interval>,
    /// Outages of the servers.
    pub outages: Vec<Outage>,
    /// Error that ended the process early.
    pub failure: Option<Error>,
    /// Whether the user ended the process early.
    pub interrupted: bool,
    /// Start of the schedule, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

/// Emits the fleet into the broker. `interrupt` ends the emission; emitted readings are still sent.
pub async fn produce(
    context: Arc<Context>,
    settings: ProducerSettings,
    producer: Handle,
    observer: Arc<dyn Observer>,
    interrupt: Interrupt,
) -> Result<Produced, Error> {
    let emission = &settings.emission;
    let preparing = Box::pin(prepare_producers(&context, &settings, &producer));
    let prepared = interrupt.requested.run_until_cancelled(preparing).await;
    let producers = prepared.ok_or(Error::Interrupted)??;
    let mut tasks = Tasks::start(&context, emission, producers, None, None, &observer);
    tasks.emit(&context, &interrupt, &observer).await;
    observer.phase(Phase::Draining);
    tasks.flush(&context, &interrupt).await;
    let finished = tasks.finish().await;
    Ok(Produced {
        ledger: finished.ledger,
        recording: finished.recording,
        intervals: finished.intervals,
        outages: finished.outages,
        failure: finished.failure,
        interrupted: interrupt.is_requested(),
        start: finished.start,
        generator_cpu: finished.generator_cpu,
    })
}
