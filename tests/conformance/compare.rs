//! Compares replies with what a step expects of them.

use bson::{Bson, Document};

/// Returns the value at a dotted path; a name collects the fields of an array's elements.
pub fn at(reply: &Document, path: &str) -> Option<Bson> {
    let mut value = Bson::Document(reply.clone());
    for name in path.split('.') {
        value = match value {
            Bson::Array(values) => match name.parse::<usize>() {
                Ok(position) => values.get(position)?.clone(),
                Err(_) => Bson::Array(
                    values
                        .iter()
                        .filter_map(|value| value.as_document()?.get(name).cloned())
                        .collect(),
                ),
            },
            Bson::Document(document) => document.get(name)?.clone(),
            _ => return None,
        };
    }
    Some(value)
}

pub fn succeeded(reply: &Document) -> bool {
    let ok = reply.get("ok");
    ok.is_some_and(|ok| ok.as_f64() == Some(1.0) || ok.as_i32() == Some(1))
}

/// Compares a reply with what its step expects; returns the first difference.
pub fn check(step: &Document, reply: &Document) -> Result<(), String> {
    let succeeded = succeeded(reply);
    let error = reply.get("code").filter(|_| !succeeded);
    if error != step.get("error") || succeeded == error.is_some() {
        return Err(format!("{reply} instead of error {:?}", step.get("error")));
    }
    for kind in ["reply", "unordered", "contains", "least"] {
        for (path, expected) in step.get_document(kind).into_iter().flatten() {
            let found = at(reply, path).ok_or_else(|| format!("no {path} in {reply}"))?;
            let is_met = match kind {
                "reply" => same(&found, expected),
                "unordered" => same_in_any_order(&found, expected),
                "contains" => contains(&found, expected),
                _ => is_at_least(&found, expected),
            };
            if !is_met {
                return Err(format!("{path}: {found} instead of {kind} {expected}"));
            }
        }
    }
    for path in step.get_array("missing").into_iter().flatten() {
        let path = path.as_str().unwrap();
        if let Some(found) = at(reply, path) {
            return Err(format!("{path}: {found}, which must be missing"));
        }
    }
    Ok(())
}

/// Returns whether types, the order of fields and contents are equal; NaN is equal to NaN.
fn same(found: &Bson, expected: &Bson) -> bool {
    match (found, expected) {
        (Bson::Double(found), Bson::Double(expected)) => {
            found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan())
        }
        (Bson::Array(found), Bson::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| same(a, b))
        }
        (Bson::Document(found), Bson::Document(expected)) => {
            let mut fields = found.iter().zip(expected);
            found.len() == expected.len()
                && fields
                    .all(|((key, found), (name, expected))| key == name && same(found, expected))
        }
        _ => found == expected,
    }
}

fn same_in_any_order(found: &Bson, expected: &Bson) -> bool {
    let (Bson::Array(found), Bson::Array(expected)) = (found, expected) else {
        return false;
    };
    let mut left: Vec<&Bson> = expected.iter().collect();
    for value in found {
        let Some(position) = left.iter().position(|expected| same(value, expected)) else {
            return false;
        };
        left.swap_remove(position);
    }
    left.is_empty()
}

fn contains(found: &Bson, part: &Bson) -> bool {
    match (found, part) {
        (Bson::String(found), Bson::String(part)) => found.contains(part.as_str()),
        (Bson::Array(found), element) => found.iter().any(|value| same(value, element)),
        _ => false,
    }
}

fn is_at_least(found: &Bson, least: &Bson) -> bool {
    let found = number(found).zip(number(least));
    found.is_some_and(|(found, least)| found >= least)
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    }
}
