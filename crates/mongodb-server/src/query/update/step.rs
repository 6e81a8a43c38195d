//! Steps of an update that is an aggregation pipeline.

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value};
use crate::error::{Code, CommandError};
use crate::query::environment::Environment;
use crate::query::expression::{Expression, Scope};
use crate::query::projection::Projection;

/// Stages that MongoDB has and does not allow in an update.
const NOT_ALLOWED: &[&str] = &[
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

/// A step of an update that is a pipeline.
#[derive(Debug, Clone)]
pub enum Step {
    /// Computes, keeps or removes fields.
    Project(Projection),
    /// Replaces the document by a computed one.
    Replace(Expression),
}

impl Step {
    /// Compiles a stage.
    pub fn parse(stage: Element<'_>, environment: &Environment) -> Result<Self, CommandError> {
        let value = stage.value();
        let document = || {
            value.as_document().ok_or_else(|| {
                let message = format!("{} specification must be an object", stage.name());
                CommandError::location(40_272, message)
            })
        };
        Ok(match stage.name() {
            "$set" | "$addFields" => {
                Self::Project(Projection::parse_add_fields(document()?, environment)?)
            }
            "$project" => Self::Project(Projection::parse_project(document()?, environment)?),
            "$fill" => Self::Project(parse_fill(document()?, environment)?),
            "$unset" => Self::Project(Projection::parse_unset(&value)?),
            "$replaceWith" => Self::Replace(Expression::parse_in(&value, environment)?),
            "$replaceRoot" => {
                let root = document()?.get("newRoot").ok_or_else(|| {
                    let message = "no newRoot specified for the $replaceRoot stage";
                    CommandError::location(40_231, message)
                })?;
                Self::Replace(Expression::parse_in(&root, environment)?)
            }
            name if !NOT_ALLOWED.contains(&name) => {
                let message = format!("Unrecognized pipeline stage name: '{name}'");
                return Err(CommandError::location(40_324, message));
            }
            name => {
                let message = format!("{name} is not allowed to be used within an update");
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
        })
    }

    /// Returns the changed document.
    pub fn apply(&self, doc: Doc<'_>, now_ms: i64) -> Result<Vec<u8>, CommandError> {
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

/// Compiles a `$fill` of constants: fields that are null or missing are set. Other fillings look at
/// several documents.
fn parse_fill(spec: Doc<'_>, environment: &Environment) -> Result<Projection, CommandError> {
    let not_allowed = || {
        let message = "$fill with other fillings than values is not allowed to be used within an \
                       update";
        CommandError::new(Code::INVALID_OPTIONS, message)
    };
    let output = spec.get("output");
    let output = output.as_ref().and_then(Value::as_document);
    let output = output.filter(|_| spec.len() == 1).ok_or_else(not_allowed)?;
    let mut fields = Builder::new();
    for element in output.elements() {
        let value = element.value();
        let filling = value.as_document().filter(|filling| filling.len() == 1);
        let value = filling.and_then(|filling| filling.get("value"));
        let path = Value::from(format!("${}", element.name()));
        let choices: ArrayBuilder = [path, value.ok_or_else(not_allowed)?].into_iter().collect();
        fields = fields.document(element.name(), Builder::new().array("$ifNull", choices));
    }
    Projection::parse_add_fields(Doc::new(&fields.finish()), environment)
}
