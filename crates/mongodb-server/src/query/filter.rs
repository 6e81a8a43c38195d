//! Compiled filters, and how they test documents.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/query/>

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::bson::value::integer_of;
use crate::bson::{Doc, Element, Key, Kind, Value, order};
use crate::error::CommandError;
use crate::query::decimal::{self, To};
use crate::query::expression::{Expression, Scope};
use crate::query::path::{Path, Reached};
use crate::query::regex::Pattern;
use crate::query::schema::Schema;

/// A compiled filter.
#[derive(Debug, Clone)]
pub enum Filter {
    /// All filters pass; an empty list passes.
    And(Vec<Self>),
    /// One filter passes.
    Or(Vec<Self>),
    /// The filter does not pass.
    Not(Box<Self>),
    /// A value at a path passes a test.
    Field { path: Path, test: Test },
    /// The result is the same for every document.
    Constant(bool),
    /// `$jsonSchema`
    Schema(Arc<Schema>),
    /// `$expr`; only in filters of whole documents.
    Expression {
        expression: Expression,
        /// Tests that each document passes for which the expression is true.
        implied: Vec<(Path, Test)>,
        /// Milliseconds since 1970 when the command began.
        now_ms: i64,
    },
}

/// A test of one value.
#[derive(Debug, Clone)]
pub enum Test {
    /// Equal to a value; null also matches a missing value.
    Equal(Value<'static>),
    /// Less or greater than a value of the same type.
    Compare(Comparison, Value<'static>),
    /// `$in`
    In(Choices),
    /// Text that matches a pattern.
    Matches(Pattern),
    /// A value exists, or is missing.
    Exists(bool),
    /// A value of one of these types.
    Type(Vec<Kind>),
    /// `$mod`
    Modulo {
        /// Never 0.
        divisor: i64,
        remainder: i64,
    },
    /// An array with this number of elements.
    Size(i64),
    /// `$all`: an array whose elements pass each of these tests.
    All(Vec<Self>),
    /// `$elemMatch`: an array with a document that passes the filter.
    ElementDocument(Box<Filter>),
    /// `$elemMatch`: an array with a value that passes all tests.
    ElementValue(Vec<ElementTest>),
    /// `$not` with several operators, one of them negated.
    Each(Vec<ElementTest>),
    /// `$bitsAllSet` and the like: bits of an integer or of binary data.
    Bits {
        positions: Vec<u32>,
        /// Whether all bits must pass, or any.
        all: bool,
        /// Whether a bit passes if it is set, or if it is clear.
        set: bool,
    },
}

/// Tests of one array element that must all pass, or a negation of them.
#[derive(Debug, Clone)]
pub struct ElementTest {
    pub negated: bool,
    pub tests: Vec<Test>,
}

/// An order comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `$lt`
    Less,
    /// `$lte`
    LessOrEqual,
    /// `$gt`
    Greater,
    /// `$gte`
    GreaterOrEqual,
}

/// The values and patterns of `$in`.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    pub keys: BTreeSet<Key>,
    pub values: Vec<Value<'static>>,
    pub patterns: Vec<Pattern>,
    /// Whether null is one of the values.
    pub null: bool,
}

impl Comparison {
    pub fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    fn includes_equal(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::GreaterOrEqual)
    }
}

impl Default for Filter {
    /// Returns the filter that every document passes.
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl Filter {
    /// Returns whether every document passes.
    pub fn is_all(&self) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(Self::is_all),
            Self::Constant(holds) => *holds,
            _ => false,
        }
    }

    /// Returns whether a document passes; fails if an expression fails.
    pub fn test(&self, doc: Doc<'_>) -> Result<bool, CommandError> {
        match self {
            Self::And(filters) => {
                for filter in filters {
                    if !filter.test(doc)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(filters) => {
                for filter in filters {
                    if filter.test(doc)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(filter) => Ok(!filter.test(doc)?),
            Self::Constant(holds) => Ok(*holds),
            Self::Schema(schema) => Ok(schema.accepts_document(doc)),
            Self::Field { path, test } => Ok(test.matches_at(path, doc)),
            Self::Expression {
                expression, now_ms, ..
            } => {
                let value = expression.evaluate(&Scope::new(doc, *now_ms))?;
                Ok(value.is_truthy())
            }
        }
    }

    /// Returns whether a condition is an expression.
    pub fn has_expression(&self) -> bool {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().any(Self::has_expression),
            Self::Not(filter) => filter.has_expression(),
            Self::Expression { .. } => true,
            Self::Constant(_) | Self::Schema(_) | Self::Field { .. } => false,
        }
    }

    /// Returns whether a document passes a filter without expressions.
    pub fn matches(&self, doc: Doc<'_>) -> bool {
        self.test(doc).unwrap_or(false)
    }

    /// Visits the field tests that each document passes that passes the filter: those that it states,
    /// and those that its expressions imply.
    pub fn consequences<'f>(&'f self, visit: &mut impl FnMut(&'f Path, &'f Test)) {
        match self {
            Self::And(filters) => filters.iter().for_each(|filter| filter.consequences(visit)),
            Self::Expression { implied, .. } => {
                for (path, test) in implied {
                    visit(path, test);
                }
            }
            other => other.conjuncts(visit),
        }
    }

    /// Visits the field tests that a document must pass in order to pass the filter.
    pub fn conjuncts<'f>(&'f self, visit: &mut impl FnMut(&'f Path, &'f Test)) {
        match self {
            Self::And(filters) => filters.iter().for_each(|filter| filter.conjuncts(visit)),
            // A choice of one is none.
            Self::Or(filters) => {
                if let [only] = filters.as_slice() {
                    only.conjuncts(visit);
                }
            }
            Self::Field { path, test } => visit(path, test),
            _ => {}
        }
    }
}

impl Test {
    /// Tests the values at a path of a document.
    fn matches_at(&self, path: &Path, doc: Doc<'_>) -> bool {
        if let Self::Exists(wanted) = self {
            return reaches(path, doc) == *wanted;
        }
        if let Self::All(tests) = self {
            return !tests.is_empty() && tests.iter().all(|test| test.matches_at(path, doc));
        }
        if let Self::Each(tests) = self {
            return tests.iter().all(|each| {
                let holds = each.tests.iter().all(|test| test.matches_at(path, doc));
                holds != each.negated
            });
        }
        path.visit(doc, &mut |reached| break_if(self.matches_reached(reached)))
            .is_break()
    }

    /// Tests the value of a field and, if it is an array, each element.
    pub fn matches_field(&self, element: Element<'_>) -> bool {
        self.matches_element(element, true)
    }

    /// Tests whether an element is the one that lets its array pass.
    pub fn matches_item(&self, item: Element<'_>) -> bool {
        match self {
            Self::ElementDocument(filter) => item.doc().is_some_and(|doc| filter.matches(doc)),
            Self::ElementValue(tests) => tests.iter().all(|test| test.holds(item)),
            _ => self.matches_value(item),
        }
    }

    fn matches_reached(&self, reached: Reached<'_>) -> bool {
        match reached {
            Reached::Nothing => self.matches_nothing(),
            Reached::Field(element) => self.matches_element(element, true),
            Reached::Item(element) => self.matches_element(element, false),
        }
    }

    /// Tests a value and, if it is an array and `look_inside` is set, each element.
    fn matches_element(&self, element: Element<'_>, look_inside: bool) -> bool {
        match self {
            Self::Size(length) => element
                .doc()
                .filter(|_| element.kind() == Kind::Array)
                .is_some_and(|array| i64::try_from(array.len()) == Ok(*length)),
            Self::ElementDocument(filter) => array_items(element).any(|item| {
                // A nested array counts as a document whose field names are the indexes.
                item.doc().is_some_and(|doc| filter.matches(doc))
            }),
            Self::Each(tests) => tests.iter().all(|test| test.holds(element)),
            Self::ElementValue(tests) => {
                array_items(element).any(|item| tests.iter().all(|test| test.holds(item)))
            }
            Self::Exists(wanted) => *wanted,
            Self::All(tests) => {
                let passes = |test: &Self| test.matches_element(element, look_inside);
                !tests.is_empty() && tests.iter().all(passes)
            }
            _ => {
                self.matches_value(element)
                    || look_inside && array_items(element).any(|item| self.matches_value(item))
            }
        }
    }

    /// Returns whether a missing value passes.
    fn matches_nothing(&self) -> bool {
        match self {
            Self::Equal(value) => value.is_nullish(),
            Self::Compare(comparison, value) => {
                let less = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
                match value {
                    Value::Null => comparison.includes_equal(),
                    // A missing value is between the ends, too.
                    Value::MinKey => !less,
                    Value::MaxKey => less,
                    _ => false,
                }
            }
            Self::In(choices) => choices.null,
            Self::Exists(wanted) => !wanted,
            _ => false,
        }
    }

    /// Tests one value without looking into arrays.
    fn matches_value(&self, element: Element<'_>) -> bool {
        let kind = element.kind();
        match self {
            Self::Equal(value) => {
                let null = value.is_nullish() && matches!(kind, Kind::Null | Kind::Undefined);
                null || value.kind().rank() == kind.rank() && order::equal(value, &element.value())
            }
            Self::Compare(comparison, operand) => compares(*comparison, operand, element),
            Self::In(choices) => choices.contain(element),
            Self::Matches(pattern) => pattern.matches_value(&element.value()),
            Self::Type(kinds) => kinds.contains(&kind),
            Self::Modulo { divisor, remainder } => {
                truncated(&element.value()).is_some_and(|number| number % divisor == *remainder)
            }
            Self::Bits {
                positions,
                all,
                set,
            } => test_bits(&element.value(), positions, *all, *set),
            Self::Exists(_)
            | Self::Size(_)
            | Self::All(_)
            | Self::ElementDocument(_)
            | Self::ElementValue(_) => false,
            Self::Each(tests) => tests.iter().all(|test| test.holds(element)),
        }
    }

    /// Applies array tests to an element that is itself an array.
    fn matches_nested(&self, item: Element<'_>) -> bool {
        match self {
            Self::Size(_) | Self::All(_) | Self::ElementDocument(_) | Self::ElementValue(_) => {
                self.matches_element(item, true)
            }
            Self::Exists(wanted) => *wanted,
            _ => false,
        }
    }
}

impl ElementTest {
    fn holds(&self, item: Element<'_>) -> bool {
        let holds = self
            .tests
            .iter()
            .all(|test| test.matches_value(item) || test.matches_nested(item));
        holds != self.negated
    }
}

impl Choices {
    fn contain(&self, element: Element<'_>) -> bool {
        if self.null && matches!(element.kind(), Kind::Null | Kind::Undefined) {
            return true;
        }
        let value = element.value();
        // Encoding the value once costs less than comparing it with each choice.
        self.keys.contains(&Key::of(&value))
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches_value(&value))
    }
}

/// Compares values of the operand's type; `MinKey` and `MaxKey` compare with all types.
fn compares(comparison: Comparison, operand: &Value<'_>, element: Element<'_>) -> bool {
    let value = element.value();
    if matches!(operand, Value::MinKey | Value::MaxKey) {
        return comparison.accepts(order::compare(&value, operand));
    }
    if matches!(operand, Value::Null) {
        let null = matches!(element.kind(), Kind::Null | Kind::Undefined);
        return null && comparison.includes_equal();
    }
    if element.kind().rank() != operand.kind().rank() {
        return false;
    }
    if is_nan(operand) || is_nan(&value) {
        return comparison.includes_equal() && is_nan(operand) && is_nan(&value);
    }
    comparison.accepts(order::compare(&value, operand))
}

fn is_nan(value: &Value<'_>) -> bool {
    value.is_number() && value.as_f64().is_some_and(f64::is_nan)
}

fn reaches(path: &Path, doc: Doc<'_>) -> bool {
    path.visit(doc, &mut |reached| break_if(reached.element().is_some()))
        .is_break()
}

fn array_items(element: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    let array = element.doc().filter(|_| element.kind() == Kind::Array);
    array.into_iter().flat_map(Doc::elements)
}

fn break_if(condition: bool) -> ControlFlow<()> {
    if condition {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Truncates a number to an integer.
fn truncated(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Double(number) => integer_of(number.trunc()),
        Value::Decimal128(number) => decimal::whole(*number, To::Zero).to_i64(),
        _ => value.as_i64(),
    }
}

fn test_bits(value: &Value<'_>, positions: &[u32], all: bool, set: bool) -> bool {
    // Without positions, all bits pass, but only those of a value that has bits.
    if bit(value, 0).is_none() {
        return false;
    }
    let mut outcomes = positions.iter().map(|&position| bit(value, position));
    if all {
        outcomes.all(|bit| bit == Some(set))
    } else {
        outcomes.any(|bit| bit == Some(set))
    }
}

/// Returns a bit of an integer or of binary data; `None` for other values.
fn bit(value: &Value<'_>, position: u32) -> Option<bool> {
    if let Value::Binary { bytes, .. } = value {
        let byte = usize::try_from(position / 8).ok()?;
        return Some(
            bytes
                .get(byte)
                .is_some_and(|byte| byte >> (position % 8) & 1 == 1),
        );
    }
    // Integers are sign-extended.
    Some(value.as_i64()? >> position.min(63) & 1 == 1)
}
