//! The producing half alone: prepare → emit → flush. Other processes consume and audit.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audit::Ledger;
use crate::broker::Endpoint;
use crate::measure::{Interval, Recording};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::run::simulation::Roles;
use crate::pipeline::run::prepare::{connector, prepare_producing};
use crate::pipeline::run::progress::{Observer, Phase};
use crate::pipeline::run::tasks::Running;
use crate::registry::Client;

/// What producing alone gave.
#[derive(Debug)]
pub struct Produced {
    /// What was emitted, for an audit by others.
    pub ledger: Ledger,
    /// Everything measured up to the acks.
    pub recording: Recording,
    /// The run second by second.
    pub intervals: Vec<Interval>,
    /// What ended it before its time.
    pub failure: Option<Error>,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// When the schedule began, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

/// Emits the fleet into the broker. `interrupt` ends the emission early; what was handed over is
/// still sent.
pub async fn produce(
    context: Arc<Context>,
    broker: Endpoint,
    registry: Option<Client>,
    roles: Roles,
    observer: Arc<dyn Observer>,
    interrupt: CancellationToken,
) -> Result<Produced, Error> {
    let connector = connector(&context, &broker);
    let prepared =
        prepare_producing(&context, &connector, registry.as_ref(), &roles.producer).await?;
    let mut running = Running::start(&context, prepared, &roles, &observer);
    let interrupted = running.emit(&context, &interrupt, &observer).await;
    observer.phase(Phase::Draining);
    running.flush().await;
    let finished = running.finish().await;
    Ok(Produced {
        ledger: finished.ledger,
        recording: finished.recording,
        intervals: finished.intervals,
        failure: finished.failure,
        interrupted,
        start: finished.start,
        generator_cpu: finished.generator_cpu,
    })
}
