//! `$redact`: keeps, removes or looks into each document and the documents within it.

use crate::aggregation::stage::Context;
use crate::bson::{ArrayBuilder, Builder, Doc, Kind, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Environment, Expression, Scope};

const KEEP: &str = "keep";
const PRUNE: &str = "prune";
const DESCEND: &str = "descend";

/// A compiled `$redact`.
#[derive(Debug, Clone)]
pub struct RedactSpec(Expression);

impl RedactSpec {
    /// Compiles the argument of the stage.
    pub fn parse(argument: &Value<'_>, environment: &Environment) -> Result<Self, CommandError> {
        if argument.to_string().contains("$$ROOT") {
            return Err(CommandError::unsupported("$$ROOT in $redact"));
        }
        let mut environment = environment.clone();
        for (name, value) in [("KEEP", KEEP), ("PRUNE", PRUNE), ("DESCEND", DESCEND)] {
            environment.define(name, Value::from(value));
        }
        Expression::parse_in(argument, &environment).map(Self)
    }

    /// Returns what is kept of a document.
    pub fn apply(&self, row: &Row, context: &Context) -> Result<Option<Row>, CommandError> {
        let kept = self.document(row.doc(), context)?;
        Ok(kept.map(Row::computed))
    }

    fn document(&self, doc: Doc<'_>, context: &Context) -> Result<Option<Vec<u8>>, CommandError> {
        context.check()?;
        let decision = self.0.evaluate(&Scope::new(doc, context.now_ms))?;
        match decision.as_str() {
            Some(KEEP) => return Ok(Some(doc.bytes().to_vec())),
            Some(PRUNE) => return Ok(None),
            Some(DESCEND) => {}
            _ => {
                return Err(CommandError::location(
                    17_053,
                    format!(
                        "$redact's expression should not return anything aside from the variables \
                         $$KEEP, $$DESCEND, and $$PRUNE, but returned {decision}"
                    ),
                ));
            }
        }
        let mut kept = Builder::new();
        for element in doc.elements() {
            match (element.kind(), element.doc()) {
                (Kind::Document, Some(inner)) => {
                    if let Some(inner) = self.document(inner, context)? {
                        kept.push(element.name(), &Value::Document(inner.into()));
                    }
                }
                (Kind::Array, Some(items)) => {
                    kept.push(element.name(), &self.array(items, context)?);
                }
                _ => kept.push_element(element),
            }
        }
        Ok(Some(kept.finish()))
    }

    fn array(&self, items: Doc<'_>, context: &Context) -> Result<Value<'static>, CommandError> {
        let mut kept = ArrayBuilder::default();
        for item in items.elements() {
            match (item.kind(), item.doc()) {
                (Kind::Document, Some(inner)) => {
                    if let Some(inner) = self.document(inner, context)? {
                        kept.push_doc(Doc::new(&inner));
                    }
                }
                (Kind::Array, Some(inner)) => kept.push(&self.array(inner, context)?),
                _ => kept.push(&item.value()),
            }
        }
        Ok(kept.into_value())
    }
}
