//! Retries of requests until a response or a timeout.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use bson::RawDocumentBuf;

use crate::broker::{self, PartitionReader, Producer};
use crate::cause::chain;
use crate::pipeline::context::Context;
use crate::pipeline::error;
use crate::pipeline::machine::Attempts;
use crate::pipeline::outage::Outage;
use crate::store::{Documents, Error, InsertOutcome, Refusal};

/// Sends an idempotent command to the store and retries it until a response or the timeout.
///
/// A command that a newer owner has fenced off is not retried.
pub async fn retry_idempotent<T, F>(
    context: &Context,
    timeout: Duration,
    mut command: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempts = Attempts::new(timeout);
    let mut outage = None;
    loop {
        let error = match command().await {
            Err(error @ Error::Command { .. }) => error,
            result => {
                Outage::end(&mut outage, context.clock.now());
                return result;
            }
        };
        let cause = chain(&error);
        context
            .store_outage
            .failed(&mut outage, context.clock.now(), &cause);
        if !pause_before_retry(context, &mut attempts).await {
            return Err(error);
        }
        tracing::debug!(error = cause, "retrying a command");
    }
}

/// The store's response to a batch.
#[derive(Debug)]
pub struct Inserted {
    /// Indices of documents that existed already.
    pub duplicates: BTreeSet<usize>,
    /// Documents that the store rejected.
    pub rejected: Vec<Refusal>,
    /// Whether this was a retry: duplicates may come from an earlier attempt.
    pub retried: bool,
}

/// Inserts a batch, and retries while its outcome is unknown, until the timeout.
pub async fn insert(
    context: &Context,
    timeout: Duration,
    collection: &Documents,
    batch: &[RawDocumentBuf],
) -> Result<Inserted, error::Error> {
    let mut attempts = Attempts::new(timeout);
    let mut outage = None;
    loop {
        let source = match collection.insert(batch).await {
            InsertOutcome::Answered { taken, rejected } => {
                Outage::end(&mut outage, context.clock.now());
                context.counters.inserts.add(1);
                let retried = attempts.count() > 0;
                return classify(
                    context,
                    timeout,
                    collection,
                    batch,
                    Answer {
                        taken,
                        rejected,
                        retried,
                    },
                )
                .await;
            }
            InsertOutcome::Unknown(source) => source,
        };
        context.counters.inserts_unknown.add(1);
        context
            .store_outage
            .failed(&mut outage, context.clock.now(), &source);
        tracing::debug!(%source, attempts = attempts.count(), "retrying an insert");
        if !pause_before_retry(context, &mut attempts).await {
            return Err(error::Error::Insert {
                collection: collection.name(),
                attempts: attempts.count(),
                source,
            });
        }
    }
}

/// Refusals of one insert.
struct Answer {
    taken: Vec<Refusal>,
    rejected: Vec<Refusal>,
    retried: bool,
}

/// Tells documents that existed already from those that another unique index keeps out.
async fn classify(
    context: &Context,
    timeout: Duration,
    collection: &Documents,
    batch: &[RawDocumentBuf],
    answer: Answer,
) -> Result<Inserted, error::Error> {
    let Answer {
        taken,
        mut rejected,
        retried,
    } = answer;
    let mut duplicates = BTreeSet::new();
    if !taken.is_empty() {
        let stored = retry_idempotent(context, timeout, || collection.stored(batch, &taken));
        duplicates = stored.await.map_err(error::Error::Store)?;
        rejected.extend(
            taken
                .into_iter()
                .filter(|it| !duplicates.contains(&it.index)),
        );
    }
    Ok(Inserted {
        duplicates,
        rejected,
        retried,
    })
}

/// Returns the first offset of a partition and the offset after its last record. Retries until the
/// timeout.
pub async fn offsets(
    context: &Context,
    partition: &mut PartitionReader,
    timeout: Duration,
) -> Result<(i64, i64), broker::Error> {
    let mut attempts = Attempts::new(timeout);
    loop {
        match partition.offsets().await {
            Err(error) => retry_broker(context, &mut attempts, error).await?,
            offsets => return offsets,
        }
    }
}

/// Connects to the leader of a partition. Retries until the timeout.
pub async fn connect(
    context: &Context,
    producer: &mut Producer,
    timeout: Duration,
) -> Result<(), broker::Error> {
    let mut attempts = Attempts::new(timeout);
    loop {
        match producer.connect().await {
            Err(error) => retry_broker(context, &mut attempts, error).await?,
            Ok(()) => return Ok(()),
        }
    }
}

/// Pauses after a failed request, or returns its error if the timeout is over.
async fn retry_broker(
    context: &Context,
    attempts: &mut Attempts,
    error: broker::Error,
) -> Result<(), broker::Error> {
    if !pause_before_retry(context, attempts).await {
        return Err(error);
    }
    tracing::info!(error = chain(&error), "retrying a request to the broker");
    Ok(())
}

/// Counts a failed attempt and pauses. Returns false if the timeout is over or the server has
/// terminated.
pub async fn pause_before_retry(context: &Context, attempts: &mut Attempts) -> bool {
    match attempts.failed(context.clock.now()) {
        Some(pause) => context.terminated_servers.pause(pause).await.is_ok(),
        None => false,
    }
}
