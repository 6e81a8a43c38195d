//! What is asked of a broker: where it is, how to get in, how to send.

use std::net::SocketAddr;

use convoy_server_kit::Secret;

use crate::broker::tls::Tls;
use crate::string_enum::string_enum;

/// A cluster that clients can connect to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Addresses, `host:port`.
    pub bootstrap: Vec<String>,
    /// Whom to trust; none means plain TCP.
    pub tls: Option<Tls>,
    /// Who we are; none means anybody.
    pub login: Option<Login>,
    /// What every connection goes through; none means directly.
    pub socks_proxy: Option<SocketAddr>,
}

impl Endpoint {
    /// Returns an endpoint that takes anybody over plain TCP.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            bootstrap: vec![address.into()],
            tls: None,
            login: None,
            socks_proxy: None,
        }
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

string_enum! {
    /// SASL mechanism.
    Mechanism {
        /// `PLAIN`, only sensible over TLS.
        Plain = "plain",
        /// `SCRAM-SHA-256`.
        ScramSha256 = "scram-sha-256",
        /// `SCRAM-SHA-512`.
        ScramSha512 = "scram-sha-512",
    }
}

string_enum! {
    /// Kafka's `security.protocol`.
    SecurityProtocol {
        /// Plain TCP, anybody.
        Plaintext = "plaintext",
        /// TLS, anybody.
        Ssl = "ssl",
        /// Plain TCP, with user and password.
        SaslPlaintext = "sasl_plaintext",
        /// TLS, with user and password.
        SaslSsl = "sasl_ssl",
    }
}

impl SecurityProtocol {
    /// Returns whether the connection is encrypted.
    pub fn encrypts(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Returns whether the broker asks who we are.
    pub fn authenticates(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

string_enum! {
    /// How batches are compressed.
    Compression {
        /// Not at all.
        None = "none",
        /// gzip.
        Gzip = "gzip",
        /// LZ4.
        Lz4 = "lz4",
        /// Snappy.
        Snappy = "snappy",
        /// Zstandard.
        Zstd = "zstd",
    }
}
