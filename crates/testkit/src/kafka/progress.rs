//! Waiting for a group.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::{DataError, GroupProgress, KafkaServer, PartitionProgress};
use tokio::sync::Mutex;

use crate::error::Error;

/// Interval of looking.
const INTERVAL: Duration = Duration::from_millis(2);

/// Partitions that an error names.
const SHOWN: usize = 10;

/// Returns the number of committed records of all partitions.
pub fn committed(progress: &GroupProgress) -> u64 {
    let partitions = progress.partitions.iter();
    partitions.map(PartitionProgress::records).sum()
}

/// What is waited for.
#[derive(Debug)]
pub struct Wait {
    group: String,
    topic: String,
    records: u64,
    deadline: Duration,
}

impl Wait {
    pub fn new(group: &str, topic: &str, records: u64, deadline: Duration) -> Self {
        Self {
            group: group.to_owned(),
            topic: topic.to_owned(),
            records,
            deadline,
        }
    }

    /// Waits until the group has committed enough, or until the deadline.
    pub async fn until(self, server: Arc<Mutex<Option<KafkaServer>>>) -> Result<(), Error> {
        let mut last = DataError::Stopped.into();
        let reaching = async {
            loop {
                let progress = match &*server.lock().await {
                    Some(server) => server.progress(&self.group, &self.topic),
                    None => Err(DataError::Stopped),
                };
                last = match progress {
                    Ok(progress) if committed(&progress) >= self.records => return Ok(()),
                    Ok(progress) => Error::NotCommitted(self.describe(&progress)),
                    // The program under test may create the topic.
                    Err(error @ DataError::UnknownTopic { .. }) => error.into(),
                    Err(error) => return Err(error.into()),
                };
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let reached = tokio::time::timeout(self.deadline, reaching).await;
        reached.unwrap_or(Err(last))
    }

    fn describe(&self, progress: &GroupProgress) -> String {
        let Self {
            group,
            topic,
            records,
            deadline,
        } = self;
        let done = committed(progress);
        let mut text = format!(
            "group `{group}` has committed {done} of {records} records of topic `{topic}` within \
             {deadline:?}"
        );
        let _ = match progress.state {
            None => write!(text, "; the group does not exist"),
            Some(state) => write!(text, "; it is {state} with {} members", progress.members),
        };
        for partition in progress.partitions.iter().take(SHOWN) {
            let end = partition.end;
            let _ = write!(text, "\n  partition {}: ", partition.partition);
            let _ = match partition.committed {
                None => write!(text, "nothing committed, the log ends at {end}"),
                Some(offset) => write!(text, "committed {offset}, the log ends at {end}"),
            };
        }
        let more = progress.partitions.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = write!(text, "\n  and {more} more partitions");
        }
        text
    }
}
