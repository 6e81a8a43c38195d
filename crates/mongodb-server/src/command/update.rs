//! `update`

use convoy_server_kit::clock::unix_ms;

use crate::aggregation::Context;
use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::insert::{check_size, insert_all, with_errors};
use crate::command::query::{Selection, context, parse_hint};
use crate::command::statement::Statement;
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared};
use crate::engine::Namespace;
use crate::engine::collection::{Change, Changed};
use crate::engine::log::Position;
use crate::error::{Code, CommandError};
use crate::faults::Injected;
use crate::query::{Filter, Update, UpdateContext};

/// What became of the documents of one statement.
#[derive(Debug, Default)]
pub struct Updated {
    /// How many were meant.
    pub matched: usize,
    /// How many are different now.
    pub modified: usize,
    /// The `_id` of the one that was inserted instead.
    pub upserted: Option<Value<'static>>,
    /// How far the log must be durable.
    pub position: Position,
}

/// `update`
pub fn update(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["updates", "ordered", "bypassDocumentValidation", "let"])?;
    call.refuse(&["let"])?;
    let namespace = call.namespace()?;
    let concern = WriteConcern::of(call)?;
    let ordered = call.flag("ordered")?.unwrap_or(true);
    let context = context(shared, call)?;
    let mut total = Updated::default();
    let mut upserted = ArrayBuilder::default();
    let mut errors = Vec::new();
    for (index, statement) in call.documents("updates")?.into_iter().enumerate() {
        let outcome = match call.injected.write_error(index) {
            Some(error) => Err(error),
            None => update_some(shared, &namespace, &context, statement),
        };
        match outcome {
            Ok(updated) => {
                total.matched += updated.matched;
                total.modified += updated.modified;
                total.position = total.position.max(updated.position);
                if let Some(id) = updated.upserted {
                    total.matched += 1;
                    upserted.push_built(Builder::new().count("index", index).with("_id", &id));
                }
            }
            Err(error) => {
                errors.push((index, error));
                if ordered {
                    break;
                }
            }
        }
    }
    concern.wait(&shared.engine, total.position)?;
    let mut reply = Builder::new()
        .count("n", total.matched)
        .count("nModified", total.modified);
    if upserted.len() > 0 {
        reply = reply.array("upserted", upserted);
    }
    Ok(with_errors(reply, &errors))
}

/// Runs one statement: `{ q: filter, u: update, multi, upsert }`.
fn update_some(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    statement: Doc<'_>,
) -> Result<Updated, CommandError> {
    let statement = Statement::new("update.updates", statement);
    statement.only(&[
        "q",
        "u",
        "multi",
        "upsert",
        "hint",
        "collation",
        "arrayFilters",
        "c",
    ])?;
    let multi = statement.flag("multi");
    let update = parse_update(
        statement.value("u").as_ref(),
        statement.value("arrayFilters").as_ref(),
    )?;
    if multi && update.is_replacement() {
        return Err(CommandError::failed_to_parse(
            "multi update is not supported for replacement-style update",
        ));
    }
    let selection = Selection {
        hint: parse_hint(statement.value("hint"))?,
        ..Selection::of(Filter::parse(statement.required_document("q")?)?)
    };
    let filter = selection.filter.clone();
    let updated = modify(shared, namespace, context, selection, (&update, multi))?;
    if updated.matched > 0 || !statement.flag("upsert") {
        return Ok(updated);
    }
    let upserted = upsert(shared, namespace, &update, &filter)?;
    Ok(Updated {
        upserted: Some(upserted.id),
        position: upserted.position,
        ..updated
    })
}

/// Reads the update of a statement.
pub fn parse_update(
    update: Option<&Value<'_>>,
    array_filters: Option<&Value<'_>>,
) -> Result<Update, CommandError> {
    let filters = array_filters.and_then(Value::as_array);
    match update {
        Some(Value::Document(bytes)) => Update::parse(Doc::new(bytes), filters),
        Some(Value::Array(_)) if filters.is_some() => Err(CommandError::failed_to_parse(
            "arrayFilters may not be specified for pipeline-style updates",
        )),
        Some(Value::Array(bytes)) => Update::parse_pipeline(Doc::new(bytes)),
        _ => Err(CommandError::failed_to_parse(
            "Update argument must be either an object or an array",
        )),
    }
}

/// Changes documents, each tested again at the moment it changes.
fn modify(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    selection: Selection,
    (update, multi): (&Update, bool),
) -> Result<Updated, CommandError> {
    let mut updated = Updated::default();
    let Some(collection) = shared.engine.collection(namespace) else {
        return Ok(updated);
    };
    let filter = selection.filter.clone();
    let update_context = UpdateContext {
        now_ms: now_ms(),
        inserting: false,
        position: None,
    };
    // All found first: a change may move a document to where the scan has yet to come.
    let mut stage = selection.into_stage(shared, namespace)?;
    let mut ids = Vec::new();
    while let Some(row) = stage.next(context)? {
        ids.extend(row.origin.map(|(id, _)| id));
        if !multi {
            let Some(&id) = ids.last() else { continue };
            if change(
                shared,
                &collection,
                id,
                &filter,
                (update, update_context),
                &mut updated,
            )? {
                return Ok(updated);
            }
            ids.clear();
        }
    }
    for id in ids {
        change(
            shared,
            &collection,
            id,
            &filter,
            (update, update_context),
            &mut updated,
        )?;
    }
    Ok(updated)
}

/// Changes one document; false if it is not meant any more.
fn change(
    shared: &Shared,
    collection: &crate::engine::Collection,
    id: crate::engine::RecordId,
    filter: &Filter,
    (update, update_context): (&Update, UpdateContext),
    updated: &mut Updated,
) -> Result<bool, CommandError> {
    let changed = collection.change(shared.engine.log(), id, |doc| {
        if !filter.test(doc)? {
            return Ok(Change::Skip);
        }
        let after = update.apply(doc, update_context.for_document(update, filter, doc))?;
        check_updated(&after)?;
        Ok(Change::Replace(after))
    })?;
    match changed {
        Changed::No | Changed::Removed { .. } => return Ok(false),
        Changed::Unchanged(_) => updated.matched += 1,
        Changed::Replaced { position, .. } => {
            updated.matched += 1;
            updated.modified += 1;
            updated.position = position;
        }
    }
    Ok(true)
}

/// A document that was inserted because there was none to update.
#[derive(Debug)]
pub struct Upserted {
    /// Its `_id`.
    pub id: Value<'static>,
    /// All of it.
    pub document: Vec<u8>,
    /// How far the log must be durable.
    pub position: Position,
}

/// Inserts the document that was to be updated and is not there.
pub fn upsert(
    shared: &Shared,
    namespace: &Namespace,
    update: &Update,
    filter: &Filter,
) -> Result<Upserted, CommandError> {
    let document = update.insertion(filter, now_ms())?;
    check_updated(&document)?;
    let doc = Doc::new(&document);
    let mut inserted = insert_all(shared, namespace, &[doc], true, &Injected::default())?;
    if let Some((_, error)) = inserted.errors.pop() {
        return Err(error);
    }
    Ok(Upserted {
        id: doc.get("_id").unwrap_or(Value::Null).into_owned(),
        document,
        position: inserted.position,
    })
}

/// Refuses documents that have grown too large or too deep.
pub fn check_updated(document: &[u8]) -> Result<(), CommandError> {
    check_size(document.len())?;
    crate::bson::validate::document(document)
        .map_err(|invalid| CommandError::new(Code::OVERFLOW, invalid.to_string()))
}

/// Returns the wall clock as MongoDB's dates count it.
pub fn now_ms() -> i64 {
    i64::try_from(unix_ms()).unwrap_or(i64::MAX)
}
