//! Checks of new indexes. Those of a data directory may be older than the checks.

use crate::bson::{Builder, Doc, Kind, Value};
use crate::engine::{ID_INDEX, IndexSpec};
use crate::error::{Code, CommandError};
use crate::query::{Filter, Test, saturated};

use Kind::{Bool, Decimal128, Document, Double, Int32, Int64, String};

const FLAG: &[Kind] = &[Bool, Int64, Int32, Decimal128, Double];

/// Options and the types that they may have. A name that is not here is checked where it is read.
const OPTIONS: &[(&str, &[Kind])] = &[
    ("collation", &[Document]),
    ("key", &[Document]),
    ("name", &[String]),
    ("partialFilterExpression", &[Document]),
    ("sparse", FLAG),
    ("unique", FLAG),
    ("wildcardProjection", &[Document]),
];

/// Reads an entry of `createIndexes`.
pub fn read(spec: Doc<'_>) -> Result<IndexSpec, CommandError> {
    let mut normal = Builder::new();
    for option in spec.elements() {
        let (name, value) = (option.name(), option.value());
        check_kind(name, &value)?;
        if name == "expireAfterSeconds" && value.is_number() {
            normal.push(name, &expiry(&value)?);
        } else {
            normal.push_element(option);
        }
    }
    check_collation(spec.get("collation").as_ref())?;
    let normal = normal.finish();
    let parsed = IndexSpec::parse(Doc::new(&normal))?;
    check_id(&parsed)?;
    if let Some(filter) = &parsed.partial {
        if parsed.sparse {
            return Err(cannot(
                "cannot mix \"partialFilterExpression\" and \"sparse\" options",
            ));
        }
        check_partial(filter)?;
    }
    Ok(parsed)
}

fn check_kind(name: &str, value: &Value<'_>) -> Result<(), CommandError> {
    let known = OPTIONS.iter().find(|(known, _)| *known == name);
    match known {
        Some((_, kinds)) if !kinds.contains(&value.kind()) => {
            let expected = kinds.first().map_or("", |kind| kind.alias());
            let given = value.kind().alias();
            Err(CommandError::type_mismatch(format!(
                "The field '{name}' must be of type {expected}, but got {given}"
            )))
        }
        _ => Ok(()),
    }
}

/// Returns `expireAfterSeconds` as it is stored.
fn expiry(value: &Value<'_>) -> Result<Value<'static>, CommandError> {
    let finite = value.as_f64().is_some_and(f64::is_finite);
    let seconds = i32::try_from(saturated(value)).ok();
    let seconds = seconds.filter(|seconds| finite && *seconds >= 0);
    seconds.map(Value::Int32).ok_or_else(|| {
        cannot(&format!(
            "TTL index 'expireAfterSeconds' option must be within an acceptable range, 0 to {}, \
             but was {value}",
            i32::MAX
        ))
    })
}

fn check_collation(collation: Option<&Value<'_>>) -> Result<(), CommandError> {
    match collation.and_then(Value::as_document) {
        Some(collation) if collation.is_empty() => Err(CommandError::bad_value(
            "The field 'collation' cannot be an empty object.",
        )),
        _ => Ok(()),
    }
}

/// Checks the key, the name and the options of an index on `_id`.
fn check_id(spec: &IndexSpec) -> Result<(), CommandError> {
    if !spec.is_id() {
        if spec.name == ID_INDEX {
            return Err(CommandError::bad_value(format!(
                "The index name '{ID_INDEX}' is reserved for the _id index, which must have key \
                 pattern {{_id: 1}}"
            )));
        }
        return Ok(());
    }
    if spec.fields != IndexSpec::id().fields {
        return Err(CommandError::bad_value(
            "The field 'key' for an _id index must be {_id: 1}",
        ));
    }
    Ok(())
}

/// Rejects a filter with other conditions than MongoDB takes: comparisons, `$in`, `$exists: true`,
/// `$type` and what joins them.
fn check_partial(filter: &Filter) -> Result<(), CommandError> {
    let wrong = |what: &str| {
        Err(cannot(&format!(
            "Expression not supported in partial index: {what}"
        )))
    };
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().try_for_each(check_partial),
        Filter::Field { path, test } => {
            if is_partial_test(test) {
                Ok(())
            } else {
                wrong(path.as_str())
            }
        }
        Filter::Not(_) => wrong("$ne, $nin, $not or $nor"),
        Filter::Constant(_) => Ok(()),
        Filter::Schema(_) => wrong("$jsonSchema"),
        Filter::Expression { .. } => Err(CommandError::new(
            Code::QUERY_FEATURE_NOT_ALLOWED,
            "$expr is not allowed in a partial index",
        )),
    }
}

fn is_partial_test(test: &Test) -> bool {
    match test {
        Test::Equal(_) | Test::Compare(..) | Test::In(_) | Test::Type(_) => true,
        Test::Exists(wanted) => *wanted,
        Test::All(tests) => tests.iter().all(is_partial_test),
        Test::Matches(_)
        | Test::Modulo { .. }
        | Test::Size(_)
        | Test::ElementDocument(_)
        | Test::ElementValue(_)
        | Test::Each(_)
        | Test::Bits { .. } => false,
    }
}

fn cannot(message: &str) -> CommandError {
    CommandError::new(Code::CANNOT_CREATE_INDEX, message)
}
