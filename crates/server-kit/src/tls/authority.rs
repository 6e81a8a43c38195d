//! A certificate authority for the servers of one directory: created once and kept there.
//!
//! The authority's own key is discarded after it has signed the servers' certificate: a client that
//! trusts the authority trusts these servers and nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;

use crate::tls::{Error, load};

/// The authority's certificate, for clients.
const CA_FILE: &str = "ca.pem";

/// The servers' certificate.
const CERTIFICATE_FILE: &str = "server.pem";

/// The servers' key; written last, so that all files exist if it does.
const KEY_FILE: &str = "server-key.pem";

/// Host names and addresses that the servers' certificate is valid for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority, and the certificate that it signed for `localhost`, `127.0.0.1` and
/// `::1`.
#[derive(Debug, Clone)]
pub struct Authority {
    ca_file: PathBuf,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// Loads the certificates of a directory; creates them, and the directory, if they do not exist.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        // Clients may use the path in another working directory.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let key = directory.join(KEY_FILE);
        if !key.exists() {
            create(&directory)?;
        }
        Ok(Self {
            server: load(&directory.join(CERTIFICATE_FILE), &key)?,
            ca_file: directory.join(CA_FILE),
        })
    }

    /// Returns the absolute path of the authority's certificate (PEM), which clients must trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Returns the servers' certificate and key, ready for use.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn create(directory: &Path) -> Result<(), Error> {
    let signed = Signed::new().map_err(|source| Error::Sign {
        source: Box::new(source),
    })?;
    let files = [
        (CA_FILE, 0o644, signed.authority),
        (CERTIFICATE_FILE, 0o644, signed.certificate),
        (KEY_FILE, 0o600, signed.key),
    ];
    for (name, mode, text) in files {
        let path = directory.join(name);
        write(&path, mode, &text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// PEM texts.
struct Signed {
    authority: String,
    certificate: String,
    key: String,
}

impl Signed {
    fn new() -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "convoy, this machine");
        let authority_key = KeyPair::generate()?;
        let signed = authority.self_signed(&authority_key)?;

        let mut server = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let name = &mut server.distinguished_name;
        name.push(DnType::CommonName, "localhost");
        let server_key = KeyPair::generate()?;
        let issuer = Issuer::new(authority, authority_key);
        let certificate = server.signed_by(&server_key, &issuer)?;
        Ok(Self {
            authority: signed.pem(),
            certificate: certificate.pem(),
            key: server_key.serialize_pem(),
        })
    }
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_created_once_and_reused() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(&directory.path().join("tls")).unwrap();
        let before = fs::read(authority.ca_file()).unwrap();
        let again = Authority::open(&directory.path().join("tls")).unwrap();
        assert_eq!(fs::read(again.ca_file()).unwrap(), before);
    }

    #[test]
    fn error_names_the_file_that_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Authority::open(&file.join("tls")).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
