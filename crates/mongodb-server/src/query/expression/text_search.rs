//! Functions that search text for regular expressions.

use crate::bson::builder::count_value;
use crate::bson::{ArrayBuilder, Builder, Value};
use crate::error::CommandError;
use crate::query::expression::function::Outcome;
use crate::query::regex::{Found, Pattern, PatternCodes};

/// Maximum size in bytes of the result of `$regexFindAll`.
const MAX_FOUND_BYTES: usize = 64 * 1024 * 1024;

/// `$regexMatch`
pub fn matches(arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Bool(match prepare("$regexMatch", arguments)? {
        Some((text, pattern)) => pattern.find_at(text, 0)?.is_some(),
        None => false,
    }))
}

/// `$regexFind`
pub fn find(arguments: &[Value<'_>]) -> Outcome {
    let Some((text, pattern)) = prepare("$regexFind", arguments)? else {
        return Ok(Value::Null);
    };
    let found = pattern.find_at(text, 0)?;
    Ok(found.map_or(Value::Null, |found| {
        let before = text[..found.start].chars().count();
        Value::Document(describe(text, &found, before).finish().into())
    }))
}

/// `$regexFindAll`
pub fn find_all(arguments: &[Value<'_>]) -> Outcome {
    let mut all = ArrayBuilder::default();
    if let Some((text, pattern)) = prepare("$regexFindAll", arguments)? {
        let (mut counted_bytes, mut counted) = (0, 0);
        pattern.find_all(text, |found| {
            // `\K` can move the start of a match behind the one before.
            counted += text
                .get(counted_bytes..found.start)
                .map_or(0, |skipped| skipped.chars().count());
            counted_bytes = counted_bytes.max(found.start);
            all.push_built(describe(text, &found, counted));
            if all.size() > MAX_FOUND_BYTES {
                let message =
                    "$regexFindAll: the size of buffer to store output exceeded the 64MB limit";
                return Err(CommandError::location(51_151, message));
            }
            Ok(())
        })?;
    }
    Ok(all.into_value())
}

/// Returns the text and the compiled pattern; `None` if one is null or missing.
fn prepare<'v>(
    name: &str,
    arguments: &'v [Value<'_>],
) -> Result<Option<(&'v str, Pattern)>, CommandError> {
    let [input, regex, options] = arguments else {
        return Ok(None);
    };
    let wrong = |code, what: &str| CommandError::location(code, format!("{name} {what}"));
    if !input.is_nullish() && input.as_str().is_none() {
        return Err(wrong(51_104, "needs 'input' to be of type string"));
    }
    let given = match options {
        Value::String(options) if options.contains('\0') => {
            let what = ": regular expression options cannot contain an embedded null byte";
            return Err(wrong(51_110, what));
        }
        Value::String(options) => Some(options.as_ref()),
        options if options.is_nullish() => None,
        _ => return Err(wrong(51_106, "needs 'options' to be of type string")),
    };
    let (pattern, options) = match regex {
        Value::String(pattern) => (pattern, given.unwrap_or("")),
        Value::Regex { options: own, .. } if given.is_some() && !own.is_empty() => {
            let what = ": found regex option(s) specified in both 'regex' and 'option' fields";
            return Err(wrong(51_107, what));
        }
        Value::Regex { pattern, options } => (pattern, given.unwrap_or(options)),
        regex if regex.is_nullish() => return Ok(None),
        _ => return Err(wrong(51_105, "needs 'regex' to be of type string or regex")),
    };
    let pattern = Pattern::with_codes(pattern, options, PatternCodes::EXPRESSION)?;
    Ok(input.as_str().map(|text| (text, pattern)))
}

/// Returns the document for a match after `before` code points.
fn describe(text: &str, found: &Found, before: usize) -> Builder {
    let part = |start: usize, end: usize| text.get(start..end).unwrap_or_default();
    let captures = found.groups.iter().map(|group| match group {
        Some((start, end)) => Value::from(part(*start, *end)),
        None => Value::Null,
    });
    Builder::new()
        .string("match", part(found.start, found.end))
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
        find_all(&[Value::from(text), regex, Value::Undefined])
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
        find_all_of(&"a".repeat(6_000_000), pattern).expect("a result below the limit");
        assert!(find_all_of(&"a".repeat(7_000_000), pattern).is_err());
    }
}
