//! The arguments of `bulkWrite`: its operations and its collections.

use crate::bson::{Builder, Doc, Value};
use crate::command::Call;
use crate::command::query::parse_hint;
use crate::command::statement::Statement;
use crate::engine::Namespace;
use crate::error::{Code, CommandError};
use crate::query::saturated;

/// The path of an operation in messages.
const PATH: &str = "bulkWrite.ops";

/// A collection that operations name by its position.
#[derive(Debug)]
pub struct Target {
    pub namespace: Namespace,
    /// The identifier that the collection must have.
    pub uuid: Option<[u8; 16]>,
}

/// An operation.
#[derive(Debug)]
pub struct Op<'a> {
    /// The position of its collection.
    pub target: usize,
    pub kind: Kind<'a>,
}

/// What an operation does.
#[derive(Debug)]
pub enum Kind<'a> {
    Insert(Doc<'a>),
    /// A statement as `update` takes it.
    Update(Vec<u8>),
    /// A statement as `delete` takes it.
    Delete(Vec<u8>),
}

impl Op<'_> {
    /// Returns whether it may change several documents.
    pub fn is_multi(&self) -> bool {
        match &self.kind {
            Kind::Insert(_) => false,
            Kind::Update(statement) => {
                let multi = Doc::new(statement).get("multi");
                multi.is_some_and(|multi| multi.is_truthy())
            }
            Kind::Delete(statement) => {
                let limit = Doc::new(statement).get("limit");
                limit.is_some_and(|limit| !limit.is_truthy())
            }
        }
    }
}

/// Reads `nsInfo`.
pub fn read_targets(call: &Call<'_>) -> Result<Vec<Target>, CommandError> {
    let mut targets = Vec::new();
    for entry in call.list("nsInfo")? {
        let entry = Statement::new("bulkWrite.nsInfo", entry);
        entry.only(&["ns", "collectionUUID", "encryptionInformation"])?;
        if entry.value("encryptionInformation").is_some() {
            return Err(CommandError::unsupported("encrypted collections"));
        }
        let name = match entry.value("ns") {
            Some(Value::String(name)) => name,
            Some(other) => return Err(call.wrong_type("nsInfo.ns", other.kind(), "string")),
            None => return Err(call.missing("nsInfo.ns")),
        };
        let uuid = match entry.value("collectionUUID") {
            None => None,
            Some(Value::Binary { bytes, .. }) => {
                let uuid = <[u8; 16]>::try_from(bytes.as_ref()).map_err(|_| {
                    CommandError::new(Code::INVALID_UUID, "a UUID must have 16 bytes")
                })?;
                Some(uuid)
            }
            Some(other) => {
                return Err(call.wrong_type("nsInfo.collectionUUID", other.kind(), "binData"));
            }
        };
        targets.push(Target {
            namespace: Namespace::parse(&name)?,
            uuid,
        });
    }
    Ok(targets)
}

/// Reads `ops`. One that is not an operation fails the command before anything is done.
pub fn read_ops<'a>(ops: &[Doc<'a>], targets: usize) -> Result<Vec<Op<'a>>, CommandError> {
    let read = |(index, op): (usize, &Doc<'a>)| {
        let op = read_op(*op)?;
        if op.target < targets {
            return Ok(op);
        }
        Err(CommandError::bad_value(format!(
            "BulkWrite ops entry {index} has an invalid nsInfo index."
        )))
    };
    ops.iter().enumerate().map(read).collect()
}

fn read_op(op: Doc<'_>) -> Result<Op<'_>, CommandError> {
    let first = op.elements().next();
    let name = first.map_or("", |first| first.name());
    let statement = Statement::new(PATH, op);
    let kind = match name {
        "insert" => {
            statement.only(&["insert", "document"])?;
            Kind::Insert(statement.required_document("document")?)
        }
        "update" => Kind::Update(read_update(statement)?),
        "delete" => Kind::Delete(read_delete(statement)?),
        name => {
            let message = format!("BSON field '{PATH}.{name}' is an unknown field.");
            return Err(CommandError::location(40_415, message));
        }
    };
    let target = match statement.value(name) {
        None => {
            let message = format!("BSON field '{PATH}.{name}' is missing but a required field");
            return Err(CommandError::location(40_414, message));
        }
        Some(number) if number.is_number() => saturated(&number),
        Some(other) => return Err(wrong_type(name, &other, "number")),
    };
    let negative = |_| {
        CommandError::bad_value(format!(
            "BSON field '{PATH}.{name}' value must be >= 0, actual value '{target}'"
        ))
    };
    Ok(Op {
        target: usize::try_from(target).map_err(negative)?,
        kind,
    })
}

fn read_update(op: Statement<'_>) -> Result<Vec<u8>, CommandError> {
    op.only(&[
        "update",
        "filter",
        "updateMods",
        "multi",
        "upsert",
        "upsertSupplied",
        "arrayFilters",
        "constants",
        "collation",
        "hint",
        "sort",
    ])?;
    let filter = op.required_document("filter")?;
    match op.given("updateMods") {
        Some(Value::Document(_) | Value::Array(_)) => {}
        Some(_) => {
            let message = "Update argument must be either an object or an array";
            return Err(CommandError::failed_to_parse(message));
        }
        None => {
            let message = format!("BSON field '{PATH}.updateMods' is missing but a required field");
            return Err(CommandError::location(40_414, message));
        }
    }
    for name in ["upsert", "upsertSupplied"] {
        match op.value(name) {
            None | Some(Value::Bool(_)) => {}
            Some(other) => return Err(wrong_type(name, &other, "bool")),
        }
    }
    op.document("constants")?;
    parse_hint(op.given("hint"))?;
    let mut statement = Builder::new().raw_document("q", filter);
    for (name, known) in [
        ("updateMods", "u"),
        ("multi", "multi"),
        ("upsert", "upsert"),
        ("arrayFilters", "arrayFilters"),
        ("constants", "c"),
        ("collation", "collation"),
        ("hint", "hint"),
        ("sort", "sort"),
    ] {
        if let Some(value) = op.value(name) {
            statement.push(known, &value);
        }
    }
    Ok(statement.finish())
}

fn read_delete(op: Statement<'_>) -> Result<Vec<u8>, CommandError> {
    op.only(&["delete", "filter", "multi", "hint", "collation"])?;
    let filter = op.required_document("filter")?;
    parse_hint(op.given("hint"))?;
    let limit = i32::from(!op.flag("multi"));
    let mut statement = Builder::new()
        .raw_document("q", filter)
        .int32("limit", limit);
    for name in ["hint", "collation"] {
        if let Some(value) = op.value(name) {
            statement.push(name, &value);
        }
    }
    Ok(statement.finish())
}

fn wrong_type(name: &str, value: &Value<'_>, expected: &str) -> CommandError {
    CommandError::type_mismatch(format!(
        "BSON field '{PATH}.{name}' is the wrong type '{}', expected type '{expected}'",
        value.kind().alias()
    ))
}
