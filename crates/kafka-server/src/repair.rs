//! Repairs a data directory: keeps what is whole, puts the rest into the folder `damaged`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use convoy_server_kit::disk::{self, Loss};
use convoy_server_kit::unix_ms;

use crate::broker_config;
use crate::cluster::{CLUSTER_FILE, TOPICS, lock};
use crate::error::Error;
use crate::producer_ids;
use crate::storage::describe;
use crate::topic::{self, Description};
use crate::{journal, log};

/// Keeps what is whole of a damaged data directory and puts the rest into its folder `damaged`.
///
/// Returns what was lost, file by file. Blocks on the disk; no server may use the directory.
pub fn repair(data_dir: &Path) -> Result<Vec<Loss>, Error> {
    if !data_dir.exists() {
        return Ok(Vec::new());
    }
    let _lock = lock(data_dir)?;
    let repair = Repair { data: data_dir };
    let mut losses = repair.journals()?;
    losses.extend(repair.small_files()?);
    for topic in folders(&data_dir.join(TOPICS))? {
        losses.extend(repair.topic(&topic)?);
    }
    let found = || repair.files(data_dir).unwrap_or_default();
    let listed = disk::repair_list(data_dir, describe, found);
    losses.extend(listed.map_err(Error::disk)?);
    Ok(losses)
}

struct Repair<'d> {
    data: &'d Path,
}

impl Repair<'_> {
    fn journals(&self) -> Result<Vec<Loss>, Error> {
        let mut losses = Vec::new();
        for path in entries(self.data)? {
            if path.extension().is_some_and(|it| it == journal::EXTENSION) {
                losses.extend(journal::repair(&path, self.data).map_err(Error::disk)?);
            }
        }
        for loss in &mut losses {
            loss.lost
                .push_str("; the states before these changes are back");
        }
        Ok(losses)
    }

    /// Repairs the id of the cluster and the producer ids.
    fn small_files(&self) -> Result<Vec<Loss>, Error> {
        let mut losses = Vec::new();
        losses.extend(self.drop_damaged(&self.data.join(CLUSTER_FILE), describe(CLUSTER_FILE))?);
        let broker = broker_config::FILE_NAME;
        losses.extend(self.drop_damaged(&self.data.join(broker), describe(broker))?);
        let path = self.data.join(producer_ids::FILE_NAME);
        let known = self.data.join(CLUSTER_FILE).exists();
        let damaged = self.drop_damaged(&path, String::new())?;
        if damaged.is_some() || (known && !path.exists() && self.is_listed(producer_ids::FILE_NAME))
        {
            // Above all ids that were ever given out, one block at a time.
            let next = unix_ms().saturating_mul(1_000);
            let saved = disk::save_sealed(&path, &next.to_string());
            saved.map_err(|source| Error::directory(&path, source))?;
            losses.push(Loss {
                lost: format!("nothing: new producers get ids from {next} on"),
                path,
                aside: damaged.map(|loss| loss.aside).unwrap_or_default(),
            });
        }
        Ok(losses)
    }

    fn is_listed(&self, name: &str) -> bool {
        let list = disk::FileList::open(self.data, || Ok(true));
        list.is_ok_and(|list| list.contains(name))
    }

    /// Puts a small file aside if it is damaged.
    fn drop_damaged(&self, path: &Path, lost: String) -> Result<Option<Loss>, Error> {
        match disk::load_sealed(path, "") {
            Ok(_) => Ok(None),
            Err(disk::Error::Damaged { .. }) => {
                let aside = self.move_aside(path);
                let aside = aside.map_err(|source| Error::directory(path, source))?;
                Ok(Some(Loss {
                    path: path.to_owned(),
                    lost,
                    aside: vec![aside],
                }))
            }
            Err(error) => Err(Error::disk(error)),
        }
    }

    fn move_aside(&self, path: &Path) -> io::Result<PathBuf> {
        let bytes = fs::read(path)?;
        let aside = disk::put_aside(self.data, path, 0, &bytes)?;
        fs::remove_file(path)?;
        Ok(aside)
    }

    fn topic(&self, directory: &Path) -> Result<Vec<Loss>, Error> {
        let partitions: Vec<(i32, PathBuf)> = folders(directory)?
            .into_iter()
            .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)))
            .collect();
        let mut losses = Vec::new();
        let path = directory.join(topic::FILE_NAME);
        let damaged = self.drop_damaged(&path, String::new())?;
        if !path.exists() {
            let count = partitions.iter().map(|(index, _)| index + 1).max();
            let description = Description::new(count.unwrap_or(1), topic::no_overrides());
            description.save(directory)?;
            losses.push(Loss {
                lost: "the id and the settings of the topic; it has new ones".to_owned(),
                path,
                aside: damaged.map(|loss| loss.aside).unwrap_or_default(),
            });
        }
        for (_, partition) in &partitions {
            let repaired = log::repair(partition, self.data);
            losses.extend(repaired.map_err(Error::log)?);
        }
        Ok(losses)
    }

    /// Returns the names of all files that a list would have.
    fn files(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for path in entries(directory)? {
            let name = path.strip_prefix(self.data).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            let extension = path.extension().and_then(|it| it.to_str());
            let known = matches!(extension, Some("log" | "json" | journal::EXTENSION))
                || name.ends_with("/checkpoint")
                || name == producer_ids::FILE_NAME;
            if path.is_dir() && name != "damaged" && name != "staging" {
                names.extend(self.files(&path)?);
            } else if known && path.is_file() {
                names.push(name);
            }
        }
        Ok(names)
    }
}

fn folders(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = entries(directory)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = || {
        let entries = fs::read_dir(directory)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<io::Result<Vec<_>>>()
    };
    match listed() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => {
            let mut paths = listed.map_err(|source| Error::directory(directory, source))?;
            paths.sort();
            Ok(paths)
        }
    }
}
