//! `$merge`: writes the documents of a pipeline into a collection, each by its own.

use crate::aggregation::{Context, MergeSpec, Selection, Spool, Stage, WhenMatched, WhenUnmatched};
use crate::bson::{Builder, Doc, Element, Kind, ObjectId, Value};
use crate::command::Shared;
use crate::command::insert::insert_all;
use crate::command::update::{changed, check_updated};
use crate::engine::{Change, Changed, Position, Row, State, Writer};
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::query::{
    Environment, Filter, Path, Scope, Test, Update, UpdateContext, is_missing, set_field,
};

/// A document that is merged, and what is needed for it.
struct Merging<'m> {
    shared: &'m Shared,
    context: &'m Context,
    spec: &'m MergeSpec,
    /// The fields that identify a document.
    on: Vec<Path>,
    nulls: Nulls,
}

/// Merges all documents into the target that was checked; returns the position up to which the log
/// must be synced.
pub fn merge(
    shared: &Shared,
    context: &Context,
    spec: &MergeSpec,
    nulls: Nulls,
    stage: &mut dyn Stage,
) -> Result<Position, CommandError> {
    let on = if spec.on.is_empty() {
        vec![Path::new("_id")]
    } else {
        spec.on.clone()
    };
    let merging = Merging {
        shared,
        context,
        spec,
        on,
        nulls,
    };
    // All documents are computed and checked first: the pipeline may read the collection that it
    // writes to.
    let mut rows = Spool::new("$merge");
    while let Some(row) = stage.next(context)? {
        let document = merging.prepare(row.doc())?;
        merging.filter(Doc::new(&document))?;
        rows.push(Row::computed(document))?;
    }
    let mut position = Position::default();
    let mut failure = None;
    for (at, row) in rows.into_rows().enumerate() {
        context.check()?;
        let row = row?;
        if at == 0 {
            // A stage that an update may not have fails also if no document matches.
            merging.update(row.doc())?;
        }
        match merging.write(row.doc()) {
            Ok(reached) => position = position.max(reached),
            // The others are written nevertheless.
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(position),
    }
}

/// Whether the fields that identify a document may be null or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    Allowed,
    /// Documents without the fields are not in the index.
    Rejected,
}

/// Rejects a target that cannot be merged into.
pub fn check_target(shared: &Shared, spec: &MergeSpec) -> Result<Nulls, CommandError> {
    let on = &spec.on;
    let by_id = on.is_empty() || is_id(on);
    let Some(collection) = shared.engine.collection(&spec.target) else {
        return if by_id {
            Ok(Nulls::Allowed)
        } else {
            Err(no_unique_index())
        };
    };
    collection.with_state(|state| {
        if state.options.is_view() {
            let message = format!("Namespace {} is a view, not a collection", spec.target);
            return Err(CommandError::new(
                Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
                message,
            ));
        }
        if state.options.is_time_series() {
            let message = format!(
                "$merge cannot write to the time series collection {}",
                spec.target
            );
            return Err(CommandError::new(
                Code::OPTION_NOT_SUPPORTED_ON_VIEW,
                message,
            ));
        }
        if by_id {
            return Ok(Nulls::Allowed);
        }
        unique_index(state, on).ok_or_else(no_unique_index)
    })
}

fn is_id(on: &[Path]) -> bool {
    matches!(on, [only] if only.as_str() == "_id")
}

/// Looks for a unique index that has exactly these fields, in any order.
fn unique_index(state: &State, on: &[Path]) -> Option<Nulls> {
    let mut found = None;
    for index in &state.indexes {
        let spec = index.spec();
        let same = spec.fields.len() == on.len()
            && on
                .iter()
                .all(|path| spec.fields.iter().any(|(known, _)| known == path));
        if same && spec.unique && spec.partial.is_none() {
            if !spec.sparse {
                return Some(Nulls::Allowed);
            }
            found = Some(Nulls::Rejected);
        }
    }
    found
}

fn no_unique_index() -> CommandError {
    let message = "Cannot find index to verify that join fields will be unique";
    CommandError::location(51_183, message)
}

impl Merging<'_> {
    /// Returns a document with all fields that identify it: a new `_id`, or null.
    fn prepare(&self, doc: Doc<'_>) -> Result<Vec<u8>, CommandError> {
        let mut document = doc.bytes().to_vec();
        for path in &self.on {
            if path.get(Doc::new(&document)).is_some() {
                continue;
            }
            if path.as_str() == "_id" {
                let with_id = Builder::new().with("_id", &Value::ObjectId(ObjectId::generate()));
                document = with_id.extended(Doc::new(&document)).finish();
            } else if self.nulls == Nulls::Allowed {
                document = set_field(Doc::new(&document), path, Some(&Value::Null))?;
            }
        }
        Ok(document)
    }

    /// Writes one document.
    fn write(&self, doc: Doc<'_>) -> Result<Position, CommandError> {
        let filter = self.filter(doc)?;
        if self.spec.matched == WhenMatched::Fail {
            return self.insert(doc);
        }
        loop {
            if let Some(position) = self.change(doc, &filter)? {
                return Ok(position);
            }
            match self.spec.unmatched {
                WhenUnmatched::Discard => return Ok(Position::default()),
                WhenUnmatched::Fail => {
                    return Err(CommandError::new(
                        Code::MERGE_NO_MATCHING_DOCUMENT,
                        "$merge could not find a matching document in the target collection for at \
                         least one document in the source collection",
                    ));
                }
                WhenUnmatched::Insert => {}
            }
            let ordered = matches!(
                self.spec.matched,
                WhenMatched::Merge | WhenMatched::KeepExisting
            );
            let sorted = ordered.then(|| self.sorted(doc));
            let inserted = self.insert(sorted.as_deref().map_or(doc, Doc::new));
            match inserted {
                // Another command has inserted it meanwhile.
                Err(error) if error.code() == Code::DUPLICATE_KEY && self.exists(&filter)? => {}
                outcome => return outcome,
            }
        }
    }

    /// Returns a document as an upsert writes it: what identifies it, then the others by name.
    fn sorted(&self, doc: Doc<'_>) -> Vec<u8> {
        let mut sorted = Builder::new();
        let first = |name: &[u8]| {
            let mut heads = self.on.iter().filter_map(|path| path.parts().first());
            name == b"_id" || heads.any(|part| part.name().as_bytes() == name)
        };
        let mut others: Vec<_> = doc.elements().collect();
        others.sort_by_key(|element| {
            let name = element.name_bytes();
            (name != b"_id", !first(name), name)
        });
        for element in others {
            sorted.push_element(element);
        }
        sorted.finish()
    }

    /// Returns the filter of the documents that a document is merged with.
    fn filter(&self, doc: Doc<'_>) -> Result<Filter, CommandError> {
        let test = |path: &Path| {
            let element = path.get(doc);
            let kind = element.map_or(Kind::Undefined, Element::kind);
            let nullish = matches!(kind, Kind::Null | Kind::Undefined);
            match element {
                _ if kind == Kind::Array => Err(CommandError::location(
                    51_185,
                    format!("$merge write error: 'on' field '{path}' cannot be an array"),
                )),
                Some(element) if !nullish || self.nulls == Nulls::Allowed => Ok(Filter::Field {
                    path: path.clone(),
                    test: Test::Equal(element.value().into_owned()),
                }),
                _ => Err(CommandError::location(
                    51_132,
                    format!(
                        "$merge write error: 'on' field '{path}' cannot be missing, null or \
                         undefined if supporting index is sparse"
                    ),
                )),
            }
        };
        let tests = self.on.iter().map(test).collect::<Result<Vec<_>, _>>()?;
        Ok(Filter::And(tests))
    }

    fn writer(&self) -> Writer<'_> {
        Writer {
            bypass: self.context.bypass,
            ..self.shared.engine.writer()
        }
    }

    fn insert(&self, doc: Doc<'_>) -> Result<Position, CommandError> {
        let target = &self.spec.target;
        let writer = self.writer();
        let mut inserted =
            insert_all(self.shared, target, &[doc], true, &Fault::default(), writer)?;
        match inserted.errors.pop() {
            Some((_, error)) => Err(error),
            None => Ok(inserted.position),
        }
    }

    fn exists(&self, filter: &Filter) -> Result<bool, CommandError> {
        let selection = Selection::new(filter.clone());
        let mut stage = selection.into_stage(&self.shared.engine, &self.spec.target)?;
        Ok(stage.next(self.context)?.is_some())
    }

    /// Changes the document that matches; `None` if none does.
    fn change(&self, doc: Doc<'_>, filter: &Filter) -> Result<Option<Position>, CommandError> {
        let engine = &self.shared.engine;
        let Some(collection) = engine.collection(&self.spec.target) else {
            return Ok(None);
        };
        let update = self.update(doc)?;
        let mut stage = Selection::new(filter.clone()).into_stage(engine, &self.spec.target)?;
        while let Some(row) = stage.next(self.context)? {
            let Some((id, _)) = row.origin else { continue };
            let writer = self.writer();
            let outcome = collection.change(writer, id, |before| {
                if !filter.test(before)? {
                    return Ok(Change::Skip);
                }
                let Some(update) = &update else {
                    return Ok(Change::Replace(before.bytes().to_vec()));
                };
                let after = self.apply(update, before)?;
                check_updated(&after)?;
                Ok(changed(
                    writer,
                    update,
                    before,
                    after,
                    self.update_context(),
                ))
            })?;
            match outcome {
                Changed::No | Changed::Removed { .. } => {}
                Changed::Unchanged(_) => return Ok(Some(Position::default())),
                Changed::Replaced { position, .. } => return Ok(Some(position)),
            }
        }
        Ok(None)
    }

    fn apply(&self, update: &Update, before: Doc<'_>) -> Result<Vec<u8>, CommandError> {
        update.apply(before, self.update_context()).map_err(|error| {
            if error.code() != Code::IMMUTABLE_FIELD {
                return error;
            }
            CommandError::new(
                Code::IMMUTABLE_FIELD,
                format!(
                    "$merge failed to update the matching document, did you attempt to modify the \
                     _id or the shard key? :: caused by :: {error}"
                ),
            )
        })
    }

    fn update_context(&self) -> UpdateContext {
        UpdateContext {
            now_ms: self.context.now_ms,
            inserting: false,
            position: None,
        }
    }

    /// Returns the update of the document that matches; `None` if it is kept.
    fn update(&self, doc: Doc<'_>) -> Result<Option<Update>, CommandError> {
        Ok(match &self.spec.matched {
            WhenMatched::KeepExisting | WhenMatched::Fail => None,
            WhenMatched::Replace => Some(Update::Replace(doc.bytes().to_vec())),
            WhenMatched::Merge => Some(Update::Overlay(doc.bytes().to_vec())),
            WhenMatched::Pipeline(pipeline) => {
                let environment = self.environment(doc)?;
                Some(Update::parse_pipeline(Doc::new(pipeline), &environment)?)
            }
        })
    }

    /// Returns the variables of the pipeline for a document.
    fn environment(&self, doc: Doc<'_>) -> Result<Environment, CommandError> {
        let scope = Scope::new(doc, self.context.now_ms);
        let mut environment = self.spec.environment.clone();
        for (name, expression) in &self.spec.variables {
            let value = expression.evaluate(&scope)?;
            if !is_missing(&value) {
                environment.define(name, value);
            }
        }
        Ok(environment)
    }
}
