//! `top`: how often and how long commands used each collection.

use crate::bson::{Builder, Value};
use crate::command::{Call, Client, Shared};
use crate::engine::Use;
use crate::error::{Code, CommandError};

/// Counts a command that has run on a collection.
pub fn note(shared: &Shared, call: &Call<'_>, began: u64) {
    let used = match call.name {
        "find" | "count" | "distinct" => Use::Query,
        "getMore" => Use::GetMore,
        "insert" => Use::Insert,
        "update" => Use::Update,
        "delete" => Use::Remove,
        "aggregate" | "collStats" | "createIndexes" | "explain" | "findAndModify"
        | "findandmodify" | "listIndexes" | "validate" => Use::Command,
        _ => return,
    };
    let Some(name) = call.collection_name() else {
        return;
    };
    let nanoseconds = shared.clock.now().saturating_sub(began);
    shared
        .engine
        .note_use(call.database, &name, used, nanoseconds / 1_000);
}

/// `top`
pub fn top(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    if call.database != "admin" {
        let message = "top may only be run against the admin database.";
        return Err(CommandError::new(Code::UNAUTHORIZED, message));
    }
    let mut totals = Builder::new().string("note", "all times in microseconds");
    for collection in shared.engine.collections() {
        let namespace = collection.with_state(|state| state.namespace.to_string());
        let usage = collection.usage();
        let sum = |uses: &[Use]| {
            let each = uses.iter().map(|&used| usage.of(used));
            let (time, count) = each.fold((0, 0), |(time, count), (more_time, more_count)| {
                (time + more_time, count + more_count)
            });
            Builder::new()
                .with("time", &Value::Int64(whole(time)))
                .with("count", &Value::Int64(whole(count)))
        };
        let reads = [Use::Query, Use::GetMore, Use::Command];
        let writes = [Use::Insert, Use::Update, Use::Remove];
        let entry = Builder::new()
            .document("total", sum(&[reads, writes].concat()))
            .document("readLock", sum(&reads))
            .document("writeLock", sum(&writes))
            .document("queries", sum(&[Use::Query]))
            .document("getmore", sum(&[Use::GetMore]))
            .document("insert", sum(&[Use::Insert]))
            .document("update", sum(&[Use::Update]))
            .document("remove", sum(&[Use::Remove]))
            .document("commands", sum(&[Use::Command]));
        totals = totals.document(&namespace, entry);
    }
    Ok(Builder::new().document("totals", totals))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
