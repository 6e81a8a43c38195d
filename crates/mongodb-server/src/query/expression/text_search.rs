//! Functions that search text for regular expressions.

use crate::bson::builder::count_value;
use crate::bson::{ArrayBuilder, Builder, Value};
use crate::error::CommandError;
use crate::query::expression::function::Outcome;
use crate::query::regex::Pattern;

/// Maximum size in bytes of the result of `$regexFindAll`.
const MAX_FOUND_BYTES: usize = 64 * 1024 * 1024;

/// `$regexMatch`
pub fn matches(arguments: &[Value<'_>]) -> Outcome {
    Ok(match prepare(arguments)? {
        Some((text, pattern)) => Value::Bool(pattern.regex().is_match(text)),
        None => Value::Bool(false),
    })
}

/// `$regexFind`
pub fn find(arguments: &[Value<'_>]) -> Outcome {
    let Some((text, pattern)) = prepare(arguments)? else {
        return Ok(Value::Null);
    };
    let found = pattern.regex().captures(text);
    Ok(found.map_or(Value::Null, |found| {
        let before = text[..found.get_match().start()].chars().count();
        Value::Document(describe(&found, before).finish().into())
    }))
}

/// `$regexFindAll`
pub fn find_all(arguments: &[Value<'_>]) -> Outcome {
    let mut all = ArrayBuilder::default();
    if let Some((text, pattern)) = prepare(arguments)? {
        let (mut counted_bytes, mut counted) = (0, 0);
        for found in pattern.regex().captures_iter(text) {
            let start = found.get_match().start();
            counted += text[counted_bytes..start].chars().count();
            counted_bytes = start;
            all.push_built(describe(&found, counted));
            if all.size() > MAX_FOUND_BYTES {
                let message =
                    "$regexFindAll: the size of buffer to store output exceeded the 64MB limit";
                return Err(CommandError::location(51_151, message));
            }
        }
    }
    Ok(all.into_value())
}

/// Returns the text and the compiled pattern; `None` if one is null or missing.
fn prepare<'v>(arguments: &'v [Value<'_>]) -> Result<Option<(&'v str, Pattern)>, CommandError> {
    let (Some(input), Some(regex)) = (arguments.first(), arguments.get(1)) else {
        return Ok(None);
    };
    if input.is_nullish() || regex.is_nullish() {
        return Ok(None);
    }
    let text = input.as_str().ok_or_else(|| {
        CommandError::location(51_104, "$regexMatch needs 'input' to be of type string")
    })?;
    let options = match arguments.get(2) {
        Some(Value::String(options)) => options.as_ref(),
        _ => "",
    };
    let pattern = match regex {
        Value::String(pattern) => Pattern::new(pattern, options)?,
        Value::Regex {
            pattern,
            options: own,
        } => Pattern::new(pattern, if options.is_empty() { own } else { options })?,
        _ => {
            let message = "$regexMatch needs 'regex' to be of type string or regex";
            return Err(CommandError::location(51_105, message));
        }
    };
    Ok(Some((text, pattern)))
}

/// Returns the document for a match after `before` code points.
fn describe(found: &regex::Captures<'_>, before: usize) -> Builder {
    let whole = found.get_match();
    let captures = found.iter().skip(1).map(|capture| match capture {
        Some(capture) => Value::from(capture.as_str()),
        None => Value::Null,
    });
    Builder::new()
        .string("match", whole.as_str())
        .with("idx", &count_value(before))
        .array("captures", captures.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::Doc;

    fn find_all_of(text: &str, pattern: &str) -> Outcome {
        let regex = Value::Regex {
            pattern: pattern.into(),
            options: "".into(),
        };
        find_all(&[Value::from(text), regex])
    }

    #[test]
    fn match_position_counts_code_points() {
        let found = find_all_of("äbäb", "b").unwrap();
        let Value::Array(bytes) = found else {
            panic!("{found:?}")
        };
        let places = Doc::new(&bytes).elements().map(|item| match item.value() {
            Value::Document(found) => format!("{:?}", Doc::new(&found).get("idx")),
            other => panic!("{other:?}"),
        });
        let places: Vec<String> = places.collect();
        assert_eq!(places, ["Some(Int32(1))", "Some(Int32(3))"]);
    }

    #[test]
    fn result_larger_than_its_limit_is_rejected() {
        // The result has each match ten times: once as a whole, and once per group.
        let pattern = "(((((((((a{1000})))))))))";
        assert!(find_all_of(&"a".repeat(6_000_000), pattern).is_ok());
        assert!(find_all_of(&"a".repeat(7_000_000), pattern).is_err());
    }
}
