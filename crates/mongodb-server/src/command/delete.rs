//! `delete`

use crate::aggregation::{Context, Selection};
use crate::bson::{Builder, Doc};
use crate::command::insert::with_errors;
use crate::command::query::{context, environment, parse_hint};
use crate::command::retry::Retryable;
use crate::command::statement::Statement;
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared, system};
use crate::engine::{Change, Changed, Namespace, Position, Writer};
use crate::error::CommandError;
use crate::query::{Environment, Filter};

/// `delete`
pub fn delete(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["deletes", "ordered", "let"])?;
    call.refuse(&[])?;
    let namespace = call.namespace()?;
    system::check_write(&namespace)?;
    let concern = WriteConcern::parse(call)?;
    let ordered = call.flag("ordered")?.unwrap_or(true);
    let context = context(shared, call)?;
    let environment = environment(call, context.now_ms)?;
    let mut count = 0;
    let mut position = Position::default();
    let mut errors = Vec::new();
    // One statement that is not a statement fails the command before anything is done.
    let statements = call.documents("deletes")?;
    let statements = statements.into_iter().map(read_statement);
    let statements = statements.collect::<Result<Vec<_>, _>>()?;
    let mut retryable = Retryable::begin(shared, call)?;
    if statements.iter().any(|deletion| deletion.limit.is_none()) {
        retryable.refuse("Cannot use retryable writes with limit=0")?;
    }
    for (index, statement) in statements.into_iter().enumerate() {
        if retryable.executed(index)?.is_some() {
            count += 1;
            continue;
        }
        let statements = retryable.statements(&[index]);
        let writer = retryable.writer(&statements, None);
        let outcome = match call.fault.write_error(index) {
            Some(error) => Err(error),
            None => delete_some(
                shared,
                &namespace,
                &context,
                &environment,
                statement,
                writer,
            ),
        };
        match outcome {
            Ok((deleted, reached)) => {
                count += deleted;
                position = position.max(reached);
            }
            Err(error) => {
                errors.push((index, error));
                if ordered {
                    break;
                }
            }
        }
    }
    concern.wait(&shared.engine, position)?;
    let reply = retryable.describe(Builder::new().count("n", count));
    Ok(with_errors(reply, &errors))
}

/// A statement with its limit.
#[derive(Clone, Copy)]
struct Deletion<'a> {
    statement: Statement<'a>,
    limit: Option<usize>,
}

/// Checks the arguments of one statement.
fn read_statement(statement: Doc<'_>) -> Result<Deletion<'_>, CommandError> {
    let statement = Statement::new("delete.deletes", statement);
    statement.only(&["q", "limit", "hint", "collation"])?;
    statement.required_document("q")?;
    parse_hint(statement.given("hint"))?;
    let limit = match statement.integer("limit")? {
        Some(0) => None,
        Some(1) => Some(1),
        Some(other) => {
            return Err(CommandError::failed_to_parse(format!(
                "The limit field in delete objects must be 0 or 1. Got {other}"
            )));
        }
        None => {
            let message = "BSON field 'delete.deletes.limit' is missing but a required field";
            return Err(CommandError::location(40_414, message));
        }
    };
    Ok(Deletion { statement, limit })
}

/// Checks and runs one statement; returns how many documents it deleted, and the log's position.
pub fn delete_statement(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    environment: &Environment,
    statement: Doc<'_>,
    writer: Writer<'_>,
) -> Result<(usize, Position), CommandError> {
    let deletion = read_statement(statement)?;
    delete_some(shared, namespace, context, environment, deletion, writer)
}

/// Runs one statement: `{ q: filter, limit: 0 | 1 }`.
fn delete_some(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    environment: &Environment,
    deletion: Deletion<'_>,
    writer: Writer<'_>,
) -> Result<(usize, Position), CommandError> {
    let Deletion { statement, limit } = deletion;
    let filter = Filter::parse_in(statement.required_document("q")?, environment)?;
    let selection = Selection {
        hint: parse_hint(statement.given("hint"))?,
        ..Selection::new(filter)
    };
    remove(shared, namespace, context, selection, limit, writer)
}

/// Removes documents. Each is tested again while its collection is locked.
pub fn remove(
    shared: &Shared,
    namespace: &Namespace,
    context: &Context,
    selection: Selection,
    limit: Option<usize>,
    writer: Writer<'_>,
) -> Result<(usize, Position), CommandError> {
    let Some(collection) = shared.engine.collection(namespace) else {
        return Ok((0, Position::default()));
    };
    let filter = selection.filter.clone();
    let mut stage = selection.into_stage(&shared.engine, namespace)?;
    let mut count = 0;
    let mut reached = Position::default();
    while limit.is_none_or(|limit| count < limit)
        && let Some(row) = stage.next(context)?
    {
        let Some((id, _)) = row.origin else { continue };
        let changed = collection.change(writer, id, |doc| {
            Ok(if filter.test(doc)? {
                Change::Remove
            } else {
                Change::Skip
            })
        })?;
        if let Changed::Removed { position, .. } = changed {
            count += 1;
            reached = position;
        }
    }
    Ok((count, reached))
}
