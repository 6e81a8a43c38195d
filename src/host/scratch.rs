//! Temporary data directories of embedded servers.
//!
//! A file lock shows whether the owner is running: the operating system releases it when the process
//! ends, however it ends, and containers that share the directory see it too. A directory without a
//! lock file is never removed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Prefix of the names of all scratch directories.
const PREFIX: &str = "convoy-";

/// Name of the lock file in each directory.
const LOCK: &str = "owner.lock";

/// Name of the lock file until it is locked, so that its owner is never mistaken for dead.
const UNLOCKED: &str = "owner.lock.new";

/// Attempts to remove a directory in which a server that is ending may still create files.
const REMOVALS: u32 = 5;

/// Directories of this process, for an abort, which drops nothing.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A directory that is removed when this value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Creates the directory of a run in `parent`.
    pub fn create(parent: &Path, run_id: &str) -> io::Result<Self> {
        let path = parent.join(format!("{PREFIX}{run_id}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        match lock(&path) {
            Ok(lock) => {
                live_directories().push(path.clone());
                Ok(Self { path, _lock: lock })
            }
            Err(error) => {
                let _remaining = fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "failed to remove the run's data; `convoy clean` removes it");
        }
        live_directories().retain(|path| *path != self.path);
    }
}

/// Returns the directories of this process.
pub fn live() -> Vec<PathBuf> {
    live_directories().clone()
}

/// Removes the directories of this process, although they are in use.
pub fn remove_live() {
    for path in live() {
        let _stays = remove(&path);
    }
}

fn live_directories() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) -> io::Result<()> {
    for _attempt in 1..REMOVALS {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            result => return result,
        }
    }
    fs::remove_dir_all(path)
}

/// Returns the directories in `parent` whose owners have ended.
pub fn abandoned(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut abandoned: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| lock_of_dead_owner(path).is_some())
        .collect();
    abandoned.sort();
    abandoned
}

/// Removes a directory unless its owner is running; returns whether it did.
pub fn remove_abandoned(path: &Path) -> io::Result<bool> {
    match lock_of_dead_owner(path) {
        // The lock is held until the directory is gone, so that two processes never remove the same.
        Some(_lock) => fs::remove_dir_all(path).map(|()| true),
        None => Ok(false),
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let unlocked = directory.join(UNLOCKED);
    let file = File::create_new(&unlocked)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(unlocked, directory.join(LOCK))?;
    Ok(file)
}

/// Returns the lock of a directory whose owner has ended.
///
/// Other users can write to the parent directory. So no link is followed, nothing is waited for, and
/// only a regular file of this user, in a directory of this user, is a lock.
fn lock_of_dead_owner(directory: &Path) -> Option<File> {
    let careful = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let parent = openat(CWD, directory, careful | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let file = openat(&parent, LOCK, careful, Mode::empty()).ok()?;
    let (of_parent, of_file) = (fstat(&parent).ok()?, fstat(&file).ok()?);
    let user = geteuid().as_raw();
    let own = of_parent.st_uid == user && of_file.st_uid == user;
    if !own || FileType::from_raw_mode(of_file.st_mode) != FileType::RegularFile {
        return None;
    }
    let file = File::from(file);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(file),
        Err(Errno::WOULDBLOCK) => None,
        // A file system without locks proves nothing.
        Err(_unsupported) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_is_abandoned_only_when_its_owner_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path(), "run-1").unwrap();
        fs::write(scratch.path().join("data"), "x").unwrap();
        assert!(abandoned(parent.path()).is_empty());
        assert!(!remove_abandoned(scratch.path()).unwrap());

        // A killed process leaves the directory with an unheld lock.
        let path = scratch.path().to_owned();
        let dead = parent.path().join("convoy-run-2");
        fs::create_dir(&dead).unwrap();
        drop(lock(&dead).unwrap());
        assert_eq!(abandoned(parent.path()), std::slice::from_ref(&dead));
        assert!(remove_abandoned(&dead).unwrap());
        assert!(!dead.exists());

        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn directory_without_a_lock_file_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let other = parent.path().join("convoy-belongs-to-someone");
        fs::create_dir(&other).unwrap();
        assert!(abandoned(parent.path()).is_empty());
        assert!(!remove_abandoned(&other).unwrap());
        assert!(other.exists());
    }

    #[test]
    fn only_a_regular_file_is_a_lock() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let directory = parent.path().join(name);
            fs::create_dir(&directory).unwrap();
            directory.join(LOCK)
        };
        let fifo = make("convoy-fifo");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mkfifoat(CWD, &fifo, mode).unwrap();
        let elsewhere = parent.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, make("convoy-link")).unwrap();
        fs::create_dir(make("convoy-directory")).unwrap();
        let dead = parent.path().join("dead");
        fs::create_dir(&dead).unwrap();
        drop(lock(&dead).unwrap());
        std::os::unix::fs::symlink(&dead, parent.path().join("convoy-linked")).unwrap();

        assert_eq!(abandoned(parent.path()), Vec::<PathBuf>::new());
        assert!(dead.exists());
    }

    #[test]
    fn abort_removes_directories_in_use() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path(), "run-1").unwrap();
        fs::write(scratch.path().join("data"), "x").unwrap();
        assert!(live().contains(&scratch.path().to_owned()));
        remove(scratch.path()).unwrap();
        assert!(!scratch.path().exists());
    }

    #[test]
    fn existing_directory_is_not_reused() {
        let parent = tempfile::tempdir().unwrap();
        let _first = Scratch::create(parent.path(), "run-1").unwrap();
        let error = Scratch::create(parent.path(), "run-1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
