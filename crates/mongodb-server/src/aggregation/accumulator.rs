//! What a group computes from its documents.

use std::cmp::Ordering;

use crate::aggregation::group::Distinct;
use crate::bson::{ArrayBuilder, Builder, Doc, Value, order};
use crate::error::CommandError;
use crate::query::expression::{Scope, is_missing, null_if_missing};
use crate::query::{Expression, SortSpec, expression};

/// A compiled accumulator.
#[derive(Debug, Clone)]
pub struct Accumulator {
    kind: Kind,
    argument: Expression,
}

#[derive(Debug, Clone)]
enum Kind {
    Sum,
    Average,
    Extreme(Ordering),
    First,
    Last,
    Push,
    AddToSet,
    Merge,
    Deviation {
        sample: bool,
    },
    /// The first of the group in an order, up to a number: `$firstN`, `$topN`, `$maxN`, …
    Several(Box<Several>),
}

/// How several values are chosen.
#[derive(Debug, Clone)]
struct Several {
    count: usize,
    /// By what; the order of arrival if there is none.
    sort: Option<SortSpec>,
    /// By the values themselves.
    by_value: Option<Ordering>,
    last: bool,
    /// Whether one value is the result rather than an array.
    single: bool,
}

/// What an accumulator has gathered.
#[derive(Debug)]
pub enum State {
    Sum(expression::Sum),
    Value(Option<Value<'static>>),
    Array(ArrayBuilder),
    Set(Distinct),
    Fields(Vec<(String, Value<'static>)>),
    Numbers { count: f64, mean: f64, squares: f64 },
    Ranked(Vec<(Vec<u8>, Value<'static>)>),
}

impl Accumulator {
    /// Reads `{ $sum: … }`.
    pub fn parse(field: &str, spec: &Value<'_>) -> Result<Self, CommandError> {
        let operator = spec.as_document().and_then(|doc| {
            let mut elements = doc.elements();
            let first = elements.next()?;
            elements.next().is_none().then_some(first)
        });
        let Some(operator) = operator else {
            return Err(CommandError::location(
                40_234,
                format!("The field '{field}' must be an accumulator object"),
            ));
        };
        let value = operator.value();
        let kind = match operator.name() {
            "$sum" => Kind::Sum,
            "$count" => {
                if value.as_document().is_none_or(|doc| !doc.is_empty()) {
                    let message = "$count takes no arguments, i.e. $count:{}";
                    return Err(CommandError::type_mismatch(message));
                }
                return Ok(Self {
                    kind: Kind::Sum,
                    argument: Expression::Constant(Value::Int32(1)),
                });
            }
            "$avg" => Kind::Average,
            "$min" => Kind::Extreme(Ordering::Less),
            "$max" => Kind::Extreme(Ordering::Greater),
            "$first" => Kind::First,
            "$last" => Kind::Last,
            "$push" => Kind::Push,
            "$addToSet" => Kind::AddToSet,
            "$mergeObjects" => Kind::Merge,
            "$stdDevPop" => Kind::Deviation { sample: false },
            "$stdDevSamp" => Kind::Deviation { sample: true },
            "$firstN" | "$lastN" | "$minN" | "$maxN" | "$top" | "$topN" | "$bottom"
            | "$bottomN" => return parse_several(operator.name(), &value),
            name => {
                return Err(CommandError::location(
                    15_952,
                    format!("unknown group operator '{name}'"),
                ));
            }
        };
        if value.as_array().is_some()
            && operator.name() != "$push"
            && operator.name() != "$addToSet"
        {
            let message = format!("The {} accumulator is a unary operator", operator.name());
            return Err(CommandError::location(40_237, message));
        }
        Ok(Self {
            kind,
            argument: Expression::parse(&value)?,
        })
    }

    /// Returns whether only the number of documents matters.
    pub fn only_counts(&self) -> bool {
        matches!(self.kind, Kind::Sum) && self.argument.as_constant().is_some()
    }

    /// Returns the state of an empty group.
    pub fn start(&self) -> State {
        match &self.kind {
            Kind::Sum | Kind::Average => State::Sum(expression::Sum::default()),
            Kind::Extreme(_) | Kind::First | Kind::Last => State::Value(None),
            Kind::Push => State::Array(ArrayBuilder::default()),
            Kind::AddToSet => State::Set(Distinct::default()),
            Kind::Merge => State::Fields(Vec::new()),
            Kind::Deviation { .. } => State::Numbers {
                count: 0.0,
                mean: 0.0,
                squares: 0.0,
            },
            Kind::Several(_) => State::Ranked(Vec::new()),
        }
    }

    /// Takes in a document; returns the bytes that are held because of it.
    pub fn take(&self, state: &mut State, scope: &Scope<'_>) -> Result<usize, CommandError> {
        if matches!((&self.kind, &*state), (Kind::First, State::Value(Some(_)))) {
            return Ok(0);
        }
        let value = self.argument.evaluate(scope)?;
        match (&self.kind, state) {
            (_, State::Sum(sum)) => sum.add(&value)?,
            (Kind::Extreme(wanted), State::Value(best)) => {
                let better = |best: &Value<'_>| order::compare(&value, best) == *wanted;
                if !value.is_nullish() && best.as_ref().is_none_or(better) {
                    *best = Some(value.into_owned());
                }
            }
            (_, State::Value(held)) => *held = Some(null_if_missing(value).into_owned()),
            (_, State::Array(array)) if !is_missing(&value) => {
                let before = array.size();
                array.push(&value);
                return Ok(array.size() - before);
            }
            (_, State::Set(set)) => return Ok(set.add(&value)),
            (_, State::Fields(fields)) => expression::merge_into(fields, &value)?,
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
            (Kind::Several(several), State::Ranked(ranked)) => {
                return several.take(ranked, value, scope.root);
            }
            _ => {}
        }
        Ok(0)
    }

    /// Returns the value of a group.
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
            (Kind::Several(several), State::Ranked(ranked)) => several.finish(ranked),
            _ => Value::Null,
        }
    }
}

impl Several {
    fn take(
        &self,
        ranked: &mut Vec<(Vec<u8>, Value<'static>)>,
        value: Value<'_>,
        doc: Doc<'_>,
    ) -> Result<usize, CommandError> {
        if self.by_value.is_some() && value.is_nullish() {
            return Ok(0);
        }
        let mut key = Vec::new();
        if let Some(sort) = &self.sort {
            sort.encode(doc, &mut key)?;
        }
        let value = null_if_missing(value).into_owned();
        // Values that compare equal stay in the order of arrival.
        let at = match (&self.sort, self.by_value) {
            (Some(_), _) => ranked.partition_point(|(known, _)| *known <= key),
            (None, Some(wanted)) => ranked.partition_point(|(_, known)| {
                let ordering = order::compare(known, &value);
                ordering == wanted || ordering.is_eq()
            }),
            (None, None) => ranked.len(),
        };
        let bytes = key.len() + size_of::<Value<'_>>() + Builder::new().with("v", &value).len();
        ranked.insert(at, (key, value));
        if ranked.len() <= self.count {
            return Ok(bytes);
        }
        if self.last {
            ranked.remove(0);
        } else {
            ranked.pop();
        }
        Ok(0)
    }

    fn finish(&self, ranked: Vec<(Vec<u8>, Value<'static>)>) -> Value<'static> {
        let mut values = ranked.into_iter().map(|(_, value)| value);
        if self.single {
            return values.next().unwrap_or(Value::Null);
        }
        values.collect::<ArrayBuilder>().into_value()
    }
}

fn parse_several(name: &str, argument: &Value<'_>) -> Result<Accumulator, CommandError> {
    let wrong = |message: String| CommandError::location(5_787_900, message);
    let doc = argument.as_document();
    let doc = doc.ok_or_else(|| wrong(format!("specification must be an object; found {name}")))?;
    let sorted = matches!(name, "$top" | "$topN" | "$bottom" | "$bottomN");
    let single = matches!(name, "$top" | "$bottom");
    let source = if sorted { "output" } else { "input" };
    for element in doc.elements() {
        let known = element.name() == source
            || (element.name() == "n" && !single)
            || (element.name() == "sortBy" && sorted);
        if !known {
            return Err(wrong(format!(
                "Unknown argument for '{name}': {}",
                element.name()
            )));
        }
    }
    let count = if single {
        1
    } else {
        let count = doc.get("n").and_then(|count| count.as_i64());
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.filter(|&count| count > 0).ok_or_else(|| {
            wrong(format!(
                "'n' of {name} must be a constant whole number greater than 0"
            ))
        })?
    };
    let sort = match doc.get("sortBy") {
        Some(Value::Document(bytes)) => Some(SortSpec::parse(Doc::new(&bytes))?),
        _ if sorted => return Err(wrong(format!("Missing value for 'sortBy' of {name}"))),
        _ => None,
    };
    let input = doc.get(source);
    let input = input.ok_or_else(|| wrong(format!("Missing value for '{source}' of {name}")))?;
    Ok(Accumulator {
        kind: Kind::Several(Box::new(Several {
            count,
            sort,
            by_value: match name {
                "$minN" => Some(Ordering::Less),
                "$maxN" => Some(Ordering::Greater),
                _ => None,
            },
            last: matches!(name, "$lastN" | "$bottom" | "$bottomN"),
            single,
        })),
        argument: Expression::parse(&input)?,
    })
}
