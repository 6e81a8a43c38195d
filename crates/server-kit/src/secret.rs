//! Values that must never be printed: passwords, and addresses that contain one.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is shown in place of a secret.
const REDACTED: &str = "***";

/// A value that only [`Secret::reveal`] shows; Debug, Display and Serialize are redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value as soon as it enters the program.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself, for handing it to a client and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// A URI that may hold a user, a password or secret options; shown without them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUri(Secret);

impl SecretUri {
    /// Wraps a URI as soon as it enters the program.
    pub fn new(uri: impl Into<String>) -> Self {
        Self(Secret::new(uri))
    }

    /// Returns the URI itself, for handing it to a client and for nothing else.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Returns the URI with user, password and options replaced.
    pub fn redacted(&self) -> String {
        redact_uri(self.reveal())
    }
}

impl fmt::Debug for SecretUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.redacted())
    }
}

impl fmt::Display for SecretUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.redacted())
    }
}

impl Serialize for SecretUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

/// Replaces what may be secret in the first URI of a text; a text without one stays as it is.
///
/// Everything before the last `@` goes, because a password with an unescaped `/` or `@` would
/// otherwise show in part, and all options go, because some of them are keys.
pub fn redact_uri(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (user, rest) = match rest.rsplit_once('@') {
        // Either a password with a `?` or an option with an `@`: no telling where the host is.
        Some((ambiguous, _)) if ambiguous.contains('?') => {
            return format!("{scheme}://{REDACTED}");
        }
        Some((_user, rest)) => (format!("{REDACTED}@"), rest),
        None => (String::new(), rest),
    };
    match rest.split_once('?') {
        Some((place, _options)) => format!("{scheme}://{user}{place}?{REDACTED}"),
        None => format!("{scheme}://{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_in_no_form() {
        let secret = Secret::new("sentinel");
        let shown = format!(
            "{secret} {secret:?} {}",
            serde_json::to_string(&secret).unwrap()
        );
        assert!(!shown.contains("sentinel"), "{shown}");
        assert_eq!(secret.reveal(), "sentinel");
    }

    #[test]
    fn a_uri_shows_its_hosts_and_nothing_that_opens_them() {
        let shown =
            |uri: &str| serde_json::to_value(SecretUri::new(uri)).expect("a string serializes");
        assert_eq!(
            shown("mongodb+srv://user:sentinel@host.example/db?authSource=admin&k=sentinel"),
            "mongodb+srv://***@host.example/db?***"
        );
        assert_eq!(
            shown("mongodb://user:sen/ti@nel@a:1,b:2"),
            "mongodb://***@a:1,b:2"
        );
        assert_eq!(
            shown("mongodb://127.0.0.1:27017"),
            "mongodb://127.0.0.1:27017"
        );
        assert_eq!(shown("mongodb://user:se?ntinel@a"), "mongodb://***");
        assert_eq!(shown("mongodb://a/?password=sen@tinel"), "mongodb://***");
        assert_eq!(redact_uri("sample_data"), "sample_data");
    }
}
