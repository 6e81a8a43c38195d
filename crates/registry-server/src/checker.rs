//! Runs checks of schemas on a deep stack and within a deadline.
//!
//! A schema can be written so that checking or comparing it takes very long or recurses very deeply.
//! A schema of one client must neither block the others nor end the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Enough for schemas as deep as the JSON parser allows, in debug builds too. Pages that are not
/// touched take no memory.
const STACK_BYTES: usize = 64 << 20;

/// Maximum number of running checks, including those that timed out.
const MAX_RUNNING: usize = 8;

/// Deadline of a check. Ordinary schemas take milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// Number of running checks.
#[derive(Debug, Default)]
struct Running {
    count: Mutex<usize>,
    freed: Condvar,
}

/// Runs checks.
#[derive(Debug)]
pub(super) struct Checker {
    running: Arc<Running>,
    deadline: Duration,
}

/// Tells a check that its result is no longer waited for. A check that can take long asks now and
/// then.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadline(Arc<AtomicBool>);

impl Deadline {
    #[cfg_attr(
        not(feature = "json-schema"),
        allow(dead_code, reason = "other comparisons are short")
    )]
    pub(super) fn passed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn pass(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A check without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CheckError {
    #[error("too many schemas are being checked at the same time")]
    Busy,
    #[error("the check did not finish in time")]
    Timeout,
    #[error("the check failed")]
    Failed,
}

impl Checker {
    pub(super) fn new() -> Self {
        Self {
            running: Arc::default(),
            deadline: DEADLINE,
        }
    }

    /// Runs a check and returns its result. It waits for a free place at most as long as a check may
    /// take. A check that does not end at its deadline keeps running,
    /// without a caller.
    pub(super) fn run<T, F>(&self, check: F) -> Result<T, CheckError>
    where
        T: Send + 'static,
        F: FnOnce(&Deadline) -> T + Send + 'static,
    {
        let slot = Slot::take(&self.running, self.deadline).ok_or(CheckError::Busy)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let deadline = Deadline::default();
        let told = deadline.clone();
        let started = builder.spawn(move || {
            let result = check(&told);
            drop(slot);
            // After the deadline there is no receiver.
            drop(sender.send(result));
        });
        started.map_err(|_no_thread| CheckError::Busy)?;
        receiver
            .recv_timeout(self.deadline)
            .map_err(|missing| match missing {
                mpsc::RecvTimeoutError::Timeout => {
                    deadline.pass();
                    CheckError::Timeout
                }
                mpsc::RecvTimeoutError::Disconnected => CheckError::Failed,
            })
    }
}

/// A slot for one running check, freed when dropped.
struct Slot(Arc<Running>);

impl Slot {
    fn take(running: &Arc<Running>, deadline: Duration) -> Option<Self> {
        let count = running.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = running
            .freed
            .wait_timeout_while(count, deadline, |count| *count >= MAX_RUNNING);
        let (mut count, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        *count += 1;
        Some(Self(Arc::clone(running)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(deadline: Duration) -> Checker {
        Checker {
            deadline,
            ..Checker::new()
        }
    }

    #[test]
    fn a_check_ends_with_its_result_or_at_its_deadline() {
        let patient = checker(Duration::from_secs(60));
        assert_eq!(patient.run(|_| 7), Ok(7));
        let failed = patient.run(|_| assert_eq!(1, 2, "expected panic"));
        assert_eq!(failed, Err(CheckError::Failed));
        let (finish, wait) = mpsc::channel::<()>();
        let hasty = checker(Duration::from_millis(10));
        let stuck = hasty.run(move |_| wait.recv().is_ok());
        assert_eq!(stuck, Err(CheckError::Timeout));
        drop(finish);
    }

    #[test]
    fn a_check_that_timed_out_counts_until_it_ends() {
        let checker = checker(Duration::from_millis(1));
        let (finish, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..MAX_RUNNING {
            let wait = Arc::clone(&wait);
            let stuck = checker.run(move |_| drop(wait.lock().map(|wait| wait.recv())));
            assert_eq!(stuck, Err(CheckError::Timeout));
        }
        assert_eq!(checker.run(|_| 7), Err(CheckError::Busy));
        drop(finish);
        let patient = Checker {
            deadline: DEADLINE,
            ..checker
        };
        assert_eq!(patient.run(|_| 7), Ok(7));
    }
}
