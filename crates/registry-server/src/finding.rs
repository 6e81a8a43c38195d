//! Reasons why two schemas are not compatible.

#![cfg_attr(
    not(feature = "json-schema"),
    allow(dead_code, reason = "Avro has findings of its own")
)]

use std::borrow::Cow;
use std::fmt;

/// Maximum number of findings of one pair. More say nothing new.
const MAX_FINDINGS: usize = 20;

/// One difference that is not compatible.
///
/// It is shown in the form of Confluent's registry, with that registry's names of differences, so
/// that programs that look for them find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: Cow<'static, str>,
    pub(super) path: String,
    pub(super) text: Cow<'static, str>,
}

impl Finding {
    /// Creates a finding at the schema that is being compared. The text is a sentence about the
    /// reader, which continues "the reader's schema".
    pub(super) fn new(
        kind: impl Into<Cow<'static, str>>,
        path: impl Into<String>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: kind.into(),
            path: path.into(),
            text: text.into(),
        }
    }

    /// Moves the path into a part of a schema.
    pub(super) fn within(&self, part: &str) -> Self {
        let path = match (part.is_empty(), self.path.is_empty()) {
            (true, _) => self.path.clone(),
            (false, true) => part.to_owned(),
            (false, false) => format!("{part}/{}", self.path),
        };
        Self {
            path,
            ..self.clone()
        }
    }

    /// Returns the message for clients. `reader` is "new" or "old".
    pub(super) fn message(&self, reader: &str) -> String {
        self.to_string()
            .replace("the reader's", &format!("the {reader}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, path, text } = self;
        write!(
            f,
            "{{errorType:'{kind}', description:'At path '#/{path}', the reader's schema {text}'}}"
        )
    }
}

/// Findings while they are collected.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<Finding>);

impl Found {
    pub(super) fn into_inner(self) -> Vec<Finding> {
        self.0
    }

    pub(super) fn add(
        &mut self,
        kind: impl Into<Cow<'static, str>>,
        path: &str,
        text: impl Into<Cow<'static, str>>,
    ) {
        self.0.push(Finding::new(kind, path, text));
    }

    /// Adds a finding at the pair itself unless a condition holds.
    pub(super) fn add_unless(&mut self, condition: bool, kind: &'static str, text: &'static str) {
        if !condition {
            self.add(kind, "", text);
        }
    }

    pub(super) fn extend(&mut self, path: &str, findings: &[Finding]) {
        let room = MAX_FINDINGS.saturating_sub(self.0.len());
        let moved = findings.iter().take(room);
        self.0.extend(moved.map(|finding| finding.within(path)));
    }
}
