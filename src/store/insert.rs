//! Inserts of raw documents: one command, into which each document is copied once.
//!
//! The driver's `insert_many` serializes each document twice and keeps each id twice.

use std::future::IntoFuture as _;

use bson::{Bson, Document, RawDocumentBuf};
use convoy_mongodb_server::bson::{Value, Writer};
use mongodb::error::ErrorKind;

use crate::cause::{Cause, one_line};
use crate::store::client::Documents;
use crate::store::failure::{cause, is_duplicate_code, refused};
use crate::store::outcome::{InsertOutcome, Refusal};

/// Bytes of the documents of one command. Servers limit a command to 16 MiB.
const COMMAND_BYTES: usize = 15_000_000;

/// Bytes of a command besides its documents, and of each document's place in the array.
const COMMAND_OVERHEAD: usize = 1_024;
const ELEMENT_OVERHEAD: usize = 12;

/// How a document begins whose first field is `_id`: its length, a type, the name.
const ID: &[u8] = b"_id\0";
const ID_AT: usize = 5;

impl Documents {
    /// Inserts a batch once, unordered, and returns the outcome of each document.
    ///
    /// The batch should fit into one wire message (48 MB, 100,000 documents): if a later message of
    /// a call fails, the driver drops the responses to the earlier ones.
    pub async fn insert(&self, batch: &[RawDocumentBuf]) -> InsertOutcome {
        let Some(command) = self.command(batch) else {
            return self.insert_many(batch).await;
        };
        let database = self.pool.client().database(&self.database);
        let insert = database.run_raw_command(command).into_future();
        match self.pool.answer(self.command_timeout, insert).await {
            Ok(Ok(reply)) => outcome(&reply),
            Ok(Err(error)) => InsertOutcome::Unknown(cause(&error)),
            Err(timeout) => InsertOutcome::Unknown(timeout),
        }
    }

    /// Returns the command that inserts a batch; `None` if the driver has to split the batch, or to
    /// add an `_id`.
    fn command(&self, batch: &[RawDocumentBuf]) -> Option<RawDocumentBuf> {
        let bytes: usize = batch.iter().map(|document| document.as_bytes().len()).sum();
        let has_id = |document: &RawDocumentBuf| {
            let rest = document.as_bytes().get(ID_AT..);
            rest.is_some_and(|rest| rest.starts_with(ID))
        };
        if bytes > COMMAND_BYTES || batch.is_empty() || !batch.iter().all(has_id) {
            return None;
        }
        let overhead = COMMAND_OVERHEAD + batch.len() * ELEMENT_OVERHEAD;
        let mut command = Vec::with_capacity(bytes + overhead);
        let mut writer = Writer::new(&mut command);
        writer.string("insert", &self.collection);
        writer.bool("ordered", false);
        writer.document("writeConcern", |concern| {
            concern.string("w", "majority");
            concern.bool("j", true);
        });
        writer.array("documents", |documents| {
            let mut digits = itoa::Buffer::new();
            for (index, document) in batch.iter().enumerate() {
                let document = Value::Document(document.as_bytes().into());
                documents.value(digits.format(index), &document);
            }
        });
        writer.finish();
        RawDocumentBuf::from_bytes(command).ok()
    }

    /// Inserts a batch of any size by the driver.
    async fn insert_many(&self, batch: &[RawDocumentBuf]) -> InsertOutcome {
        let collection = self.collection();
        let insert = collection.insert_many(batch).ordered(false).into_future();
        let error = match self.pool.answer(self.command_timeout, insert).await {
            Ok(Ok(_inserted)) => {
                return InsertOutcome::Answered {
                    taken: Vec::new(),
                    rejected: Vec::new(),
                };
            }
            Ok(Err(error)) => error,
            Err(timeout) => return InsertOutcome::Unknown(timeout),
        };
        let ErrorKind::InsertMany(failure) = error.kind.as_ref() else {
            return InsertOutcome::Unknown(cause(&error));
        };
        if failure.write_concern_error.is_some() {
            return InsertOutcome::Unknown(cause(&error));
        }
        let errors = failure.write_errors.iter().flatten();
        let errors = errors.map(|error| (error.index, error.code, error.message.as_str()));
        answered(errors)
    }
}

/// Returns what a server responded to the command.
fn outcome(reply: &Document) -> InsertOutcome {
    if let Ok(failure) = reply.get_document("writeConcernError") {
        let code = number(failure.get("code")).unwrap_or_default();
        let name = failure.get_str("codeName").unwrap_or_default();
        let message = failure.get_str("errmsg").unwrap_or_default();
        return InsertOutcome::Unknown(refused(code, name, message));
    }
    let none = Vec::new();
    let errors = reply.get_array("writeErrors").unwrap_or(&none);
    let errors: Option<Vec<_>> = errors.iter().map(write_error).collect();
    if let Some(errors) = errors {
        return answered(errors.into_iter());
    }
    let text = "the server's response has a write error without an index";
    InsertOutcome::Unknown(Cause::Other(text.to_owned()))
}

/// Returns index, code and message of a write error.
fn write_error(error: &Bson) -> Option<(usize, i32, &str)> {
    let error = error.as_document()?;
    let index = usize::try_from(number(error.get("index"))?).ok()?;
    let code = number(error.get("code")).unwrap_or_default();
    Some((index, code, error.get_str("errmsg").unwrap_or_default()))
}

/// Returns a whole number. Servers differ in its type.
#[expect(clippy::cast_possible_truncation, reason = "casts of doubles saturate")]
fn number(value: Option<&Bson>) -> Option<i32> {
    match value? {
        Bson::Int32(number) => Some(*number),
        Bson::Int64(number) => i32::try_from(*number).ok(),
        Bson::Double(number) => Some(*number as i32),
        _ => None,
    }
}

fn answered<'e>(errors: impl Iterator<Item = (usize, i32, &'e str)>) -> InsertOutcome {
    let (mut taken, mut rejected) = (Vec::new(), Vec::new());
    for (index, code, message) in errors {
        let refusal = Refusal {
            index,
            reason: one_line(message),
        };
        if is_duplicate_code(code) {
            taken.push(refusal);
        } else {
            rejected.push(refusal);
        }
    }
    InsertOutcome::Answered { taken, rejected }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn indices(refusals: &[Refusal]) -> Vec<usize> {
        refusals.iter().map(|refusal| refusal.index).collect()
    }

    #[test]
    fn write_errors_are_told_apart_by_their_code() {
        let reply = doc! { "ok": 1, "n": 1, "writeErrors": [
            { "index": 0, "code": 11_000, "errmsg": "E11000 duplicate key" },
            { "index": 2_i64, "code": 121.0, "errmsg": "Document failed\nvalidation" },
        ] };
        let InsertOutcome::Answered { taken, rejected } = outcome(&reply) else {
            panic!("the server responded");
        };
        assert_eq!((indices(&taken), indices(&rejected)), (vec![0], vec![2]));
        assert_eq!(rejected[0].reason, "Document failed validation");
    }

    #[test]
    fn a_failed_write_concern_leaves_the_outcome_unknown() {
        let reply = doc! { "ok": 1, "n": 1, "writeConcernError": {
            "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out",
        } };
        let InsertOutcome::Unknown(cause) = outcome(&reply) else {
            panic!("documents may be lost");
        };
        let expected = "waiting for replication timed out (WriteConcernTimeout, code 64)";
        assert_eq!(cause.to_string(), expected);
    }

    #[test]
    fn a_write_error_without_an_index_leaves_the_outcome_unknown() {
        for error in [doc! { "code": 1 }, doc! { "index": -1, "code": 1 }] {
            let reply = doc! { "ok": 1, "writeErrors": [error] };
            assert!(matches!(outcome(&reply), InsertOutcome::Unknown(_)));
        }
    }
}
