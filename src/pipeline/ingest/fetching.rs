//! One fetch of a partition: retried while the broker fails, and until it has records or passes a
//! gap.

use std::time::Duration;

use crate::broker::{Fetched, Part, PartitionReader, Undecoded};
use crate::cause::chain;
use crate::measure::nanos;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::machine::Attempts;
use crate::pipeline::outage::{Failing, Outage};

/// Maximum bytes of one fetch: a few hundred records, so that decoding does not delay the writer.
const FETCH_BYTES: usize = 1024 * 1024;

/// Bytes of one fetch of each partition together: every fetch in flight has its buffers.
const FETCHES_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one fetch, however many partitions there are.
const MIN_FETCH_BYTES: usize = 128 * 1024;

/// How long a fetch waits for the first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// Responses without a record before the log's end until nothing can be read there. A record may have
/// arrived just after one of them.
const EMPTY_FETCHES: u32 = 3;

/// How long all responses have no record until the offsets up to the log's end have none: a broker
/// may need some time to find records in remote storage.
const EMPTY_FOR: Duration = Duration::from_secs(2);

/// Pause after a response without a record before the log's end.
const EMPTY_PAUSE: Duration = Duration::from_millis(100);

/// A fetch at a position.
#[derive(Debug)]
pub struct Fetching<'a> {
    pub context: &'a Context,
    pub partition: &'a mut PartitionReader,
    pub position: i64,
    pub progress: Option<&'a PartitionProgress>,
    /// Whether only this run writes to the log: then it has no gaps.
    pub own_log: bool,
}

/// The records of a response; none if none arrived within the wait.
#[derive(Debug, Default)]
pub struct Response {
    first: Option<Part>,
    rest: Option<Undecoded>,
}

/// Responses in a row without a record before the log's end.
#[derive(Debug)]
struct Empty {
    count: u32,
    since: u64,
    /// The lowest end of them.
    end: i64,
}

impl Response {
    /// Decodes the next part.
    pub fn next_part(&mut self) -> Option<Part> {
        let first = self.first.take();
        first.or_else(|| self.rest.as_mut()?.next_part())
    }
}

impl Fetching<'_> {
    /// Fetches, and retries until the broker timeout.
    pub async fn fetch(self) -> Result<Response, Error> {
        let mut outage = None;
        let mut attempts = Attempts::new(self.context.settings.timeouts.broker);
        let mut empty: Option<Empty> = None;
        let bytes = self
            .context
            .share(FETCHES_BYTES, MIN_FETCH_BYTES..=FETCH_BYTES);
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        loop {
            let fetched = self.partition.fetch(self.position, bytes, FETCH_WAIT).await;
            let now = self.context.clock.now();
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(error) => {
                    let error = Error::Broker(error);
                    self.retry(error, &mut attempts, &mut outage).await?;
                    continue;
                }
            };
            Outage::end(&mut outage, now);
            attempts = Attempts::new(self.context.settings.timeouts.broker);
            if let Some(progress) = self.progress {
                progress.answered(self.position, fetched.end, now);
            }
            let Fetched {
                mut records,
                end,
                has_records,
                throttled,
            } = fetched;
            if let Some(part) = records.next_part() {
                return Ok(Response {
                    first: Some(part),
                    rest: Some(records),
                });
            }
            if end <= self.position || throttled {
                return Ok(Response::default());
            }
            let empty = empty.get_or_insert(Empty {
                count: 0,
                since: now,
                end,
            });
            empty.count += 1;
            empty.end = empty.end.min(end);
            if empty.count > EMPTY_FETCHES {
                if self.own_log || has_records {
                    return Err(self.unreadable());
                }
                if now.saturating_sub(empty.since) >= nanos(EMPTY_FOR) {
                    let absent = Part::absent(self.position, empty.end);
                    return Ok(Response {
                        first: Some(absent),
                        rest: None,
                    });
                }
            }
            let pausing = self.context.terminated_servers.pause(EMPTY_PAUSE);
            if pausing.await.is_err() {
                return Err(self.unreadable());
            }
        }
    }

    /// Counts a failed request and pauses. Returns its error if it is not to be retried.
    async fn retry(
        &self,
        error: Error,
        attempts: &mut Attempts,
        outage: &mut Option<Failing>,
    ) -> Result<(), Error> {
        let context = self.context;
        let pause = attempts.failed(context.clock.now());
        let Some(pause) = pause.filter(|_| !error.is_loss()) else {
            return Err(error);
        };
        context.counters.fetches_failed.add(1);
        let cause = chain(&error);
        context
            .broker_outage
            .failed(outage, context.clock.now(), &cause);
        tracing::debug!(error = cause, "retrying a fetch");
        match context.terminated_servers.pause(pause).await {
            Ok(()) => Ok(()),
            Err(_terminated) => Err(error),
        }
    }

    fn unreadable(&self) -> Error {
        Error::Unreadable {
            topic: self.partition.topic().to_owned(),
            partition: self.partition.number(),
            offset: self.position,
        }
    }
}
