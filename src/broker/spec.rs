//! What is asked of a broker: where it is, how to get in, how to send.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::Error;

use crate::net::{Cause, Secret};
use crate::words::words;

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

impl Tls {
    /// Trusts the authorities in a PEM file, or those of the web where there is none.
    pub fn trusting(ca_file: Option<&Path>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                let refuse = |reason: String| Error::Tls {
                    file: file.display().to_string(),
                    source: Cause::Other(reason),
                };
                let certificates = CertificateDer::pem_file_iter(file)
                    .map_err(|error| refuse(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
                    roots
                        .add(certificate)
                        .map_err(|error| refuse(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(refuse("there is no certificate in it".to_owned()));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
        })
    }
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

words! {
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

words! {
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

words! {
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
