//! Compiled projections, and how they change documents.
//!
//! The projection of `find`, `$project`, `$addFields` and `$unset` have one compiled form: a tree
//! with an action per field.

use std::collections::HashMap;

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use crate::error::{Code, CommandError};
use crate::query::expression::{Expression, Scope, is_missing};
use crate::query::filter::{Filter, Test};
use crate::query::slice::slice_array;

/// The treatment of fields with and without an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Keeps only the fields with an action.
    Include,
    /// Removes the fields with an action.
    Exclude,
    /// Keeps all fields and computes those with an action.
    Add,
}

/// A compiled projection.
#[derive(Debug, Clone)]
pub struct Projection {
    pub mode: Mode,
    /// Whether to keep an `_id` without an action.
    pub keeps_id: bool,
    pub root: Node,
    /// The query, if an action keeps the element that matches it.
    pub query: Option<Filter>,
}

/// The position of a document: `_id` is special only in whole documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Nested,
}

/// The actions on the fields of a document.
#[derive(Debug, Clone, Default)]
pub struct Node {
    fields: Vec<(String, Action)>,
    /// Positions of the fields by name, once there are many.
    index: HashMap<String, usize>,
}

/// A node with more fields has an index of them.
const FEW_FIELDS: usize = 16;

/// The action on one field.
#[derive(Debug, Clone)]
pub enum Action {
    /// Keeps or removes the field, depending on the mode.
    Select,
    /// Applies actions to the fields of the embedded document.
    Descend(Node),
    /// `$slice` of an array.
    Slice {
        /// Number of elements to skip; a negative number is a start counted from the end.
        skip: i64,
        /// Maximum number of elements to keep.
        limit: Option<i64>,
    },
    /// `$elemMatch`: keeps the first element that passes.
    FirstMatch(Box<Test>),
    /// `$`: keeps the element by which the document matches the query.
    Matched,
    /// Replaces the value by a computed one.
    Compute(Expression),
}

impl Projection {
    /// Returns the projected document.
    pub fn apply(&self, doc: Doc<'_>, now_ms: i64) -> Result<Vec<u8>, CommandError> {
        let scope = Scope::new(doc, now_ms);
        let mut out = Builder::new();
        self.project_fields(doc, &self.root, Level::Top, &scope, &mut out)?;
        Ok(out.finish())
    }

    /// Returns the projection for the documents that match a query.
    pub fn of_query(self, query: &Filter) -> Result<Self, CommandError> {
        let positional = self.root.is_positional();
        if positional && query.has_expression() {
            return Err(CommandError::new(
                Code::QUERY_FEATURE_NOT_ALLOWED,
                "$expr is not supported with a positional projection",
            ));
        }
        let query = positional.then(|| query.clone());
        Ok(Self { query, ..self })
    }

    /// Returns the element of an array by which the document of a scope matches the query.
    fn matched<'v>(&self, array: Doc<'v>, scope: &Scope<'_>) -> Result<Value<'v>, CommandError> {
        let query = self.query.as_ref();
        let position = query.and_then(|query| query.position(scope.root));
        let item = position.and_then(|position| array.values().nth(position));
        item.ok_or_else(|| {
            let message = "Executor error during find command :: caused by :: positional operator \
                           '.$' couldn't find a matching element in the array";
            CommandError::location(51_246, message)
        })
    }

    /// Writes the fields that are kept, then the new computed fields.
    fn project_fields(
        &self,
        doc: Doc<'_>,
        node: &Node,
        level: Level,
        scope: &Scope<'_>,
        out: &mut Builder,
    ) -> Result<(), CommandError> {
        let top = level == Level::Top;
        if top && self.mode == Mode::Include {
            // A computed `_id` comes first, like a stored one.
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
        let present = node.present(doc);
        for (at, (name, action)) in node.fields.iter().enumerate() {
            let known = || match present.get(at) {
                Some(present) => *present,
                None => doc.element(name).is_some(),
            };
            let replaced = self.mode == Mode::Add && known();
            let first = top && self.mode == Mode::Include && name == "_id";
            match action {
                Action::Compute(expression) if !replaced && !first => {
                    push_computed(out, name, expression, scope)?;
                }
                Action::Descend(inner) if inner.computes() && !known() => {
                    let computed = self.computed_document(inner, scope)?;
                    out.push(name, &computed);
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
            Some(Action::Matched) => match array_of(element) {
                Some(array) => {
                    let only = std::iter::once(self.matched(array, scope)?);
                    let only = only.collect::<ArrayBuilder>();
                    out.push(element.name(), &only.into_value());
                }
                None => out.push_element(element),
            },
            Some(Action::FirstMatch(test)) => {
                let matching = |item: &Element<'_>| test.matches_item(*item);
                let array = array_of(element);
                if let Some(item) = array.and_then(|array| array.elements().find(matching)) {
                    let only = std::iter::once(item.value()).collect::<ArrayBuilder>();
                    out.push(element.name(), &only.into_value());
                }
            }
        }
        Ok(())
    }

    /// Projects an embedded document, or each document of an array; `None` removes the field.
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
            self.project_fields(doc, node, Level::Nested, scope, &mut out)?;
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

    /// Returns a document with only the computed fields.
    fn computed_document(
        &self,
        node: &Node,
        scope: &Scope<'_>,
    ) -> Result<Value<'static>, CommandError> {
        let mut out = Builder::new();
        self.project_fields(Doc::EMPTY, node, Level::Nested, scope, &mut out)?;
        Ok(Value::Document(out.finish().into()))
    }
}

impl Node {
    fn action(&self, name: &str) -> Option<&Action> {
        let (_, action) = self.fields.get(self.position(name)?)?;
        Some(action)
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.fields.iter().position(|(field, _)| field == name);
        }
        self.index.get(name).copied()
    }

    /// Appends a field, whose name is not taken.
    fn push(&mut self, name: &str, action: Action) {
        self.fields.push((name.to_owned(), action));
        if self.fields.len() <= FEW_FIELDS {
            return;
        }
        for at in self.index.len()..self.fields.len() {
            let (name, _) = &self.fields[at];
            self.index.insert(name.clone(), at);
        }
    }

    /// Returns whether each field is in a document; empty if there are so few that each can be looked
    /// up.
    fn present(&self, doc: Doc<'_>) -> Vec<bool> {
        if self.index.is_empty() {
            return Vec::new();
        }
        let mut present = vec![false; self.fields.len()];
        for element in doc.elements() {
            if let Some(known) = self.position(element.name()) {
                present[known] = true;
            }
        }
        present
    }

    /// Returns whether an action depends on the query.
    pub fn is_positional(&self) -> bool {
        self.fields.iter().any(|(_, action)| match action {
            Action::Matched => true,
            Action::Descend(node) => node.is_positional(),
            _ => false,
        })
    }

    /// Returns whether this document or an embedded one has a computed field.
    pub fn computes(&self) -> bool {
        self.fields.iter().any(|(_, action)| match action {
            Action::Compute(_) => true,
            Action::Descend(node) => node.computes(),
            _ => false,
        })
    }

    /// Adds the action on a dotted path.
    pub fn add(&mut self, path: &str, action: Action) -> Result<(), CommandError> {
        let collision = |number: i32, remaining: &str| {
            let message =
                format!("Invalid $project :: caused by :: Path collision at {path}{remaining}");
            CommandError::location(number, message)
        };
        let Some((head, rest)) = path.split_once('.') else {
            if self.action(path).is_some() {
                return Err(collision(31_250, ""));
            }
            self.push(path, action);
            return Ok(());
        };
        if self.action(head).is_none() {
            let node = Action::Descend(Self::default());
            self.push(head, node);
        }
        let known = self.position(head);
        match known.and_then(|at| self.fields.get_mut(at)) {
            Some((_, Action::Descend(node))) => node.add(rest, action),
            _ => Err(collision(31_249, &format!(" remaining portion {rest}"))),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::environment::Environment;
    use crate::query::strategies::{document, name, path};

    fn project(doc: &[u8], spec: Builder) -> Vec<u8> {
        let spec = spec.finish();
        let projection = Projection::parse_project(Doc::new(&spec), &Environment::default())
            .expect("a valid projection");
        projection.apply(Doc::new(doc), 0).expect("no expressions")
    }

    #[test]
    fn many_fields_are_projected_as_few_are() {
        let count = 100;
        let fields = |range: std::ops::Range<i32>| {
            range.fold(Builder::new(), |doc, number| {
                doc.int32(&format!("f{number}"), number)
            })
        };
        let doc = fields(0..count).finish();
        let computed = (count / 2..count * 3 / 2).fold(Builder::new(), |spec, number| {
            spec.document(
                &format!("f{number}"),
                Builder::new().int32("$literal", number),
            )
        });
        let spec = computed.finish();
        let projection = Projection::parse_add_fields(Doc::new(&spec), &Environment::default());
        let projected = projection.expect("valid").apply(Doc::new(&doc), 0);
        let expected = fields(0..count * 3 / 2).finish();
        assert_eq!(projected.expect("no errors"), expected);
        let kept = (0..count)
            .step_by(2)
            .fold(Builder::new().int32("_id", 0), |spec, number| {
                spec.int32(&format!("f{number}"), 1)
            });
        let expected = (0..count).step_by(2).fold(Builder::new(), |doc, number| {
            doc.int32(&format!("f{number}"), number)
        });
        assert_eq!(project(&doc, kept), expected.finish());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn projecting_twice_is_projecting_once(
            doc in document(), path in path(), keep in any::<bool>()
        ) {
            let spec = || Builder::new().bool(&path, keep);
            let once = project(&doc, spec());
            prop_assert_eq!(project(&once, spec()), once);
        }

        #[test]
        fn inclusion_and_exclusion_of_a_field_divide_the_document(
            doc in document(), name in name()
        ) {
            let included = project(&doc, Builder::new().int32(&name, 1).int32("_id", 0));
            let excluded = project(&doc, Builder::new().int32(&name, 0));
            let names = |doc: &[u8]| {
                let names = Doc::new(doc).elements().map(|element| element.name().to_owned());
                names.collect::<std::collections::BTreeSet<_>>()
            };
            prop_assert!(names(&included).is_disjoint(&names(&excluded)));
            prop_assert_eq!(&names(&included) | &names(&excluded), names(&doc));
        }
    }
}
