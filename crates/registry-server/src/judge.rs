//! Where schemas are judged: on a deep stack, within a deadline.
//!
//! A schema can be written so that checking it or comparing it with another takes very long or
//! recurses very deeply. What comes from a client must neither stop the others nor end the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Enough for schemas as deep as the JSON parser allows, in builds that are not optimized too.
/// Memory that is not touched is not used.
const STACK_BYTES: usize = 64 << 20;

/// Judgements under way, those that nobody waits for any more included.
const MAX_RUNNING: usize = 8;

/// Ordinary schemas take milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// Judges schemas.
#[derive(Debug)]
pub(super) struct Judge {
    running: Arc<AtomicUsize>,
    deadline: Duration,
}

/// Why there is no judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Abstained {
    #[error("too many other schemas are being checked")]
    Busy,
    #[error("it takes too long to check")]
    TooLong,
    #[error("it cannot be checked")]
    Failed,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            running: Arc::default(),
            deadline: DEADLINE,
        }
    }

    /// Does some work and returns what comes of it, unless it takes too long: then it goes on alone
    /// until it ends.
    pub(super) fn decide<T, F>(&self, work: F) -> Result<T, Abstained>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let slot = Slot::take(&self.running).ok_or(Abstained::Busy)?;
        let (answer, answered) = mpsc::sync_channel(1);
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let started = builder.spawn(move || {
            let decided = work();
            drop(slot);
            // Nobody waits after the deadline.
            drop(answer.send(decided));
        });
        started.map_err(|_no_thread| Abstained::Busy)?;
        answered
            .recv_timeout(self.deadline)
            .map_err(|missing| match missing {
                mpsc::RecvTimeoutError::Timeout => Abstained::TooLong,
                mpsc::RecvTimeoutError::Disconnected => Abstained::Failed,
            })
    }
}

/// The right to run, given back when dropped.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let slot = Self(Arc::clone(running));
        let before = running.fetch_add(1, Ordering::Relaxed);
        (before < MAX_RUNNING).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(deadline: Duration) -> Judge {
        Judge {
            deadline,
            ..Judge::new()
        }
    }

    #[test]
    fn work_ends_in_its_result_or_at_its_deadline() {
        let patient = judge(Duration::from_secs(60));
        assert_eq!(patient.decide(|| 7), Ok(7));
        let failed = patient.decide(|| assert_eq!(1, 2, "this panic is meant"));
        assert_eq!(failed, Err(Abstained::Failed));
        let (finish, wait) = mpsc::channel::<()>();
        let hasty = judge(Duration::from_millis(10));
        let stuck = hasty.decide(move || wait.recv().is_ok());
        assert_eq!(stuck, Err(Abstained::TooLong));
        drop(finish);
    }

    #[test]
    fn work_that_nobody_waits_for_counts_until_it_ends() {
        let judge = judge(Duration::from_millis(1));
        let (finish, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        for _ in 0..MAX_RUNNING {
            let wait = Arc::clone(&wait);
            let stuck = judge.decide(move || drop(wait.lock().map(|wait| wait.recv())));
            assert_eq!(stuck, Err(Abstained::TooLong));
        }
        assert_eq!(judge.decide(|| 7), Err(Abstained::Busy));
        drop(finish);
        while judge.running.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        let patient = Judge {
            deadline: DEADLINE,
            ..judge
        };
        assert_eq!(patient.decide(|| 7), Ok(7));
    }
}
