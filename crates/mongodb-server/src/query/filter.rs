//! Decides whether a document is asked for.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/query/>

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::bson::{Doc, Element, Key, Kind, Value, order};
use crate::error::CommandError;
use crate::query::expression::{Expression, Scope};
use crate::query::path::{Path, Reached};
use crate::query::regex::Pattern;

/// A compiled filter.
#[derive(Debug, Clone)]
pub enum Filter {
    /// All must hold; true when there is none.
    And(Vec<Self>),
    /// One must hold.
    Or(Vec<Self>),
    /// The filter must not hold.
    Not(Box<Self>),
    /// A value at a path must pass a test.
    Field {
        /// Where.
        path: Path,
        /// What.
        test: Test,
    },
    /// Holds or not, whatever the document.
    Constant(bool),
    /// An expression must be true; only outside of [`Self::Field`].
    Expression {
        /// The expression.
        expression: Expression,
        /// Milliseconds since 1970 when the command began.
        now_ms: i64,
    },
}

/// What one value is tested for.
#[derive(Debug, Clone)]
pub enum Test {
    /// Equal to a value; null also where there is none.
    Equal(Value<'static>),
    /// Less or greater, within the type of the operand.
    Compare(Comparison, Value<'static>),
    /// Equal to one of several, or matching one of several patterns.
    In(Choices),
    /// Text that matches.
    Matches(Pattern),
    /// There is a value, or there is none.
    Exists(bool),
    /// Of one of these types.
    Type(Vec<Kind>),
    /// Leaves this remainder.
    Modulo {
        /// Not zero.
        divisor: i64,
        /// What must be left.
        remainder: i64,
    },
    /// An array of this length.
    Size(i64),
    /// An array with all of these.
    All(Vec<Self>),
    /// An array with a document that passes.
    ElementDocument(Box<Filter>),
    /// An array with a value that passes all.
    ElementValue(Vec<ElementTest>),
    /// Bits of a number or bytes.
    Bits {
        /// Which positions.
        positions: Vec<u32>,
        /// Whether all or any must be so.
        all: bool,
        /// Whether they must be set or clear.
        set: bool,
    },
}

/// A test of one array element, or its contrary.
#[derive(Debug, Clone)]
pub struct ElementTest {
    /// Whether the test must fail.
    pub negated: bool,
    /// The tests that must all pass.
    pub tests: Vec<Test>,
}

/// Which side of the operand passes.
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

/// The operand of `$in`.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// The values, encoded.
    pub keys: BTreeSet<Key>,
    /// The values as given.
    pub values: Vec<Value<'static>>,
    /// The patterns among them.
    pub patterns: Vec<Pattern>,
    /// Whether null is among them.
    pub null: bool,
}

impl Comparison {
    /// Returns whether an outcome of comparing passes.
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
    /// The filter that every document passes.
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

    /// Returns whether a document passes, or why an expression cannot tell.
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
            Self::Field { path, test } => Ok(test.matches_at(path, doc)),
            Self::Expression { expression, now_ms } => {
                let value = expression.evaluate(&Scope::new(doc, *now_ms))?;
                Ok(value.is_truthy())
            }
        }
    }

    /// Returns whether a document passes a filter that has no expressions in it.
    pub fn matches(&self, doc: Doc<'_>) -> bool {
        self.test(doc).unwrap_or(false)
    }

    /// Visits the tests that every passing document passes.
    pub fn conjuncts<'f>(&'f self, visit: &mut impl FnMut(&'f Path, &'f Test)) {
        match self {
            Self::And(filters) => filters.iter().for_each(|filter| filter.conjuncts(visit)),
            Self::Field { path, test } => visit(path, test),
            _ => {}
        }
    }
}

impl Test {
    /// Tests what a path reaches in a document.
    fn matches_at(&self, path: &Path, doc: Doc<'_>) -> bool {
        if let Self::Exists(wanted) = self {
            return reaches(path, doc) == *wanted;
        }
        if let Self::All(tests) = self {
            return !tests.is_empty() && tests.iter().all(|test| test.matches_at(path, doc));
        }
        path.visit(doc, &mut |reached| break_if(self.matches_reached(reached)))
            .is_break()
    }

    /// Tests a field: its value and, if that is an array, each of its elements.
    pub fn matches_field(&self, element: Element<'_>) -> bool {
        self.matches_element(element, true)
    }

    /// Tests an element of an array for what makes the whole array pass.
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

    /// Tests an element as a whole and, if it is an array that is to be looked into, what is in it.
    fn matches_element(&self, element: Element<'_>, look_inside: bool) -> bool {
        match self {
            Self::Size(length) => element
                .doc()
                .filter(|_| element.kind() == Kind::Array)
                .is_some_and(|array| i64::try_from(array.len()) == Ok(*length)),
            Self::ElementDocument(filter) => array_items(element).any(|item| {
                // `$elemMatch` sees the elements of an array in an array by their index.
                item.doc().is_some_and(|doc| filter.matches(doc))
            }),
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
                comparison.includes_equal() && matches!(value, Value::Null)
            }
            Self::In(choices) => choices.null,
            Self::Exists(wanted) => !wanted,
            _ => false,
        }
    }

    /// Tests one value, without entering arrays.
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

impl Test {
    /// Tests that look into an array which is itself an array's element.
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

impl Choices {
    fn contain(&self, element: Element<'_>) -> bool {
        if self.null && matches!(element.kind(), Kind::Null | Kind::Undefined) {
            return true;
        }
        let value = element.value();
        // Encoding a document or an array is not worth avoiding; a lookup is.
        self.keys.contains(&Key::of(&value))
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches_value(&value))
    }
}

/// Compares within the operand's type. Least and greatest keys compare with everything.
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

/// Returns a number without its fraction.
fn truncated(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Double(number) => crate::bson::value::integer_of(number.trunc()),
        _ => value.as_i64(),
    }
}

fn test_bits(value: &Value<'_>, positions: &[u32], all: bool, set: bool) -> bool {
    let mut outcomes = positions.iter().map(|&position| bit(value, position));
    if all {
        outcomes.all(|bit| bit == Some(set))
    } else {
        outcomes.any(|bit| bit == Some(set))
    }
}

/// Returns a bit of a whole number or of bytes; `None` for anything else.
fn bit(value: &Value<'_>, position: u32) -> Option<bool> {
    if let Value::Binary { bytes, .. } = value {
        let byte = usize::try_from(position / 8).ok()?;
        return Some(
            bytes
                .get(byte)
                .is_some_and(|byte| byte >> (position % 8) & 1 == 1),
        );
    }
    // Numbers are sign-extended.
    Some(value.as_i64()? >> position.min(63) & 1 == 1)
}
