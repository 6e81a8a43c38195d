//! One statement of a batch of updates or deletes.

use crate::bson::{Doc, Value};
use crate::command::kinds;
use crate::engine::is_simple_collation;
use crate::error::CommandError;

/// A statement's arguments.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The path of the statement, for messages.
    path: &'a str,
    doc: Doc<'a>,
}

impl<'a> Statement<'a> {
    /// Reads a document as a statement.
    pub fn new(path: &'a str, doc: Doc<'a>) -> Self {
        Self { path, doc }
    }

    /// Rejects arguments that are not in `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), CommandError> {
        for element in self.doc.elements() {
            let name = element.name();
            if !known.contains(&name) {
                let message = format!("BSON field '{}.{name}' is an unknown field.", self.path);
                return Err(CommandError::location(40_415, message));
            }
            kinds::check(self.path, name, &element.value())?;
        }
        match self.value("collation") {
            Some(collation) if !is_simple_collation(&collation) => {
                Err(CommandError::unsupported("collations other than simple"))
            }
            _ => Ok(()),
        }
    }

    /// Returns an argument; null counts as absent.
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        self.doc.get(name).filter(|value| !value.is_nullish())
    }

    /// Returns an argument, also if it is null.
    pub fn given(&self, name: &str) -> Option<Value<'a>> {
        self.doc.get(name)
    }

    /// Returns a document.
    pub fn document(&self, name: &str) -> Result<Option<Doc<'a>>, CommandError> {
        match self.value(name) {
            Some(_) => self.required_document(name).map(Some),
            None => Ok(None),
        }
    }

    /// Returns a required document.
    pub fn required_document(&self, name: &str) -> Result<Doc<'a>, CommandError> {
        let value = self.value(name).ok_or_else(|| {
            let path = self.path;
            let message = format!("BSON field '{path}.{name}' is missing but a required field");
            CommandError::location(40_414, message)
        })?;
        let kind = value.kind();
        value.into_borrowed_document().ok_or_else(|| {
            CommandError::type_mismatch(format!(
                "BSON field '{}.{name}' is the wrong type '{}', expected type 'object'",
                self.path,
                kind.alias()
            ))
        })
    }

    /// Returns an integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, CommandError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        value.as_i64().map(Some).ok_or_else(|| {
            CommandError::type_mismatch(format!(
                "BSON field '{}.{name}' is the wrong type '{}', expected a whole number",
                self.path,
                value.kind().alias()
            ))
        })
    }

    /// Returns a boolean; false if absent.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.is_truthy())
    }
}
