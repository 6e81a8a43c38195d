//! Steps of an update that is an aggregation pipeline.

use crate::bson::{Doc, Element, Value};
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
