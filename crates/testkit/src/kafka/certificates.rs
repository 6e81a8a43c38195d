//! A certificate for one broker, and the authority that clients must trust.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use convoy_kafka_server::Settings;
use convoy_server_kit::tls::Authority;
use tempfile::TempDir;

use crate::error::{Error, boxed};
use crate::kafka::BROKER;

/// Certificates that exist once the broker has started; their files are removed when it is dropped.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<OnceLock<Files>>);

#[derive(Debug)]
struct Files {
    authority: Authority,
    _directory: TempDir,
}

impl Certificates {
    /// Creates the certificates, and sets them.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), Error> {
        let failed = |source| Error::start(BROKER, source);
        let directory = tempfile::tempdir().map_err(|source| failed(boxed(source)))?;
        let authority =
            Authority::open(directory.path()).map_err(|source| failed(boxed(source)))?;
        settings.tls = Some(authority.server());
        self.0.get_or_init(|| Files {
            authority,
            _directory: directory,
        });
        Ok(())
    }

    /// Returns the file with the authority's certificate.
    pub fn ca_file(&self) -> Option<&Path> {
        self.0.get().map(|files| files.authority.ca_file())
    }
}
