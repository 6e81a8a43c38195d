//! The list of the files that belong to a data directory, so that a missing one is missed.
//!
//! ```text
//!  entry := line*       line := "+" name | "-" name | "=" length " " name | "started" | "stopped"
//! ```
//!
//! A file is added after it was created, and taken off before it is removed. A name that ends in a
//! slash stands for all files in that folder when it is taken off. `=` says how long a file that
//! grows was when the server stopped in order; until it is added again it is at least that long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::disk::error::{Error, Loss};
use crate::disk::frame::Format;
use crate::disk::journal::{self, Entry, Journal, Kind, Mark};

/// Name of the list in its directory.
pub const FILE_NAME: &str = "files";

/// The list is rewritten when it has grown to this size since the last start or rewrite.
const REWRITE_BYTES: u64 = 4 * 1024 * 1024;

const KIND: Kind = Kind {
    format: Format {
        magic: *b"CONVOYL",
        version: b'1',
        earlier: &[],
    },
    unit: "names",
};

/// The files of a data directory.
#[derive(Debug)]
pub struct FileList {
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    names: Names,
    /// The server stopped in order, and has not started since.
    clean: bool,
    rewrite_at: u64,
}

#[derive(Debug, Default)]
struct Names {
    /// Files with the length that they have at least.
    present: BTreeMap<String, u64>,
    /// Files and folders that are being removed.
    removed: BTreeSet<String>,
}

impl FileList {
    /// Opens the list of a directory; creates it if the directory is new. `is_new` says whether it
    /// is, if there is no list.
    pub fn open(
        directory: &Path,
        is_new: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        if !path.exists() && !is_new()? {
            return Err(Error::Missing {
                path,
                lost: "it says which files belong to the data".to_owned(),
            });
        }
        let mut names = Names::default();
        let mut clean = false;
        let replay = |bytes: &[u8]| {
            let Ok(lines) = std::str::from_utf8(bytes) else {
                return false;
            };
            lines.lines().all(|line| names.apply(line, &mut clean))
        };
        let journal = Journal::open(&path, KIND, Mark::default(), replay)?;
        let rewrite_at = journal.end().saturating_add(REWRITE_BYTES);
        Ok(Self {
            directory: directory.to_owned(),
            state: Mutex::new(State {
                journal,
                names,
                clean,
                rewrite_at,
            }),
        })
    }

    /// Checks that all files are there and at least as long as they were when they were synced.
    ///
    /// `describe` says what is lost without a file.
    pub fn check(&self, describe: impl Fn(&str) -> String) -> Result<(), Error> {
        let state = self.state();
        for (name, least) in &state.names.present {
            let path = self.directory.join(name);
            let length = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let lost = describe(name);
                    return Err(Error::Missing { path, lost });
                }
                Err(source) => return Err(Error::read(&path, source)),
            };
            if length < *least {
                let lost = format!(
                    "its last {} bytes are missing, with {}",
                    least - length,
                    describe(name)
                );
                return Err(Error::Damaged {
                    path,
                    offset: length,
                    lost,
                });
            }
        }
        Ok(())
    }

    /// Returns how far a file was synced.
    pub fn mark(&self, name: &str) -> Mark {
        let state = self.state();
        let synced = state.names.present.get(name).copied().unwrap_or_default();
        Mark {
            synced,
            clean: state.clean && synced > 0,
        }
    }

    /// Whether the server stopped in order, and has not started since.
    pub fn is_clean(&self) -> bool {
        self.state().clean
    }

    /// Returns the names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.state().names.present.keys().cloned().collect()
    }

    /// Whether a file belongs to the data.
    pub fn contains(&self, name: &str) -> bool {
        self.state().names.present.contains_key(name)
    }

    /// Whether the removal of a file or folder was begun.
    pub fn is_removed(&self, name: &str) -> bool {
        self.state().names.is_removed(name)
    }

    /// Adds files that exist, or that were replaced.
    pub fn add<S: AsRef<str>>(&self, names: &[S]) -> io::Result<()> {
        self.write(|lines| {
            for name in names {
                let _ = writeln!(lines, "+{}", name.as_ref());
            }
        })
    }

    /// Takes a file off, which is then to be removed; a name with a slash at its end is a folder.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.write(|lines| {
            let _ = writeln!(lines, "-{name}");
        })
    }

    /// Notes that the server has started: from now on files may grow.
    pub fn start(&self) -> io::Result<()> {
        let mut state = self.state();
        state.names.removed.clear();
        state.clean = false;
        state.rewrite("started\n")
    }

    /// Notes that the server has stopped in order, with the lengths of the files that grow, all of
    /// them synced.
    pub fn stop(&self, lengths: &[(String, u64)]) -> io::Result<()> {
        let mut state = self.state();
        for (name, length) in lengths {
            if let Some(least) = state.names.present.get_mut(name) {
                *least = *length;
            }
        }
        state.clean = true;
        state.rewrite("stopped\n")
    }

    fn write(&self, fill: impl FnOnce(&mut String)) -> io::Result<()> {
        let mut lines = String::new();
        fill(&mut lines);
        if lines.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        let units = lines.lines().count() as u64;
        let bytes = lines.as_bytes();
        state.journal.append(&[Entry { bytes, units }])?;
        let mut clean = state.clean;
        for line in lines.lines() {
            state.names.apply(line, &mut clean);
        }
        if state.journal.end() < state.rewrite_at {
            return Ok(());
        }
        state.rewrite("started\n")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rewrite(&mut self, last: &str) -> io::Result<()> {
        let mut lines = String::new();
        for (name, length) in &self.names.present {
            let _ = match length {
                0 => writeln!(lines, "+{name}"),
                length => writeln!(lines, "={length} {name}"),
            };
        }
        for name in &self.names.removed {
            let _ = writeln!(lines, "-{name}");
        }
        lines.push_str(last);
        let units = self.names.present.len() as u64;
        let bytes = lines.as_bytes();
        self.journal
            .replace(std::iter::once(Entry { bytes, units }))?;
        self.rewrite_at = self.journal.end().saturating_add(REWRITE_BYTES);
        Ok(())
    }
}

impl Names {
    /// Applies a line; false if it is not one.
    fn apply(&mut self, line: &str, clean: &mut bool) -> bool {
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        match (kind, line) {
            (_, "started") => *clean = false,
            (_, "stopped") => *clean = true,
            ("+", _) => self.add(rest, 0),
            ("=", _) => {
                let parts = rest.split_once(' ');
                let parsed = parts.and_then(|(length, name)| Some((length.parse().ok()?, name)));
                let Some((length, name)) = parsed else {
                    return false;
                };
                self.add(name, length);
            }
            ("-", _) => self.take_off(rest),
            _ => return false,
        }
        true
    }

    fn add(&mut self, name: &str, length: u64) {
        if !self.removed.is_empty() {
            self.removed.retain(|removed| !covers(removed, name));
        }
        self.present.insert(name.to_owned(), length);
    }

    fn take_off(&mut self, removed: &str) {
        if removed.ends_with('/') {
            self.present.retain(|name, _| !covers(removed, name));
        } else {
            self.present.remove(removed);
        }
        self.removed.insert(removed.to_owned());
    }

    fn is_removed(&self, name: &str) -> bool {
        self.removed.iter().any(|removed| covers(removed, name))
    }
}

fn covers(removed: &str, name: &str) -> bool {
    removed == name || (removed.ends_with('/') && name.starts_with(removed))
}

/// Repairs the list itself, and takes missing files off it; `describe` says what is lost without a
/// file. Without a list, all files that `found` names are put on a new one.
pub fn repair(
    directory: &Path,
    describe: impl Fn(&str) -> String,
    found: impl FnOnce() -> Vec<String>,
) -> Result<Vec<Loss>, Error> {
    let path = directory.join(FILE_NAME);
    let written = |source| Error::write(&path, source);
    let mut losses = Vec::new();
    let damaged = journal::repair(&path, directory, KIND)?;
    let found = if damaged.is_some() || !path.exists() {
        found()
    } else {
        Vec::new()
    };
    if damaged.is_none() && !found.is_empty() {
        losses.push(Loss {
            lost: "nothing: the list has the files that are there".to_owned(),
            path: path.clone(),
            aside: Vec::new(),
        });
    }
    losses.extend(damaged);
    let list = FileList::open(directory, || Ok(true))?;
    list.add(&found).map_err(written)?;
    for name in list.names() {
        let path = directory.join(&name);
        if path.exists() {
            continue;
        }
        list.remove(&name).map_err(written)?;
        losses.push(Loss {
            lost: format!("{}, because the file was missing", describe(&name)),
            path,
            aside: Vec::new(),
        });
    }
    // Files that are repaired may become shorter.
    let names = list.names();
    list.add(&names).map_err(written)?;
    list.start().map_err(written)?;
    Ok(losses)
}
