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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::strategies::{array, scalar};

    proptest! {
        #[test]
        fn slice_of_an_array_is_the_slice_of_its_elements(
            items in proptest::collection::vec(scalar(), 0..6),
            skip in 0_usize..8,
            limit in 0_usize..8,
        ) {
            let bytes = array(items.clone());
            let doc = bytes.as_array().expect("an array");
            let number = |count: usize| i64::try_from(count).expect("a small number");
            let show = |value: Value<'_>| value.to_string();

            let kept = items.iter().skip(skip).take(limit).cloned().collect();
            let sliced = slice_array(doc, number(skip), Some(number(limit)));
            prop_assert_eq!(show(sliced), show(array(kept)));

            let kept = items[items.len().saturating_sub(skip)..].to_vec();
            let sliced = slice_array(doc, -number(skip), None);
            let expected = if skip == 0 { items } else { kept };
            prop_assert_eq!(show(sliced), show(array(expected)));
        }
    }
}
