//! Regular expressions, compiled once per query.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::bson::Value;
use crate::error::{Code, CommandError};

/// Maximum size of a compiled pattern in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled pattern with its source text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    options: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern with MongoDB's options: some of the letters `imsxu`.
    pub fn new(pattern: &str, options: &str) -> Result<Self, CommandError> {
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(SIZE_LIMIT);
        for letter in options.chars() {
            match letter {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => builder.ignore_whitespace(true),
                'u' => &mut builder,
                _ => {
                    let message = format!("invalid flag in regex options: {letter}");
                    return Err(CommandError::location(51_108, message));
                }
            };
        }
        let regex = builder.build().map_err(|error| {
            let message = format!("Regular expression is invalid or not supported: {error}");
            CommandError::new(Code::location(51_091), message)
        })?;
        Ok(Self {
            text: pattern.to_owned(),
            options: options.to_owned(),
            regex,
        })
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Returns whether a text matches; a stored regular expression matches if it is the same.
    pub fn matches_value(&self, value: &Value<'_>) -> bool {
        match value {
            Value::String(text) | Value::Symbol(text) => self.regex.is_match(text),
            Value::Regex { pattern, options } => *pattern == self.text && *options == self.options,
            _ => false,
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "/{}/{}", self.text, self.options)
    }
}
