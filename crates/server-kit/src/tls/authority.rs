//! A certificate authority for the servers of one directory: made once, kept there, trusted by their
//! clients.
//!
//! The authority's own key is thrown away after it signed the servers' certificate: whoever trusts
//! the authority trusts nothing but these servers.

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

/// File of the authority's certificate, for clients.
const CA_FILE: &str = "ca.pem";

/// File of the servers' certificate.
const CERTIFICATE_FILE: &str = "server.pem";

/// File of the servers' key; the last to be written, so that it is there if all are.
const KEY_FILE: &str = "server-key.pem";

/// By which names clients may call the servers.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What vouches for servers.
#[derive(Debug, Clone)]
pub struct Authority {
    ca_file: PathBuf,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// Takes the certificates of a directory, or makes some.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        // Clients read the path from another directory than this one.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let key = directory.join(KEY_FILE);
        if !key.exists() {
            make(&directory)?;
        }
        Ok(Self {
            server: load(&directory.join(CERTIFICATE_FILE), &key)?,
            ca_file: directory.join(CA_FILE),
        })
    }

    /// Returns the file that clients need to trust the servers.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Returns what the servers speak TLS with.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn make(directory: &Path) -> Result<(), Error> {
    let made = Made::sign().map_err(|source| Error::Make { source })?;
    let files = [
        (CA_FILE, 0o644, made.authority),
        (CERTIFICATE_FILE, 0o644, made.certificate),
        (KEY_FILE, 0o600, made.key),
    ];
    for (name, mode, text) in files {
        let path = directory.join(name);
        write(&path, mode, &text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// PEM texts.
struct Made {
    authority: String,
    certificate: String,
    key: String,
}

impl Made {
    fn sign() -> Result<Self, rcgen::Error> {
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
    fn what_was_made_once_is_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(&directory.path().join("tls")).unwrap();
        let before = fs::read(authority.ca_file()).unwrap();
        let again = Authority::open(&directory.path().join("tls")).unwrap();
        assert_eq!(fs::read(again.ca_file()).unwrap(), before);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Authority::open(&file.join("tls")).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
