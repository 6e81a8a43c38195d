//! A compiled schema.

use crate::bson::{Kind, Value};
use crate::query::regex::Pattern;

/// A compiled schema: a value is valid if no rule is broken.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    pub(super) rules: Vec<Rule>,
    pub(super) title: Option<String>,
    /// `description`: a value of any type.
    pub(super) description: Option<Value<'static>>,
}

/// One keyword of a schema.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub keyword: &'static str,
    /// The argument of the keyword, for errors.
    pub specified: Value<'static>,
    pub check: Check,
}

/// What a keyword demands. It says nothing about values of other types.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// Values of any type: `bsonType`, `type`.
    Type(Vec<Kind>),
    Enum(Vec<Value<'static>>),
    AllOf(Vec<Schema>),
    AnyOf(Vec<Schema>),
    OneOf(Vec<Schema>),
    Not(Box<Schema>),
    /// Numbers.
    Minimum {
        bound: Value<'static>,
        exclusive: bool,
    },
    Maximum {
        bound: Value<'static>,
        exclusive: bool,
    },
    MultipleOf(Value<'static>),
    /// Text, in code points.
    MinLength(usize),
    MaxLength(usize),
    Pattern(Pattern),
    /// Documents.
    Required(Vec<String>),
    Properties(Vec<(String, Schema)>),
    PatternProperties(Vec<Named>),
    AdditionalProperties(Additional),
    MinProperties(usize),
    MaxProperties(usize),
    Dependencies(Vec<(String, Dependency)>),
    /// Arrays.
    Items(Box<Schema>),
    ItemsInOrder(Vec<Schema>),
    AdditionalItems {
        /// Number of items that have a schema of their own.
        after: usize,
        allowed: Allowed,
    },
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
}

/// A schema for the properties whose names match a pattern.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub text: String,
    pub pattern: Pattern,
    pub schema: Schema,
}

/// Properties or items that no other keyword names.
#[derive(Debug, Clone)]
pub(super) enum Allowed {
    No,
    If(Box<Schema>),
}

#[derive(Debug, Clone)]
pub(super) struct Additional {
    pub named: Vec<String>,
    pub patterns: Vec<Pattern>,
    pub allowed: Allowed,
}

/// What a document must have if it has a property.
#[derive(Debug, Clone)]
pub(super) enum Dependency {
    Properties(Vec<String>),
    Schema(Schema),
}

impl Additional {
    /// Returns whether other keywords say nothing about a property.
    pub fn concerns(&self, name: &str) -> bool {
        !self.named.iter().any(|known| known == name)
            && !self.patterns.iter().any(|pattern| pattern.is_match(name))
    }
}
