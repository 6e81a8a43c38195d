//! Operands of `$size` and of the operators for bits.

use crate::bson::{Doc, Element, Value};
use crate::error::CommandError;
use crate::query::filter::Test;

/// Compiles `$size`.
pub fn parse_size(element: Element<'_>) -> Result<Test, CommandError> {
    let value = element.value();
    let length = value.as_i64().ok_or_else(|| {
        CommandError::failed_to_parse(format!(
            "Failed to parse $size. Expected an integer: $size: {value}"
        ))
    })?;
    if length < 0 {
        return Err(CommandError::bad_value(format!(
            "Failed to parse $size. Expected a non-negative number in: $size: {length}"
        )));
    }
    if i32::try_from(length).is_err() {
        return Err(CommandError::bad_value(format!(
            "Failed to parse $size. Cannot represent as an int: $size: {length}"
        )));
    }
    Ok(Test::Size(length))
}

/// Compiles an operator that tests whether `all` or any of some bits are `set`.
pub fn parse_bits(element: Element<'_>, all: bool, set: bool) -> Result<Test, CommandError> {
    let name = element.name();
    let wrong = || {
        CommandError::bad_value(format!(
            "{name} takes an Array, a number, or a BinData but received: {}",
            element.value()
        ))
    };
    let positions = match element.value() {
        Value::Array(bytes) => Doc::new(&bytes)
            .values()
            .map(|position| {
                let position = position.as_i64().and_then(|bit| i32::try_from(bit).ok());
                let position = position.and_then(|bit| u32::try_from(bit).ok());
                position.ok_or_else(wrong)
            })
            .collect::<Result<Vec<_>, _>>()?,
        Value::Binary { bytes, .. } => (0_u32..)
            .zip(bytes.iter())
            .flat_map(|(index, &byte)| {
                (0..8)
                    .filter(move |bit| byte >> bit & 1 == 1)
                    .map(move |bit| index * 8 + bit)
            })
            .collect(),
        value => {
            let mask = value.as_i64().and_then(|mask| u64::try_from(mask).ok());
            let mask = mask.ok_or_else(wrong)?;
            (0..64).filter(|bit| mask >> bit & 1 == 1).collect()
        }
    };
    Ok(Test::Bits {
        positions,
        all,
        set,
    })
}
