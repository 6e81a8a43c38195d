//! `$slice` of an array, for projections and expressions.

use crate::bson::{ArrayBuilder, Doc, Value};

/// Returns up to `limit` elements after the first `skip`; a negative `skip` counts from the end.
pub fn slice_array(array: Doc<'_>, skip: i64, limit: Option<i64>) -> Value<'static> {
    let length = i64::try_from(array.len()).unwrap_or(i64::MAX);
    let start = if skip < 0 {
        length.saturating_add(skip).max(0)
    } else {
        skip
    };
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    let kept = array
        .values()
        .skip(count(start))
        .take(limit.map_or(usize::MAX, count));
    kept.collect::<ArrayBuilder>().into_value()
}
