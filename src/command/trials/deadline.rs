//! Ends a trial when the time of the search is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::error::Error;
use crate::pipeline::Interrupt;

/// How long the audit may take after the end.
const AUDIT: Duration = Duration::from_secs(1);

/// Interrupts a trial after a time, unless it is dropped before.
#[derive(Debug)]
pub struct Deadline {
    interrupt: Interrupt,
    over: Arc<AtomicBool>,
    /// Dropped with the deadline, which ends its thread.
    _ended: Sender<()>,
}

impl Deadline {
    /// Starts to count. The user's interruption ends the trial as well.
    pub fn start(user: &Interrupt, left: Duration) -> Result<Self, Error> {
        let interrupt = Interrupt {
            requested: user.requested.child_token(),
            drain_over: user.drain_over.child_token(),
            audit_over: user.audit_over.child_token(),
            stop_over: user.stop_over.clone(),
        };
        let over = Arc::new(AtomicBool::new(false));
        let (ended, waiting) = channel::<()>();
        let (steps, reached) = (interrupt.clone(), Arc::clone(&over));
        std::thread::Builder::new()
            .name("deadline".to_owned())
            .spawn(move || {
                let waits = |time| waiting.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                if waits(left) {
                    reached.store(true, Ordering::Relaxed);
                    steps.requested.cancel();
                    steps.drain_over.cancel();
                    if waits(AUDIT) {
                        steps.audit_over.cancel();
                    }
                }
            })
            .map_err(Error::Runtime)?;
        Ok(Self {
            interrupt,
            over,
            _ended: ended,
        })
    }

    /// Returns what ends the trial.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Returns whether the time is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_the_time_interrupts_the_trial_and_not_the_command() {
        let user = Interrupt::default();
        let deadline = Deadline::start(&user, Duration::ZERO).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(deadline.interrupt().audit_over.cancelled());
        assert!(deadline.is_over());
        assert!(!user.is_requested());
    }

    #[test]
    fn interruption_of_the_command_ends_the_trial() {
        let user = Interrupt::default();
        let deadline = Deadline::start(&user, Duration::from_secs(3_600)).unwrap();
        user.requested.cancel();
        assert!(deadline.interrupt().is_requested());
        assert!(!deadline.is_over());
    }
}
