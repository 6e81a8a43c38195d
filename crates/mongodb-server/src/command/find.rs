//! `find`

use crate::aggregation::{Context, Project, Selection, Stage, select};
use crate::bson::{Builder, Doc, Kind};
use crate::command::cursor;
use crate::command::cursors::{Batch, Cursor};
use crate::command::query::{context, environment, parse_hint};
use crate::command::{Call, Client, Shared, tailable};
use crate::engine::Namespace;
use crate::error::CommandError;
use crate::query::{Environment, Filter, Projection, SortSpec};

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
    if call
        .body
        .get("filter")
        .is_some_and(|filter| filter.is_nullish())
    {
        return Err(call.wrong_type("filter", Kind::Null, "object"));
    }
    call.refuse(&["max", "min", "returnKey", "showRecordId", "ntoreturn"])?;
    let namespace = call.namespace()?;
    let context = context(shared, call)?;
    let environment = environment(call, context.now_ms)?;
    let selection = selection(call, &environment)?;
    let tail = tailable::tail(call, &selection)?;
    let projection = if shared.engine.is_view(&namespace) {
        // A view has the projections of pipelines only.
        let fields = call.document("projection")?.filter(|doc| !doc.is_empty());
        let parse = |doc| Projection::parse_project(doc, &environment);
        fields.map(parse).transpose()?
    } else {
        projection(call, &environment)?
    };
    let of_query = |known: Projection| known.of_query(&selection.filter);
    let projection = projection.map(of_query).transpose()?;
    let single = call.flag("singleBatch")?.unwrap_or(false);
    let batch_size = call.natural("batchSize")?;
    let (mut stage, tail) = match tail {
        Some(tail) => tailable::open(shared, &namespace, selection, tail)?,
        None => (select(&context, &namespace, selection)?, None),
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
    let cursor = Cursor::new(stage, context.now_ms).tailing(tail);
    cursor::open(shared, &context, &namespace.to_string(), cursor, batch)
}

/// Returns the reply with a query's first batch.
pub fn reply(
    shared: &Shared,
    context: &Context,
    namespace: &Namespace,
    stage: Box<dyn Stage>,
    batch: Batch,
) -> Result<Builder, CommandError> {
    let cursor = Cursor::new(stage, context.now_ms);
    cursor::open(shared, context, &namespace.to_string(), cursor, batch)
}

/// Reads filter, sort, skip, limit and hint.
pub fn selection(call: &Call<'_>, environment: &Environment) -> Result<Selection, CommandError> {
    let filter = call.document("filter")?.unwrap_or(Doc::EMPTY);
    let filter = Filter::parse_in(filter, environment)?;
    let limit = call.natural("limit")?.filter(|&limit| limit > 0);
    Ok(Selection {
        filter,
        sort: parse_sort(call.document("sort")?)?,
        skip: call.natural("skip")?.unwrap_or(0),
        limit,
        hint: parse_hint(call.body.get("hint"))?,
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

fn projection(
    call: &Call<'_>,
    environment: &Environment,
) -> Result<Option<Projection>, CommandError> {
    let projection = call.document("projection")?.unwrap_or(Doc::EMPTY);
    Projection::parse_find(projection, environment)
}
