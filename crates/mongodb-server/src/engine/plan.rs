//! Query planning: which index answers a filter and an order, over which keys.
//!
//! Bounds may include too much but never too little: a scan tests every document again.

use crate::bson::{Kind, Value, key};
use crate::engine::hint::Hint;
use crate::engine::implied::implies;
use crate::engine::index::{Index, after_prefix};
use crate::engine::index_spec::{ID_INDEX, IndexSpec};
use crate::engine::scan::{Bounds, Source};
use crate::engine::state::State;
use crate::error::{Code, CommandError};
use crate::query::{Comparison, Direction, Filter, Path, SortSpec, Test};

/// Largest number of ranges that are worth their lookups.
const MAX_RANGES: usize = 10_000;

#[derive(Debug, Clone)]
pub struct Plan {
    pub source: Source,
    /// Whether the source has the requested order.
    pub sorted: bool,
    /// The index, if one is used.
    pub index: Option<Usage>,
}

#[derive(Debug, Clone)]
pub struct Usage {
    pub spec: IndexSpec,
    pub multikey: bool,
    /// The ranges of each field, as `explain` shows them.
    pub intervals: Vec<Vec<String>>,
}

/// A range of one field's values.
#[derive(Debug, Clone)]
struct Interval {
    lower: End,
    upper: End,
    /// Whether the range includes documents without the field.
    null: bool,
}

/// One end of a range: includes or excludes everything that starts with these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    bytes: Vec<u8>,
    inclusive: bool,
    shown: String,
}

/// An index that could be used, and how well it fits.
struct Candidate<'s> {
    spec: &'s IndexSpec,
    multikey: bool,
    fields: Vec<Vec<Interval>>,
    /// Number of fields that are fixed to points.
    points: usize,
    /// Number of fields that are fixed to exactly one point.
    single: usize,
    /// Direction that gives the requested order, if one does.
    order: Option<Direction>,
    /// Whether no order was requested.
    unordered: bool,
    /// Whether the filter passes no document that the index leaves out.
    complete: bool,
}

pub fn plan(
    state: &State,
    filter: &Filter,
    sort: &SortSpec,
    hint: Option<&Hint>,
) -> Result<Plan, CommandError> {
    if let Some(Hint::Natural(direction)) = hint {
        return Ok(Plan {
            sorted: sort.is_empty(),
            ..collection_scan(state, *direction == Direction::Descending)
        });
    }
    let natural = match sort.fields() {
        [(path, direction)] if path.as_str() == "$natural" => Some(*direction),
        _ => None,
    };
    if let Some(direction) = natural {
        let mut plan = collection_scan(state, direction == Direction::Descending);
        plan.sorted = true;
        return Ok(plan);
    }
    if let Some(hint) = hint
        && let Some(plan) = by_special_index(state, filter, sort, hint)?
    {
        return Ok(plan);
    }
    let id = state.id_spec();
    let secondary = state
        .indexes
        .iter()
        .map(|index| (index.spec(), index.is_multikey()));
    let all = std::iter::once((&id, false)).chain(secondary);
    let visible = all.filter(|(spec, _)| !spec.hidden && spec.special.is_none());
    let candidates = visible.map(|(spec, multikey)| candidate(spec, multikey, filter, sort));
    let chosen = match hint {
        Some(hint) => {
            let mut hinted = candidates.into_iter().filter(|one| hint.names(one.spec));
            Some(hinted.next().ok_or_else(unknown_hint)?)
        }
        None => candidates
            .filter(Candidate::is_usable)
            .max_by_key(Candidate::score),
    };
    Ok(match chosen {
        Some(candidate) => candidate.plan(),
        None => Plan {
            sorted: sort.is_empty(),
            ..collection_scan(state, false)
        },
    })
}

/// Returns the plan for a hinted index without keys; `None` if the hint names another one.
fn by_special_index(
    state: &State,
    filter: &Filter,
    sort: &SortSpec,
    hint: &Hint,
) -> Result<Option<Plan>, CommandError> {
    let specs = state.indexes.iter().map(Index::spec);
    let mut named = specs.filter(|spec| !spec.hidden && hint.names(spec));
    let Some(special) = named.find_map(|spec| spec.special.as_ref()) else {
        return Ok(None);
    };
    if !special.supports(filter) {
        let message = "error processing query: planner returned error :: caused by :: No query \
                       solutions";
        return Err(CommandError::new(Code::NO_QUERY_EXECUTION_PLANS, message));
    }
    Ok(Some(Plan {
        sorted: sort.is_empty(),
        ..collection_scan(state, false)
    }))
}

/// Returns the plan that reads all documents: in the order of insertion, or of `_id` if the collection is
/// clustered.
fn collection_scan(state: &State, reverse: bool) -> Plan {
    let source = if state.rules.clustered.is_some() {
        Source::Index {
            name: ID_INDEX.to_owned(),
            bounds: vec![Bounds::all()],
            reverse,
        }
    } else {
        Source::Collection { reverse }
    };
    Plan {
        source,
        sorted: false,
        index: None,
    }
}

fn unknown_hint() -> CommandError {
    CommandError::bad_value(
        "error processing query: planner returned error :: caused by :: hint provided does not \
         correspond to an existing index",
    )
}

fn candidate<'s>(
    spec: &'s IndexSpec,
    multikey: bool,
    filter: &Filter,
    sort: &SortSpec,
) -> Candidate<'s> {
    let mut fields = Vec::new();
    let mut ranges = 1_usize;
    let mut points = 0;
    let mut single = 0;
    for (path, _) in &spec.fields {
        let Some(intervals) = intervals(path, filter, multikey) else {
            break;
        };
        ranges = ranges.saturating_mul(intervals.len());
        if ranges > MAX_RANGES {
            break;
        }
        let fixed = intervals.iter().all(Interval::is_point);
        if fixed && intervals.len() == 1 && single == fields.len() {
            single += 1;
        }
        fields.push(intervals);
        if !fixed {
            break;
        }
        points += 1;
    }
    let order = if multikey {
        None
    } else {
        order_of(spec, single, sort)
    };
    Candidate {
        spec,
        multikey,
        fields,
        points,
        single,
        order,
        unordered: sort.is_empty(),
        complete: spec
            .partial
            .as_ref()
            .is_none_or(|partial| implies(filter, partial)),
    }
}

/// Returns the direction in which an index gives the requested order; `None` if it does not, or if
/// no order was requested.
fn order_of(spec: &IndexSpec, single: usize, sort: &SortSpec) -> Option<Direction> {
    if sort.is_empty() {
        return None;
    }
    let (fixed, rest) = spec.fields.split_at(single);
    let is_fixed = |path: &Path| fixed.iter().any(|(known, _)| known == path);
    let mut wanted = sort.fields().iter().filter(|(path, _)| !is_fixed(path));
    let mut direction = None;
    for (path, known) in rest {
        let Some((next, requested)) = wanted.next() else {
            return direction.or(Some(Direction::Ascending));
        };
        let reading = if requested == known {
            Direction::Ascending
        } else {
            Direction::Descending
        };
        if next != path || direction.is_some_and(|chosen| chosen != reading) {
            return None;
        }
        direction = Some(reading);
    }
    match wanted.next() {
        Some(_) => None,
        None => direction.or(Some(Direction::Ascending)),
    }
}

impl Candidate<'_> {
    /// Returns whether the index has every document that may match.
    fn is_usable(&self) -> bool {
        let first = self.fields.first();
        let excludes_missing =
            first.is_some_and(|intervals| !intervals.iter().any(|interval| interval.null));
        self.complete && (!self.spec.sparse || excludes_missing) && self.is_useful()
    }

    fn is_useful(&self) -> bool {
        !self.fields.is_empty() || self.order.is_some()
    }

    fn score(&self) -> (bool, usize, bool, bool, usize) {
        let complete = self.spec.unique && self.single == self.spec.fields.len();
        let ranged = self.fields.len() > self.points;
        (
            complete,
            self.points,
            ranged,
            self.order.is_some(),
            usize::MAX - self.spec.fields.len(),
        )
    }

    fn plan(self) -> Plan {
        let reverse = self.order == Some(Direction::Descending);
        let mut prefixes = vec![Vec::new()];
        let mut bounds = Vec::new();
        for (position, intervals) in self.fields.iter().enumerate() {
            let direction = self.spec.fields[position].1;
            let last = position + 1 == self.fields.len();
            let mut longer = Vec::new();
            for prefix in &prefixes {
                for interval in intervals {
                    let (from, to) = interval.bounds(direction);
                    if last {
                        bounds.push(Bounds {
                            from: [prefix.as_slice(), &from].concat(),
                            to: [prefix.as_slice(), &to].concat(),
                        });
                    } else {
                        // A point: its range is one encoded value.
                        longer.push([prefix.as_slice(), &from].concat());
                    }
                }
            }
            prefixes = longer;
        }
        if self.fields.is_empty() {
            bounds.push(Bounds::all());
        }
        bounds.sort_by(|one, other| one.from.cmp(&other.from));
        bounds.dedup();
        if reverse {
            bounds.reverse();
        }
        let shown = |intervals: &Vec<Interval>| intervals.iter().map(Interval::shown).collect();
        let usage = Usage {
            spec: self.spec.clone(),
            multikey: self.multikey,
            intervals: self.fields.iter().map(shown).collect(),
        };
        Plan {
            source: Source::Index {
                name: if self.spec.is_id() {
                    ID_INDEX.to_owned()
                } else {
                    self.spec.name.clone()
                },
                bounds,
                reverse,
            },
            sorted: self.unordered || self.order.is_some(),
            index: Some(usage),
        }
    }
}

impl Interval {
    fn point(value: &Value<'_>) -> Self {
        let end = End::new(value, true);
        Self {
            lower: end.clone(),
            upper: end,
            null: value.is_nullish(),
        }
    }

    fn is_point(&self) -> bool {
        self.lower == self.upper && self.lower.inclusive && self.lower.bytes.len() > 1 || self.null
    }

    /// Returns the encoded range in an index that orders in `direction`.
    fn bounds(&self, direction: Direction) -> (Vec<u8>, Vec<u8>) {
        let (first, last) = match direction {
            Direction::Ascending => (self.lower.bytes.clone(), self.upper.bytes.clone()),
            Direction::Descending => (inverted(&self.upper.bytes), inverted(&self.lower.bytes)),
        };
        let (first_inclusive, last_inclusive) = match direction {
            Direction::Ascending => (self.lower.inclusive, self.upper.inclusive),
            Direction::Descending => (self.upper.inclusive, self.lower.inclusive),
        };
        (
            if first_inclusive {
                first
            } else {
                after_prefix(&first)
            },
            if last_inclusive {
                after_prefix(&last)
            } else {
                last
            },
        )
    }

    fn shown(&self) -> String {
        let open = if self.lower.inclusive { '[' } else { '(' };
        let close = if self.upper.inclusive { ']' } else { ')' };
        format!("{open}{}, {}{close}", self.lower.shown, self.upper.shown)
    }
}

impl End {
    fn new(value: &Value<'_>, inclusive: bool) -> Self {
        let mut bytes = Vec::new();
        key::encode(value, &mut bytes);
        Self {
            bytes,
            inclusive,
            shown: value.to_string(),
        }
    }

    /// The least or the greatest of all values of a type.
    fn of_type(kind: Kind, greatest: bool) -> Self {
        let shown = match (kind, greatest) {
            (kind, true) if kind.is_number() => "inf.0".to_owned(),
            (kind, false) if kind.is_number() => "-inf.0".to_owned(),
            (kind, true) => format!("max {}", kind.alias()),
            (kind, false) => format!("min {}", kind.alias()),
        };
        Self {
            bytes: vec![kind.rank()],
            inclusive: true,
            shown,
        }
    }
}

fn inverted(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// Returns the ranges of values at `path` that a passing document can have; `None` for all.
fn intervals(path: &Path, filter: &Filter, multikey: bool) -> Option<Vec<Interval>> {
    let mut points = None;
    let mut ranges = Vec::new();
    filter.consequences(&mut |known, test| {
        if known != path {
            return;
        }
        match test {
            Test::Equal(value) => points = points.take().or_else(|| equal(value)),
            Test::In(choices) if choices.patterns.is_empty() => {
                let each = choices.values.iter().map(equal).collect::<Option<Vec<_>>>();
                let each = each.map(|each| each.into_iter().flatten().collect::<Vec<_>>());
                points = points.take().or(each);
            }
            Test::Compare(comparison, operand) => ranges.extend(range(*comparison, operand)),
            _ => {}
        }
    });
    if points.is_some() {
        return points;
    }
    let mut ranges = ranges.into_iter();
    let first = ranges.next()?;
    if multikey || first.null {
        // One element may pass the one test and another one the other.
        return Some(vec![first]);
    }
    let both = ranges.fold(first, |narrow, next| {
        if narrow.lower.bytes.first() != next.lower.bytes.first() {
            return narrow;
        }
        Interval {
            lower: tighter(narrow.lower, next.lower, |one, other| one > other),
            upper: tighter(narrow.upper, next.upper, |one, other| one < other),
            null: false,
        }
    });
    Some(vec![both])
}

/// Returns the end that leaves less; a whole type's end is one byte and always leaves more.
fn tighter(one: End, other: End, better: impl Fn(&[u8], &[u8]) -> bool) -> End {
    if one.bytes.len() == 1 {
        return other;
    }
    if other.bytes.len() == 1 || better(&one.bytes, &other.bytes) {
        return one;
    }
    if one.bytes == other.bytes && !one.inclusive {
        return one;
    }
    other
}

/// Returns the points of equality with a value, `None` where an index cannot tell.
fn equal(value: &Value<'_>) -> Option<Vec<Interval>> {
    match value {
        // An array equals an array, or one of its elements that is one.
        Value::Array(_) => None,
        Value::Null | Value::Undefined => Some(vec![
            Interval::point(&Value::Undefined),
            Interval::point(&Value::Null),
        ]),
        value => Some(vec![Interval::point(value)]),
    }
}

fn range(comparison: Comparison, operand: &Value<'_>) -> Option<Interval> {
    let kind = operand.kind();
    let unusable = matches!(
        kind,
        Kind::Array | Kind::MinKey | Kind::MaxKey | Kind::Null | Kind::Undefined
    );
    if unusable {
        return None;
    }
    let (lower, upper) = match comparison {
        Comparison::Less => (End::of_type(kind, false), End::new(operand, false)),
        Comparison::LessOrEqual => (End::of_type(kind, false), End::new(operand, true)),
        Comparison::Greater => (End::new(operand, false), End::of_type(kind, true)),
        Comparison::GreaterOrEqual => (End::new(operand, true), End::of_type(kind, true)),
    };
    Some(Interval {
        lower,
        upper,
        null: false,
    })
}
