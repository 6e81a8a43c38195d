//! Changes documents: by operators, or by replacing them.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/update/>

mod array_operators;
mod conflicts;
mod number_operators;
mod operators;
mod paths;
mod tree;

use std::cmp::Ordering;

use operators::Operator;
use paths::{ArrayFilters, UpdatePath};
use tree::Slot;

use crate::bson::{Builder, Doc, Element, Kind, ObjectId, Value, order};
use crate::error::{Code, CommandError};
use crate::query::expression::{Expression, Scope};
use crate::query::filter::{Filter, Test};
use crate::query::parse_projection;
use crate::query::path::Path;
use crate::query::projection::Projection;

/// Stages that exist and are no updates.
const STAGES: &[&str] = &[
    "$bucket",
    "$bucketAuto",
    "$count",
    "$facet",
    "$group",
    "$limit",
    "$lookup",
    "$match",
    "$merge",
    "$out",
    "$sample",
    "$skip",
    "$sort",
    "$sortByCount",
    "$unionWith",
    "$unwind",
];

/// A compiled update.
#[derive(Debug, Clone)]
pub enum Update {
    /// The document becomes this one, but for its `_id`.
    Replace(Vec<u8>),
    /// Fields change.
    Modify(Vec<Modification>),
    /// The document goes through these steps.
    Pipeline(Vec<Step>),
}

/// One operator on one path.
#[derive(Debug, Clone)]
pub struct Modification {
    path: UpdatePath,
    operator: Operator,
}

/// One step of an update by a pipeline.
#[derive(Debug, Clone)]
pub enum Step {
    /// Fields are computed, kept or left out.
    Project(Projection),
    /// The document becomes a computed one.
    Replace(Expression),
}

/// What an update may depend on beside the document.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Whether the document is about to be inserted.
    pub inserting: bool,
    /// The element of an array that made the document pass the filter.
    pub position: Option<usize>,
}

impl Moment {
    /// Returns the moment with what an update depends on in a document that passed a filter.
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
            if !operators::is_known(name) {
                return Err(unknown_operator(name));
            }
            let arguments = arguments.ok_or_else(|| {
                CommandError::failed_to_parse(format!(
                    "Modifiers operate on fields but we found type {} instead. For example: \
                     {{$mod: {{<field>: ...}}}} not {{{name}: {}}}",
                    element.kind().alias(),
                    element.value()
                ))
            })?;
            for argument in arguments.elements() {
                let path = UpdatePath::parse(argument.name(), &filters)?;
                let operator = Operator::parse(name, argument)?;
                modifications.push(Modification { path, operator });
            }
        }
        filters.check_used()?;
        conflicts::check(&modifications)?;
        // New fields come in the order of their names, whatever the order of the operators.
        modifications.sort_by(|one, other| one.path.compare(&other.path));
        Ok(Self::Modify(modifications))
    }

    /// Compiles an update by a pipeline.
    pub fn parse_pipeline(pipeline: Doc<'_>) -> Result<Self, CommandError> {
        let mut steps = Vec::new();
        for stage in pipeline.values() {
            let doc = stage.as_document().unwrap_or(Doc::EMPTY);
            let mut elements = doc.elements();
            let (Some(only), None) = (elements.next(), elements.next()) else {
                let message =
                    "A pipeline stage specification object must contain exactly one field.";
                return Err(CommandError::location(40_323, message));
            };
            steps.push(Step::parse(only)?);
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

    /// Returns whether the document is replaced as a whole.
    pub fn is_replacement(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Returns whether the update depends on [`Moment::position`].
    pub fn is_positional(&self) -> bool {
        match self {
            Self::Modify(modifications) => modifications
                .iter()
                .any(|modification| modification.path.is_positional()),
            Self::Replace(_) | Self::Pipeline(_) => false,
        }
    }

    /// Returns the changed document.
    pub fn apply(&self, doc: Doc<'_>, moment: Moment) -> Result<Vec<u8>, CommandError> {
        match self {
            Self::Replace(replacement) => replace(doc, Doc::new(replacement)),
            Self::Modify(modifications) => {
                let mut root = Slot::of(doc);
                // What array filters choose does not depend on what other operators have done.
                let places = modifications
                    .iter()
                    .map(|modification| modification.places(&mut root, moment))
                    .collect::<Result<Vec<_>, _>>()?;
                conflicts::check_places(modifications, &places)?;
                for (modification, places) in modifications.iter().zip(&places) {
                    modification.apply(&mut root, places, doc, moment)?;
                }
                let changed = root.into_document();
                check_id(doc, Doc::new(&changed), moment)?;
                Ok(changed)
            }
            Self::Pipeline(steps) => {
                let mut changed = doc.bytes().to_vec();
                for step in steps {
                    changed = step.apply(Doc::new(&changed), moment.now_ms)?;
                }
                // A step that leaves the `_id` out does not mean to remove it.
                if let (Some(id), None) = (doc.element("_id"), Doc::new(&changed).element("_id")) {
                    let mut kept = Builder::new();
                    kept.push_element(id);
                    changed = kept.extended(Doc::new(&changed)).finish();
                }
                check_id(doc, Doc::new(&changed), moment)?;
                Ok(changed)
            }
        }
    }

    /// Returns the document that an upsert inserts.
    pub fn insertion(&self, filter: &Filter, now_ms: i64) -> Result<Vec<u8>, CommandError> {
        let seed = seed(filter, self.is_replacement())?;
        let moment = Moment {
            now_ms,
            inserting: true,
            position: None,
        };
        let made = self.apply(Doc::new(&seed), moment)?;
        let doc = Doc::new(&made);
        if doc.element("_id").is_some() {
            return Ok(made);
        }
        let id = Value::ObjectId(ObjectId::generate());
        Ok(Builder::new().with("_id", &id).extended(doc).finish())
    }
}

impl Step {
    fn parse(stage: Element<'_>) -> Result<Self, CommandError> {
        let value = stage.value();
        let document = || {
            value.as_document().ok_or_else(|| {
                let message = format!("{} specification must be an object", stage.name());
                CommandError::location(40_272, message)
            })
        };
        Ok(match stage.name() {
            "$set" | "$addFields" => {
                Self::Project(parse_projection::parse_add_fields(document()?)?)
            }
            "$project" => Self::Project(parse_projection::parse_project(document()?)?),
            "$unset" => Self::Project(parse_projection::parse_unset(&value)?),
            "$replaceWith" => Self::Replace(Expression::parse(&value)?),
            "$replaceRoot" => {
                let root = document()?.get("newRoot").ok_or_else(|| {
                    let message = "no newRoot specified for the $replaceRoot stage";
                    CommandError::location(40_231, message)
                })?;
                Self::Replace(Expression::parse(&root)?)
            }
            name if !STAGES.contains(&name) => {
                let message = format!("Unrecognized pipeline stage name: '{name}'");
                return Err(CommandError::location(40_324, message));
            }
            name => {
                let message = format!("{name} is not allowed to be used within an update");
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
        })
    }

    fn apply(&self, doc: Doc<'_>, now_ms: i64) -> Result<Vec<u8>, CommandError> {
        match self {
            Self::Project(projection) => projection.apply(doc, now_ms),
            Self::Replace(expression) => match expression.evaluate(&Scope::new(doc, now_ms))? {
                Value::Document(bytes) => Ok(bytes.into_owned()),
                other => Err(CommandError::location(
                    40_228,
                    format!(
                        "'newRoot' expression must evaluate to an object, but resulting value \
                             was: {other}. Type of resulting value: '{}'",
                        other.kind().alias()
                    ),
                )),
            },
        }
    }
}

impl Modification {
    /// Returns the places in a document that are meant.
    fn places(&self, root: &mut Slot<'_>, moment: Moment) -> Result<Vec<Path>, CommandError> {
        match self.operator {
            Operator::SetOnInsert(_) if !moment.inserting => Ok(Vec::new()),
            Operator::Rename(_) => self.path.plain().map(|path| vec![path]),
            _ => self.path.expand(root, moment.position),
        }
    }

    /// Changes a document in these places.
    fn apply(
        &self,
        root: &mut Slot<'_>,
        places: &[Path],
        doc: Doc<'_>,
        moment: Moment,
    ) -> Result<(), CommandError> {
        for path in places {
            if let Operator::Rename(to) = &self.operator {
                return rename(root, path, to);
            }
            if self.operator.needs_target() {
                match root.find(path.parts())? {
                    Some(slot) => self.operator.apply(slot, true, path, doc, moment)?,
                    None => root.check_viable(path)?,
                }
            } else if matches!(self.operator, Operator::Unset) {
                root.remove(path.parts())?;
            } else {
                let (slot, existed) = root.find_or_create(path.parts())?;
                self.operator.apply(slot, existed, path, doc, moment)?;
            }
        }
        Ok(())
    }
}

/// Returns a document with another value at a path, or without the path.
pub fn set_field(
    doc: Doc<'_>,
    path: &Path,
    value: Option<&Value<'_>>,
) -> Result<Vec<u8>, CommandError> {
    let mut root = Slot::of(doc);
    match value {
        Some(value) => {
            *root.find_or_create(path.parts())?.0 = Slot::Value(value.clone().into_owned());
        }
        None => drop(root.remove(path.parts())?),
    }
    Ok(root.into_document())
}

/// Replaces a document, keeping its `_id` in front.
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

/// Refuses to have changed the `_id`.
fn check_id(before: Doc<'_>, after: Doc<'_>, moment: Moment) -> Result<(), CommandError> {
    let same = match (before.get("_id"), after.get("_id")) {
        (Some(before), Some(after)) => order::compare(&before, &after) == Ordering::Equal,
        (None, _) => moment.inserting,
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

fn rename(root: &mut Slot<'_>, from: &Path, to: &Path) -> Result<(), CommandError> {
    if root.find(from.parts())?.is_none() {
        return root.check_viable(from);
    }
    for (path, role) in [(from, "source"), (to, "destination")] {
        for end in 1..path.parts().len() {
            let parent = root.find(&path.parts()[..end])?;
            if parent.is_some_and(|slot| slot.as_array_mut().is_some()) {
                return Err(CommandError::bad_value(format!(
                    "The {role} field cannot be an array element, '{path}' has an array field \
                     called '{}'",
                    path.parts()[end - 1].name()
                )));
            }
        }
    }
    let Some(value) = root.remove(from.parts())? else {
        return Ok(());
    };
    let value = value.into_owned();
    root.remove(to.parts())?;
    *root.find_or_create(to.parts())?.0 = Slot::Value(value);
    Ok(())
}

/// Makes the document that an upsert starts from: what the filter says is equal.
fn seed(filter: &Filter, only_id: bool) -> Result<Vec<u8>, CommandError> {
    let mut root = Slot::Document(Vec::new());
    let mut failed = None;
    let mut seen: Vec<&Path> = Vec::new();
    filter.conjuncts(&mut |path, test| {
        let value = match test {
            Test::Equal(value) => value,
            Test::In(choices) if choices.patterns.is_empty() => match choices.values.as_slice() {
                [only] => only,
                _ => return,
            },
            _ => return,
        };
        if only_id && path.as_str() != "_id" {
            return;
        }
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
    });
    failed.map_or_else(|| Ok(root.into_document()), Err)
}

fn unknown_operator(name: &str) -> CommandError {
    CommandError::failed_to_parse(format!(
        "Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update \
         specified as an array"
    ))
}
