//! `findAndModify`: finds, changes and returns one document atomically.

use crate::aggregation::{Context, Selection};
use crate::bson::{Builder, Doc, Value};
use crate::command::find::parse_sort;
use crate::command::query::{context, parse_hint, updating_environment};
use crate::command::retry::{Executed, Retryable};
use crate::command::update::{changed, check_updated, now_ms, parse_update, upsert};
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared, system};
use crate::engine::{Change, Changed, Collection, Image, Namespace, Position, RecordId, Writer};
use crate::error::CommandError;
use crate::query::{Environment, Filter, Projection, Update, UpdateContext};

const ARGUMENTS: &[&str] = &[
    "query",
    "sort",
    "remove",
    "update",
    "new",
    "fields",
    "upsert",
    "hint",
    "arrayFilters",
    "bypassDocumentValidation",
    "collation",
    "let",
];

enum Action {
    Remove,
    Update { update: Update, upsert: bool },
}

#[derive(Default)]
struct Outcome {
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    upserted: Option<Value<'static>>,
    /// Whether a document was found.
    found: bool,
    position: Position,
}

impl Outcome {
    /// Returns the outcome of an earlier try.
    fn of(executed: &Executed) -> Self {
        let upserted = executed.upserted();
        Self {
            before: executed.document("image"),
            after: match upserted {
                Some(_) => executed.document("o"),
                None => executed.document("image"),
            },
            upserted,
            found: executed.found(),
            position: Position::default(),
        }
    }
}

/// `findAndModify`
pub fn find_and_modify(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(ARGUMENTS)?;
    call.refuse(&[])?;
    let namespace = call.namespace()?;
    system::check_write(&namespace)?;
    let concern = WriteConcern::parse(call)?;
    let context = context(shared, call)?;
    let environment = updating_environment(call, context.now_ms)?;
    let action = parse_action(call, &environment)?;
    let returns_new = call.flag("new")?.unwrap_or(false);
    let fields = call.document("fields")?.unwrap_or(Doc::EMPTY);
    let projection = Projection::parse_find(fields, &environment)?;
    let query = call.document("query")?.unwrap_or(Doc::EMPTY);
    let selection = Selection {
        filter: Filter::parse_in(query, &environment)?,
        sort: parse_sort(call.document("sort")?)?,
        hint: parse_hint(call.body.get("hint"))?,
        ..Selection::default()
    };
    let of_query = |known: Projection| known.of_query(&selection.filter);
    let projection = projection.map(of_query).transpose()?;
    if let Some(error) = call.fault.write_error(0) {
        return Err(error);
    }
    let mut retryable = Retryable::begin(shared, call)?;
    let outcome = if let Some(executed) = retryable.executed(0)? {
        Outcome::of(&executed)
    } else {
        let image = if returns_new {
            Image::After
        } else {
            Image::Before
        };
        let statements = retryable.statements(&[0]);
        let writer = retryable.writer(&statements, Some(image));
        let outcome = run(shared, &namespace, &context, selection, &action, writer);
        outcome.map_err(|error| error.within("Plan executor error during findAndModify"))?
    };
    concern.wait(&shared.engine, outcome.position)?;
    let reply = reply(&outcome, &action, returns_new, projection.as_ref())?;
    Ok(retryable.describe(reply))
}

fn parse_action(call: &Call<'_>, environment: &Environment) -> Result<Action, CommandError> {
    let remove = call.flag("remove")?.unwrap_or(false);
    let update = call.value("update");
    if remove && update.is_some() {
        let message = "Cannot specify both an update and remove=true";
        return Err(CommandError::failed_to_parse(message));
    }
    if remove && call.flag("new")?.unwrap_or(false) {
        let message = "Cannot specify both new=true and remove=true; 'remove' always returns the \
                       deleted document";
        return Err(CommandError::failed_to_parse(message));
    }
    if remove && call.flag("upsert")?.unwrap_or(false) {
        let message = "Cannot specify both upsert=true and remove=true ";
        return Err(CommandError::failed_to_parse(message));
    }
    if remove {
        return Ok(Action::Remove);
    }
    if update.is_none() {
        let message = "Either an update or remove=true must be specified";
        return Err(CommandError::failed_to_parse(message));
    }
    Ok(Action::Update {
        update: parse_update(
            update.as_ref(),
            call.value("arrayFilters").as_ref(),
            environment,
        )?,
        upsert: call.flag("upsert")?.unwrap_or(false),
    })
}

fn run(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    selection: Selection,
    action: &Action,
    writer: Writer<'_>,
) -> Result<Outcome, CommandError> {
    let filter = selection.filter.clone();
    if let Some(collection) = shared.engine.collection(namespace) {
        let mut stage = selection.into_stage(&shared.engine, namespace)?;
        // Another command may change the document first; then the next one is tried.
        while let Some(row) = stage.next(context)? {
            let Some((id, _)) = row.origin else { continue };
            if let Some(outcome) = change(writer, &collection, id, &filter, action)? {
                return Ok(outcome);
            }
        }
    }
    match action {
        Action::Update {
            update,
            upsert: true,
        } => {
            let inserted = upsert(shared, namespace, update, &filter, context.now_ms, writer)?;
            Ok(Outcome {
                after: Some(inserted.document),
                upserted: Some(inserted.id),
                position: inserted.position,
                ..Outcome::default()
            })
        }
        _ => Ok(Outcome::default()),
    }
}

/// Changes one document; `None` if it does not match any more.
fn change(
    writer: Writer<'_>,
    collection: &Collection,
    id: RecordId,
    filter: &Filter,
    action: &Action,
) -> Result<Option<Outcome>, CommandError> {
    let update_context = UpdateContext {
        now_ms: now_ms(),
        inserting: false,
        position: None,
    };
    let outcome = collection.change(writer, id, |doc| {
        if !filter.test(doc)? {
            return Ok(Change::Skip);
        }
        match action {
            Action::Remove => Ok(Change::Remove),
            Action::Update { update, .. } => {
                let update_context = update_context.for_document(update, filter, doc);
                let after = update.apply(doc, update_context)?;
                check_updated(&after)?;
                Ok(changed(writer, update, doc, after, update_context))
            }
        }
    })?;
    Ok(match outcome {
        Changed::No => None,
        Changed::Unchanged(document) => Some(Outcome {
            before: Some(document.to_vec()),
            after: Some(document.to_vec()),
            found: true,
            ..Outcome::default()
        }),
        Changed::Replaced {
            before,
            after,
            position,
        } => Some(Outcome {
            before: Some(before.to_vec()),
            after: Some(after),
            found: true,
            position,
            ..Outcome::default()
        }),
        Changed::Removed { before, position } => Some(Outcome {
            before: Some(before.to_vec()),
            found: true,
            position,
            ..Outcome::default()
        }),
    })
}

fn reply(
    outcome: &Outcome,
    action: &Action,
    returns_new: bool,
    projection: Option<&Projection>,
) -> Result<Builder, CommandError> {
    let found = outcome.found;
    let changed = usize::from(found || outcome.upserted.is_some());
    let mut last = Builder::new().count("n", changed);
    if matches!(action, Action::Update { .. }) {
        last = last.bool("updatedExisting", found);
    }
    if let Some(id) = &outcome.upserted {
        last = last.with("upserted", id);
    }
    let document = if returns_new {
        &outcome.after
    } else {
        &outcome.before
    };
    let reply = Builder::new().document("lastErrorObject", last);
    let Some(document) = document else {
        return Ok(reply.with("value", &Value::Null));
    };
    Ok(match projection {
        Some(projection) => {
            let projected = projection.apply(Doc::new(document), now_ms())?;
            reply.raw_document("value", Doc::new(&projected))
        }
        None => reply.raw_document("value", Doc::new(document)),
    })
}
