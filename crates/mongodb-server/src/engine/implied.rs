//! Whether a filter says at least as much as another one, so that a partial index has every document
//! that passes it.
//!
//! The answer may be "no" too often but never "yes" too often.

use crate::bson::{Kind, Value, order};
use crate::query::{Choices, Comparison, Filter, Path, Test};

/// Types that compare with each other.
const FAMILIES: &[&[Kind]] = &[
    &[Kind::Double, Kind::Int32, Kind::Int64, Kind::Decimal128],
    &[Kind::String, Kind::Symbol],
];

/// Returns whether every document that passes `filter` passes `partial`.
pub fn implies(filter: &Filter, partial: &Filter) -> bool {
    match partial {
        Filter::And(all) => all.iter().all(|one| implies(filter, one)),
        Filter::Or(any) => any.iter().any(|one| implies(filter, one)),
        Filter::Constant(holds) => *holds,
        Filter::Field { path, test } => guarantees(filter, path, test),
        _ => false,
    }
}

/// Returns whether every document that passes a filter passes a test at a path.
fn guarantees(filter: &Filter, path: &Path, wanted: &Test) -> bool {
    match filter {
        Filter::And(all) => all.iter().any(|one| guarantees(one, path, wanted)),
        Filter::Or(any) => !any.is_empty() && any.iter().all(|one| guarantees(one, path, wanted)),
        Filter::Field { path: known, test } => known == path && test_implies(test, wanted),
        _ => false,
    }
}

fn test_implies(test: &Test, wanted: &Test) -> bool {
    match (test, wanted) {
        (Test::Exists(one), Test::Exists(other)) => one == other,
        (test, Test::Exists(true)) => excludes_missing(test),
        (Test::Equal(value), wanted) => value_implies(value, wanted),
        (Test::In(choices), wanted) => {
            let values = &choices.values;
            choices.patterns.is_empty()
                && !values.is_empty()
                && values.iter().all(|value| value_implies(value, wanted))
        }
        (Test::Compare(comparison, bound), Test::Compare(known, limit)) => {
            narrower(*comparison, bound, *known, limit)
        }
        (Test::Compare(_, bound), Test::Type(kinds)) => has_family(kinds, bound.kind()),
        (Test::Type(some), Test::Type(kinds)) => {
            !some.is_empty() && some.iter().all(|kind| kinds.contains(kind))
        }
        _ => false,
    }
}

/// Returns whether a test fails for a document without the field.
fn excludes_missing(test: &Test) -> bool {
    match test {
        Test::Equal(value) | Test::Compare(_, value) => is_plain(value),
        Test::In(Choices { values, .. }) => values.iter().all(is_plain),
        Test::Type(kinds) => !kinds.contains(&Kind::Undefined),
        Test::Matches(_) | Test::Modulo { .. } | Test::Size(_) => true,
        _ => false,
    }
}

/// Returns whether a value is found at a field that has it, and nowhere else.
fn is_plain(value: &Value<'_>) -> bool {
    !matches!(
        value.kind(),
        Kind::Null | Kind::Undefined | Kind::MinKey | Kind::MaxKey
    )
}

/// Returns whether what equals a value passes a test.
fn value_implies(value: &Value<'_>, wanted: &Test) -> bool {
    match wanted {
        Test::Equal(known) => order::equal(known, value),
        Test::In(choices) => choices
            .values
            .iter()
            .any(|known| order::equal(known, value)),
        // An array equals an array, or an element that is one.
        _ if !is_plain(value) || value.kind() == Kind::Array => false,
        Test::Compare(comparison, limit) => {
            comparable(value, limit) && comparison.accepts(order::compare(value, limit))
        }
        Test::Type(kinds) => has_family(kinds, value.kind()),
        _ => false,
    }
}

/// Returns whether a range lies within another one.
fn narrower(
    comparison: Comparison,
    bound: &Value<'_>,
    known: Comparison,
    limit: &Value<'_>,
) -> bool {
    if !comparable(bound, limit) || bound.kind() == Kind::Array {
        return false;
    }
    let ordering = order::compare(bound, limit);
    match (comparison, known) {
        (Comparison::Greater, Comparison::Greater | Comparison::GreaterOrEqual)
        | (Comparison::GreaterOrEqual, Comparison::GreaterOrEqual) => ordering.is_ge(),
        (Comparison::GreaterOrEqual, Comparison::Greater) => ordering.is_gt(),
        (Comparison::Less, Comparison::Less | Comparison::LessOrEqual)
        | (Comparison::LessOrEqual, Comparison::LessOrEqual) => ordering.is_le(),
        (Comparison::LessOrEqual, Comparison::Less) => ordering.is_lt(),
        _ => false,
    }
}

/// Returns whether two values are of one family, and neither is NaN.
fn comparable(one: &Value<'_>, other: &Value<'_>) -> bool {
    let number = |value: &Value<'_>| value.as_f64().is_none_or(|number| !number.is_nan());
    let same = one.kind().rank() == other.kind().rank();
    same && is_plain(one) && number(one) && number(other)
}

/// Returns whether a list of types has every type that compares with one.
fn has_family(kinds: &[Kind], kind: Kind) -> bool {
    let family = FAMILIES.iter().find(|family| family.contains(&kind));
    match family {
        Some(family) => family.iter().all(|kind| kinds.contains(kind)),
        None => kinds.contains(&kind) && kind != Kind::Array,
    }
}
