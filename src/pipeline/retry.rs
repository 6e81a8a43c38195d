//! Asking again until there is an answer.

use std::future::Future;
use std::time::Duration;

use bson::RawDocumentBuf;

use crate::broker::{self, Partition};
use crate::pipeline::context::Context;
use crate::pipeline::error;
use crate::pipeline::machine::Attempts;
use crate::store::{Documents, Error, InsertOutcome};

/// Sends a command that changes nothing when it is sent twice, until it is answered.
///
/// Gives up at a deadline, and at once where another owner has taken over.
pub async fn persistently<T, F>(
    context: &Context,
    mut command: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempts = Attempts::new(context.settings.store_timeout);
    loop {
        let error = match command().await {
            Err(error @ Error::Command { .. }) => error,
            answered => return answered,
        };
        if !again(context, &mut attempts).await {
            return Err(error);
        }
        tracing::warn!(%error, "sending a command again");
    }
}

/// What the store said of a batch in the end.
#[derive(Debug)]
pub struct Answered {
    /// Indices of what was there already.
    pub duplicates: Vec<usize>,
    /// Indices of what the store does not take, with its reason.
    pub rejected: Vec<(usize, String)>,
    /// Whether an earlier attempt's fate was unknown.
    pub sent_again: bool,
}

/// Inserts a batch, again and again while its fate is unknown, up to a deadline.
pub async fn insert(
    context: &Context,
    collection: &Documents,
    batch: &[RawDocumentBuf],
) -> Result<Answered, error::Error> {
    let mut attempts = Attempts::new(context.settings.store_timeout);
    loop {
        let source = match collection.insert(batch).await {
            InsertOutcome::Answered {
                duplicates,
                rejected,
            } => {
                context.counters.inserts.add(1);
                return Ok(Answered {
                    duplicates,
                    rejected,
                    sent_again: attempts.count() > 0,
                });
            }
            InsertOutcome::Unknown(source) => source,
        };
        context.counters.inserts_unknown.add(1);
        tracing::warn!(%source, attempts = attempts.count(), "inserting a batch again");
        if !again(context, &mut attempts).await {
            return Err(error::Error::Insert {
                collection: collection.name(),
                attempts: attempts.count(),
                source,
            });
        }
    }
}

/// Asks a partition for the offsets of its log's first record and behind its last one, until it
/// answers, for as long as `patience`.
pub async fn offsets(
    context: &Context,
    partition: &mut Partition,
    patience: Duration,
) -> Result<(i64, i64), broker::Error> {
    let mut attempts = Attempts::new(patience);
    loop {
        let error = match partition.offsets().await {
            Err(error) => error,
            answered => return answered,
        };
        if !again(context, &mut attempts).await {
            return Err(error);
        }
        tracing::info!(%error, "asking for the end of a log again");
    }
}

/// Notes a failure and pauses; false if it is time to give up, or the server is gone for good.
pub async fn again(context: &Context, attempts: &mut Attempts) -> bool {
    match attempts.failed(context.clock.now()) {
        Some(pause) => context.lost.pause(pause).await.is_ok(),
        None => false,
    }
}
