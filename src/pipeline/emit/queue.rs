//! The bounded queue between the pacing thread and the producer of one partition.
//!
//! A reading is 40 bytes and `Copy`, and both sides move many of them under one lock. If the queue is
//! full, the pacing thread waits. Intended times do not change, so the wait counts as publish delay.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::fleet::Reading;

/// Maximum readings in a queue.
const CAPACITY: usize = 16_384;

/// How often a waiting pacing thread checks the stop flag.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A bounded queue with one pushing thread and one taking task.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    space: Condvar,
    ready: Notify,
}

#[derive(Debug, Default)]
struct State {
    readings: VecDeque<Reading>,
    closed: bool,
}

impl Queue {
    /// Moves all of `readings` into the queue, waiting for space while `is_running` returns true.
    ///
    /// Returns the number of readings that did not get in before the queue closed or the run stopped.
    pub fn push(&self, readings: &mut Vec<Reading>, is_running: impl Fn() -> bool) -> usize {
        let mut rest = readings.drain(..);
        let mut state = self.lock();
        loop {
            let space = CAPACITY.saturating_sub(state.readings.len());
            if !state.closed && space > 0 {
                state.readings.extend(rest.by_ref().take(space));
                self.ready.notify_one();
            }
            if rest.len() == 0 {
                return 0;
            }
            if state.closed || !is_running() {
                return rest.len();
            }
            let waited = self.space.wait_timeout(state, POLL_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Appends up to `most` readings to `taken`, waiting for the first.
    ///
    /// Returns false if the queue is closed and empty. Cancel safe.
    pub async fn take(&self, most: usize, taken: &mut Vec<Reading>) -> bool {
        loop {
            {
                let mut state = self.lock();
                if !state.readings.is_empty() {
                    let number = most.min(state.readings.len());
                    taken.extend(state.readings.drain(..number));
                    self.space.notify_one();
                    return true;
                }
                if state.closed {
                    return false;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Closes the queue for new readings; those inside can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.space.notify_one();
        self.ready.notify_one();
    }

    /// Closes the queue, drops its readings and returns their number.
    pub fn abandon(&self) -> usize {
        self.close();
        std::mem::take(&mut self.lock().readings).len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn reading(sequence: u64) -> Reading {
        Reading {
            vehicle: 0,
            sequence,
            row: 0,
            intended: 0,
            warm_up: false,
        }
    }

    #[tokio::test]
    async fn full_queue_keeps_order_and_loses_no_reading() {
        let queue = Arc::new(Queue::default());
        let total = 3 * CAPACITY as u64 + 7;
        let pushing = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            let mut readings: Vec<_> = (0..total).map(reading).collect();
            let left = pushing.push(&mut readings, || true);
            pushing.close();
            left
        });
        let mut taken = Vec::new();
        while queue.take(1_000, &mut taken).await {}
        assert_eq!(thread.join().unwrap(), 0);
        assert!(taken.iter().map(|reading| reading.sequence).eq(0..total));
    }

    #[test]
    fn push_to_a_full_queue_returns_when_stopped() {
        let queue = Queue::default();
        let mut readings: Vec<_> = (0..CAPACITY as u64 + 5).map(reading).collect();
        assert_eq!(queue.push(&mut readings, || false), 5);
    }
}
