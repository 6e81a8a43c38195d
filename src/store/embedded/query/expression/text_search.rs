//! Text matched against patterns.

use super::super::super::bson::{ArrayBuilder, Builder, Value, builder::count_value};
use super::super::super::error::CommandError;
use super::super::regex::Pattern;

type Outcome = Result<Value<'static>, CommandError>;

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
        Value::Document(describe(text, &found).finish().into())
    }))
}

/// `$regexFindAll`
pub fn find_all(arguments: &[Value<'_>]) -> Outcome {
    let mut all = ArrayBuilder::default();
    if let Some((text, pattern)) = prepare(arguments)? {
        for found in pattern.regex().captures_iter(text) {
            all.push_built(describe(text, &found));
        }
    }
    Ok(all.into_value())
}

/// Returns the text and the compiled pattern; `None` if one of them is null.
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

fn describe(text: &str, found: &regex::Captures<'_>) -> Builder {
    let whole = found.get_match();
    let captures = found.iter().skip(1).map(|capture| match capture {
        Some(capture) => Value::from(capture.as_str()),
        None => Value::Null,
    });
    let before = text[..whole.start()].chars().count();
    Builder::new()
        .string("match", whole.as_str())
        .with("idx", &count_value(before))
        .array("captures", captures.collect())
}
