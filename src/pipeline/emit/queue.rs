//! The bounded queue between the pacing thread and the producer of one partition.
//!
//! A reading is 40 bytes and Copy, and both sides move many at once under one lock. When the queue
//! is full the pacing thread waits; the intended instants do not move, so the wait shows as publish
//! delay.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::fleet::Reading;

/// Readings a queue holds at most.
const CAPACITY: usize = 16_384;

/// How often a waiting pacing thread looks whether the run was stopped.
const LOOK_AROUND: Duration = Duration::from_millis(50);

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
    /// Moves all of `readings` into the queue, waiting for space while `go_on` allows it.
    ///
    /// Returns how many were left out because the queue was closed or `go_on` said no.
    pub fn push(&self, readings: &mut Vec<Reading>, go_on: impl Fn() -> bool) -> usize {
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
            if state.closed || !go_on() {
                return rest.len();
            }
            let waited = self.space.wait_timeout(state, LOOK_AROUND);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Moves up to `most` readings to the end of `taken`, waiting for the first.
    ///
    /// Returns false when the queue is closed and empty. Cancel safe.
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

    /// Takes no more readings; those inside can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.space.notify_one();
        self.ready.notify_one();
    }

    /// Closes the queue and returns how many readings were left inside.
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
    async fn readings_come_out_in_order_and_none_is_lost_at_the_bound() {
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
    fn a_full_queue_lets_a_stopped_thread_go() {
        let queue = Queue::default();
        let mut readings: Vec<_> = (0..CAPACITY as u64 + 5).map(reading).collect();
        assert_eq!(queue.push(&mut readings, || false), 5);
    }
}
