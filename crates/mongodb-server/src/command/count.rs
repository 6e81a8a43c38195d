//! `count` and `distinct`

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::aggregation::{Selection, select};
use crate::bson::{ArrayBuilder, Builder, Doc, Key, Kind, MAX_DOCUMENT_BYTES, Value};
use crate::command::query::{context, parse_hint};
use crate::command::{Call, Client, Shared};
use crate::error::CommandError;
use crate::query::{Environment, Filter, Path};

/// `count`
pub fn count(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["query", "limit", "skip", "hint", "collation", "fields"])?;
    call.refuse(&[])?;
    let namespace = call.namespace()?;
    let query = call.document("query")?.unwrap_or(Doc::EMPTY);
    let filter = Filter::parse_in(query, &Environment::without_now())?;
    let limit = limit(call)?;
    let selection = Selection {
        skip: call.natural("skip")?.unwrap_or(0),
        limit: (limit > 0).then_some(limit),
        hint: parse_hint(call.body.get("hint"))?,
        ..Selection::new(filter)
    };
    let view = shared.engine.is_view(&namespace);
    if selection.filter.is_all() && selection.hint.is_none() && !view {
        let collection = shared.engine.collection(&namespace);
        let all = collection.map_or(0, |known| known.with_state(|state| state.records.len()));
        let skip = usize::try_from(selection.skip).unwrap_or(usize::MAX);
        let limit = selection
            .limit
            .and_then(|limit| usize::try_from(limit).ok());
        let counted = all.saturating_sub(skip).min(limit.unwrap_or(usize::MAX));
        return Ok(Builder::new().count("n", counted));
    }
    let context = context(shared, call)?;
    let mut stage = select(&context, &namespace, selection)?;
    let mut counted = 0;
    while stage.next(&context)?.is_some() {
        counted += 1;
    }
    Ok(Builder::new().count("n", counted))
}

/// Reads the limit: a whole number, of which a negative one means the same.
fn limit(call: &Call<'_>) -> Result<u64, CommandError> {
    let Some(given) = call.body.get("limit") else {
        return Ok(0);
    };
    if !given.is_number() {
        return Err(CommandError::bad_value(format!(
            "limit value for count cannot be of type {}",
            given.kind().alias()
        )));
    }
    let whole = given.as_i64().ok_or_else(|| {
        let message = format!("Expected an integer: limit: {given}");
        CommandError::failed_to_parse(message)
    })?;
    if whole == i64::MIN {
        let message = "limit value for count cannot be the minimum of 64 bits";
        return Err(CommandError::bad_value(message));
    }
    Ok(whole.unsigned_abs())
}

/// `distinct`
pub fn distinct(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["key", "query", "collation", "hint"])?;
    call.refuse(&[])?;
    let namespace = call.namespace()?;
    let key = call.text("key")?.ok_or_else(|| call.missing("key"))?;
    if key.contains('\0') {
        let message = "Key field cannot contain an embedded null byte";
        return Err(CommandError::location(31_032, message));
    }
    let path = Path::new(&key);
    let selection = Selection {
        hint: parse_hint(call.body.get("hint"))?,
        ..Selection::new(Filter::parse_in(
            call.document("query")?.unwrap_or(Doc::EMPTY),
            &Environment::without_now(),
        )?)
    };
    let context = context(shared, call)?;
    let mut stage = select(&context, &namespace, selection)?;
    let mut values = BTreeMap::new();
    let mut bytes = 0;
    while let Some(row) = stage.next(&context)? {
        let visited = path.visit(row.doc(), &mut |reached| {
            let Some(element) = reached.element() else {
                return ControlFlow::Continue(());
            };
            let array = element.doc().filter(|_| element.kind() == Kind::Array);
            let mut offer = |value: Value<'_>| {
                let entry = values.entry(Key::of(&value));
                entry.or_insert_with_key(|key| {
                    bytes += key.bytes().len();
                    value.into_owned()
                });
            };
            match array {
                Some(array) => array.values().for_each(offer),
                None => offer(element.value()),
            }
            ControlFlow::Continue(())
        });
        debug_assert!(visited.is_continue(), "the visitor never breaks");
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(too_big());
        }
    }
    // MongoDB runs it on them as a pipeline, whose result it rewrites.
    client.integer_ok =
        shared.engine.is_view(&namespace) || shared.engine.time_series(&namespace).is_some();
    // In the order of values, not of the documents.
    let values: ArrayBuilder = values.into_values().collect();
    if values.size() > MAX_DOCUMENT_BYTES {
        return Err(too_big());
    }
    Ok(Builder::new().array("values", values))
}

fn too_big() -> CommandError {
    CommandError::location(17_217, "distinct too big, 16mb cap")
}
