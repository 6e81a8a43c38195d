//! `$top`, `$firstN`, `$maxN` and the like: the first values of a group in an order.

use std::cmp::Ordering;

use crate::aggregation::memory::difference;
use crate::bson::{ArrayBuilder, Doc, Value, order};
use crate::error::CommandError;
use crate::query::{Environment, Expression, Scope, SortSpec, null_if_missing};

/// A compiled accumulator of several values, without the expression for a value.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Maximum number of values: computed from the key of the group.
    count: Expression,
    pub order: RankingOrder,
    /// Whether to keep the last values in the order instead of the first.
    pub last: bool,
    /// Whether the result is one value instead of an array.
    pub single: bool,
}

/// The order of the values.
#[derive(Debug, Clone)]
pub enum RankingOrder {
    /// `$firstN`, `$lastN`
    Arrival,
    /// `$top`, `$topN`, `$bottom`, `$bottomN`
    Fields(SortSpec),
    /// `$minN` (less values first), `$maxN` (greater values first)
    Values(Ordering),
}

/// A value with its sort key, which is empty unless the order is by fields.
#[derive(Debug, Clone)]
pub struct Ranked {
    key: Vec<u8>,
    value: Value<'static>,
}

impl Ranked {
    fn memory(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.value.heap_bytes()
    }
}

impl Ranking {
    /// Returns whether an operator is a ranking.
    pub fn is_known(name: &str) -> bool {
        matches!(
            name,
            "$firstN" | "$lastN" | "$minN" | "$maxN" | "$top" | "$topN" | "$bottom" | "$bottomN"
        )
    }

    /// Compiles a ranking, and the expression for a value.
    pub fn parse(
        name: &str,
        argument: &Value<'_>,
        environment: &Environment,
    ) -> Result<(Self, Expression), CommandError> {
        let doc = argument
            .as_document()
            .ok_or_else(|| invalid(format!("specification must be an object; found {name}")))?;
        let sorted = matches!(name, "$top" | "$topN" | "$bottom" | "$bottomN");
        let single = matches!(name, "$top" | "$bottom");
        let source = if sorted { "output" } else { "input" };
        for element in doc.elements() {
            let known = element.name() == source
                || (element.name() == "n" && !single)
                || (element.name() == "sortBy" && sorted);
            if !known {
                let argument = element.name();
                return Err(invalid(format!(
                    "Unknown argument for '{name}': {argument}"
                )));
            }
        }
        let count = if single {
            Expression::Constant(Value::Int32(1))
        } else {
            parse_count(name, doc, environment)?
        };
        let order = match doc.get("sortBy") {
            Some(Value::Document(bytes)) => {
                RankingOrder::Fields(SortSpec::parse(Doc::new(&bytes))?)
            }
            _ if sorted => return Err(invalid(format!("Missing value for 'sortBy' of {name}"))),
            _ if name == "$minN" => RankingOrder::Values(Ordering::Less),
            _ if name == "$maxN" => RankingOrder::Values(Ordering::Greater),
            _ => RankingOrder::Arrival,
        };
        let input = doc
            .get(source)
            .ok_or_else(|| invalid(format!("Missing value for '{source}' of {name}")))?;
        let ranking = Self {
            count,
            order,
            last: matches!(name, "$lastN" | "$bottom" | "$bottomN"),
            single,
        };
        Ok((ranking, Expression::parse_in(&input, environment)?))
    }

    /// Returns the maximum number of values for a group.
    pub fn limit(&self, id: &Value<'_>, now_ms: i64) -> Result<usize, CommandError> {
        let root = id.as_document().unwrap_or(Doc::EMPTY);
        let count = self.count.evaluate(&Scope::new(root, now_ms))?;
        whole_count(&count)
    }

    /// Adds the value of a document to at most `limit`; returns how many more bytes are held, or fewer.
    pub fn add(
        &self,
        ranked: &mut Vec<Ranked>,
        limit: usize,
        value: Value<'_>,
        doc: Doc<'_>,
    ) -> Result<isize, CommandError> {
        if matches!(self.order, RankingOrder::Values(_)) && value.is_nullish() {
            return Ok(0);
        }
        let mut key = Vec::new();
        if let RankingOrder::Fields(sort) = &self.order {
            sort.encode(doc, &mut key)?;
        }
        let value = null_if_missing(value).into_owned();
        // Values that compare equal stay in the order of arrival.
        let at = match self.order {
            RankingOrder::Fields(_) => ranked.partition_point(|known| known.key <= key),
            RankingOrder::Values(wanted) => ranked.partition_point(|known| {
                let ordering = order::compare(&known.value, &value);
                ordering == wanted || ordering.is_eq()
            }),
            RankingOrder::Arrival => ranked.len(),
        };
        let new = Ranked { key, value };
        let bytes = new.memory();
        ranked.insert(at, new);
        let dropped = match ranked.len() <= limit {
            true => None,
            false if self.last => Some(ranked.remove(0)),
            false => ranked.pop(),
        };
        Ok(difference(
            dropped.map_or(0, |dropped| dropped.memory()),
            bytes,
        ))
    }

    /// Returns the result of a group.
    pub fn finish(&self, ranked: Vec<Ranked>) -> Value<'static> {
        let mut values = ranked.into_iter().map(|ranked| ranked.value);
        if self.single {
            return values.next().unwrap_or(Value::Null);
        }
        values.collect::<ArrayBuilder>().into_value()
    }
}

/// Compiles `n`; a constant is checked at once.
fn parse_count(
    name: &str,
    doc: Doc<'_>,
    environment: &Environment,
) -> Result<Expression, CommandError> {
    let given = doc.get("n").ok_or_else(|| {
        CommandError::location(5_787_906, format!("Missing value for 'n' of {name}"))
    })?;
    let count = Expression::parse_in(&given, environment)?;
    if let Some(constant) = count.as_constant() {
        whole_count(constant)?;
    }
    Ok(count)
}

fn whole_count(count: &Value<'_>) -> Result<usize, CommandError> {
    if !count.is_number() {
        let message = format!("Value for 'n' must be of integral type, but found {count}");
        return Err(CommandError::location(5_787_902, message));
    }
    let whole = count.as_i64().ok_or_else(|| {
        let message = format!("Value for 'n' must be of integral type, but found {count}");
        CommandError::location(5_787_903, message)
    })?;
    match usize::try_from(whole) {
        Ok(count) if count > 0 => Ok(count),
        _ => {
            let message = format!("'n' must be greater than 0, found {whole}");
            Err(CommandError::location(5_787_908, message))
        }
    }
}

fn invalid(message: String) -> CommandError {
    CommandError::location(5_787_900, message)
}
