//! MongoDB's total order of values: first by type; all types of numbers are one.

use std::cmp::Ordering;

use crate::bson::{Doc, Key, Value};

/// Compares two values.
pub fn compare(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    let by_type = left.kind().rank().cmp(&right.kind().rank());
    by_type.then_with(|| compare_same_rank(left, right))
}

/// Returns whether two values are equal to MongoDB.
pub fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    compare(left, right) == Ordering::Equal
}

/// Compares documents: element by element, by type, then name, then value.
pub fn compare_docs(left: Doc<'_>, right: Doc<'_>) -> Ordering {
    compare_elements(left, right, true)
}

fn compare_elements(left: Doc<'_>, right: Doc<'_>, with_names: bool) -> Ordering {
    let (mut left, mut right) = (left.elements(), right.elements());
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let mut ordering = one.kind().rank().cmp(&other.kind().rank());
        if with_names {
            ordering = ordering.then_with(|| one.name_bytes().cmp(other.name_bytes()));
        }
        let ordering = ordering.then_with(|| compare_same_rank(&one.value(), &other.value()));
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn compare_same_rank(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    use Value as V;
    match (left, right) {
        (V::Int32(left), V::Int32(right)) => left.cmp(right),
        (V::Double(left), V::Double(right)) => compare_doubles(*left, *right),
        (V::String(left) | V::Symbol(left), V::String(right) | V::Symbol(right))
        | (V::Code(left), V::Code(right)) => left.as_bytes().cmp(right.as_bytes()),
        (V::Document(left), V::Document(right)) => compare_docs(Doc::new(left), Doc::new(right)),
        (V::Array(left), V::Array(right)) => {
            compare_elements(Doc::new(left), Doc::new(right), false)
        }
        (
            V::Binary { subtype, bytes },
            V::Binary {
                subtype: other_subtype,
                bytes: other,
            },
        ) => (bytes.len(), subtype, bytes).cmp(&(other.len(), other_subtype, other)),
        (V::ObjectId(left), V::ObjectId(right)) => left.cmp(right),
        (V::Bool(left), V::Bool(right)) => left.cmp(right),
        (V::DateTime(left), V::DateTime(right)) => left.cmp(right),
        (V::Timestamp(left), V::Timestamp(right)) => left.cmp(right),
        (
            V::Regex { pattern, options },
            V::Regex {
                pattern: other,
                options: other_options,
            },
        ) => (pattern, options).cmp(&(other, other_options)),
        (
            V::DbPointer { namespace, id },
            V::DbPointer {
                namespace: other,
                id: other_id,
            },
        ) => (namespace, id).cmp(&(other, other_id)),
        (
            V::CodeWithScope { code, scope },
            V::CodeWithScope {
                code: other,
                scope: other_scope,
            },
        ) => code
            .cmp(other)
            .then_with(|| compare_docs(Doc::new(scope), Doc::new(other_scope))),
        _ => compare_numbers(left, right),
    }
}

/// Compares numbers of different types exactly.
fn compare_numbers(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    let integer = |value: &Value<'_>| match *value {
        Value::Int32(number) => Some(i64::from(number)),
        Value::Int64(number) => Some(number),
        _ => None,
    };
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => return left.cmp(&right),
        (Some(left), None) => {
            if let Value::Double(right) = *right {
                return compare_integer_to_double(left, right);
            }
        }
        (None, Some(right)) => {
            if let Value::Double(left) = *left {
                return compare_integer_to_double(right, left).reverse();
            }
        }
        (None, None) => {}
    }
    if left.is_number() && right.is_number() {
        return Key::of(left).cmp(&Key::of(right));
    }
    Ordering::Equal
}

/// NaN is equal to itself and less than every other number.
fn compare_doubles(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

fn compare_integer_to_double(integer: i64, double: f64) -> Ordering {
    /// 2^63, greater than every 64-bit integer.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() || double < -LIMIT {
        return Ordering::Greater;
    }
    if double >= LIMIT {
        return Ordering::Less;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the range of i64")]
    let whole = double.trunc() as i64;
    let fraction = double.fract();
    integer
        .cmp(&whole)
        .then_with(|| 0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::strategies;

    proptest! {
        #[test]
        fn the_order_is_total(
            one in strategies::value(), two in strategies::value(), three in strategies::value()
        ) {
            let (one, two, three) = (one.as_value(), two.as_value(), three.as_value());
            prop_assert_eq!(compare(&one, &one), Ordering::Equal);
            prop_assert_eq!(compare(&one, &two), compare(&two, &one).reverse());
            let mut sorted = [&one, &two, &three];
            sorted.sort_by(|left, right| compare(left, right));
            prop_assert_ne!(compare(sorted[0], sorted[2]), Ordering::Greater);
        }
    }

    #[test]
    fn integers_beyond_the_precision_of_doubles_compare_exactly() {
        let large = (1_i64 << 53) + 1;
        let double = Value::Double(9_007_199_254_740_992.0);
        assert_eq!(compare(&Value::Int64(large), &double), Ordering::Greater);
        assert_eq!(compare(&Value::Int64(large - 1), &double), Ordering::Equal);
        let limit = Value::Double(9_223_372_036_854_775_808.0);
        assert_eq!(compare(&Value::Int64(i64::MAX), &limit), Ordering::Less);
        assert_eq!(
            compare(&Value::Int64(-1), &Value::Double(-0.5)),
            Ordering::Less
        );
    }

    #[test]
    fn types_compare_in_the_documented_order() {
        let ascending = [
            Value::MinKey,
            Value::Null,
            Value::Double(f64::NAN),
            Value::Int32(5),
            Value::from("a"),
            Value::Document(Doc::EMPTY.bytes().into()),
            Value::Array(Doc::EMPTY.bytes().into()),
            Value::Binary {
                subtype: 0,
                bytes: vec![].into(),
            },
            Value::ObjectId(crate::bson::ObjectId([0; 12])),
            Value::Bool(false),
            Value::Bool(true),
            Value::DateTime(0),
            Value::Timestamp(0),
            Value::Regex {
                pattern: "a".into(),
                options: "".into(),
            },
            Value::MaxKey,
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}
