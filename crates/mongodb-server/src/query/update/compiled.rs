//! Compiles updates and applies them to documents.

use std::collections::{HashMap, HashSet};

use crate::bson::{Builder, Doc, Element, Kind, order};
use crate::error::{Code, CommandError};
use crate::query::environment::Environment;
use crate::query::filter::Filter;
use crate::query::update::conflicts;
use crate::query::update::context::UpdateContext;
use crate::query::update::modification::Modification;
use crate::query::update::operators::{self, Operator};
use crate::query::update::paths::{ArrayFilters, UpdatePath};
use crate::query::update::step::Step;
use crate::query::update::tree::Slot;
use crate::query::update::work::Work;

/// A compiled update.
#[derive(Debug, Clone)]
pub enum Update {
    /// Replaces the document, except for its `_id`.
    Replace(Vec<u8>),
    /// Sets each field of a document, and keeps the others.
    Overlay(Vec<u8>),
    /// Changes fields.
    Modify(Vec<Modification>),
    /// Runs the document through aggregation stages.
    Pipeline(Vec<Step>),
}

impl UpdateContext {
    /// Returns the context for one document, with the array element that made it pass the filter.
    #[must_use]
    pub fn for_document(self, update: &Update, filter: &Filter, doc: Doc<'_>) -> Self {
        Self {
            position: if update.is_positional() {
                filter.position(doc)
            } else {
                None
            },
            ..self
        }
    }
}

impl Update {
    /// Compiles an update document.
    pub fn parse(update: Doc<'_>, array_filters: Option<Doc<'_>>) -> Result<Self, CommandError> {
        let mut elements = update.elements().peekable();
        let operators = elements
            .peek()
            .is_some_and(|first| first.name().starts_with('$'));
        if !operators {
            return Self::parse_replacement(update);
        }
        let filters = ArrayFilters::parse(array_filters)?;
        let mut modifications = Vec::new();
        for element in elements {
            let name = element.name();
            let arguments = element.doc().filter(|_| element.kind() == Kind::Document);
            operators::check_name(name)?;
            let arguments = arguments.ok_or_else(|| {
                CommandError::failed_to_parse(format!(
                    "Modifiers operate on fields but we found type {} instead. For example: \
                     {{$mod: {{<field>: ...}}}} not {{{name}: {}}}",
                    element.kind().alias(),
                    element.value()
                ))
            })?;
            for argument in arguments.elements() {
                if name == "$unset" && is_plain_dollar(argument.name()) {
                    // No document has such a field, so that there is nothing to remove.
                    continue;
                }
                // An insert may store such a name, and renaming it finds nothing.
                let dollar = matches!(name, "$setOnInsert" | "$rename");
                let path = UpdatePath::parse(argument.name(), &filters, dollar)?;
                let operator = Operator::parse(name, argument)?;
                modifications.push(Modification { path, operator });
            }
        }
        filters.check_used()?;
        conflicts::check(&modifications)?;
        // New fields are in the order of their names, not of the operators.
        modifications.sort_by(|one, other| one.path.compare(&other.path));
        Ok(Self::Modify(modifications))
    }

    /// Compiles an update that is an aggregation pipeline.
    pub fn parse_pipeline(
        pipeline: Doc<'_>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let mut steps = Vec::new();
        for stage in pipeline.values() {
            let doc = stage.as_document().unwrap_or(Doc::EMPTY);
            let mut elements = doc.elements();
            let (Some(only), None) = (elements.next(), elements.next()) else {
                let message =
                    "A pipeline stage specification object must contain exactly one field.";
                return Err(CommandError::location(40_323, message));
            };
            steps.push(Step::parse(only, environment)?);
        }
        Ok(Self::Pipeline(steps))
    }

    fn parse_replacement(update: Doc<'_>) -> Result<Self, CommandError> {
        let mut names = update.elements().map(Element::name);
        if let Some(name) = names.find(|name| name.starts_with('$')) {
            return Err(CommandError::new(
                Code::DOLLAR_PREFIXED_FIELD,
                format!(
                    "The dollar ($) prefixed field '{name}' in '{name}' is not allowed in the \
                         context of an update's replacement document. Consider using an aggregation \
                         pipeline with $replaceWith."
                ),
            ));
        }
        Ok(Self::Replace(update.bytes().to_vec()))
    }

    pub fn is_replacement(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Returns whether the update depends on [`UpdateContext::position`].
    pub fn is_positional(&self) -> bool {
        match self {
            Self::Modify(modifications) => modifications
                .iter()
                .any(|modification| modification.path.is_positional()),
            Self::Replace(_) | Self::Overlay(_) | Self::Pipeline(_) => false,
        }
    }

    /// Returns the changed document.
    pub fn apply(&self, doc: Doc<'_>, context: UpdateContext) -> Result<Vec<u8>, CommandError> {
        match self {
            Self::Replace(replacement) => replace(doc, Doc::new(replacement)),
            Self::Overlay(overlay) => {
                let changed = overlaid(doc, Doc::new(overlay));
                check_id(doc, Doc::new(&changed), context)?;
                Ok(changed)
            }
            Self::Modify(modifications) => {
                let mut root = Slot::new(doc);
                let work = Work::default();
                // Array filters apply to the document as it was before all operators.
                let places = modifications
                    .iter()
                    .map(|modification| modification.places(&mut root, context, &work))
                    .collect::<Result<Vec<_>, _>>()?;
                conflicts::check_places(modifications, &places)?;
                for (modification, places) in modifications.iter().zip(&places) {
                    modification.apply(&mut root, places, doc, context)?;
                }
                let changed = root.into_document();
                check_id(doc, Doc::new(&changed), context)?;
                Ok(changed)
            }
            Self::Pipeline(steps) => {
                let mut changed = doc.bytes().to_vec();
                for step in steps {
                    changed = step.apply(Doc::new(&changed), context.now_ms)?;
                }
                // A step that omits `_id` does not remove it.
                if let (Some(id), None) = (doc.element("_id"), Doc::new(&changed).element("_id")) {
                    let mut kept = Builder::new();
                    kept.push_element(id);
                    changed = kept.extended(Doc::new(&changed)).finish();
                }
                check_id(doc, Doc::new(&changed), context)?;
                Ok(changed)
            }
        }
    }
}

/// Returns whether a name starts with a dollar and selects no array elements.
fn is_plain_dollar(name: &str) -> bool {
    name.starts_with('$') && name != "$" && !name.starts_with("$[") && !name.contains('.')
}

/// Replaces a document; keeps its `_id` as the first field.
fn replace(doc: Doc<'_>, replacement: Doc<'_>) -> Result<Vec<u8>, CommandError> {
    let mut builder = Builder::new();
    match (doc.element("_id"), replacement.get("_id")) {
        (Some(id), Some(new)) if !order::equal(&id.value(), &new) => {
            return Err(CommandError::new(
                Code::IMMUTABLE_FIELD,
                format!(
                    "After applying the update, the (immutable) field '_id' was found to have \
                     been altered to _id: {new}"
                ),
            ));
        }
        (Some(id), _) => builder.push_element(id),
        (None, Some(new)) => builder.push("_id", &new),
        (None, None) => {}
    }
    for element in replacement.elements() {
        if element.name_bytes() != b"_id" {
            builder.push_element(element);
        }
    }
    Ok(builder.finish())
}

/// Sets the fields of one document in another. New fields come last.
fn overlaid(doc: Doc<'_>, overlay: Doc<'_>) -> Vec<u8> {
    let mut builder = Builder::new();
    let mut set = HashMap::new();
    for element in overlay.elements() {
        set.entry(element.name_bytes()).or_insert(element);
    }
    for element in doc.elements() {
        let new = set.get(element.name_bytes()).copied();
        builder.push_element(new.unwrap_or(element));
    }
    // New fields are in the order of their names.
    let known: HashSet<&[u8]> = doc.elements().map(Element::name_bytes).collect();
    let mut new: Vec<_> = overlay.elements().collect();
    new.retain(|element| !known.contains(element.name_bytes()));
    new.sort_by_key(|element| element.name_bytes());
    for element in new {
        builder.push_element(element);
    }
    builder.finish()
}

/// Rejects a change of `_id`.
fn check_id(before: Doc<'_>, after: Doc<'_>, context: UpdateContext) -> Result<(), CommandError> {
    let same = match (before.get("_id"), after.get("_id")) {
        (Some(before), Some(after)) => order::equal(&before, &after),
        (None, _) => context.inserting,
        (Some(_), None) => false,
    };
    if same {
        return Ok(());
    }
    Err(CommandError::new(
        Code::IMMUTABLE_FIELD,
        "Performing an update on the path '_id' would modify the immutable field '_id'",
    ))
}
