//! The files of a named data directory: which servers have data in it, and the repair of all.

use std::path::Path;

use convoy_server_kit::disk::{self, FileList, LIST_FILE, Loss};

use crate::error::Error;

/// What lies in a data directory, and what is lost without it.
const KNOWN: [(&str, &str); 4] = [
    (
        "broker/files",
        "all topics, records and groups of the broker",
    ),
    ("registry/files", "all schemas"),
    ("store/files", "all documents"),
    ("tls/ca.pem", "the CA that clients trust"),
];

/// Creates a data directory, or checks that nothing is missing in it.
pub(super) fn open(directory: &Path) -> Result<(), Error> {
    let created = disk::create_directory(directory);
    created.map_err(|source| disk::Error::write(directory, source))?;
    let list = FileList::open(directory, || Ok(true))?;
    Ok(list.check(|name| format!("{} would be lost", describe(name)))?)
}

/// Notes which data there is by now.
pub fn note(directory: &Path) -> Result<(), Error> {
    let list = FileList::open(directory, || Ok(true))?;
    let there = |name: &&str| !list.contains(name) && directory.join(name).exists();
    let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).filter(there).collect();
    let added = list.add(&names);
    Ok(added.map_err(|source| disk::Error::write(&directory.join(LIST_FILE), source))?)
}

/// Keeps what is whole of the data of all servers; returns what was lost.
pub fn repair(directory: &Path) -> Result<Vec<Loss>, Error> {
    let mut losses = Vec::new();
    if !directory.exists() {
        return Ok(losses);
    }
    losses.extend(convoy_kafka_server::repair(&directory.join("broker"))?);
    losses.extend(convoy_registry_server::repair(&directory.join("registry"))?);
    losses.extend(convoy_mongodb_server::repair(&directory.join("store"))?);
    losses.extend(disk::repair_list(
        directory,
        |name| describe(name).to_owned(),
        Vec::new,
    )?);
    note(directory)?;
    Ok(losses)
}

fn describe(name: &str) -> &'static str {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map_or("a file", |(_, lost)| lost)
}
