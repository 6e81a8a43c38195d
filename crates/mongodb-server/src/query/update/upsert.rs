//! The document that an upsert inserts.

use std::collections::BTreeSet;

use crate::bson::{Builder, Doc, ObjectId, Value};
use crate::error::CommandError;
use crate::query::filter::{Filter, Test};
use crate::query::path::{Part, Path};
use crate::query::update::compiled::Update;
use crate::query::update::context::UpdateContext;
use crate::query::update::fields::Fields;
use crate::query::update::tree::Slot;

impl Update {
    /// Returns the document that an upsert inserts.
    pub fn insertion(&self, filter: &Filter, now_ms: i64) -> Result<Vec<u8>, CommandError> {
        let seed = seed(filter, self.is_replacement())?;
        let context = UpdateContext {
            now_ms,
            inserting: true,
            position: None,
        };
        let inserted = self.apply(Doc::new(&seed), context)?;
        let doc = Doc::new(&inserted);
        if doc.element("_id").is_some() {
            return Ok(inserted);
        }
        let id = Value::ObjectId(ObjectId::generate());
        Ok(Builder::new().with("_id", &id).extended(doc).finish())
    }
}

/// Returns the document that an upsert starts from: the fields that the filter tests for equality.
fn seed(filter: &Filter, only_id: bool) -> Result<Vec<u8>, CommandError> {
    let mut root = Slot::Document(Fields::default());
    let mut failed = None;
    // In the order of the parts, a path is beside one that overlaps with it.
    let mut seen: BTreeSet<&[Part]> = BTreeSet::new();
    filter.conjuncts(&mut |path, test| {
        let values: Vec<&Value<'static>> = match test {
            Test::Equal(value) => vec![value],
            Test::In(choices) if choices.patterns.is_empty() => match choices.values.as_slice() {
                [only] => vec![only],
                _ => return,
            },
            Test::All(tests) => tests
                .iter()
                .filter_map(|test| match test {
                    Test::Equal(value) => Some(value),
                    _ => None,
                })
                .collect(),
            _ => return,
        };
        if only_id && path.as_str() != "_id" {
            return;
        }
        for value in values {
            if overlaps(&seen, path) {
                failed = Some(CommandError::location(
                    54,
                    format!("cannot infer query fields to set, path '{path}' is matched twice"),
                ));
                return;
            }
            seen.insert(path.parts());
            match root.find_or_create(path.parts()) {
                Ok((slot, _)) => *slot = Slot::Value(value.clone()),
                Err(error) => failed = Some(error),
            }
        }
    });
    failed.map_or_else(|| Ok(root.into_document()), Err)
}

/// Returns whether a path is in another one, or another one in it.
fn overlaps(seen: &BTreeSet<&[Part]>, path: &Path) -> bool {
    let parts = path.parts();
    let before = seen.range(..=parts).next_back();
    let after = seen.range(parts..).next();
    before.is_some_and(|before| parts.starts_with(before))
        || after.is_some_and(|after| after.starts_with(parts))
}
