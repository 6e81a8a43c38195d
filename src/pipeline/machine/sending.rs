//! One flight of messages on its way into a partition, until the fate of each is known.

use std::ops::Range;
use std::time::Duration;

use crate::pipeline::machine::attempts::Attempts;

/// Messages of one flight that are still to be brought in.
#[derive(Debug)]
pub struct Sending {
    /// What is left, the next part last: splitting is rare, so a stack serves better than recursion.
    left: Vec<Range<usize>>,
    attempts: Attempts,
    patience: Duration,
    next: Next,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send these messages in one request.
    Send(Range<usize>),
    /// Wait, then ask again.
    Pause(Duration),
    /// Every message is in the log or set aside.
    Finish,
    /// Give up.
    GiveUp {
        /// Requests sent in vain.
        attempts: u32,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Every message is in the log.
    Acked,
    /// It did not work, or nobody knows: it is to be sent again.
    Again,
    /// Nothing was appended: the request is larger than the broker takes.
    TooLarge,
    /// Nothing was appended, and sending again cannot help.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Send,
    Pause(Duration),
    GiveUp,
}

impl Sending {
    /// Begins with a flight of `count` messages, each part of which may fail for `patience`.
    pub fn new(count: usize, patience: Duration) -> Self {
        Self {
            left: std::iter::once(0..count).collect(),
            attempts: Attempts::new(patience),
            patience,
            next: Next::Send,
        }
    }

    /// Returns what is to be done next.
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

    /// Notes how the last request ended; returns the message to be set aside, if it was one alone
    /// that no broker takes.
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
                // Counted as an attempt, whatever the time.
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

    /// Returns of how many messages nobody knows that the broker has them.
    pub fn unacked(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).sum()
    }

    /// Gives up, whatever the time.
    pub fn abandon(&mut self) {
        self.next = Next::GiveUp;
    }

    fn pass(&mut self) -> Option<Range<usize>> {
        self.attempts = Attempts::new(self.patience);
        self.left.pop()
    }
}
