//! Errors of the registry and their hints.

use std::path::PathBuf;

use convoy_server_kit::server;

/// The registry could not be started or a schema is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry could not listen.
    #[error("failed to start the schema registry")]
    Listen {
        /// The address and the system's error.
        #[source]
        source: server::Error,
    },
    /// The journal could not be opened, read or repaired.
    #[error("failed to open the schema registry's journal `{}`", path.display())]
    Journal {
        /// The journal's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Another process uses the journal.
    #[error("the schema registry's journal `{}` is in use by another process", path.display())]
    JournalInUse {
        /// The journal's path.
        path: PathBuf,
    },
    /// The journal is damaged before its end, where no crash could have damaged it.
    #[error("the schema registry's journal `{}` is damaged at byte {byte}", path.display())]
    JournalDamaged {
        /// The journal's path.
        path: PathBuf,
        /// Offset of the first damaged entry, in bytes.
        byte: u64,
    },
}

impl Error {
    /// Returns a suggestion for the user.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::Listen { source } => return source.hint(),
            Self::Journal { .. } => "check the permissions and the disk of the data directory",
            Self::JournalInUse { .. } => "give every registry a data directory of its own",
            Self::JournalDamaged { .. } => {
                "restore the file from a backup, or move it away to start with an empty registry"
            }
        };
        hint.to_owned()
    }
}
