//! A request, its query parameters and the values in it.

use hyper::Method;
use serde::de::DeserializeOwned;

use crate::api::refusal::Refusal;
use crate::state::Visible;

/// Version numbers are positive 32-bit integers, as in Java.
const MAX_VERSION: u32 = i32::MAX as u32;

/// A request of a client.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// As in the request line, with percent-encoding.
    pub(crate) path: String,
    /// The part after the question mark.
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
}

/// The query parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a>(pub(super) &'a str);

/// A version of a subject as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionId {
    Latest,
    Number(u32),
}

impl Query<'_> {
    pub(super) fn get(self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name);
        values.next().map(|(_, value)| percent_decoded(value))
    }

    /// Returns the part of a list given by `offset` and `limit`.
    pub(super) fn page<T>(self, all: impl Iterator<Item = T>) -> Vec<T> {
        let number = |name| self.get(name)?.parse::<usize>().ok();
        // A negative limit does not parse and means no limit.
        all.skip(number("offset").unwrap_or(0))
            .take(number("limit").unwrap_or(usize::MAX))
            .collect()
    }

    /// Returns a boolean parameter. Clients write it as their language does, such as `True`.
    pub(super) fn flag(self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the versions selected by `deleted`.
    pub(super) fn with_deleted(self) -> Visible {
        if self.flag("deleted") {
            Visible::All
        } else {
            Visible::Live
        }
    }

    /// Returns the versions selected by `deleted` and `deletedOnly`.
    pub(super) fn visible(self) -> Visible {
        if self.flag("deletedOnly") {
            Visible::Deleted
        } else {
            self.with_deleted()
        }
    }
}

impl VersionId {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if matches!(text, "latest" | "-1") {
            return Ok(Self::Latest);
        }
        let number = text.parse().ok();
        let number = number.filter(|number| (1..=MAX_VERSION).contains(number));
        number
            .map(Self::Number)
            .ok_or_else(|| Refusal::InvalidVersion {
                version: text.to_owned(),
            })
    }
}

/// Parses the body of a request.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Body {
        reason: error.to_string(),
    })
}

/// Decodes `%XX`; an invalid escape stays as it is.
pub(super) fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
