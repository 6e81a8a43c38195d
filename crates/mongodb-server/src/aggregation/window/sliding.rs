//! Accumulators over windows that slide: values join at the end and leave at the start.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::aggregation::accumulator::{Accumulator, Kind};
use crate::aggregation::ranking::RankingOrder;
use crate::bson::{ArrayBuilder, Key, Value, key};
use crate::error::CommandError;
use crate::query::{
    Percentiles, Sum, difference_of, is_missing, null_if_missing, product_of, quotient_of, ranked,
};

/// The value of a document, with its sort key if the accumulator sorts.
#[derive(Debug)]
pub struct Item {
    pub value: Value<'static>,
    pub key: Vec<u8>,
}

/// The state of a sliding window.
pub enum Sliding {
    Sum(Sum),
    Average(Sum),
    /// The values of the window itself.
    Slice(Slice),
    /// The first of the values in an order.
    Ordered(Ordered),
    Percentiles(Percentiles, Vec<f64>),
    Moments(Moments),
    Covariance(Covariance),
}

/// How the values of a window become the result.
#[derive(Debug, Clone, Copy)]
pub enum Slice {
    First,
    Last,
    Push,
    AddToSet,
    FirstN(usize),
    LastN(usize),
}

/// Values by an order, with their positions.
pub struct Ordered {
    values: BTreeMap<(Vec<u8>, usize), Value<'static>>,
    by: By,
    /// Whether the last values are kept instead of the first.
    last: bool,
    /// Whether the result is one value instead of an array.
    single: bool,
    limit: usize,
}

/// What values are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Value,
    Key,
}

/// Count, sum and squared differences of the finite numbers, and how many are not finite.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    sample: bool,
    count: i64,
    sum: Sum,
    squares: Sum,
    not_finite: i64,
}

/// Count, sums and products of the differences of pairs of numbers.
#[derive(Debug, Clone, Default)]
pub struct Covariance {
    sample: bool,
    count: i64,
    left: Sum,
    right: Sum,
    products: Sum,
}

/// Returns the state of `$covariancePop`, or of `$covarianceSamp` for a sample.
pub fn covariance(sample: bool) -> Sliding {
    Sliding::Covariance(Covariance {
        sample,
        ..Covariance::default()
    })
}

impl Sliding {
    /// Returns the state of an empty window.
    pub fn new(accumulator: &Accumulator, now_ms: i64) -> Result<Self, CommandError> {
        let extreme = |last| {
            Self::Ordered(Ordered {
                values: BTreeMap::new(),
                by: By::Value,
                last,
                single: true,
                limit: 1,
            })
        };
        Ok(match accumulator.kind() {
            Kind::Sum => Self::Sum(Sum::default()),
            Kind::Average => Self::Average(Sum::default()),
            Kind::Extreme(wanted) => extreme(*wanted == Ordering::Greater),
            Kind::First => Self::Slice(Slice::First),
            Kind::Last => Self::Slice(Slice::Last),
            Kind::AddToSet => Self::Slice(Slice::AddToSet),
            Kind::Push => Self::Slice(Slice::Push),
            Kind::Deviation { sample } => Self::Moments(Moments {
                sample: *sample,
                ..Moments::default()
            }),
            Kind::Percentiles(percentiles) => Self::Percentiles(percentiles.clone(), Vec::new()),
            Kind::Ranking(ranking) => {
                let limit = ranking.limit(&Value::Null, now_ms)?;
                let ordered = |by, last| {
                    Self::Ordered(Ordered {
                        values: BTreeMap::new(),
                        by,
                        last,
                        single: ranking.single,
                        limit,
                    })
                };
                match ranking.order {
                    RankingOrder::Arrival if ranking.last => Self::Slice(Slice::LastN(limit)),
                    RankingOrder::Arrival => Self::Slice(Slice::FirstN(limit)),
                    RankingOrder::Fields(_) => ordered(By::Key, ranking.last),
                    RankingOrder::Values(wanted) => ordered(By::Value, wanted == Ordering::Greater),
                }
            }
            Kind::Merge => {
                return Err(CommandError::failed_to_parse(
                    "Unrecognized window function, $mergeObjects",
                ));
            }
        })
    }

    /// Adds the value at a position.
    pub fn add(&mut self, at: usize, item: &Item) {
        match self {
            Self::Sum(sum) | Self::Average(sum) => sum.add(&item.value),
            Self::Slice(_) => {}
            Self::Ordered(ordered) => ordered.add(at, item),
            Self::Percentiles(_, sorted) => {
                if let Some(number) = ranked(&item.value) {
                    let place = sorted.partition_point(|known| known.total_cmp(&number).is_lt());
                    sorted.insert(place, number);
                }
            }
            Self::Moments(moments) => moments.change(&item.value, 1),
            Self::Covariance(covariance) => covariance.add(&item.value),
        }
    }

    /// Removes the value at a position.
    pub fn remove(&mut self, at: usize, item: &Item) {
        match self {
            Self::Sum(sum) | Self::Average(sum) => sum.remove(&item.value),
            Self::Slice(_) => {}
            Self::Ordered(ordered) => {
                ordered.values.remove(&(ordered.key(item), at));
            }
            Self::Percentiles(_, sorted) => {
                if let Some(number) = ranked(&item.value) {
                    let place = sorted.partition_point(|known| known.total_cmp(&number).is_lt());
                    if place < sorted.len() {
                        sorted.remove(place);
                    }
                }
            }
            Self::Moments(moments) => moments.change(&item.value, -1),
            Self::Covariance(covariance) => covariance.remove(&item.value),
        }
    }

    /// Returns the result for the current window, whose values are given.
    pub fn result(&self, window: &[Item]) -> Value<'static> {
        match self {
            Self::Sum(sum) => sum.total(),
            Self::Average(sum) => sum.average(),
            Self::Slice(slice) => slice.result(window),
            Self::Ordered(ordered) => ordered.result(),
            Self::Percentiles(percentiles, sorted) => percentiles.of_sorted(sorted),
            Self::Moments(moments) => moments.result(),
            Self::Covariance(covariance) => covariance.result(),
        }
    }
}

impl Slice {
    fn result(self, window: &[Item]) -> Value<'static> {
        let value = |item: Option<&Item>| {
            item.map_or(Value::Null, |item| null_if_missing(item.value.clone()))
        };
        let all = |items: &[Item]| {
            let values = items.iter().map(|item| null_if_missing(item.value.clone()));
            values.collect::<ArrayBuilder>().into_value()
        };
        match self {
            Self::First => value(window.first()),
            Self::Last => value(window.last()),
            Self::FirstN(count) => all(&window[..count.min(window.len())]),
            Self::LastN(count) => all(&window[window.len().saturating_sub(count)..]),
            Self::Push => {
                let values = window.iter().map(|item| &item.value);
                let present = values.filter(|value| !is_missing(value)).cloned();
                present.collect::<ArrayBuilder>().into_value()
            }
            Self::AddToSet => {
                let mut seen = BTreeSet::new();
                let values = window.iter().map(|item| &item.value);
                let new = values.filter(|value| !is_missing(value) && seen.insert(Key::of(value)));
                new.cloned().collect::<ArrayBuilder>().into_value()
            }
        }
    }
}

impl Ordered {
    fn key(&self, item: &Item) -> Vec<u8> {
        match self.by {
            By::Key => item.key.clone(),
            By::Value => {
                let mut bytes = Vec::new();
                key::encode(&item.value, &mut bytes);
                bytes
            }
        }
    }

    fn add(&mut self, at: usize, item: &Item) {
        if self.by == By::Value && item.value.is_nullish() {
            return;
        }
        let value = null_if_missing(item.value.clone());
        self.values.insert((self.key(item), at), value);
    }

    fn result(&self) -> Value<'static> {
        if self.single {
            let value = if self.last {
                self.values.last_key_value()
            } else {
                self.values.first_key_value()
            };
            return value.map_or(Value::Null, |(_, value)| value.clone());
        }
        let values: Vec<_> = if self.last && self.by == By::Key {
            // The last values, in the order of the first to the last.
            let mut values: Vec<_> = self.values.values().rev().take(self.limit).collect();
            values.reverse();
            values
        } else if self.last {
            self.values.values().rev().take(self.limit).collect()
        } else {
            self.values.values().take(self.limit).collect()
        };
        values
            .into_iter()
            .cloned()
            .collect::<ArrayBuilder>()
            .into_value()
    }
}

impl Moments {
    /// Adds a number once, or removes it: minus once.
    fn change(&mut self, value: &Value<'_>, by: i64) {
        let Some(number) = value.as_f64() else {
            return;
        };
        if !number.is_finite() {
            self.not_finite += by;
            return;
        }
        if self.count + by == 0 {
            *self = Self {
                sample: self.sample,
                not_finite: self.not_finite,
                ..Self::default()
            };
            return;
        }
        let (before, after) = (self.count as f64, (self.count + by) as f64);
        let distance = before * number - self.sum.total().as_f64().unwrap_or_default();
        self.sum.add(&Value::Double(number * by as f64));
        if self.count > 0 {
            let square = distance * distance * by as f64 / (after * before);
            self.squares.add(&Value::Double(square));
        }
        self.count += by;
    }

    fn result(&self) -> Value<'static> {
        if self.not_finite > 0 {
            return Value::Null;
        }
        let divisor = if self.sample {
            self.count - 1
        } else {
            self.count
        };
        if divisor <= 0 {
            return Value::Null;
        }
        let squares = self.squares.total().as_f64().unwrap_or_default();
        // Rounding errors may leave less than nothing.
        if squares < 0.0 || !self.sample && self.count == 1 {
            return Value::Int32(0);
        }
        Value::Double((squares / divisor as f64).sqrt())
    }
}

impl Covariance {
    fn add(&mut self, pair: &Value<'_>) {
        let Some([left, right]) = numbers(pair) else {
            return;
        };
        if let Some(special) = special(&left, &right) {
            self.products.add(&special);
            return;
        }
        let distance = self.distance(&self.left, &left);
        self.count += 1;
        self.left.add(&left);
        self.right.add(&right);
        if let (Some(one), Some(other)) = (distance, self.distance(&self.right, &right)) {
            self.products.add(&product_of(&one, &other));
        }
    }

    fn remove(&mut self, pair: &Value<'_>) {
        let Some([left, right]) = numbers(pair) else {
            return;
        };
        if let Some(special) = special(&left, &right) {
            self.products.remove(&special);
            return;
        }
        self.count -= 1;
        if self.count <= 0 {
            *self = Self {
                sample: self.sample,
                ..Self::default()
            };
            return;
        }
        self.left.remove(&left);
        let (one, other) = (
            self.distance(&self.left, &left),
            self.distance(&self.right, &right),
        );
        if let (Some(one), Some(other)) = (one, other) {
            self.products.remove(&product_of(&one, &other));
        }
        self.right.remove(&right);
    }

    /// Returns the difference between a number and the average of others, if there are any.
    fn distance(&self, others: &Sum, number: &Value<'_>) -> Option<Value<'static>> {
        let average = others.average();
        (self.count > 0 && average.is_number()).then(|| difference_of(number, &average))
    }

    fn result(&self) -> Value<'static> {
        if self.count == 1 && !self.sample {
            return Value::Double(0.0);
        }
        let divisor = if self.sample {
            self.count - 1
        } else {
            self.count
        };
        if divisor <= 0 {
            return Value::Null;
        }
        quotient_of(&self.products.total(), &Value::Double(divisor as f64))
    }
}

/// Returns a pair of numbers; `None` if one is none.
fn numbers(pair: &Value<'_>) -> Option<[Value<'static>; 2]> {
    let numbers: Vec<_> = pair.as_array()?.values().map(Value::into_owned).collect();
    let numbers: [Value<'static>; 2] = numbers.try_into().ok()?;
    numbers.iter().all(Value::is_number).then_some(numbers)
}

/// Returns what a pair with a number that is not finite adds to the products.
fn special(left: &Value<'_>, right: &Value<'_>) -> Option<Value<'static>> {
    let numbers = [finite_or_special(left)?, finite_or_special(right)?];
    if numbers.iter().all(|number| number.is_finite()) {
        return None;
    }
    let infinite: Vec<f64> = numbers
        .into_iter()
        .filter(|number| !number.is_finite())
        .collect();
    // Infinities of different signs add up to no number.
    Some(Value::Double(infinite.into_iter().sum()))
}

/// Returns a number as a double, and 0 for a decimal that is finite but may be none as a double.
fn finite_or_special(number: &Value<'_>) -> Option<f64> {
    match number {
        Value::Decimal128(decimal) if decimal.is_finite() => Some(0.0),
        number => number.as_f64(),
    }
}
