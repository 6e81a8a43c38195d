//! The document that an upsert inserts.

use crate::bson::{Builder, Doc, ObjectId, Value};
use crate::error::CommandError;
use crate::query::filter::{Filter, Test};
use crate::query::path::Path;
use crate::query::update::compiled::Update;
use crate::query::update::context::UpdateContext;
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
    let mut root = Slot::Document(Vec::new());
    let mut failed = None;
    let mut seen: Vec<&Path> = Vec::new();
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
            if seen.iter().any(|known| known.overlaps(path)) {
                failed = Some(CommandError::location(
                    54,
                    format!("cannot infer query fields to set, path '{path}' is matched twice"),
                ));
                return;
            }
            seen.push(path);
            match root.find_or_create(path.parts()) {
                Ok((slot, _)) => *slot = Slot::Value(value.clone()),
                Err(error) => failed = Some(error),
            }
        }
    });
    failed.map_or_else(|| Ok(root.into_document()), Err)
}
