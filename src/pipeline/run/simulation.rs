//! `convoy simulate` as a straight line: prepare ─▶ emit ─▶ drain ─▶ audit.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Verdict;
use crate::measure::{Interval, Outage, Recording};
use crate::pipeline::audit::{Accounting, BrokerLogs, Case, count_repetitions, verdict};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::external::Collected;
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::run::parts::{Endpoints, Roles, SimulationSettings};
use crate::pipeline::run::prepare::{connector, partition_reader, prepare};
use crate::pipeline::run::progress::{INTERVAL, Observer, Phase};
use crate::pipeline::run::tasks::Tasks;
use crate::store::Checkouts;

/// Result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Latencies and counts of the measured records.
    pub recording: Recording,
    /// Counts and latencies per second.
    pub intervals: Vec<Interval>,
    /// Outages of the servers.
    pub outages: Vec<Outage>,
    /// What happened to every reading; `None` if the audit failed or was interrupted.
    pub verdict: Option<Verdict>,
    /// Error that ended the run early.
    pub failure: Option<Error>,
    /// Whether the user ended the run early.
    pub interrupted: bool,
    /// Start of the schedule, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
    /// Waits for connections to the store, before the audit.
    pub checkouts: Checkouts,
    /// What an external consumer stored.
    pub collected: Option<Collected>,
}

/// Runs the pipeline once. `interrupt` ends the emission; emitted readings are still stored.
pub async fn run(
    context: Arc<Context>,
    settings: SimulationSettings,
    endpoints: Endpoints,
    roles: Roles,
    observer: Arc<dyn Observer>,
    interrupt: Interrupt,
) -> Result<Outcome, Error> {
    let emission = &*settings.emission;
    let preparing = Box::pin(prepare(&context, &settings, &endpoints, &roles));
    let prepared = interrupt.requested.run_until_cancelled(preparing).await;
    let prepared = prepared.ok_or(Error::Interrupted)??;
    let (producers, consumers) = (prepared.producers, Some(prepared.consumers));
    let mut tasks = Tasks::start(
        &context,
        &settings.emission,
        producers,
        consumers,
        None,
        &observer,
    );
    tasks.emit(&context, &interrupt, &observer).await;
    observer.phase(Phase::Draining);
    let after_checkpoints = Box::pin(tasks.drain(&context, &interrupt)).await;
    let accounted = tasks.is_accounted();
    let finished = tasks.finish().await;
    let checkouts = prepared.store.checkouts();
    observer.phase(Phase::Auditing);
    let case = Case::new(&context, emission, finished.ledger, finished.start)
        .with_records_after_checkpoints(after_checkpoints);
    let hashes = || {
        // A payload with an identity is different for each reading.
        if emission.workload.has_payload_identity() {
            return Ok(None);
        }
        emission.workload.payload_hashes().map(Some)
    };
    let (documents, dead_letters) = (
        prepared.store.documents(&settings.storage.collection),
        prepared
            .store
            .documents(&settings.storage.dead_letter_collection()),
    );
    let logs = Some(broker_logs(&context, &endpoints, &interrupt));
    let auditing = Box::pin(async {
        let accounting = Accounting::new(&context, emission)?;
        let audit = verdict(&case, &documents, &dead_letters, hashes, logs, accounting);
        let stored = context.counters.stored.get();
        let tell = || observer.audited(case.visited.get(), stored);
        telling(tell, Box::pin(audit)).await
    });
    let mut audited = if accounted {
        let audited = interrupt.audit_over.run_until_cancelled(auditing).await;
        audited.unwrap_or(Err(Error::Interrupted))
    } else {
        Err(Error::Interrupted)
    };
    if let Ok(verdict) = &mut audited {
        count_repetitions(verdict, &context);
    }
    let (verdict, failure) = end_of_audit(audited, finished.failure, &context, &interrupt);
    Ok(Outcome {
        recording: finished.recording,
        intervals: finished.intervals,
        outages: finished.outages,
        verdict,
        failure,
        interrupted: interrupt.is_requested(),
        start: finished.start,
        generator_cpu: finished.generator_cpu,
        checkouts,
        collected: None,
    })
}

/// Returns readers of the run's logs, for readings without a document.
fn broker_logs(context: &Context, endpoints: &Endpoints, interrupt: &Interrupt) -> BrokerLogs {
    let connector = connector(context, &endpoints.broker);
    let reader = |partition| partition_reader(context, &connector, partition);
    BrokerLogs {
        run: context.run,
        partitions: context.partitions().map(reader).collect(),
        interrupted: interrupt.requested.clone(),
    }
}

/// Separates what an audit found from why the run failed; the failure of the run comes first.
pub fn end_of_audit<T>(
    audited: Result<T, Error>,
    failure: Option<Error>,
    context: &Context,
    interrupt: &Interrupt,
) -> (Option<T>, Option<Error>) {
    let terminated = context.terminated_servers.take_reason();
    let failed = terminated.or(failure);
    match audited {
        Ok(found) => (Some(found), failed),
        Err(Error::Interrupted) => (None, failed),
        // The store may be what the user no longer waits for.
        Err(error) if interrupt.is_requested() => {
            tracing::warn!(%error, "the audit failed");
            (None, failed)
        }
        Err(error) => (None, failed.or(Some(error))),
    }
}

/// Waits for a future, and calls `tell` about once a second and at the end.
pub async fn telling<T>(tell: impl Fn(), future: impl Future<Output = T> + Unpin) -> T {
    let mut future = future;
    loop {
        let waited = tokio::time::timeout(INTERVAL, &mut future).await;
        tell();
        if let Ok(output) = waited {
            return output;
        }
    }
}
