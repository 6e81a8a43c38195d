//! Checks every document and every index key of a collection.

use crate::bson::{Doc, validate};
use crate::engine::collection::{Collection, read_document};
use crate::engine::error::Error;
use crate::engine::index_spec::ID_INDEX;
use crate::engine::locks::read;
use crate::engine::log::Log;
use crate::engine::record::RecordId;

/// Largest number of reported errors.
const MAX_ERRORS: usize = 20;

#[derive(Debug, Default)]
pub struct Report {
    /// Number of documents.
    pub documents: usize,
    /// Number of keys by the name of the index.
    pub keys: Vec<(String, usize)>,
    pub errors: Vec<String>,
}

impl Collection {
    /// Verifies the collection, which stays readable meanwhile.
    pub fn verify(&self, log: &Log) -> Result<Report, Error> {
        let state = read(&self.state);
        let mut report = Report {
            documents: state.records.len(),
            ..Report::default()
        };
        report.keys.push((ID_INDEX.to_owned(), state.by_id.len()));
        for index in &state.indexes {
            report.keys.push((index.spec().name.clone(), index.len()));
        }
        let mut expected = vec![0; report.keys.len()];
        for (id, location) in state.records.forward(RecordId(0)) {
            let bytes = read_document(log, location)?;
            if let Err(invalid) = validate::document(&bytes) {
                report.note(format!("document {} is damaged: {invalid}", id.0));
                continue;
            }
            let doc = Doc::new(&bytes);
            // Entries of the oplog have none.
            if let Some(value) = doc.get("_id") {
                if state.by_id.get(&state.options.id_key(&value, id)) != Some(&id) {
                    report.note(format!("document {} is not found by its _id", id.0));
                }
                expected[0] += 1;
            }
            for (index, expected) in state.indexes.iter().zip(expected.iter_mut().skip(1)) {
                let keys = index.keys(doc).unwrap_or_default();
                *expected += keys.len();
                if !index.has(&keys, id) {
                    let name = &index.spec().name;
                    report.note(format!("document {} is missing in index {name}", id.0));
                }
            }
        }
        for ((name, found), expected) in report.keys.clone().iter().zip(expected) {
            if *found != expected {
                report.note(format!(
                    "index {name} has {found} keys instead of {expected}"
                ));
            }
        }
        Ok(report)
    }
}

impl Report {
    fn note(&mut self, error: String) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}
