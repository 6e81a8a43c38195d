//! Files and directories that only their owner can read, whatever the umask.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

/// Mode of files.
const FILE_MODE: u32 = 0o600;

/// Mode of directories.
const DIRECTORY_MODE: u32 = 0o700;

/// Returns options that create files which only their owner can read. Links are not
/// followed, and a named pipe is not waited for.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE).custom_flags(careful());
    options
}

/// Creates a directory and its parents, unless they exist.
pub fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
}

/// Creates a directory, unless it exists, and locks a file in it until the file is closed; `None` if
/// another process has locked it.
pub fn lock_directory(directory: &Path, name: &str) -> io::Result<Option<File>> {
    create_directory(directory)?;
    let path = directory.join(name);
    let file = options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Replaces a file atomically: after a crash it has its old or its new content.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = create_anew(&fresh)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&fresh, path)
}

/// Creates a file for reading and appending; removes an earlier one.
pub fn create_anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)
}

/// Syncs a directory, so that its new files survive a crash of the machine.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Copies bytes into the folder `damaged` of a data directory, under the name of their file and
/// their position; returns the copy's path.
pub fn put_aside(data: &Path, file: &Path, at: usize, bytes: &[u8]) -> io::Result<PathBuf> {
    let folder = data.join("damaged");
    create_directory(&folder)?;
    let name = file.strip_prefix(data).unwrap_or(file).to_string_lossy();
    let name = name.replace(std::path::MAIN_SEPARATOR, "+");
    for attempt in 0_u32.. {
        let again = match attempt {
            0 => String::new(),
            attempt => format!("-{attempt}"),
        };
        let path = folder.join(format!("{name}@{at}{again}"));
        match options().write(true).create_new(true).open(&path) {
            Ok(mut copy) => {
                copy.write_all(bytes)?;
                copy.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn careful() -> i32 {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    i32::try_from(flags.bits()).unwrap_or_default()
}
