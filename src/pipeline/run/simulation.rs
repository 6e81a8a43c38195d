//! A run as a straight line: prepare → emit → drain → audit.

use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::audit::Verdict;
use crate::broker::Endpoint;
use crate::measure::{Interval, Recording};
use crate::pipeline::audit::accounting::Accounting;
use crate::pipeline::audit::scan::{Case, count_repetitions, verdict};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::run::prepare::prepare;
use crate::pipeline::run::progress::{Observer, Phase};
use crate::pipeline::run::tasks::Running;
use crate::registry::Client;

/// The servers that a run talks to.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The broker.
    pub broker: Endpoint,
    /// The Schema Registry; without one, messages are plain JSON.
    pub registry: Option<Client>,
    /// The store.
    pub store: SecretUri,
}

/// Where the tasks of each role run, so that their CPU time can be told apart.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Producers and their connections.
    pub producer: Handle,
    /// Consumers, writers and their connections.
    pub consumer: Handle,
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// Everything measured.
    pub recording: Recording,
    /// The run second by second.
    pub intervals: Vec<Interval>,
    /// What became of every reading; none if the store could not be asked.
    pub verdict: Option<Verdict>,
    /// What ended the run before its time.
    pub failure: Option<Error>,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// When the schedule began, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

/// Runs the pipeline once. `interrupt` ends the emission early; what is on its way still arrives.
pub async fn run(
    context: Arc<Context>,
    endpoints: Endpoints,
    roles: Roles,
    observer: Arc<dyn Observer>,
    interrupt: CancellationToken,
) -> Result<Outcome, Error> {
    let (prepared, collections) = prepare(&context, &endpoints, &roles).await?;
    let mut running = Running::start(&context, prepared, &roles, &observer);
    let interrupted = running.emit(&context, &interrupt, &observer).await;
    observer.phase(Phase::Draining);
    let behind_checkpoints = running.drain(&context, &collections.checkpoints).await;
    let finished = running.finish().await;
    observer.phase(Phase::Auditing);
    let case = Case::of(
        &context,
        finished.ledger,
        behind_checkpoints,
        finished.start,
    );
    let hashes = || context.workload.payload_hashes().map(Some);
    let (documents, dead_letters) = (&collections.documents, &collections.dead_letters);
    let mut audited = match Accounting::of(&context) {
        Ok(accounting) => verdict(&case, documents, dead_letters, hashes, accounting).await,
        Err(error) => Err(error),
    };
    if let Ok(verdict) = &mut audited {
        count_repetitions(verdict, &context);
    }
    let ended = context.lost.take().map(Error::ServerEnded);
    let failed = ended.or(finished.failure);
    let (verdict, failure) = match audited {
        Ok(verdict) => (Some(verdict), failed),
        Err(error) => (None, failed.or(Some(error))),
    };
    Ok(Outcome {
        recording: finished.recording,
        intervals: finished.intervals,
        verdict,
        failure,
        interrupted,
        start: finished.start,
        generator_cpu: finished.generator_cpu,
    })
}
