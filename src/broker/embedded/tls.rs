//! Certificate and key for TLS, read from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// TLS cannot be spoken with the given files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, or is not PEM.
    #[error("failed to read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pem::Error,
    },
    /// Keys could not be drawn, or certificates not be signed.
    #[error("failed to make certificates")]
    Make {
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// A file of certificates could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Certificate and key do not fit together or are of no use.
    #[error("the certificate `{certificate}` cannot be used with the key `{key}`")]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "name a PEM file that can be read",
            Self::Make { .. } => "please report this",
            Self::Write { .. } => "name a data directory that belongs to you",
            Self::Unusable { .. } => "name a certificate and the private key it was made for",
        }
    }
}

/// Reads a certificate chain, the server's own first, and its private key.
pub fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let read = |path: &Path, source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| read(certificate, source))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| read(key, source))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map(Arc::new)
        .map_err(|source| Error::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })
}
