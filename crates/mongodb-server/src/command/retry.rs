//! Retryable writes: a statement that an earlier try executed is not executed again.
//!
//! A driver numbers its writes by session (`lsid`, `txnNumber`). The oplog keeps the number with each
//! change, so that a retry is recognized after a restart as well.

use bytes::Bytes;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::{Call, Shared};
use crate::engine::{Engine, Image, Retry, Turn, Writer};
use crate::error::{Code, CommandError};

/// Commands that can be retried.
pub const RETRYABLE: &[&str] = &[
    "bulkWrite",
    "insert",
    "update",
    "delete",
    "findAndModify",
    "findandmodify",
];

/// The number of a write in its session.
#[derive(Debug, Clone, Copy)]
struct Numbered {
    session: [u8; 16],
    number: i64,
}

/// A write that can be retried, if the client numbered it.
#[derive(Debug)]
pub struct Retryable<'s> {
    engine: &'s Engine,
    numbered: Option<(Numbered, Turn<'s>)>,
    /// Statements that an earlier try executed.
    executed: Vec<usize>,
    /// Whether validators are not asked.
    bypass: bool,
}

/// What an earlier try of a statement did: an entry of the oplog.
#[derive(Debug)]
pub struct Executed(Bytes);

impl<'s> Retryable<'s> {
    /// Begins a write; waits for an earlier try that still runs.
    pub fn begin(shared: &'s Shared, call: &Call<'_>) -> Result<Self, CommandError> {
        let engine = &*shared.engine;
        let numbered = match (numbered(call)?, engine.oplog()) {
            (Some(numbered), Some(oplog)) => {
                let now = shared.clock.now();
                let turn = oplog
                    .sessions()
                    .begin(numbered.session, numbered.number, now)?;
                Some((numbered, turn))
            }
            _ => None,
        };
        Ok(Self {
            engine,
            numbered,
            executed: Vec::new(),
            bypass: call.flag("bypassDocumentValidation")?.unwrap_or(false),
        })
    }

    /// Rejects statements that cannot be retried, if the client numbered the write.
    pub fn refuse(&self, message: &str) -> Result<(), CommandError> {
        match self.numbered {
            Some(_) => Err(CommandError::new(Code::INVALID_OPTIONS, message)),
            None => Ok(()),
        }
    }

    /// Returns what an earlier try of a statement did, if there was one that changed something.
    pub fn executed(&mut self, index: usize) -> Result<Option<Executed>, CommandError> {
        let Some((_, turn)) = &self.numbered else {
            return Ok(None);
        };
        let (Some(entry), Some(oplog)) = (turn.executed(narrow(index)), self.engine.oplog()) else {
            return Ok(None);
        };
        self.executed.push(index);
        let entry = oplog.entry(self.engine.log(), entry)?;
        entry.map(Executed).map(Some).ok_or_else(|| {
            let message = "Incomplete history detected for this retryable write";
            CommandError::new(Code::INCOMPLETE_TRANSACTION_HISTORY, message)
        })
    }

    /// Returns the numbers of statements.
    pub fn statements(&self, places: &[usize]) -> Vec<i32> {
        match self.numbered {
            Some(_) => places.iter().copied().map(narrow).collect(),
            None => Vec::new(),
        }
    }

    /// Returns how the changes of statements are written.
    pub fn writer<'w>(&'w self, statements: &'w [i32], image: Option<Image>) -> Writer<'w> {
        let retry = self.numbered.as_ref().map(|(numbered, _)| Retry {
            session: numbered.session,
            number: numbered.number,
            statements,
            image,
        });
        Writer {
            bypass: self.bypass,
            ..self.engine.writer().of(retry)
        }
    }

    /// Adds to a reply which statements an earlier try executed.
    pub fn describe(&self, reply: Builder) -> Builder {
        if self.executed.is_empty() {
            return reply;
        }
        let executed = self
            .executed
            .iter()
            .map(|&index| Value::Int32(narrow(index)));
        reply.array("retriedStmtIds", executed.collect::<ArrayBuilder>())
    }
}

impl Executed {
    fn doc(&self) -> Doc<'_> {
        Doc::new(&self.0)
    }

    /// Returns the `_id` of the document that was inserted.
    pub fn upserted(&self) -> Option<Value<'static>> {
        let inserted = self.doc().get("op")?.as_str() == Some("i");
        let document = self.document("o").filter(|_| inserted)?;
        Some(Doc::new(&document).get("_id")?.into_owned())
    }

    /// Returns whether a document was found.
    pub fn found(&self) -> bool {
        self.upserted().is_none()
    }

    /// Returns a document of the entry.
    pub fn document(&self, name: &str) -> Option<Vec<u8>> {
        match self.doc().get(name) {
            Some(Value::Document(bytes)) => Some(bytes.into_owned()),
            _ => None,
        }
    }
}

fn narrow(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// Reads `lsid` and `txnNumber`.
fn numbered(call: &Call<'_>) -> Result<Option<Numbered>, CommandError> {
    let Some(number) = call.value("txnNumber") else {
        return Ok(None);
    };
    let Value::Int64(number) = number else {
        return Err(call.wrong_type("txnNumber", number.kind(), "long"));
    };
    if number < 0 {
        let message = "Transaction number cannot be negative";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    let id = call.document("lsid")?.and_then(|lsid| lsid.get("id"));
    let session = match id {
        Some(Value::Binary { bytes, .. }) => <[u8; 16]>::try_from(bytes.as_ref()).ok(),
        _ => None,
    };
    let session = session.ok_or_else(|| {
        let message = "Transaction number requires a session ID to also be specified";
        CommandError::new(Code::INVALID_OPTIONS, message)
    })?;
    Ok(Some(Numbered { session, number }))
}
