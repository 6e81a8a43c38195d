//! Missing and borrowed values.

use std::borrow::Cow;

use crate::bson::Value;

/// Returns whether a value is missing.
pub fn is_missing(value: &Value<'_>) -> bool {
    matches!(value, Value::Undefined)
}

/// Replaces a missing value by null.
pub fn null_if_missing(value: Value<'_>) -> Value<'_> {
    if is_missing(&value) {
        Value::Null
    } else {
        value
    }
}

/// Returns a value that borrows its bytes or text from another.
pub fn borrowed<'a>(value: &'a Value<'_>) -> Value<'a> {
    match value {
        Value::String(text) => Value::String(Cow::Borrowed(text)),
        Value::Document(bytes) => Value::Document(Cow::Borrowed(bytes)),
        Value::Array(bytes) => Value::Array(Cow::Borrowed(bytes)),
        Value::Binary { subtype, bytes } => Value::Binary {
            subtype: *subtype,
            bytes: Cow::Borrowed(bytes),
        },
        other => other.clone().into_owned(),
    }
}
