//! Consumer and writer of one owned partition.

use std::collections::BTreeSet;

use crate::broker;
use crate::pipeline::error::Error;
use crate::pipeline::group::ending::Ownership;
use crate::pipeline::ingest::{GroupIntake, PartitionConsumer, Writer};
use crate::store;

/// Reads and stores one partition.
#[derive(Debug)]
pub struct Worker {
    pub consumer: PartitionConsumer<GroupIntake>,
    pub writer: Writer,
    /// Ends with the last record that was read.
    pub ownership: Ownership,
}

/// A consumer and its writer have ended.
#[derive(Debug)]
pub struct Ended {
    pub ownership: Ownership,
    /// Runs whose records were read.
    pub runs: BTreeSet<String>,
    pub result: Result<(), Error>,
}

impl Worker {
    /// Reads until it is no longer wanted, and stores what was read.
    pub async fn run(self) -> Ended {
        let mut ownership = self.ownership;
        let (read, written) = tokio::join!(self.consumer.run(), self.writer.run());
        let mut runs = BTreeSet::new();
        let read = read.map(|(position, intake)| {
            ownership.to = position;
            runs = intake.into_runs();
        });
        let result = match (read, written) {
            (_, Err(Error::Store(store::Error::Fenced { .. }))) => {
                ownership.taken = true;
                Ok(())
            }
            // The next claim finds where to read on.
            (
                Err(Error::Broker(
                    broker::Error::TopicRecreated { .. } | broker::Error::LogTruncated { .. },
                )),
                Ok(()),
            ) => Ok(()),
            (read, written) => written.and(read),
        };
        Ended {
            ownership,
            runs,
            result,
        }
    }
}
