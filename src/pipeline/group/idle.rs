//! When a member of a group has nothing left to read.

use tokio::task::JoinHandle;

use crate::broker::PartitionReader;
use crate::pipeline::group::handle::Handle;
use crate::pipeline::topic_partition::TopicPartition;

/// Since when nothing has been fetched.
#[derive(Debug, Default)]
pub struct Idle {
    counts: (u64, u64),
    since: u64,
}

impl Idle {
    /// Records what was counted so far; returns since when the member is idle.
    pub fn observe(&mut self, counts: (u64, u64), settled: bool, now: u64) -> u64 {
        if self.counts != counts || !settled || self.since == 0 {
            *self = Self { counts, since: now };
        }
        self.since
    }
}

/// A look-up of what the other members have left unread, repeated until it is nothing.
#[derive(Debug, Default)]
pub struct Others(Option<JoinHandle<bool>>);

impl Others {
    /// Returns whether the last look-up found nothing unread; starts another one after each that did.
    pub fn have_read_all(&mut self, look_up: impl Future<Output = bool> + Send + 'static) -> bool {
        let Some(running) = &mut self.0 else {
            self.0 = Some(tokio::spawn(look_up));
            return false;
        };
        if !running.is_finished() {
            return false;
        }
        let unread = futures_util::FutureExt::now_or_never(running);
        self.0 = None;
        matches!(unread, Some(Ok(false)))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.abort();
        }
    }
}

/// Returns whether one of these partitions has records after the group's committed offset, as far as
/// the broker says.
pub async fn have_unread(
    membership: Handle,
    readers: Vec<(TopicPartition, PartitionReader)>,
) -> bool {
    let partitions = readers.iter().map(|(partition, _)| *partition).collect();
    let Some(committed) = membership.committed(partitions).await else {
        return true;
    };
    for (partition, mut reader) in readers {
        let Ok((earliest, end)) = reader.offsets().await else {
            return true;
        };
        let position = committed.get(&partition).copied().unwrap_or(earliest);
        if position < end {
            return true;
        }
    }
    false
}
