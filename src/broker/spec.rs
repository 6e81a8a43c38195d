//! Endpoint, credentials and compression for a broker.

use std::net::SocketAddr;

use convoy_server_kit::Secret;

use crate::broker::tls::Tls;
use crate::string_enum::string_enum;

/// A cluster that clients can connect to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Bootstrap addresses, `host:port`.
    pub bootstrap: Vec<String>,
    /// `None` connects over plain TCP.
    pub tls: Option<Tls>,
    /// SASL credentials. `None` connects anonymously.
    pub login: Option<Login>,
    /// SOCKS5 proxy for every connection. `None` connects directly.
    pub socks_proxy: Option<SocketAddr>,
}

impl Endpoint {
    /// Returns an endpoint without TLS and authentication.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            bootstrap: vec![address.into()],
            tls: None,
            login: None,
            socks_proxy: None,
        }
    }
}

/// SASL credentials.
#[derive(Debug, Clone)]
pub struct Login {
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// User, or API key.
    pub user: String,
    /// Password, or API secret.
    pub password: Secret,
}

string_enum! {
    /// SASL mechanism.
    Mechanism {
        /// `PLAIN`: sends the password, so it needs TLS.
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
        /// No TLS, no authentication.
        Plaintext = "plaintext",
        /// TLS, no authentication.
        Ssl = "ssl",
        /// No TLS, with user and password.
        SaslPlaintext = "sasl_plaintext",
        /// TLS, with user and password.
        SaslSsl = "sasl_ssl",
    }
}

impl SecurityProtocol {
    /// Returns whether the protocol uses TLS.
    pub fn encrypts(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Returns whether the protocol uses SASL.
    pub fn authenticates(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

string_enum! {
    /// Compression of record batches.
    Compression {
        /// No compression.
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
