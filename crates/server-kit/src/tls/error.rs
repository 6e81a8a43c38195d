//! Errors of certificates and keys.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// Certificates cannot be loaded or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read, or is not PEM.
    #[error("failed to read `{path}`")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with the file.
        #[source]
        source: pem::Error,
    },
    /// A key or certificate cannot be generated.
    #[error("failed to generate certificates")]
    Sign {
        /// The generator's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A generated file cannot be written.
    #[error("failed to write `{path}`")]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Certificate and key do not belong together, or have an unsupported type.
    #[error("the certificate `{certificate}` cannot be used with the key `{key}`")]
    Unusable {
        /// Path of the certificate.
        certificate: PathBuf,
        /// Path of the key.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
    },
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "pass a readable PEM file",
            Self::Sign { .. } => "please report this error",
            Self::Write { .. } => "choose a data directory that you may write to",
            Self::Unusable { .. } => "pass a certificate and the private key that belongs to it",
        }
    }
}
