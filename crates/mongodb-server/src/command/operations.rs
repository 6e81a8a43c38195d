//! `currentOp` and `killOp`.

use crate::bson::{ArrayBuilder, Builder, Doc};
use crate::command::{Call, Client, Shared};
use crate::error::{Code, CommandError};
use crate::query::Filter;

/// Arguments of `currentOp` that are not conditions.
const OPTIONS: &[&str] = &[
    "$all",
    "$ownOps",
    "lsid",
    "comment",
    "maxTimeMS",
    "readConcern",
];

/// `currentOp`
pub fn current_operations(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_admin(call)?;
    let own = call.value("$ownOps").is_some_and(|own| own.is_truthy());
    let mut conditions = Builder::new();
    for element in call.body.elements().skip(1) {
        let name = element.name();
        if !OPTIONS.contains(&name) && !matches!(name, "$db" | "$readPreference" | "$clusterTime") {
            conditions.push_element(element);
        }
    }
    let conditions = conditions.finish();
    let filter = Filter::parse(Doc::new(&conditions))?;
    let mut operations = ArrayBuilder::default();
    for document in shared
        .operations
        .documents(shared.address, shared.clock.now())
    {
        let document = Doc::new(&document);
        let connection = document.get("connectionId").and_then(|id| id.as_i64());
        if (!own || connection == Some(i64::from(client.id))) && filter.matches(document) {
            operations.push_doc(document);
        }
    }
    Ok(Builder::new().array("inprog", operations))
}

/// `killOp`
pub fn kill_operation(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_admin(call)?;
    let Some(op) = call.body.get("op") else {
        let message = "Did not provide \"op\" field";
        return Err(CommandError::new(Code::NO_SUCH_KEY, message));
    };
    if !op.is_number() {
        return Err(CommandError::type_mismatch(format!(
            "Expected field \"op\" to have numeric type, but found {}",
            op.kind().alias()
        )));
    }
    let Some(id) = op.as_i64() else {
        return Err(CommandError::bad_value(format!(
            "Expected field \"op\" to have a value exactly representable as a 64-bit integer, \
             but found op: {op}"
        )));
    };
    let id = i32::try_from(id).map_err(|_range| {
        CommandError::bad_value(format!(
            "invalid op : {id}. Op ID cannot be represented with 32 bits"
        ))
    })?;
    shared.operations.kill(id);
    Ok(Builder::new().string("info", "attempting to kill op"))
}

fn check_admin(call: &Call<'_>) -> Result<(), CommandError> {
    if call.database == "admin" {
        return Ok(());
    }
    let message = format!("{} may only be run against the admin database.", call.name);
    Err(CommandError::new(Code::UNAUTHORIZED, message))
}
