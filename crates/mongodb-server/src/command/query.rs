//! Arguments that find, count, update and delete share.

use convoy_server_kit::unix_ms;

use crate::aggregation::Context;
use crate::bson::{Doc, Value};
use crate::command::{Call, Shared};
use crate::engine::Hint;
use crate::error::CommandError;
use crate::query::{Direction, Environment, Expression, Scope, check_variable};

/// The variable with the time of the last write of a replica set.
const CLUSTER_TIME: &str = "CLUSTER_TIME";

/// Returns the context of a command's queries: clock and deadline.
pub fn context(shared: &Shared, call: &Call<'_>) -> Result<Context, CommandError> {
    let limit = call.natural("maxTimeMS")?.filter(|&limit| limit > 0);
    Ok(Context {
        engine: std::sync::Arc::clone(&shared.engine),
        stopping: shared.stopping.clone(),
        left: call.left.clone(),
        session: call.session().map(Into::into),
        clock: shared.clock,
        bypass: call.flag("bypassDocumentValidation")?.unwrap_or(false),
        spills: call.flag("allowDiskUse")?.unwrap_or(true),
        now_ms: i64::try_from(unix_ms()).unwrap_or(i64::MAX),
        deadline: limit.map(|milliseconds| {
            let nanoseconds = milliseconds.saturating_mul(1_000_000);
            shared.clock.now().saturating_add(nanoseconds)
        }),
    })
}

/// Returns the variables that a command defines by `let`: constants, each of which may use those
/// before.
pub fn environment(call: &Call<'_>, now_ms: i64) -> Result<Environment, CommandError> {
    let mut environment = Environment::new(now_ms);
    // MongoDB reads the variables of this command before it knows the time.
    environment.hides_now = call.name == "aggregate";
    let variables = call.document("let")?.unwrap_or(Doc::EMPTY);
    for element in variables.elements() {
        check_variable(element.name())?;
        let expression = Expression::parse_in(&element.value(), &environment)?;
        if expression.reads_document() {
            return Err(CommandError::location(
                4_890_500,
                "Command let Expression tried to access a field, but this is not allowed because \
                 Command let Expressions run before the query examines any documents.",
            ));
        }
        let value = expression.evaluate(&Scope::new(Doc::EMPTY, now_ms))?;
        environment.define(element.name(), value);
    }
    environment.hides_now = false;
    if let Some(time) = call.cluster_time {
        environment.define(CLUSTER_TIME, Value::Timestamp(time));
    }
    Ok(environment)
}

/// Returns the variables of a command that changes documents. Its pipelines know a cluster time also
/// on a server that is alone, as in MongoDB.
pub fn updating_environment(call: &Call<'_>, now_ms: i64) -> Result<Environment, CommandError> {
    let mut environment = environment(call, now_ms)?;
    if call.cluster_time.is_none() {
        let seconds = u64::try_from(now_ms / 1_000).unwrap_or_default();
        environment.define(CLUSTER_TIME, Value::Timestamp(seconds << 32 | 1));
    }
    Ok(environment)
}

/// Reads `hint`: a name, or the fields of an index.
pub fn parse_hint(hint: Option<Value<'_>>) -> Result<Option<Hint>, CommandError> {
    match hint {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(Hint::Name(name.into_owned()))),
        Some(Value::Document(bytes)) => parse_hint_document(Doc::new(&bytes)),
        Some(_) => Err(CommandError::failed_to_parse(
            "Hint must be a string or an object",
        )),
    }
}

fn parse_hint_document(hint: Doc<'_>) -> Result<Option<Hint>, CommandError> {
    if hint.values().any(|value| value.as_str() == Some("hashed")) {
        return Ok(Some(Hint::Key(hint.bytes().to_vec())));
    }
    let mut fields = Vec::new();
    for element in hint.elements() {
        let value = element.value();
        let natural = element.name() == "$natural";
        let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
        let exact = matches!(value.as_i64(), Some(1 | -1));
        let direction = Direction::parse(&value).filter(|_| whole && exact);
        let direction =
            direction.ok_or_else(|| CommandError::bad_value("a hint's fields must be 1 or -1"))?;
        if natural && hint.len() > 1 {
            let message = "$natural hint cannot be combined with other fields";
            return Err(CommandError::bad_value(message));
        }
        if natural {
            return Ok(Some(Hint::Natural(direction)));
        }
        fields.push((element.name().to_owned(), direction));
    }
    Ok((!fields.is_empty()).then_some(Hint::Fields(fields)))
}
