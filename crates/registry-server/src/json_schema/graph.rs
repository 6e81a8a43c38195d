//! A schema as a graph: each node has the shape of the values that it describes.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

/// Index of a node in its graph. Recursive schemas refer to themselves by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) usize);

/// A schema in which every `$ref` is resolved.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: Id,
}

/// A schema or a part of one.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) shape: Shape<'a>,
    /// The schema has a `default`.
    pub(super) has_default: bool,
    /// Kafka Connect writes these values as bytes, whatever the type says.
    pub(super) connect_bytes: bool,
    /// The JSON of the schema; `None` for a part that the JSON does not have on its own.
    pub(super) source: Option<&'a Value>,
}

/// What a schema says about values.
#[derive(Debug)]
pub(super) enum Shape<'a> {
    Anything,
    Nothing,
    Null,
    Boolean,
    Text(Text<'a>),
    Number(Number<'a>),
    Object(Box<Object<'a>>),
    Array(Box<Array>),
    Enum(&'a [Value]),
    Const(&'a Value),
    Not(Id),
    Conditional,
    Combined(Combined),
    Reference(Id),
}

/// A string.
#[derive(Debug, Default)]
pub(super) struct Text<'a> {
    pub(super) min_length: Option<f64>,
    pub(super) max_length: Option<f64>,
    pub(super) pattern: Option<&'a str>,
}

/// A number.
#[derive(Debug, Default)]
pub(super) struct Number<'a> {
    pub(super) integer: bool,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_minimum: Option<f64>,
    pub(super) exclusive_maximum: Option<f64>,
    pub(super) multiple_of: Option<&'a serde_json::Number>,
}

/// An object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) properties: BTreeMap<&'a str, Id>,
    pub(super) required: BTreeSet<&'a str>,
    pub(super) patterns: Vec<PatternProperty<'a>>,
    pub(super) rest: Rest,
    pub(super) dependencies: Dependencies<'a>,
    pub(super) min_properties: Option<f64>,
    pub(super) max_properties: Option<f64>,
}

/// What an object needs if it has a property.
#[derive(Debug, Default)]
pub(super) struct Dependencies<'a> {
    pub(super) properties: BTreeMap<&'a str, BTreeSet<&'a str>>,
    pub(super) schemas: BTreeMap<&'a str, Id>,
}

/// An array.
#[derive(Debug)]
pub(super) struct Array {
    /// Schema of every item.
    pub(super) every: Option<Id>,
    /// Schemas of the first items.
    pub(super) first: Vec<Id>,
    pub(super) rest: Rest,
    pub(super) min_items: Option<f64>,
    pub(super) max_items: Option<f64>,
    pub(super) unique: bool,
    pub(super) min_contains: Option<f64>,
    pub(super) max_contains: Option<f64>,
}

/// The properties or items that have no schema of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// `additionalProperties` or `additionalItems`.
    pub(super) additional: Additional,
    /// `unevaluatedProperties` or `unevaluatedItems`.
    pub(super) unevaluated: Option<Id>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Additional {
    Any,
    None,
    Schema(Id),
}

/// Schemas that are combined.
#[derive(Debug)]
pub(super) struct Combined {
    pub(super) criterion: Criterion,
    pub(super) parts: Vec<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    All,
    Any,
    One,
}

/// A pattern of `patternProperties`.
#[derive(Debug)]
pub(super) struct PatternProperty<'a> {
    pub(super) pattern: &'a str,
    pub(super) schema: Id,
    /// Compiled at the first use; `None` if the pattern is invalid.
    pub(super) compiled: OnceCell<Option<Box<Validator>>>,
}

impl<'a> Graph<'a> {
    /// Returns a node; a reference stands for itself.
    pub(super) fn direct(&self, id: Id) -> &Node<'a> {
        let found = self.nodes.get(id.0);
        found.expect("every id is created with its node")
    }

    /// Returns the node that an id leads to through references, with its id. A circle of references
    /// says nothing, so that its last reference is returned.
    pub(super) fn target(&self, id: Id) -> Id {
        let mut at = id;
        for _ in 0..self.nodes.len() {
            match self.direct(at).shape {
                Shape::Reference(next) => at = next,
                _ => break,
            }
        }
        at
    }

    /// Returns whether the schema, without following references, accepts everything.
    pub(super) fn is_anything(&self, id: Id) -> bool {
        matches!(self.direct(id).shape, Shape::Anything)
    }

    /// Returns whether the schema, without following references, accepts nothing.
    pub(super) fn is_nothing(&self, id: Id) -> bool {
        matches!(self.direct(id).shape, Shape::Nothing)
    }
}

impl PatternProperty<'_> {
    pub(super) fn matches(&self, property: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            let schema = json!({ "pattern": self.pattern });
            jsonschema::validator_for(&schema).ok().map(Box::new)
        });
        let property = Value::String(property.to_owned());
        compiled
            .as_ref()
            .is_some_and(|compiled| compiled.is_valid(&property))
    }
}

impl Shape<'_> {
    /// Returns whether two shapes are of the same kind, such as two strings.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
