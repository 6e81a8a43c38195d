//! TLS of embedded servers: certificate and key from PEM files, and the handshake.

mod authority;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use authority::Authority;

/// How long a client may take to agree on keys.
const DEADLINE: Duration = Duration::from_secs(10);

/// How a TLS connection begins: a record of the handshake, of any version so far.
const BEGINNING: [u8; 2] = [22, 3];

/// How often is looked for the second byte of a client, in the rare case that it comes later.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

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

/// Agrees on keys with a client; fails if it does not, or takes too long.
pub async fn accept(tls: Arc<ServerConfig>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let agreed = TlsAcceptor::from(tls).accept(stream);
    tokio::time::timeout(DEADLINE, agreed).await?
}

/// Waits for what a client says first, and returns whether it is the beginning of TLS.
///
/// Meant for protocols whose messages cannot begin like that.
pub async fn is_begun(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; BEGINNING.len()];
    loop {
        let bytes = stream.peek(&mut first).await?;
        if bytes == 0 || bytes == first.len() || first[0] != BEGINNING[0] {
            return Ok(first == BEGINNING);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
