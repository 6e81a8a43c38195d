//! Errors of the server and their hints.

use std::path::PathBuf;

/// The server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is in use or cannot be bound.
    #[error("failed to start the schema registry")]
    Listen {
        /// Address and cause.
        #[source]
        source: convoy_server_kit::Error,
    },
    /// The journal could not be opened, read or repaired.
    #[error("failed to open the schema registry's journal `{}`", path.display())]
    Journal {
        /// Path of the journal.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Another server uses the journal.
    #[error("the schema registry's journal `{}` is in use by another process", path.display())]
    JournalInUse {
        /// Path of the journal.
        path: PathBuf,
    },
    /// The journal is corrupt before its end, which a crash cannot cause.
    #[error("the schema registry's journal `{}` is corrupt at byte {byte}", path.display())]
    JournalCorrupt {
        /// Path of the journal.
        path: PathBuf,
        /// Offset of the first corrupt frame, in bytes.
        byte: u64,
    },
    /// Some connections did not close in time when the server stopped.
    #[error("connections of the schema registry did not close in time")]
    Busy,
}

impl Error {
    /// Returns a hint for the user.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::Listen { source } => return source.hint(),
            Self::Journal { .. } => "check the permissions and the disk of the data directory",
            Self::JournalInUse { .. } => "give every registry its own data directory",
            Self::JournalCorrupt { .. } => {
                "restore the file from a backup, or move it away to start with an empty registry"
            }
            Self::Busy => "disconnect clients before the registry stops",
        };
        hint.to_owned()
    }
}
