//! Files that are opened when they are needed: few are open at a time, however many there are.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use convoy_server_kit::disk;
use rustix::process::{Resource, getrlimit};

/// Number of files that stay open, at most and at least.
const MOST: usize = 1_024;
const LEAST: usize = 8;

/// The part of the limit on open files that stays open here: the rest is for connections.
const SHARE: u64 = 4;

/// The files that are open now.
#[derive(Debug)]
pub struct OpenFiles {
    limit: usize,
    /// In the order in which they were opened or last looked at.
    open: Mutex<VecDeque<Weak<Slot>>>,
}

/// A file that is opened again when it is used after it was closed.
#[derive(Debug)]
pub struct LazyFile {
    path: PathBuf,
    slot: Arc<Slot>,
    others: Arc<OpenFiles>,
}

#[derive(Debug, Default)]
struct Slot {
    file: Mutex<Option<Arc<File>>>,
    /// Whether the file was used since it was last looked at.
    used: AtomicBool,
    /// Whether another file has taken the name, so that this one must stay open.
    kept: AtomicBool,
}

impl Default for OpenFiles {
    fn default() -> Self {
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let share = usize::try_from(allowed / SHARE).unwrap_or(MOST);
        Self::with_limit(share.clamp(LEAST, MOST))
    }
}

impl OpenFiles {
    fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            open: Mutex::default(),
        }
    }

    /// Notes an opened file, and closes others that were not used for the longest time.
    fn opened(&self, slot: &Arc<Slot>) {
        let mut open = lock(&self.open);
        open.push_back(Arc::downgrade(slot));
        // Each file is looked at twice at most: the first look may find it used.
        let mut looks = open.len().saturating_mul(2);
        while open.len() > self.limit && looks > 0 {
            looks -= 1;
            let Some(oldest) = open.pop_front() else {
                break;
            };
            if let Some(slot) = oldest.upgrade()
                && !slot.close_if_unused()
            {
                open.push_back(oldest);
            }
        }
    }

    /// Closes all files that no one uses at the moment.
    fn close_all(&self) {
        for slot in lock(&self.open).drain(..) {
            if let Some(slot) = slot.upgrade()
                && !slot.kept.load(Ordering::Acquire)
            {
                lock(&slot.file).take();
            }
        }
    }
}

impl Slot {
    /// Returns false if the file stays open.
    fn close_if_unused(&self) -> bool {
        if self.kept.load(Ordering::Acquire) || self.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        match self.file.try_lock() {
            Ok(mut file) => {
                file.take();
                true
            }
            Err(TryLockError::Poisoned(_)) => true,
            Err(TryLockError::WouldBlock) => false,
        }
    }
}

impl LazyFile {
    /// Returns an existing file, which is not opened yet.
    pub fn new(path: PathBuf, others: &Arc<OpenFiles>) -> Self {
        Self {
            path,
            slot: Arc::default(),
            others: Arc::clone(others),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the file open until it is dropped, because another one takes its name.
    pub fn keep_open(&self) -> io::Result<()> {
        self.slot.kept.store(true, Ordering::Release);
        self.get().map(|_file| ())
    }

    /// Returns the file, open for reading and appending.
    pub fn get(&self) -> io::Result<Arc<File>> {
        let mut slot = lock(&self.slot.file);
        self.slot.used.store(true, Ordering::Relaxed);
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        let file = match open(&self.path) {
            Err(error) if is_limit(&error) => {
                drop(slot);
                self.others.close_all();
                slot = lock(&self.slot.file);
                open(&self.path)?
            }
            opened => opened?,
        };
        let file = Arc::new(file);
        *slot = Some(Arc::clone(&file));
        drop(slot);
        self.others.opened(&self.slot);
        Ok(file)
    }
}

fn open(path: &Path) -> io::Result<File> {
    disk::options().read(true).append(true).open(path)
}

fn is_limit(error: &io::Error) -> bool {
    let limits = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    let limits = limits.map(|errno| Some(errno.raw_os_error()));
    limits.contains(&error.raw_os_error())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn few_files_are_open_and_all_can_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let open_files = Arc::new(OpenFiles::with_limit(4));
        let files: Vec<LazyFile> = (0..20)
            .map(|number| {
                let path = directory.path().join(number.to_string());
                disk::create_anew(&path).unwrap();
                LazyFile::new(path, &open_files)
            })
            .collect();
        for _ in 0..3 {
            for file in &files {
                (&*file.get().unwrap()).write_all(b"x").unwrap();
                let open = files.iter().filter(|file| lock(&file.slot.file).is_some());
                assert!(open.count() <= 5);
            }
        }
        for file in &files {
            let mut content = String::new();
            (&*file.get().unwrap())
                .read_to_string(&mut content)
                .unwrap();
            assert_eq!(content, "xxx");
        }
    }
}
