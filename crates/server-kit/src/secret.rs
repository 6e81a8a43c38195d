//! Values that must never be printed: passwords, and addresses that contain one.

use std::fmt;
use std::hint::black_box;

use serde_core::{Serialize, Serializer};

/// Stands in output for a secret.
/// Stands for a secret in a text.
pub const REDACTED: &str = "***";

/// A value that only [`Secret::reveal`] shows; Debug, Display and Serialize print `***`.
///
/// Comparison takes the same time wherever the first difference is.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value; do so as soon as it enters the program.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself, to hand to a client and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a client sent this value.
    ///
    /// The time depends on the candidate alone, not on the secret, its length included.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let mut differences = usize::from(secret.len() != candidate.len());
        // A secret that is shorter is compared from its start again.
        let repeated = secret.iter().chain(&[0]).cycle();
        for (own, other) in repeated.zip(candidate) {
            differences |= usize::from(own ^ other);
        }
        // Keeps the compiler from leaving the loop early.
        black_box(differences) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
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

/// A URI that may hold a user, a password or secret options; output shows it without them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUri(Secret);

impl SecretUri {
    /// Wraps a URI; do so as soon as it enters the program.
    pub fn new(uri: impl Into<String>) -> Self {
        Self(Secret::new(uri))
    }

    /// Returns the URI itself, to hand to a client and for nothing else.
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

/// Returns a text with user, password and options of its first URI replaced by `***`; a text
/// without a URI stays as it is.
///
/// Everything before the last `@` goes, because a password with an unescaped `/` or `@` would
/// otherwise show in part, and all options go, because some of them are keys.
pub fn redact_uri(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return redact_address(text);
    };
    let (user, rest) = match rest.rsplit_once('@') {
        // Either a password with a `?` or an option with an `@`: the host cannot be found.
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

/// Replaces `user:password@` before an address without a scheme, such as a broker's.
fn redact_address(text: &str) -> String {
    let (flag, value) = match text.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ => (String::new(), text),
    };
    match value.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{flag}{REDACTED}@{host}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_prints_redacted_in_every_format() {
        let secret = Secret::new("sentinel");
        let shown = format!(
            "{secret} {secret:?} {}",
            serde_json::to_string(&secret).unwrap()
        );
        assert!(!shown.contains("sentinel"), "{shown}");
        assert_eq!(secret.reveal(), "sentinel");
    }

    #[test]
    fn secrets_are_equal_if_every_byte_is() {
        assert_eq!(Secret::new("sentinel"), Secret::new("sentinel"));
        for other in ["sentineL", "Sentinel", "sentine", "sentinels", ""] {
            assert_ne!(Secret::new("sentinel"), Secret::new(other));
            assert!(!Secret::new("sentinel").matches(other.as_bytes()));
        }
    }

    #[test]
    fn uri_prints_its_hosts_without_credentials_and_options() {
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
        assert_eq!(redact_uri("me@home.csv"), "me@home.csv");
        assert_eq!(redact_uri("a:1,key:sen@tinel@b:2"), "***@b:2");
        assert_eq!(redact_uri("--broker=key:sentinel@b:2"), "--broker=***@b:2");
    }
}
