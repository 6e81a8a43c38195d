//! Comparisons and negation.

use std::cmp::Ordering;

use crate::bson::{Value, order};
use crate::query::expression::function::Outcome;

/// `$cmp`
pub fn compare(arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Int32(match ordering(arguments) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

/// `$eq`, `$lt` and the other comparisons.
pub fn ordered(arguments: &[Value<'_>], accepts: fn(Ordering) -> bool) -> Outcome {
    Ok(Value::Bool(accepts(ordering(arguments))))
}

/// `$not`
pub fn not(arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Bool(!arguments.iter().all(Value::is_truthy)))
}

fn ordering(arguments: &[Value<'_>]) -> Ordering {
    match arguments {
        [left, right] => order::compare(left, right),
        _ => Ordering::Equal,
    }
}
