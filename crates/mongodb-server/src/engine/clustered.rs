//! What is particular to clustered collections, whose documents are in the order of their `_id`.

use crate::bson::Value;
use crate::error::CommandError;

/// Largest `_id` in bytes, as MongoDB encodes it.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that MongoDB adds to a string.
const STRING_BYTES: usize = 2;

/// Bytes that MongoDB adds to binary data.
const BINARY_BYTES: usize = 7;

/// Rejects an `_id` that is too large to order documents by.
pub fn check_size(id: &Value<'_>) -> Result<(), CommandError> {
    let bytes = match id {
        Value::String(text) => text.len() + STRING_BYTES,
        Value::Binary { bytes, .. } => bytes.len() + BINARY_BYTES,
        Value::Document(bytes) => bytes.len(),
        _ => 0,
    };
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let message = "The size of the RecordId exceeds the maximum allowed size of 8388608 bytes";
    Err(CommandError::location(5_894_900, message))
}

/// Returns the error of an `_id` that another document has. MongoDB fails to print numbers that are not
/// finite.
pub fn duplicate(id: &Value<'_>, duplicate: CommandError) -> CommandError {
    let number = match id {
        Value::Double(number) => *number,
        Value::Decimal128(number) => number.to_f64(),
        _ => return duplicate,
    };
    if number.is_nan() {
        return CommandError::location(50_819, "cannot format a NaN of a duplicate key");
    }
    let finite = match id {
        Value::Decimal128(number) => !number.is_infinite(),
        _ => number.is_finite(),
    };
    if finite {
        return duplicate;
    }
    CommandError::location(50_826, "cannot format an infinity of a duplicate key")
}
