//! `update`

use std::borrow::Cow;

use convoy_server_kit::unix_ms;

use crate::aggregation::{Context, Selection};
use crate::bson::{ArrayBuilder, Builder, Doc, Value, validate};
use crate::command::find::parse_sort;
use crate::command::insert::{check_size, insert_all, with_errors};
use crate::command::query::{context, parse_hint, updating_environment};
use crate::command::retry::Retryable;
use crate::command::statement::Statement;
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared, system, time_series};
use crate::engine::{Change, Changed, Collection, Namespace, Position, RecordId, Writer};
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::query::{Environment, Filter, Update, UpdateContext, check_variable};

/// The outcome of one statement.
#[derive(Debug, Default)]
pub struct Updated {
    /// Number of documents that matched.
    pub matched: usize,
    /// Number of documents that changed.
    pub modified: usize,
    /// The `_id` of the document that was inserted because none matched.
    pub upserted: Option<Value<'static>>,
    /// Position up to which the log must be synced.
    pub position: Position,
}

/// `update`
pub fn update(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["updates", "ordered", "bypassDocumentValidation", "let"])?;
    call.refuse(&[])?;
    let namespace = call.namespace()?;
    system::check_write(&namespace)?;
    let concern = WriteConcern::parse(call)?;
    let ordered = call.flag("ordered")?.unwrap_or(true);
    let context = context(shared, call)?;
    let environment = updating_environment(call, context.now_ms)?;
    let mut total = Updated::default();
    let mut upserted = ArrayBuilder::default();
    let mut errors = Vec::new();
    let statements = read_statements(call, &environment)?;
    let mut retryable = Retryable::begin(shared, call)?;
    if statements.iter().any(|statement| statement.flag("multi")) {
        retryable.refuse("Cannot use retryable writes with multi=true")?;
    }
    for (index, statement) in statements.into_iter().enumerate() {
        if let Some(executed) = retryable.executed(index)? {
            total.matched += 1;
            match executed.upserted() {
                Some(id) => {
                    upserted.push_built(Builder::new().count("index", index).with("_id", &id));
                }
                None => total.modified += 1,
            }
            continue;
        }
        let statements = retryable.statements(&[index]);
        let writer = retryable.writer(&statements, None);
        let outcome = match call.fault.write_error(index) {
            Some(error) => Err(error),
            None => update_some(
                shared,
                &namespace,
                &context,
                &environment,
                statement,
                writer,
            ),
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
    reply = retryable.describe(reply);
    if !upserted.is_empty() {
        reply = reply.array("upserted", upserted);
    }
    Ok(with_errors(reply, &errors))
}

/// Returns the statements. One that is not a statement fails the command before anything is done.
fn read_statements<'c>(
    call: &'c Call<'_>,
    environment: &Environment,
) -> Result<Vec<Statement<'c>>, CommandError> {
    let mut statements = Vec::new();
    for statement in call.documents("updates")? {
        let statement = read_statement(statement)?;
        check_stages(&statement, environment)?;
        statements.push(statement);
    }
    Ok(statements)
}

/// Checks the arguments of one statement.
fn read_statement(statement: Doc<'_>) -> Result<Statement<'_>, CommandError> {
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
        "sort",
    ])?;
    statement.required_document("q")?;
    match statement.value("u") {
        Some(Value::Document(_) | Value::Array(_)) => {}
        Some(_) => return Err(no_update()),
        None => {
            let message = "BSON field 'update.updates.u' is missing but a required field";
            return Err(CommandError::location(40_414, message));
        }
    }
    parse_hint(statement.given("hint"))?;
    if statement.flag("multi") && statement.value("sort").is_some() {
        let message = "Cannot specify sort with multi=true";
        return Err(CommandError::failed_to_parse(message));
    }
    Ok(statement)
}

/// Rejects a pipeline with a stage that is none.
fn check_stages(statement: &Statement<'_>, environment: &Environment) -> Result<(), CommandError> {
    let Some(Value::Array(pipeline)) = statement.value("u") else {
        return Ok(());
    };
    // Other errors in a stage are those of the statement alone.
    match Update::parse_pipeline(Doc::new(&pipeline), environment) {
        Err(error) if [Code::NO_STAGE, Code::UNKNOWN_STAGE].contains(&error.code()) => Err(error),
        _ => Ok(()),
    }
}

fn no_update() -> CommandError {
    CommandError::failed_to_parse("Update argument must be either an object or an array")
}

/// Checks and runs one statement.
pub fn update_statement(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    environment: &Environment,
    statement: Doc<'_>,
    writer: Writer<'_>,
) -> Result<Updated, CommandError> {
    let statement = read_statement(statement)?;
    update_some(shared, namespace, context, environment, statement, writer)
}

/// Runs one statement: `{ q: filter, u: update, multi, upsert }`.
fn update_some(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    environment: &Environment,
    statement: Statement<'_>,
    writer: Writer<'_>,
) -> Result<Updated, CommandError> {
    let multi = statement.flag("multi");
    let update = parse_update(
        statement.value("u").as_ref(),
        statement.value("arrayFilters").as_ref(),
        with_constants(statement, environment)?.as_ref(),
    )?;
    if multi && update.is_replacement() {
        return Err(CommandError::failed_to_parse(
            "multi update is not supported for replacement-style update",
        ));
    }
    let selection = Selection {
        hint: parse_hint(statement.given("hint"))?,
        sort: parse_sort(statement.document("sort")?)?,
        ..Selection::new(Filter::parse_in(
            statement.required_document("q")?,
            environment,
        )?)
    };
    if let Some(series) = shared.engine.time_series(namespace) {
        time_series::check_update(&series, &statement)?;
    }
    let filter = selection.filter.clone();
    let updated = modify(
        shared, namespace, context, selection, &update, multi, writer,
    )?;
    if updated.matched > 0 || !statement.flag("upsert") {
        return Ok(updated);
    }
    let upserted = upsert(shared, namespace, &update, &filter, context.now_ms, writer)?;
    Ok(Updated {
        upserted: Some(upserted.id),
        position: upserted.position,
        ..updated
    })
}

/// Returns the variables of a command and the constants `c` of a statement, which pipelines take.
fn with_constants<'e>(
    statement: Statement<'_>,
    environment: &'e Environment,
) -> Result<Cow<'e, Environment>, CommandError> {
    let Some(constants) = statement.document("c")? else {
        return Ok(Cow::Borrowed(environment));
    };
    if !matches!(statement.value("u"), Some(Value::Array(_))) {
        let message = "Constant values may only be specified for pipeline updates";
        return Err(CommandError::location(51_198, message));
    }
    let mut environment = environment.clone();
    for element in constants.elements() {
        check_variable(element.name())?;
        environment.define(element.name(), element.value());
    }
    Ok(Cow::Owned(environment))
}

/// Reads the update of a statement.
pub fn parse_update(
    update: Option<&Value<'_>>,
    array_filters: Option<&Value<'_>>,
    environment: &Environment,
) -> Result<Update, CommandError> {
    let filters = array_filters.and_then(Value::as_array);
    match update {
        Some(Value::Document(bytes)) => Update::parse(Doc::new(bytes), filters),
        Some(Value::Array(_)) if filters.is_some() => Err(CommandError::failed_to_parse(
            "arrayFilters may not be specified for pipeline-style updates",
        )),
        Some(Value::Array(bytes)) => Update::parse_pipeline(Doc::new(bytes), environment),
        _ => Err(no_update()),
    }
}

/// Changes documents. Each is tested again while its collection is locked.
fn modify(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    selection: Selection,
    update: &Update,
    multi: bool,
    writer: Writer<'_>,
) -> Result<Updated, CommandError> {
    let mut updated = Updated::default();
    let Some(collection) = shared.engine.collection(namespace) else {
        return Ok(updated);
    };
    let filter = selection.filter.clone();
    let modification = Modification {
        writer,
        collection: &collection,
        filter: &filter,
        update,
        context: UpdateContext {
            now_ms: context.now_ms,
            inserting: false,
            position: None,
        },
    };
    // All are found first: a change may move a document ahead of the scan.
    let mut stage = selection.into_stage(&shared.engine, namespace)?;
    let mut ids = Vec::new();
    while let Some(row) = stage.next(context)? {
        let id = row.origin.map(|(id, _)| id);
        if multi {
            ids.extend(id);
        } else if let Some(id) = id
            && modification.apply(id, &mut updated)?
        {
            return Ok(updated);
        }
    }
    for id in ids {
        context.check()?;
        modification.apply(id, &mut updated)?;
    }
    Ok(updated)
}

/// An update of a collection's documents.
struct Modification<'m> {
    writer: Writer<'m>,
    collection: &'m Collection,
    filter: &'m Filter,
    update: &'m Update,
    context: UpdateContext,
}

impl Modification<'_> {
    /// Changes one document; false if it does not match any more.
    fn apply(&self, id: RecordId, updated: &mut Updated) -> Result<bool, CommandError> {
        let changed = self.collection.change(self.writer, id, |doc| {
            if !self.filter.test(doc)? {
                return Ok(Change::Skip);
            }
            let context = self.context.for_document(self.update, self.filter, doc);
            let after = self.update.apply(doc, context)?;
            check_updated(&after)?;
            Ok(changed(self.writer, self.update, doc, after, context))
        })?;
        match changed {
            Changed::No | Changed::Removed { .. } => return Ok(false),
            Changed::Unchanged(_) => {
                updated.matched += 1;
                // A replacement counts even if it is the same.
                updated.modified += usize::from(self.update.is_replacement());
            }
            Changed::Replaced { position, .. } => {
                updated.matched += 1;
                updated.modified += 1;
                updated.position = position;
            }
        }
        Ok(true)
    }
}

/// Returns the change of a document by an update, with what the oplog says of it.
pub fn changed(
    writer: Writer<'_>,
    update: &Update,
    before: Doc<'_>,
    after: Vec<u8>,
    context: UpdateContext,
) -> Change {
    if update.is_replacement() {
        return Change::Replace(after);
    }
    let described = writer.oplog.is_some();
    let description = described.then(|| update.describe(before, Doc::new(&after), context));
    Change::Update { after, description }
}

/// A document that was inserted because none matched.
#[derive(Debug)]
pub struct Upserted {
    pub id: Value<'static>,
    pub document: Vec<u8>,
    /// Position up to which the log must be synced.
    pub position: Position,
}

/// Inserts a document because none matched.
pub fn upsert(
    shared: &Shared,
    namespace: &Namespace,
    update: &Update,
    filter: &Filter,
    now_ms: i64,
    writer: Writer<'_>,
) -> Result<Upserted, CommandError> {
    let document = update.insertion(filter, now_ms)?;
    check_updated(&document)?;
    let doc = Doc::new(&document);
    let mut inserted = insert_all(shared, namespace, &[doc], true, &Fault::default(), writer)?;
    if let Some((_, error)) = inserted.errors.pop() {
        return Err(error);
    }
    Ok(Upserted {
        id: doc.get("_id").unwrap_or(Value::Null).into_owned(),
        document,
        position: inserted.position,
    })
}

/// Rejects documents that an update made too large or too deep.
pub fn check_updated(document: &[u8]) -> Result<(), CommandError> {
    check_size(document.len())?;
    validate(document).map_err(|invalid| CommandError::new(Code::OVERFLOW, invalid.to_string()))
}

/// Returns the wall clock in milliseconds since 1970.
pub fn now_ms() -> i64 {
    i64::try_from(unix_ms()).unwrap_or(i64::MAX)
}
