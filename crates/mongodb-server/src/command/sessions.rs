//! Sessions. The server keeps no state for them, but for retryable writes (`retry.rs`).

use crate::bson::{Builder, Doc, Element, Kind, Value, subtype};
use crate::command::limits::SESSION_TIMEOUT_MINUTES;
use crate::command::retry::RETRYABLE;
use crate::command::{Call, Client, Shared};
use crate::engine::{random_uuid, uuid_value};
use crate::error::{Code, CommandError};

/// Length of the id of a session, a UUID.
const ID_BYTES: usize = 16;

/// `killSessions`, `endSessions`: closes the cursors of sessions; `killSessions` of none closes all.
pub fn end_sessions(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let ids = ids(call)?;
    let all = ids.is_empty() && call.name == "killSessions";
    close(shared, |session| {
        all || ids.iter().any(|id| id.as_slice() == session)
    });
    Ok(Builder::new())
}

/// `refreshSessions`: sessions have no state that could expire.
pub fn refresh_sessions(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    ids(call)?;
    Ok(Builder::new())
}

/// `killAllSessions`: closes the cursors of all sessions, or of those of the client's user.
pub fn kill_all_sessions(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let mut users = Vec::new();
    for entry in entries(call)? {
        let text = |name: &str| -> Result<String, CommandError> {
            let path = format!("{}.{name}", call.name);
            match entry.get(name).filter(|value| !value.is_nullish()) {
                Some(Value::String(text)) => Ok(text.into_owned()),
                Some(other) => Err(call.wrong_type(&path, other.kind(), "string")),
                None => Err(call.missing(&path)),
            }
        };
        users.push((text("user")?, text("db")?));
        only(call, entry, &["user", "db"])?;
    }
    let own = |(user, _): &(String, String)| client.user.as_deref() == Some(user.as_str());
    if users.is_empty() || users.iter().any(own) {
        close(shared, |_session| true);
    }
    Ok(Builder::new())
}

/// Closes the cursors of the sessions that are chosen.
fn close(shared: &Shared, chosen: impl Fn(&[u8]) -> bool) {
    shared.cursors.close_sessions(chosen);
    // One of them may be waiting for documents.
    shared.engine.log().changes().notify_waiters();
}

/// Returns the documents of the command's array.
fn entries<'a>(call: &Call<'a>) -> Result<Vec<Doc<'a>>, CommandError> {
    let list = call
        .array(call.name)?
        .ok_or_else(|| call.missing(call.name))?;
    let document = |element: Element<'a>| {
        let path = format!("{}.{}", call.name, element.name());
        let document = element.doc().filter(|_| element.kind() == Kind::Document);
        document.ok_or_else(|| call.wrong_type(&path, element.kind(), "object"))
    };
    list.elements().map(document).collect()
}

/// Returns the ids of the command's sessions.
fn ids(call: &Call<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
    let id_of = |entry: Doc<'_>| {
        only(call, entry, &["id", "uid"])?;
        match entry.get("id").filter(|id| !id.is_nullish()) {
            Some(Value::Binary {
                bytes,
                subtype: kind,
            }) if kind == subtype::UUID && bytes.len() == ID_BYTES => Ok(bytes.into_owned()),
            Some(Value::Binary { .. }) => Err(CommandError::new(
                Code::INVALID_UUID,
                format!("the id of a session must be a UUID of {ID_BYTES} bytes"),
            )),
            Some(other) => Err(call.wrong_type("id", other.kind(), "binData")),
            None => Err(call.missing("id")),
        }
    };
    entries(call)?.into_iter().map(id_of).collect()
}

/// Rejects fields of an entry that are not known.
fn only(call: &Call<'_>, entry: Doc<'_>, known: &[&str]) -> Result<(), CommandError> {
    let unknown = entry
        .elements()
        .find(|field| !known.contains(&field.name()));
    match unknown {
        None => Ok(()),
        Some(field) => {
            let message = format!(
                "BSON field '{}.{}' is an unknown field.",
                call.name,
                field.name()
            );
            Err(CommandError::location(40_415, message))
        }
    }
}

/// `startSession`
pub fn start_session(
    _shared: &Shared,
    _client: &mut Client,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let id = uuid_value(&random_uuid());
    Ok(Builder::new()
        .document("id", Builder::new().with("id", &id))
        .int32("timeoutMinutes", SESSION_TIMEOUT_MINUTES))
}

/// Rejects transactions, and numbers of writes that cannot be retried.
pub fn check_transaction(call: &Call<'_>) -> Result<(), CommandError> {
    let given = |name| call.body.element(name).is_some();
    if call.cluster_time.is_none() {
        if given("txnNumber") || given("startTransaction") {
            return Err(CommandError::new(
                Code::ILLEGAL_OPERATION,
                "Transaction numbers are only allowed on a replica set member or mongos",
            ));
        }
        return Ok(());
    }
    if given("startTransaction") || given("autocommit") {
        return Err(CommandError::new(
            Code::NOT_IN_TRANSACTION,
            "convoy's document store does not support transactions",
        ));
    }
    for name in ["stmtId", "stmtIds"] {
        if given(name) {
            return Err(CommandError::unsupported(format!("the argument {name}")));
        }
    }
    if given("txnNumber") && !RETRYABLE.contains(&call.name) {
        return Err(CommandError::location(
            50_768,
            format!(
                "txnNumber may only be provided for multi-document transactions and retryable \
                 write commands. autocommit:false was not provided, and {} is not a retryable \
                 write command.",
                call.name
            ),
        ));
    }
    Ok(())
}
