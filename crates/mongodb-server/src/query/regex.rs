//! Regular expressions, compiled once per query by PCRE2, the library that MongoDB uses.
//!
//! Text is UTF-8, and `\w`, `\d`, `\s` and `\b` know ASCII only, unless a pattern starts with
//! `(*UCP)`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use convoy_server_kit::RunClock;
use pcre2::bytes::{CaptureLocations, Regex, RegexBuilder};

use crate::bson::Value;
use crate::error::{Code, CommandError};

/// Limits on backtracking, with which every pattern starts: steps as in MongoDB, and KiB of memory.
const LIMITS: &str = "(*LIMIT_MATCH=10000000)(*LIMIT_HEAP=131072)";

/// Bytes of stack for a compiled pattern, above which it does not match.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Maximum size of a pattern in bytes.
const MAX_PATTERN_BYTES: usize = 16_384;

/// Nanoseconds that a search for all matches may take.
const SEARCH_TIME: u64 = 10_000_000_000;

/// A compiled pattern with its source text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    options: String,
    /// For ASCII text, if the pattern is ASCII too: PCRE2 need not check the rest of the text for
    /// valid UTF-8 before each match.
    ascii: Option<Regex>,
    /// For any text; compiled when needed.
    any: Arc<OnceLock<Option<Regex>>>,
}

/// Error codes of the place where a pattern is given.
#[derive(Debug, Clone, Copy)]
pub struct PatternCodes {
    pub invalid: Code,
    pub null_byte: Code,
}

impl PatternCodes {
    /// Of filters.
    pub const FILTER: Self = Self {
        invalid: Code::location(51_091),
        null_byte: Code::BAD_VALUE,
    };
    /// Of expressions.
    pub const EXPRESSION: Self = Self {
        invalid: Code::location(51_111),
        null_byte: Code::location(51_109),
    };
}

/// A match: the byte ranges of the whole and of each group.
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub groups: Vec<Option<(usize, usize)>>,
}

impl Pattern {
    /// Compiles a pattern of a filter with MongoDB's options: some of the letters `imsxu`.
    pub fn new(pattern: &str, options: &str) -> Result<Self, CommandError> {
        Self::with_codes(pattern, options, PatternCodes::FILTER)
    }

    /// Compiles a pattern; `codes` are those of its errors.
    pub fn with_codes(
        pattern: &str,
        options: &str,
        codes: PatternCodes,
    ) -> Result<Self, CommandError> {
        let invalid = |what: String| {
            CommandError::new(
                codes.invalid,
                format!("Regular expression is invalid: {what}"),
            )
        };
        if pattern.contains('\0') {
            let message = "Regular expression cannot contain an embedded null byte";
            return Err(CommandError::new(codes.null_byte, message));
        }
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(invalid(
                "pattern string is longer than the limit set by the application".to_owned(),
            ));
        }
        let wide = || -> Result<Regex, CommandError> {
            let built = builder(options)?
                .utf(true)
                .build(&format!("{LIMITS}{pattern}"));
            built.map_err(|error| {
                // The position counts the limits in front of the pattern.
                let what = error.to_string();
                let what = what
                    .rsplit_once(": ")
                    .map_or(what.as_str(), |(_, what)| what);
                let at = error
                    .offset()
                    .map_or(0, |at| at.saturating_sub(LIMITS.len()));
                invalid(format!("{what} at offset {at}"))
            })
        };
        let ascii = if pattern.is_ascii() {
            let built = builder(options)?.build(&format!("{LIMITS}{pattern}"));
            built.ok()
        } else {
            None
        };
        let any = match ascii {
            Some(_) => OnceLock::new(),
            None => OnceLock::from(Some(wide()?)),
        };
        Ok(Self {
            text: pattern.to_owned(),
            options: options.to_owned(),
            ascii,
            any: Arc::new(any),
        })
    }

    /// Returns the compiled pattern for a text.
    fn regex_for(&self, text: &str) -> Option<&Regex> {
        match &self.ascii {
            Some(regex) if text.is_ascii() => Some(regex),
            _ => {
                let any = self.any.get_or_init(|| {
                    let built = builder(&self.options)
                        .ok()?
                        .utf(true)
                        .build(&format!("{LIMITS}{}", self.text));
                    built.ok()
                });
                any.as_ref()
            }
        }
    }

    /// Returns whether a text matches. A search that exceeds the limits finds nothing, as in
    /// MongoDB.
    pub fn is_match(&self, text: &str) -> bool {
        let regex = self.regex_for(text);
        regex.is_some_and(|regex| regex.is_match(text.as_bytes()).unwrap_or(false))
    }

    /// Returns the first match at or after `start`.
    pub fn find_at(&self, text: &str, start: usize) -> Result<Option<Found>, CommandError> {
        let Some(regex) = self.regex_for(text) else {
            return Ok(None);
        };
        search(regex, text, start, &mut regex.capture_locations())
    }

    /// Visits all matches, until `visit` fails. After an empty match, the search continues at the
    /// next character.
    pub fn find_all(
        &self,
        text: &str,
        mut visit: impl FnMut(Found) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let clock = RunClock::start();
        let Some(regex) = self.regex_for(text) else {
            return Ok(());
        };
        let mut locations = regex.capture_locations();
        let mut start = 0;
        loop {
            if clock.now() > SEARCH_TIME {
                let message = "the search for all matches exceeded its time limit";
                return Err(CommandError::new(Code::MAX_TIME_EXPIRED, message));
            }
            let Some(found) = search(regex, text, start, &mut locations)? else {
                return Ok(());
            };
            start = found.end;
            if found.end <= found.start {
                start = found.start;
                start += text[start..].chars().next().map_or(1, char::len_utf8);
            }
            visit(found)?;
            if start >= text.len() {
                return Ok(());
            }
        }
    }

    /// Returns whether a text matches; a stored regular expression matches if it is the same.
    pub fn matches_value(&self, value: &Value<'_>) -> bool {
        match value {
            Value::String(text) | Value::Symbol(text) => self.is_match(text),
            Value::Regex { pattern, options } => *pattern == self.text && *options == self.options,
            _ => false,
        }
    }
}

/// Returns a builder with MongoDB's options: some of the letters `imsxu`.
fn builder(options: &str) -> Result<RegexBuilder, CommandError> {
    let mut builder = RegexBuilder::new();
    builder
        .jit_if_available(true)
        .max_jit_stack_size(Some(STACK_BYTES));
    for letter in options.chars() {
        match letter {
            'i' => builder.caseless(true),
            'm' => builder.multi_line(true),
            's' => builder.dotall(true),
            'x' => builder.extended(true),
            'u' => &mut builder,
            _ => {
                let message = format!("invalid flag in regex options: {letter}");
                return Err(CommandError::location(51_108, message));
            }
        };
    }
    Ok(builder)
}

fn search(
    regex: &Regex,
    text: &str,
    start: usize,
    locations: &mut CaptureLocations,
) -> Result<Option<Found>, CommandError> {
    let found = regex.captures_read_at(locations, text.as_bytes(), start);
    let found = found.map_err(|error| {
        let message = format!("Error occurred while executing the regular expression: {error}");
        CommandError::location(51_156, message)
    })?;
    Ok(found.map(|whole| Found {
        start: whole.start(),
        end: whole.end(),
        groups: (1..locations.len())
            .map(|group| locations.get(group))
            .collect(),
    }))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "/{}/{}", self.text, self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, options: &str, text: &str) -> bool {
        let pattern = Pattern::new(pattern, options).expect("a valid pattern");
        pattern.is_match(text)
    }

    #[test]
    fn classes_know_ascii_only_unless_asked() {
        for (pattern, text) in [(r"^\w+$", "café"), (r"^\d$", "٣"), (r"^\s$", "\u{a0}")] {
            assert!(!matches(pattern, "", text), "{pattern}");
            assert!(matches(&format!("(*UCP){pattern}"), "", text), "{pattern}");
        }
        assert!(matches(r"\byster", "", "Öyster"));
        assert!(matches("^ÖL$", "i", "öl"));
    }

    #[test]
    fn perl_syntax_is_known() {
        for (pattern, text) in [
            (r"^(?!system\.)", "readings"),
            (r"(?<=km )\d+", "km 12"),
            (r"(a)\1", "aa"),
            (r"b\Z", "ab\n"),
            ("b$", "ab\n"),
            (r"^\Q.*\E$", ".*"),
            (r"^(\((?:[^()]|(?1))*\))$", "((x)(y))"),
            ("^a++b", "aab"),
            ("[[:upper:]]", "aB"),
        ] {
            assert!(matches(pattern, "", text), "{pattern}");
        }
        assert!(matches("^[a ]$", "x", " "));
    }

    #[test]
    fn endless_backtracking_ends() {
        let clock = RunClock::start();
        assert!(!matches("^(a+)+$", "", &format!("{}!", "a".repeat(40))));
        assert!(clock.now() < 20_000_000_000);
    }

    #[test]
    fn error_names_the_position_in_the_pattern() {
        let error = Pattern::new("a(b", "").expect_err("an open group");
        assert!(error.to_string().contains("at offset 3"), "{error}");
    }
}
