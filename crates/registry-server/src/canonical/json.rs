//! JSON that keeps the order of its keys and the digits of its numbers.

use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    Text(String),
    /// A number, `true`, `false` or `null`, as it was written.
    Word(String),
}

/// Parses a text. Returns `None` if it is not JSON, or nested more deeply than `serde_json` allows.
pub(super) fn parse(text: &str) -> Option<Json> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    // `IgnoredAny` is not limited in its depth.
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let mut parser = Parser { rest: text };
    parser.value()
}

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .rev()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Sorts the keys of all objects.
    pub(super) fn sort(&mut self) {
        match self {
            Self::Object(entries) => {
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                for (_, value) in entries.iter_mut() {
                    value.sort();
                }
            }
            Self::Array(items) => items.iter_mut().for_each(Self::sort),
            Self::Text(_) | Self::Word(_) => {}
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(entries) => {
                f.write_str("{")?;
                for (number, (name, value)) in entries.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", quoted(name))?;
                }
                f.write_str("}")
            }
            Self::Array(items) => {
                f.write_str("[")?;
                for (number, item) in items.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Word(word) => f.write_str(word),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A parser of text that is known to be JSON.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            '{' => {
                let mut entries: Vec<(String, Json)> = Vec::new();
                while self.another('{', '}')? {
                    let key = self.string()?;
                    self.take(':')?;
                    entries.push((key, self.value()?));
                }
                Some(Json::Object(entries))
            }
            '[' => {
                let mut items = Vec::new();
                while self.another('[', ']')? {
                    items.push(self.value()?);
                }
                Some(Json::Array(items))
            }
            '"' => self.string().map(Json::Text),
            _ => {
                let blank = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}');
                let end = self.rest.find(blank).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                Some(Json::Word(word.to_owned()))
            }
        }
    }

    /// Returns the next character that is not a blank.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.peek()?;
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// Takes the start of a list, or the comma before another item, or its end. Returns whether an
    /// item follows.
    fn another(&mut self, start: char, end: char) -> Option<bool> {
        let next = self.peek()?;
        self.take(next)?;
        if next == end {
            return Some(false);
        }
        if next == start && self.peek()? == end {
            self.take(end)?;
            return Some(false);
        }
        Some(true)
    }

    fn string(&mut self) -> Option<String> {
        self.peek()?;
        let mut escaped = true;
        let end = self.rest.char_indices().find(|&(at, c)| {
            let closes = at > 0 && c == '"' && !escaped;
            escaped = at > 0 && c == '\\' && !escaped;
            closes
        });
        let (text, rest) = self.rest.split_at_checked(end?.0 + 1)?;
        self.rest = rest;
        serde_json::from_str(text).ok()
    }
}
