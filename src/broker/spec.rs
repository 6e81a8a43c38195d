//! What is asked of a broker: where it is, how to get in, how to send.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use crate::net::Secret;

/// A cluster that clients can connect to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Addresses, `host:port`.
    pub bootstrap: Vec<String>,
    /// Whom to trust; none means plain TCP.
    pub tls: Option<Tls>,
    /// Who we are; none means anybody.
    pub login: Option<Login>,
}

impl Endpoint {
    /// Returns an endpoint that takes anybody over plain TCP.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            bootstrap: vec![address.into()],
            tls: None,
            login: None,
        }
    }
}

/// TLS towards a broker.
#[derive(Clone)]
pub struct Tls {
    /// The client's configuration, with the trusted authorities.
    pub config: Arc<rustls::ClientConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// User and password for SASL.
#[derive(Debug, Clone)]
pub struct Login {
    /// How the password is shown to the broker.
    pub mechanism: Mechanism,
    /// User, or API key.
    pub user: String,
    /// Password, or API secret.
    pub password: Secret,
}

/// SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `PLAIN`, only sensible over TLS.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
}

impl Compression {
    const NAMES: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("gzip", Self::Gzip),
        ("lz4", Self::Lz4),
        ("snappy", Self::Snappy),
        ("zstd", Self::Zstd),
    ];
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, codec)| codec == self);
        f.write_str(name.map_or("none", |(name, _)| name))
    }
}

/// A word that names no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no compression; known are none, gzip, lz4, snappy and zstd")]
pub struct UnknownCompression(String);

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, codec)| *codec)
            .ok_or_else(|| UnknownCompression(text.to_owned()))
    }
}
