//! Functions of arrays as sets: order and duplicates are ignored.

use std::collections::{BTreeMap, BTreeSet};

use crate::bson::{ArrayBuilder, Doc, Key, Value};
use crate::error::CommandError;
use crate::query::expression::function::Outcome;

/// `$setUnion`
pub fn union(arguments: &[Value<'_>]) -> Outcome {
    let Some(sets) = sets("$setUnion", 17_043, arguments)? else {
        return Ok(Value::Null);
    };
    // Of equal numbers of different types, the first one stays.
    let mut all = BTreeMap::new();
    for (key, value) in sets.into_iter().flatten() {
        all.entry(key).or_insert(value);
    }
    Ok(array(all.into_values()))
}

/// `$setIntersection`
pub fn intersection(arguments: &[Value<'_>]) -> Outcome {
    let Some(sets) = sets("$setIntersection", 17_047, arguments)? else {
        return Ok(Value::Null);
    };
    let mut sets = sets.into_iter();
    let Some(mut common) = sets.next() else {
        return Ok(array(std::iter::empty()));
    };
    for set in sets {
        common.retain(|key, _| set.contains_key(key));
    }
    Ok(array(common.into_values()))
}

/// `$setDifference`, in the order of the first array.
pub fn difference(arguments: &[Value<'_>]) -> Outcome {
    let Some(sets) = sets("$setDifference", 17_048, arguments)? else {
        return Ok(Value::Null);
    };
    let (Some(Value::Array(bytes)), Some(without)) = (arguments.first(), sets.get(1)) else {
        return Ok(Value::Null);
    };
    let mut seen = BTreeSet::new();
    let kept = Doc::new(bytes).values().filter(|value| {
        let key = Key::of(value);
        !without.contains_key(&key) && seen.insert(key)
    });
    Ok(array(kept))
}

/// `$setEquals`
pub fn equals(arguments: &[Value<'_>]) -> Outcome {
    let keys = required("$setEquals", 17_044, arguments)?;
    Ok(Value::Bool(keys.windows(2).all(|pair| pair[0] == pair[1])))
}

/// `$setIsSubset`
pub fn is_subset(arguments: &[Value<'_>]) -> Outcome {
    let keys = required("$setIsSubset", 17_046, arguments)?;
    Ok(Value::Bool(
        keys.windows(2).all(|pair| pair[0].is_subset(&pair[1])),
    ))
}

/// `$allElementsTrue`
pub fn all_elements_true(arguments: &[Value<'_>]) -> Outcome {
    let items = elements("$allElementsTrue", 17_040, arguments)?;
    Ok(Value::Bool(items.values().all(|value| value.is_truthy())))
}

/// `$anyElementTrue`
pub fn any_element_true(arguments: &[Value<'_>]) -> Outcome {
    let items = elements("$anyElementTrue", 17_041, arguments)?;
    Ok(Value::Bool(items.values().any(|value| value.is_truthy())))
}

fn elements<'v>(
    name: &str,
    code: i32,
    arguments: &'v [Value<'_>],
) -> Result<Doc<'v>, CommandError> {
    let array = arguments.first().and_then(Value::as_array);
    array.ok_or_else(|| CommandError::location(code, format!("{name}'s argument must be an array")))
}

type Set<'v> = BTreeMap<Key, Value<'v>>;

/// Returns the arguments as sets; `None` if one is null or missing.
fn sets<'v>(
    name: &str,
    code: i32,
    arguments: &'v [Value<'_>],
) -> Result<Option<Vec<Set<'v>>>, CommandError> {
    let mut sets = Vec::new();
    for argument in arguments {
        if argument.is_nullish() {
            return Ok(None);
        }
        let items = argument.as_array().ok_or_else(|| {
            let kind = argument.kind().alias();
            let message =
                format!("All operands of {name} must be arrays. One argument is of type: {kind}");
            CommandError::location(code, message)
        })?;
        let mut set = Set::new();
        for value in items.values() {
            set.entry(Key::of(&value)).or_insert(value);
        }
        sets.push(set);
    }
    Ok(Some(sets))
}

/// Returns the arguments as sets of keys; rejects arguments that are not arrays.
fn required(
    name: &str,
    code: i32,
    arguments: &[Value<'_>],
) -> Result<Vec<BTreeSet<Key>>, CommandError> {
    let sets = sets(name, code, arguments)?.ok_or_else(|| {
        let message = format!("All operands of {name} must be arrays. One argument is null");
        CommandError::location(code, message)
    })?;
    let keys = |set: Set<'_>| set.into_keys().collect();
    Ok(sets.into_iter().map(keys).collect())
}

fn array<'v>(values: impl Iterator<Item = Value<'v>>) -> Value<'static> {
    values.collect::<ArrayBuilder>().into_value()
}
