//! `$merge`: writes the documents of a pipeline into a collection, each by its own.

use crate::aggregation::{Context, MergeSpec, Selection, Spool, Stage, WhenMatched, WhenUnmatched};
use crate::bson::{Builder, Doc, Kind, ObjectId, Value};
use crate::command::Shared;
use crate::command::insert::insert_all;
use crate::command::update::check_updated;
use crate::engine::{Change, Changed, Position, State};
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::query::{Environment, Filter, Path, Scope, Test, Update, UpdateContext};

/// A document that is merged, and what is needed for it.
struct Merging<'m> {
    shared: &'m Shared,
    context: &'m Context,
    spec: &'m MergeSpec,
    /// The fields that identify a document.
    on: Vec<Path>,
}

/// Merges all documents into the target; returns the position up to which the log must be synced.
pub fn merge(
    shared: &Shared,
    context: &Context,
    spec: &MergeSpec,
    stage: &mut dyn Stage,
) -> Result<Position, CommandError> {
    let on = if spec.on.is_empty() {
        vec![Path::new("_id")]
    } else {
        spec.on.clone()
    };
    check_target(shared, spec, &on)?;
    let merging = Merging {
        shared,
        context,
        spec,
        on,
    };
    // All documents are computed first: the pipeline may read the collection that it writes to.
    let mut position = Position::default();
    let mut rows = Spool::new("$merge");
    while let Some(row) = stage.next(context)? {
        rows.push(row)?;
    }
    for row in rows.into_rows() {
        context.check()?;
        position = position.max(merging.write(row?.doc())?);
    }
    Ok(position)
}

/// Rejects a target that cannot be merged into.
fn check_target(shared: &Shared, spec: &MergeSpec, on: &[Path]) -> Result<(), CommandError> {
    let Some(collection) = shared.engine.collection(&spec.target) else {
        if is_id(on) {
            return Ok(());
        }
        return Err(no_unique_index());
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
        if is_id(on) || has_unique_index(state, on) {
            return Ok(());
        }
        Err(no_unique_index())
    })
}

fn is_id(on: &[Path]) -> bool {
    matches!(on, [only] if only.as_str() == "_id")
}

/// Returns whether a unique index has exactly these fields, in any order.
fn has_unique_index(state: &State, on: &[Path]) -> bool {
    state.indexes.iter().any(|index| {
        let spec = index.spec();
        let same = spec.fields.len() == on.len()
            && on
                .iter()
                .all(|path| spec.fields.iter().any(|(known, _)| known == path));
        same && spec.unique && spec.partial.is_none()
    })
}

fn no_unique_index() -> CommandError {
    let message = "Cannot find index to verify that join fields will be unique";
    CommandError::location(51_183, message)
}

impl Merging<'_> {
    /// Writes one document.
    fn write(&self, doc: Doc<'_>) -> Result<Position, CommandError> {
        let mut given = None;
        if doc.element("_id").is_none() && self.on.iter().any(|path| path.as_str() == "_id") {
            let with_id = Builder::new().with("_id", &Value::ObjectId(ObjectId::generate()));
            given = Some(with_id.extended(doc).finish());
        }
        let doc = given.as_deref().map_or(doc, Doc::new);
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
            match self.insert(doc) {
                // Another command has inserted it meanwhile.
                Err(error) if error.code() == Code::DUPLICATE_KEY && self.exists(&filter)? => {}
                outcome => return outcome,
            }
        }
    }

    /// Returns the filter of the documents that a document is merged with.
    fn filter(&self, doc: Doc<'_>) -> Result<Filter, CommandError> {
        let test = |path: &Path| {
            let element = path.get(doc);
            let unusable = element.is_none_or(|element| {
                matches!(element.kind(), Kind::Null | Kind::Undefined | Kind::Array)
            });
            match element {
                Some(element) if !unusable => Ok(Filter::Field {
                    path: path.clone(),
                    test: Test::Equal(element.value().into_owned()),
                }),
                _ => Err(CommandError::location(
                    51_132,
                    format!(
                        "$merge write error: 'on' field '{path}' cannot be missing, null, undefined \
                         or an array"
                    ),
                )),
            }
        };
        let tests = self.on.iter().map(test).collect::<Result<Vec<_>, _>>()?;
        Ok(Filter::And(tests))
    }

    fn insert(&self, doc: Doc<'_>) -> Result<Position, CommandError> {
        let target = &self.spec.target;
        let mut inserted = insert_all(self.shared, target, &[doc], true, &Fault::default())?;
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
            let changed = collection.change(engine.log(), id, |before| {
                if !filter.test(before)? {
                    return Ok(Change::Skip);
                }
                match &update {
                    Some(update) => {
                        let after = self.apply(update, before)?;
                        check_updated(&after)?;
                        Ok(Change::Replace(after))
                    }
                    None => Ok(Change::Replace(before.bytes().to_vec())),
                }
            })?;
            match changed {
                Changed::No | Changed::Removed { .. } => {}
                Changed::Unchanged(_) => return Ok(Some(Position::default())),
                Changed::Replaced { position, .. } => return Ok(Some(position)),
            }
        }
        Ok(None)
    }

    fn apply(&self, update: &Update, before: Doc<'_>) -> Result<Vec<u8>, CommandError> {
        let context = UpdateContext {
            now_ms: self.context.now_ms,
            inserting: false,
            position: None,
        };
        update.apply(before, context).map_err(|error| {
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
            environment.define(name, expression.evaluate(&scope)?);
        }
        Ok(environment)
    }
}
