//! Sends one batch of messages to a partition until the outcome of each is known.

use std::ops::Range;
use std::time::Duration;

use crate::pipeline::machine::attempts::Attempts;

/// Messages of one batch that are not acknowledged yet.
#[derive(Debug)]
pub struct Sending {
    /// Ranges that are left, the next one last.
    left: Vec<Range<usize>>,
    attempts: Attempts,
    timeout: Duration,
    next: Next,
}

/// The next action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send these messages in one request.
    Send(Range<usize>),
    /// Wait, then retry.
    Pause(Duration),
    /// Every message is acknowledged or a dead letter.
    Finish,
    /// Give up.
    GiveUp {
        /// Failed requests.
        attempts: u32,
    },
}

/// Outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Every message was appended.
    Acked,
    /// It failed, or the outcome is unknown: retry.
    Again,
    /// Nothing was appended: the request exceeds the broker's limit.
    TooLarge,
    /// Nothing was appended, and a retry cannot succeed.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Send,
    Pause(Duration),
    GiveUp,
}

impl Sending {
    /// Starts with a batch of `count` messages. `timeout` applies to each part of it.
    pub fn new(count: usize, timeout: Duration) -> Self {
        Self {
            left: std::iter::once(0..count).collect(),
            attempts: Attempts::new(timeout),
            timeout,
            next: Next::Send,
        }
    }

    /// Returns the next action.
    pub fn action(&mut self) -> Action {
        match self.next {
            Next::Pause(pause) => {
                self.next = Next::Send;
                Action::Pause(pause)
            }
            Next::GiveUp => Action::GiveUp {
                attempts: self.attempts.count(),
            },
            Next::Send => match self.left.last() {
                None => Action::Finish,
                Some(range) => Action::Send(range.clone()),
            },
        }
    }

    /// Records the outcome of the last request. Returns the index of a message that alone exceeds the
    /// broker's limit and becomes a dead letter.
    #[must_use]
    pub fn answered(&mut self, answer: Answer, now: u64) -> Option<usize> {
        match answer {
            Answer::Acked => {
                self.pass();
                None
            }
            Answer::Again => {
                self.next = match self.attempts.failed(now) {
                    Some(pause) => Next::Pause(pause),
                    None => Next::GiveUp,
                };
                None
            }
            Answer::Refused => {
                // This counts as an attempt in any case.
                let _given_up = self.attempts.failed(now);
                self.next = Next::GiveUp;
                None
            }
            Answer::TooLarge => {
                let range = self.pass()?;
                if range.len() <= 1 {
                    return Some(range.start);
                }
                let middle = range.start + range.len() / 2;
                self.left.push(middle..range.end);
                self.left.push(range.start..middle);
                None
            }
        }
    }

    /// Returns the number of messages without an ack.
    pub fn unacked(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).sum()
    }

    /// Gives up at once.
    pub fn abandon(&mut self) {
        self.next = Next::GiveUp;
    }

    fn pass(&mut self) -> Option<Range<usize>> {
        self.attempts = Attempts::new(self.timeout);
        self.left.pop()
    }
}
