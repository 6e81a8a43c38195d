//! Which fields a document is left with, and which are computed for it.
//!
//! One form for `find`'s projection and for `$project`, `$addFields` and `$unset`: a tree of what
//! happens to each field.

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use crate::error::CommandError;
use crate::query::expression::{Expression, Scope, is_missing};
use crate::query::filter::Filter;
use crate::query::slice::slice_array;

/// What happens to fields that are not mentioned, and to those that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only what is mentioned stays.
    Include,
    /// Only what is mentioned goes.
    Exclude,
    /// Everything stays, what is mentioned is computed.
    Add,
}

/// A compiled projection.
#[derive(Debug, Clone)]
pub struct Projection {
    /// What happens to fields that are not mentioned.
    pub mode: Mode,
    /// Whether `_id` stays, where it is not mentioned otherwise.
    pub keeps_id: bool,
    /// What happens to those that are.
    pub root: Node,
}

/// What happens to the fields of one document.
#[derive(Debug, Clone, Default)]
pub struct Node {
    fields: Vec<(String, Action)>,
}

/// What happens to one field.
#[derive(Debug, Clone)]
pub enum Action {
    /// Kept or left out, as the mode is.
    Select,
    /// Goes into the document.
    Descend(Node),
    /// `$slice` of an array.
    Slice {
        /// How many to leave out; negative counts from the end.
        skip: i64,
        /// How many to keep.
        limit: Option<i64>,
    },
    /// `$elemMatch`: the first element that passes.
    FirstMatch(Box<Filter>),
    /// Something computed in its place.
    Compute(Expression),
}

impl Projection {
    /// Returns the projected document.
    pub fn apply(&self, doc: Doc<'_>, now_ms: i64) -> Result<Vec<u8>, CommandError> {
        let scope = Scope::new(doc, now_ms);
        let mut out = Builder::new();
        self.project_fields(doc, &self.root, &scope, (&mut out, true))?;
        Ok(out.finish())
    }

    /// Writes the fields that stay, then those computed anew.
    fn project_fields(
        &self,
        doc: Doc<'_>,
        node: &Node,
        scope: &Scope<'_>,
        (out, top): (&mut Builder, bool),
    ) -> Result<(), CommandError> {
        if top && self.mode == Mode::Include {
            // A computed `_id` comes first, as a stored one does.
            if let Some(Action::Compute(expression)) = node.action("_id") {
                push_computed(out, "_id", expression, scope)?;
            }
        }
        for element in doc.elements() {
            if top && element.name_bytes() == b"_id" && node.action("_id").is_none() {
                if self.keeps_id {
                    out.push_element(element);
                }
                continue;
            }
            self.project(element, node, scope, out)?;
        }
        for (name, action) in &node.fields {
            let replaced = self.mode == Mode::Add && doc.element(name).is_some();
            let first = top && self.mode == Mode::Include && name == "_id";
            match action {
                Action::Compute(expression) if !replaced && !first => {
                    push_computed(out, name, expression, scope)?;
                }
                Action::Descend(inner) if inner.computes() && doc.element(name).is_none() => {
                    let made = self.computed_document(inner, scope)?;
                    out.push(name, &made);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn project(
        &self,
        element: Element<'_>,
        node: &Node,
        scope: &Scope<'_>,
        out: &mut Builder,
    ) -> Result<(), CommandError> {
        let include = self.mode == Mode::Include;
        match node.action(element.name()) {
            None if include => {}
            None => out.push_element(element),
            Some(Action::Select) if include => out.push_element(element),
            Some(Action::Select) => {}
            Some(Action::Compute(expression)) => {
                if self.mode == Mode::Add {
                    push_computed(out, element.name(), expression, scope)?;
                }
            }
            Some(Action::Descend(inner)) => {
                if let Some(value) = self.project_inner(element, inner, scope)? {
                    out.push(element.name(), &value);
                }
            }
            Some(Action::Slice { skip, limit }) => match array_of(element) {
                Some(array) => out.push(element.name(), &slice_array(array, *skip, *limit)),
                None => out.push_element(element),
            },
            Some(Action::FirstMatch(filter)) => {
                let matching =
                    |item: &Element<'_>| item.doc().is_some_and(|doc| filter.matches(doc));
                let array = array_of(element);
                if let Some(item) = array.and_then(|array| array.elements().find(matching)) {
                    let only = std::iter::once(item.value()).collect::<ArrayBuilder>();
                    out.push(element.name(), &only.into_value());
                }
            }
        }
        Ok(())
    }

    /// Projects a document, or every document of an array; `None` if nothing is left.
    fn project_inner<'v>(
        &self,
        element: Element<'v>,
        node: &Node,
        scope: &Scope<'_>,
    ) -> Result<Option<Value<'v>>, CommandError> {
        let Some(doc) = element.doc() else {
            return Ok(match self.mode {
                Mode::Include | Mode::Add if node.computes() => {
                    Some(self.computed_document(node, scope)?)
                }
                Mode::Include => None,
                Mode::Exclude | Mode::Add => Some(element.value()),
            });
        };
        if element.kind() == Kind::Document {
            let mut out = Builder::new();
            self.project_fields(doc, node, scope, (&mut out, false))?;
            return Ok(Some(Value::Document(out.finish().into())));
        }
        let mut items = ArrayBuilder::default();
        for item in doc.elements() {
            if let Some(value) = self.project_inner(item, node, scope)? {
                items.push(&value);
            }
        }
        Ok(Some(items.into_value()))
    }

    /// Returns a document that has computed fields only.
    fn computed_document(
        &self,
        node: &Node,
        scope: &Scope<'_>,
    ) -> Result<Value<'static>, CommandError> {
        let mut out = Builder::new();
        self.project_fields(Doc::EMPTY, node, scope, (&mut out, false))?;
        Ok(Value::Document(out.finish().into()))
    }
}

impl Node {
    fn action(&self, name: &str) -> Option<&Action> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, action)| action)
    }

    /// Returns whether anything is computed here or below.
    pub fn computes(&self) -> bool {
        self.fields.iter().any(|(_, action)| match action {
            Action::Compute(_) => true,
            Action::Descend(node) => node.computes(),
            _ => false,
        })
    }

    /// Adds what happens at a dotted path.
    pub fn add(&mut self, path: &str, action: Action) -> Result<(), CommandError> {
        let collision = || {
            let message = format!("Invalid $project :: caused by :: Path collision at {path}");
            CommandError::location(31_250, message)
        };
        let Some((head, rest)) = path.split_once('.') else {
            if self.action(path).is_some() {
                return Err(collision());
            }
            self.fields.push((path.to_owned(), action));
            return Ok(());
        };
        if self.action(head).is_none() {
            let node = Action::Descend(Self::default());
            self.fields.push((head.to_owned(), node));
        }
        match self.fields.iter_mut().find(|(name, _)| name == head) {
            Some((_, Action::Descend(node))) => node.add(rest, action),
            _ => Err(collision()),
        }
    }
}

fn push_computed(
    out: &mut Builder,
    name: &str,
    expression: &Expression,
    scope: &Scope<'_>,
) -> Result<(), CommandError> {
    let value = expression.evaluate(scope)?;
    if !is_missing(&value) {
        out.push(name, &value);
    }
    Ok(())
}

fn array_of(element: Element<'_>) -> Option<Doc<'_>> {
    element.doc().filter(|_| element.kind() == Kind::Array)
}
