//! Which statements of retryable writes were executed.
//!
//! A session runs one numbered write at a time; a retry has the number of the write before. The
//! memory is rebuilt from the oplog when a directory is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::locks::lock;
use crate::engine::oplog::entry::Tag;
use crate::engine::record::RecordId;
use crate::error::{Code, CommandError};

/// Largest number of sessions with retryable writes.
const MAX_SESSIONS: usize = 100_000;

/// Largest number of executed statements that all sessions remember.
const MAX_STATEMENTS: usize = 1_000_000;

/// How long a retry waits for the first try.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle time after which a session is forgotten, in nanoseconds.
const IDLE_NS: u64 = 30 * 60 * 1_000_000_000;

/// Executed statements, by session.
#[derive(Debug, Default)]
pub struct Sessions {
    known: Mutex<Known>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<[u8; 16], Session>,
    /// Number of the statements of all sessions.
    statements: usize,
}

#[derive(Debug, Default)]
struct Session {
    /// The last `txnNumber`.
    number: Option<i64>,
    busy: bool,
    /// The entries of the executed statements.
    statements: BTreeMap<i32, RecordId>,
    /// Whether executed statements were forgotten, because there were too many.
    forgotten: bool,
    used: u64,
}

/// Why a numbered write cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The session has begun a later write.
    TooOld {
        number: i64,
        last: i64,
    },
    /// What the first try did is no longer known.
    Forgotten,
    TooManySessions,
    /// The first try did not end in time.
    Busy,
}

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooOld { number, last } => Self::new(
                Code::TRANSACTION_TOO_OLD,
                format!(
                    "Retryable write with txnNumber {number} is prohibited on session because a \
                     newer retryable write with txnNumber {last} has already started on this \
                     session."
                ),
            ),
            Refused::Forgotten => Self::new(
                Code::INCOMPLETE_TRANSACTION_HISTORY,
                "Incomplete history detected for this retryable write",
            ),
            Refused::TooManySessions => Self::new(
                Code::TOO_MANY_SESSIONS,
                format!("{MAX_SESSIONS} sessions with retryable writes are open already"),
            ),
            Refused::Busy => Self::new(
                Code::LOCK_TIMEOUT,
                "the first try of this retryable write still runs",
            ),
        }
    }
}

/// A session's turn to run a numbered write, until it is dropped.
#[derive(Debug)]
pub struct Turn<'s> {
    sessions: &'s Sessions,
    session: [u8; 16],
}

impl Sessions {
    /// Begins a numbered write, or its retry; waits for a try that still runs.
    pub fn begin(&self, session: [u8; 16], number: i64, now: u64) -> Result<Turn<'_>, Refused> {
        let known = lock(&self.known);
        let is_busy = |known: &mut Known| {
            let session = known.sessions.get(&session);
            session.is_some_and(|session| session.busy)
        };
        let waited = self.freed.wait_timeout_while(known, TURN_TIMEOUT, is_busy);
        let (mut known, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Refused::Busy);
        }
        let Known {
            sessions,
            statements,
        } = &mut *known;
        if sessions.len() >= MAX_SESSIONS && !sessions.contains_key(&session) {
            return Err(Refused::TooManySessions);
        }
        let found = sessions.entry(session).or_default();
        match found.number {
            Some(last) if last > number => return Err(Refused::TooOld { number, last }),
            Some(last) if last == number && found.forgotten => return Err(Refused::Forgotten),
            Some(last) if last == number => {}
            _ => *statements -= found.renew(number),
        }
        found.busy = true;
        found.used = now;
        Ok(Turn {
            sessions: self,
            session,
        })
    }

    /// Remembers that a statement was executed.
    pub fn remember(&self, tag: Tag, entry: RecordId) {
        let mut known = lock(&self.known);
        let Known {
            sessions,
            statements,
        } = &mut *known;
        let session = sessions.entry(tag.session).or_default();
        if session.number < Some(tag.number) {
            *statements -= session.renew(tag.number);
        }
        if session.number == Some(tag.number)
            && session.statements.insert(tag.statement, entry).is_none()
        {
            *statements += 1;
        }
        if *statements > MAX_STATEMENTS {
            known.forget_some();
        }
    }

    /// Forgets sessions that are idle.
    pub fn reap(&self, now: u64) {
        let mut known = lock(&self.known);
        let Known {
            sessions,
            statements,
        } = &mut *known;
        sessions.retain(|_, session| {
            let kept = session.busy || now.saturating_sub(session.used) < IDLE_NS;
            if !kept {
                *statements -= session.statements.len();
            }
            kept
        });
    }
}

impl Known {
    /// Forgets the statements of the session with the most of them that is not at work.
    fn forget_some(&mut self) {
        let idle = self.sessions.values_mut().filter(|session| !session.busy);
        if let Some(largest) = idle.max_by_key(|session| session.statements.len()) {
            self.statements -= largest.statements.len();
            largest.statements = BTreeMap::new();
            largest.forgotten = true;
        }
    }
}

impl Session {
    /// Begins a write with a new number; returns how many statements are forgotten.
    fn renew(&mut self, number: i64) -> usize {
        self.number = Some(number);
        self.forgotten = false;
        std::mem::take(&mut self.statements).len()
    }
}

impl Turn<'_> {
    /// Returns the entry of a statement that was executed by an earlier try.
    pub fn executed(&self, statement: i32) -> Option<RecordId> {
        let known = lock(&self.sessions.known);
        let session = known.sessions.get(&self.session)?;
        session.statements.get(&statement).copied()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut known = lock(&self.sessions.known);
        if let Some(session) = known.sessions.get_mut(&self.session) {
            session.busy = false;
        }
        drop(known);
        self.sessions.freed.notify_all();
    }
}
