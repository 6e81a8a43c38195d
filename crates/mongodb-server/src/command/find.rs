//! `find`

use crate::aggregation::{Project, Stage};
use crate::bson::{Builder, Doc};
use crate::command::cursor;
use crate::command::cursors::{Batch, Cursor};
use crate::command::query::{Selection, context, parse_hint};
use crate::command::{Call, Client, Shared, tailable};
use crate::engine::Namespace;
use crate::error::CommandError;
use crate::query::{Filter, Projection, SortSpec};

/// Documents of a first batch unless the client sets `batchSize`.
pub const FIRST_BATCH: u64 = 101;

const ARGUMENTS: &[&str] = &[
    "filter",
    "sort",
    "projection",
    "hint",
    "skip",
    "limit",
    "batchSize",
    "singleBatch",
    "allowDiskUse",
    "noCursorTimeout",
    "max",
    "min",
    "returnKey",
    "showRecordId",
    "tailable",
    "oplogReplay",
    "awaitData",
    "allowPartialResults",
    "collation",
    "let",
    "ntoreturn",
];

/// `find`
pub fn find(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(ARGUMENTS)?;
    call.refuse(&[
        "max",
        "min",
        "returnKey",
        "showRecordId",
        "let",
        "ntoreturn",
    ])?;
    let namespace = call.namespace()?;
    let selection = selection(call)?;
    let tail = tailable::tail(call, &selection)?;
    let projection = projection(call)?.map(|known| known.of_query(&selection.filter));
    let single = call.flag("singleBatch")?.unwrap_or(false);
    let batch_size = call.natural("batchSize")?;
    let (mut stage, tail) = match tail {
        Some(tail) => tailable::open(shared, &namespace, selection, tail)?,
        None => (selection.into_stage(shared, &namespace)?, None),
    };
    if let Some(projection) = projection {
        stage = Box::new(Project {
            input: stage,
            projection,
        });
    }
    let batch = Batch {
        documents: batch_size.unwrap_or(FIRST_BATCH),
        single,
        forever: call.flag("noCursorTimeout")?.unwrap_or(false),
    };
    let context = context(shared, call)?;
    let cursor = Cursor::new(stage, context.now_ms).tailing(tail);
    cursor::open(shared, &context, &namespace.to_string(), cursor, batch)
}

/// Returns the reply with a query's first batch.
pub fn reply(
    shared: &Shared,
    call: &Call<'_>,
    namespace: &Namespace,
    stage: Box<dyn Stage>,
    batch: Batch,
) -> Result<Builder, CommandError> {
    let context = context(shared, call)?;
    let cursor = Cursor::new(stage, context.now_ms);
    cursor::open(shared, &context, &namespace.to_string(), cursor, batch)
}

/// Reads filter, sort, skip, limit and hint.
pub fn selection(call: &Call<'_>) -> Result<Selection, CommandError> {
    let filter = Filter::parse(call.document("filter")?.unwrap_or(Doc::EMPTY))?;
    let limit = call.natural("limit")?.filter(|&limit| limit > 0);
    Ok(Selection {
        filter,
        sort: parse_sort(call.document("sort")?)?,
        skip: call.natural("skip")?.unwrap_or(0),
        limit,
        hint: parse_hint(call.value("hint"))?,
    })
}

/// Reads a sort, `$natural` included.
pub fn parse_sort(sort: Option<Doc<'_>>) -> Result<SortSpec, CommandError> {
    let sort = sort.unwrap_or(Doc::EMPTY);
    match SortSpec::natural(sort) {
        Some(natural) => Ok(natural),
        None => SortSpec::parse(sort),
    }
}

fn projection(call: &Call<'_>) -> Result<Option<Projection>, CommandError> {
    let projection = call.document("projection")?.unwrap_or(Doc::EMPTY);
    Projection::parse_find(projection)
}
