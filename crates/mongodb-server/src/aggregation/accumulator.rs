//! Accumulators of `$group`: values computed from all documents of a group.

use std::cmp::Ordering;

use crate::aggregation::distinct::Distinct;
use crate::aggregation::memory::{MEMORY_LIMIT, accumulator_exceeded, difference};
use crate::aggregation::ranking::{Ranked, Ranking, RankingOrder};
use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value, order};
use crate::error::CommandError;
use crate::query::{
    Environment, Expression, Names, Percentiles, Scope, Sum, is_missing, merge_into,
    null_if_missing, parse_percentiles, ranked,
};

/// A compiled accumulator.
#[derive(Debug, Clone)]
pub struct Accumulator {
    kind: Kind,
    argument: Expression,
}

/// What an accumulator computes.
#[derive(Debug, Clone)]
pub enum Kind {
    Sum,
    Average,
    /// `$min` (less) or `$max` (greater)
    Extreme(Ordering),
    First,
    Last,
    Push,
    AddToSet,
    Merge,
    /// `$stdDevPop`, or `$stdDevSamp` for a sample.
    Deviation {
        sample: bool,
    },
    /// `$firstN`, `$topN`, `$maxN` and the like.
    Ranking(Box<Ranking>),
    /// `$percentile`, `$median`
    Percentiles(Percentiles),
}

/// The state of an accumulator for one group.
#[derive(Debug, Clone)]
pub enum State {
    Sum(Sum),
    Value(Option<Value<'static>>),
    Array(ArrayBuilder),
    Set(Distinct),
    Fields(Vec<(String, Value<'static>)>),
    Numbers { count: f64, mean: f64, squares: f64 },
    Ranked { values: Vec<Ranked>, limit: usize },
    Sorted(Vec<f64>),
}

impl Accumulator {
    /// Compiles the accumulator of a field, such as `{ $sum: … }`.
    pub fn parse(
        field: &str,
        spec: &Value<'_>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let parsed = Self::parse_window(field, spec, environment)?;
        if let Some(operator) = only_element(spec)
            && operator.kind() == crate::bson::Kind::Array
        {
            let message = format!("The {} accumulator is a unary operator", operator.name());
            return Err(CommandError::location(40_237, message));
        }
        Ok(parsed)
    }

    /// Compiles the accumulator of a window, whose argument may be an array.
    pub fn parse_window(
        field: &str,
        spec: &Value<'_>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let operator = only_element(spec).ok_or_else(|| {
            let several = spec.as_document().is_some_and(|doc| doc.len() > 1);
            let (number, what) = if several {
                (40_238, "specify one accumulator")
            } else {
                (40_234, "be an accumulator object")
            };
            CommandError::location(number, format!("The field '{field}' must {what}"))
        })?;
        let name = operator.name();
        let value = operator.value();
        if name == "$count" {
            return Self::parse_count(&value);
        }
        if Ranking::is_known(name) {
            let (ranking, argument) = Ranking::parse(name, &value, environment)?;
            let kind = Kind::Ranking(Box::new(ranking));
            return Ok(Self::new(kind, argument));
        }
        if matches!(name, "$percentile" | "$median") {
            let (percentiles, argument) = parse_percentiles(name, &value, Names::of(environment))?;
            let kind = Kind::Percentiles(percentiles);
            return Ok(Self::new(kind, argument));
        }
        let kind = Kind::parse(name)?;
        let argument = Expression::parse_in(&value, environment)?;
        Ok(Self::new(kind, argument))
    }

    fn new(kind: Kind, argument: Expression) -> Self {
        Self { kind, argument }
    }

    /// Returns whether the result is an array of the values of documents.
    pub fn collects(&self) -> bool {
        matches!(self.kind, Kind::Push | Kind::AddToSet)
    }

    fn parse_count(argument: &Value<'_>) -> Result<Self, CommandError> {
        if argument.as_document().is_none_or(|doc| !doc.is_empty()) {
            let message = "$count takes no arguments, i.e. $count:{}";
            return Err(CommandError::type_mismatch(message));
        }
        let one = Expression::Constant(Value::Int32(1));
        Ok(Self::new(Kind::Sum, one))
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns the expression for the value of a document.
    pub fn argument(&self) -> &Expression {
        &self.argument
    }

    /// Returns the key that the values are sorted by; empty if they are not.
    pub fn sort_key(&self, doc: Doc<'_>) -> Result<Vec<u8>, CommandError> {
        let mut key = Vec::new();
        if let Kind::Ranking(ranking) = &self.kind
            && let RankingOrder::Fields(sort) = &ranking.order
        {
            sort.encode(doc, &mut key)?;
        }
        Ok(key)
    }

    /// Returns whether the result depends on the number of documents only.
    pub fn only_counts(&self) -> bool {
        matches!(self.kind, Kind::Sum) && self.argument.as_constant().is_some()
    }

    /// Returns the state of an empty group with a key.
    pub fn start(&self, id: &Value<'_>, now_ms: i64) -> Result<State, CommandError> {
        Ok(match &self.kind {
            Kind::Sum | Kind::Average => State::Sum(Sum::default()),
            Kind::Extreme(_) | Kind::First | Kind::Last => State::Value(None),
            Kind::Push => State::Array(ArrayBuilder::default()),
            Kind::AddToSet => State::Set(Distinct::default()),
            Kind::Merge => State::Fields(Vec::new()),
            Kind::Deviation { .. } => State::Numbers {
                count: 0.0,
                mean: 0.0,
                squares: 0.0,
            },
            Kind::Percentiles(_) => State::Sorted(Vec::new()),
            Kind::Ranking(ranking) => State::Ranked {
                values: Vec::new(),
                limit: ranking.limit(id, now_ms)?,
            },
        })
    }

    /// Adds a document; returns how many more bytes are held, or fewer.
    pub fn add(&self, state: &mut State, scope: &Scope<'_>) -> Result<isize, CommandError> {
        let known = matches!((&self.kind, &*state), (Kind::First, State::Value(Some(_))));
        // An expression is computed also if it may only fail.
        if known && !self.argument.may_fail() {
            return Ok(0);
        }
        let value = self.argument.evaluate(scope)?;
        match (&self.kind, state) {
            (_, State::Sum(sum)) => sum.add(&value),
            (Kind::Extreme(wanted), State::Value(best)) => {
                let better = |best: &Value<'_>| order::compare(&value, best) == *wanted;
                if !value.is_nullish() && best.as_ref().is_none_or(better) {
                    return Ok(replace(best, value));
                }
            }
            (_, State::Value(_)) if known => {}
            (_, State::Value(held)) => return Ok(replace(held, null_if_missing(value))),
            (_, State::Array(array)) if !is_missing(&value) => {
                let before = array.size();
                array.push(&value);
                check_value("$push", array.size())?;
                return Ok(difference(before, array.size()));
            }
            (_, State::Set(set)) => {
                let added = set.add(&value);
                check_value("$addToSet", set.memory())?;
                return Ok(difference(0, added));
            }
            (_, State::Fields(fields)) => {
                let before = memory_of(fields);
                merge_into(fields, &value)?;
                return Ok(difference(before, memory_of(fields)));
            }
            (
                _,
                State::Numbers {
                    count,
                    mean,
                    squares,
                },
            ) => {
                if let Some(number) = value.as_f64() {
                    *count += 1.0;
                    let delta = number - *mean;
                    *mean += delta / *count;
                    *squares += delta * (number - *mean);
                }
            }
            (_, State::Sorted(numbers)) => {
                if let Some(number) = ranked(&value) {
                    numbers.push(number);
                    return Ok(difference(0, size_of::<f64>()));
                }
            }
            (Kind::Ranking(ranking), State::Ranked { values, limit }) => {
                return ranking.add(values, *limit, value, scope.root);
            }
            _ => {}
        }
        Ok(0)
    }

    /// Returns the result for a group.
    pub fn finish(&self, state: State) -> Value<'static> {
        match (&self.kind, state) {
            (Kind::Average, State::Sum(sum)) => sum.average(),
            (_, State::Sum(sum)) => sum.total(),
            (_, State::Value(value)) => value.unwrap_or(Value::Null),
            (_, State::Array(array)) => array.into_value(),
            (_, State::Set(set)) => set.into_value(),
            (_, State::Fields(fields)) => {
                let mut merged = Builder::new();
                for (name, value) in fields {
                    merged.push(&name, &value);
                }
                Value::Document(merged.finish().into())
            }
            (Kind::Deviation { sample }, State::Numbers { count, squares, .. }) => {
                let divisor = if *sample { count - 1.0 } else { count };
                if divisor <= 0.0 {
                    Value::Null
                } else {
                    Value::Double((squares / divisor).sqrt())
                }
            }
            (Kind::Ranking(ranking), State::Ranked { values, .. }) => ranking.finish(values),
            (Kind::Percentiles(percentiles), State::Sorted(numbers)) => percentiles.of(numbers),
            _ => Value::Null,
        }
    }
}

impl Kind {
    fn parse(name: &str) -> Result<Self, CommandError> {
        Ok(match name {
            "$sum" => Self::Sum,
            "$avg" => Self::Average,
            "$min" => Self::Extreme(Ordering::Less),
            "$max" => Self::Extreme(Ordering::Greater),
            "$first" => Self::First,
            "$last" => Self::Last,
            "$push" => Self::Push,
            "$addToSet" => Self::AddToSet,
            "$mergeObjects" => Self::Merge,
            "$stdDevPop" => Self::Deviation { sample: false },
            "$stdDevSamp" => Self::Deviation { sample: true },
            _ => {
                let message = format!("unknown group operator '{name}'");
                return Err(CommandError::location(15_952, message));
            }
        })
    }
}

/// Returns the element of a document that has no other.
fn only_element<'v>(value: &'v Value<'_>) -> Option<Element<'v>> {
    let mut elements = value.as_document()?.elements();
    let first = elements.next()?;
    elements.next().is_none().then_some(first)
}

/// Replaces a value that is held; returns how many more bytes are held, or fewer.
fn replace(held: &mut Option<Value<'static>>, value: Value<'_>) -> isize {
    let before = held.as_ref().map_or(0, Value::heap_bytes);
    let value = value.into_owned();
    let after = value.heap_bytes();
    *held = Some(value);
    difference(before, after)
}

fn memory_of(fields: &[(String, Value<'static>)]) -> usize {
    let sizes = fields
        .iter()
        .map(|(name, value)| size_of::<(String, Value<'_>)>() + name.len() + value.heap_bytes());
    sizes.sum()
}

fn check_value(operator: &str, bytes: usize) -> Result<(), CommandError> {
    if bytes > MEMORY_LIMIT {
        return Err(accumulator_exceeded(operator));
    }
    Ok(())
}
