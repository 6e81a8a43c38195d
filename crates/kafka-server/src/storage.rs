//! The data directory as all logs and journals share it: the list of its files, the open ones.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use convoy_server_kit::disk::{self, FileList, LIST_FILE, Mark};

use crate::open_files::{LazyFile, OpenFiles};

/// Bytes of batches whose checksums a start computes; those of later ones are computed when they
/// are read.
const CHECKED_BYTES: u64 = 1024 * 1024 * 1024;

/// The data directory of a server.
#[derive(Debug)]
pub struct Storage {
    root: PathBuf,
    files: FileList,
    open_files: Arc<OpenFiles>,
    /// Bytes of batches that may still be checked during the start.
    unchecked: AtomicU64,
}

impl Storage {
    /// Opens the list of a directory's files, and checks that none is missing.
    pub fn open(
        root: &Path,
        is_new: impl FnOnce() -> Result<bool, disk::Error>,
    ) -> Result<Arc<Self>, disk::Error> {
        let files = FileList::open(root, is_new)?;
        files.check(|name| format!("{} would be lost", describe(name)))?;
        Ok(Arc::new(Self {
            root: root.to_owned(),
            files,
            open_files: Arc::default(),
            unchecked: AtomicU64::new(CHECKED_BYTES),
        }))
    }

    /// Opens a directory that may hold anything.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn at(root: &Path) -> Arc<Self> {
        Self::open(root, || Ok(true)).expect("the list of a directory can be opened")
    }

    /// Returns the path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns a file that is opened when it is used.
    pub fn lazy_file(&self, path: PathBuf) -> LazyFile {
        LazyFile::new(path, &self.open_files)
    }

    /// Whether a start has time to compute the checksum of a batch.
    pub fn may_check(&self, bytes: u64) -> bool {
        let left = |left: u64| left.checked_sub(bytes);
        let taken = self
            .unchecked
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        taken.is_ok()
    }

    /// Returns how far a file was synced.
    pub fn mark(&self, path: &Path) -> Mark {
        self.files.mark(&self.name(path))
    }

    /// Adds files that exist or were replaced to the list.
    pub fn add(&self, path: &Path) -> io::Result<()> {
        self.files.add(&[self.name(path)])
    }

    /// Adds a file to the list unless it is there.
    pub fn add_once(&self, path: &Path) -> io::Result<()> {
        if self.files.contains(&self.name(path)) {
            return Ok(());
        }
        self.add(path)
    }

    /// Takes a file off the list and removes it.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(&self.name(path))?;
        fs::remove_file(path)
    }

    /// Takes all files in a folder off the list, which are then to be removed.
    pub fn take_off_folder(&self, path: &Path) -> io::Result<()> {
        self.files.remove(&format!("{}/", self.name(path)))
    }

    /// Whether a file belongs to the data: it is on the list, or was being added when the server
    /// was killed. The removal of a file that was being removed is finished.
    pub fn admit(&self, path: &Path) -> Result<bool, disk::Error> {
        let name = self.name(path);
        let written = |source| disk::Error::write(path, source);
        if self.files.is_removed(&name) {
            fs::remove_file(path).map_err(written)?;
            return Ok(false);
        }
        if !self.files.contains(&name) {
            if self.files.is_clean() {
                let path = path.to_owned();
                return Err(disk::Error::Foreign { path });
            }
            self.files.add(&[name]).map_err(written)?;
        }
        Ok(true)
    }

    /// Whether a folder belongs to the data, which `file` in it shows. The removal of a folder that
    /// was being removed is finished.
    pub fn admit_folder(&self, folder: &Path, file: &str) -> Result<bool, disk::Error> {
        if self.files.is_removed(&format!("{}/", self.name(folder))) {
            let removed = fs::remove_dir_all(folder);
            removed.map_err(|source| disk::Error::write(folder, source))?;
            return Ok(false);
        }
        self.admit(&folder.join(file))
    }

    /// Notes that the server has started.
    pub fn start(&self) -> Result<(), disk::Error> {
        let started = self.files.start();
        started.map_err(|source| disk::Error::write(&self.root.join(LIST_FILE), source))
    }

    /// Notes that the server has stopped in order; all logs are synced.
    pub fn stop(&self) -> Result<(), disk::Error> {
        let mut lengths = Vec::new();
        for name in self.files.names() {
            let path = self.root.join(&name);
            let extension = path.extension().and_then(|it| it.to_str());
            let journal = extension == Some("journal");
            if !journal && extension != Some("log") {
                continue;
            }
            let length = || {
                if journal {
                    File::open(&path)?.sync_data()?;
                }
                Ok(fs::metadata(&path)?.len())
            };
            let length = length().map_err(|source| disk::Error::read(&path, source))?;
            lengths.push((name, length));
        }
        let stopped = self.files.stop(&lengths);
        stopped.map_err(|source| disk::Error::write(&self.root.join(LIST_FILE), source))
    }

    fn name(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        relative.to_string_lossy().into_owned()
    }
}

/// Says what is lost without a file of the data directory.
pub fn describe(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["cluster.json"] => "the id of the cluster".to_owned(),
        ["producer-ids"] => "the producer ids that are in use".to_owned(),
        ["broker.json"] => "the altered settings of the broker".to_owned(),
        ["groups.journal"] => "the members and offsets of all consumer groups".to_owned(),
        ["transactions.journal"] => "the state of all transactions".to_owned(),
        ["topics", topic, "topic.json"] => {
            format!("the id, the settings and the number of partitions of topic `{topic}`")
        }
        ["topics", topic, partition, "checkpoint"] => {
            format!("the start offset of topic `{topic}`, partition {partition}")
        }
        ["topics", topic, partition, segment] => {
            let from = segment.trim_end_matches(".log").trim_start_matches('0');
            let from = if from.is_empty() { "0" } else { from };
            format!("the records of topic `{topic}`, partition {partition}, from offset {from} on")
        }
        _ => format!("what `{name}` holds"),
    }
}
