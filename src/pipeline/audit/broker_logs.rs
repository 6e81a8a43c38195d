//! Reads the broker's logs again, if readings have no document: those in a log are not lost.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::{self, PartitionReader};
use crate::cause::chain;
use crate::record::{Envelope, RunKey};

/// How long reading all partitions may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of one fetch.
const FETCH_BYTES: i32 = 4 * 1024 * 1024;

/// How long a fetch waits for the first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// Responses without a record, after which the rest of a partition counts as unreadable.
const EMPTY_FETCHES: u32 = 4;

/// The logs of a run's partitions.
#[derive(Debug)]
pub struct BrokerLogs {
    /// Key of the run.
    pub run: RunKey,
    /// One reader for each partition of the run.
    pub partitions: Vec<PartitionReader>,
    /// The user waits for the end of the run: then the logs are not read.
    pub interrupted: CancellationToken,
}

impl BrokerLogs {
    /// Calls `visit` with vehicle and sequence of each record of the run.
    ///
    /// Returns false if not all records could be read in time.
    pub async fn read(mut self, mut visit: impl FnMut(u32, u64)) -> bool {
        let interrupted = self.interrupted.clone();
        let reading = async {
            for partition in &mut self.partitions {
                read_partition(partition, self.run, &mut visit).await?;
            }
            Ok::<_, broker::Error>(())
        };
        let reading = tokio::time::timeout(DEADLINE, reading);
        match interrupted.run_until_cancelled(Box::pin(reading)).await {
            Some(Ok(Ok(()))) => return true,
            Some(Ok(Err(error))) => tracing::warn!(
                error = chain(&error),
                "failed to look for readings without a document in the broker"
            ),
            Some(Err(_)) | None => {
                tracing::info!("gave up looking for readings without a document in the broker");
            }
        }
        false
    }
}

async fn read_partition(
    partition: &mut PartitionReader,
    run: RunKey,
    visit: &mut impl FnMut(u32, u64),
) -> Result<(), broker::Error> {
    let (mut position, end) = partition.offsets().await?;
    let mut empty = 0;
    while position < end && empty < EMPTY_FETCHES {
        let mut fetched = partition.fetch(position, FETCH_BYTES, FETCH_WAIT).await?;
        empty += 1;
        while let Some(part) = fetched.records.next_part() {
            for record in part.records() {
                let header = record.headers.get(Envelope::HEADER);
                let identity = header.and_then(Envelope::identity);
                if let Some((_run, vehicle, sequence)) = identity.filter(|it| it.0 == run) {
                    visit(vehicle, sequence);
                }
            }
            position = part.next_offset;
            empty = 0;
        }
    }
    Ok(())
}
