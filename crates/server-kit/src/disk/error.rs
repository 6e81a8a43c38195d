//! Errors of files at rest.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::frame::Unreadable;

/// What stops a server from opening its data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what was written to it.
    #[error("`{}` is damaged at byte {offset}: {lost}", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Position of the first damaged byte's frame.
        offset: u64,
        /// What would be lost without it, and what is whole.
        lost: String,
    },
    /// A file that belongs to the data is not there.
    #[error("`{}` is missing: {lost}", path.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
        /// What would be lost without it.
        lost: String,
    },
    /// A file lies among the data, but does not belong to it.
    #[error("`{}` does not belong to this data directory", path.display())]
    Foreign {
        /// Path of the file.
        path: PathBuf,
    },
    /// An earlier version of convoy wrote the file.
    #[error("`{}` has the format of an older version of convoy, which this version cannot read", path.display())]
    Old {
        /// Path of the file.
        path: PathBuf,
    },
    /// A later version of convoy wrote the file.
    #[error("`{}` was written by a newer version of convoy (format {}, expected {})", path.display(), char::from(*version), char::from(*expected))]
    New {
        /// Path of the file.
        path: PathBuf,
        /// Version of its format.
        version: u8,
        /// Version that this convoy reads.
        expected: u8,
    },
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the disk and the permissions of the data directory",
            Self::Write { .. } => {
                "check that the disk of the data directory is neither full nor failing"
            }
            Self::Damaged { .. } | Self::Missing { .. } => {
                "restore the data directory from a backup, or start once with `convoy up --repair`, which keeps all undamaged data"
            }
            Self::Foreign { .. } => "move the file out of the data directory",
            Self::Old { .. } => "pass another data directory, or use the older version of convoy",
            Self::New { .. } => "use the newer version of convoy, or pass another data directory",
        }
    }

    /// Wraps an error of reading.
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// Wraps an error of writing.
    pub fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the error of a file that cannot be read because of its first bytes.
    pub fn unreadable(path: &Path, why: Unreadable, expected: u8, lost: String) -> Self {
        let path = path.to_owned();
        match why {
            Unreadable::Earlier => Self::Old { path },
            Unreadable::Later { version } => Self::New {
                path,
                version,
                expected,
            },
            Unreadable::Damaged => Self::Damaged {
                path,
                offset: 0,
                lost,
            },
        }
    }
}

/// What damage costs, in the server's own units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes that hold nothing whole.
    pub bytes: u64,
    /// Number of documents, records or changes in them, as far as known.
    pub units: u64,
    /// Parts of which it is not known how much they held.
    pub unknown: u64,
    /// What is counted, in plural: `documents`.
    pub unit: &'static str,
}

impl Extent {
    /// Returns an extent of nothing.
    pub fn of(unit: &'static str) -> Self {
        Self {
            unit,
            ..Self::default()
        }
    }

    /// Adds lost bytes with their number of units, if known.
    pub fn add(&mut self, bytes: u64, units: Option<u64>) {
        self.bytes += bytes;
        match units {
            Some(units) => self.units += units,
            None => self.unknown += 1,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.units {
            1 => self.unit.strip_suffix('s').unwrap_or(self.unit),
            _ => self.unit,
        };
        let (units, bytes) = (self.units, self.bytes);
        match (units, self.unknown) {
            (0, 0) if bytes == 0 => write!(formatter, "nothing"),
            (_, 0) => write!(formatter, "{units} {unit} ({bytes} bytes)"),
            (0, _) => write!(
                formatter,
                "an unknown number of {} ({bytes} bytes)",
                self.unit
            ),
            _ => write!(
                formatter,
                "{units} {unit} and an unknown number more ({bytes} bytes)"
            ),
        }
    }
}

/// What a repair could not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The file that was damaged or missing.
    pub path: PathBuf,
    /// What was lost, in numbers.
    pub lost: String,
    /// Files with the bytes that were put aside.
    pub aside: Vec<PathBuf>,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(formatter, "repaired `{path}`: lost {}", self.lost)?;
        for (index, aside) in self.aside.iter().enumerate() {
            let before = if index == 0 { "; put aside" } else { "," };
            write!(formatter, "{before} `{}`", aside.display())?;
        }
        Ok(())
    }
}
