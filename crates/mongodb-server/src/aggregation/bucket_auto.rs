//! `$bucketAuto`: groups of about equal size, by ranges of a value.

use std::collections::VecDeque;

use crate::aggregation::accumulator::{Accumulator, State};
use crate::aggregation::granularity::Granularity;
use crate::aggregation::group::parse_fields;
use crate::aggregation::held::{Charge, Held};
use crate::aggregation::memory::{charge, check_memory};
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{Builder, Doc, Key, Value, order};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Environment, Expression, Scope, null_if_missing};

/// A compiled `$bucketAuto`.
#[derive(Debug, Clone)]
pub struct BucketAutoSpec {
    by: Expression,
    buckets: usize,
    granularity: Option<Granularity>,
    fields: Vec<(String, Accumulator)>,
}

/// Reads all documents, then returns one document per bucket.
pub struct BucketAuto {
    input: Option<Box<dyn Stage>>,
    spec: BucketAutoSpec,
    sorted: VecDeque<Entry>,
    /// Documents per bucket.
    size: usize,
    /// Buckets that may still be returned.
    left: usize,
    /// The end of the last bucket, if ends are rounded.
    previous: Option<Value<'static>>,
    /// Memory of the values and their keys.
    charge: Charge,
}

/// A document with the value that it is grouped by.
struct Entry {
    key: Key,
    value: Value<'static>,
    held: Held,
}

impl Entry {
    /// Returns the bytes that are held beside the document.
    fn own_memory(&self) -> usize {
        size_of::<Self>() + self.key.bytes().len() + self.value.heap_bytes()
    }
}

impl BucketAutoSpec {
    /// Compiles the argument of the stage.
    pub fn parse(argument: &Value<'_>, environment: &Environment) -> Result<Self, CommandError> {
        let doc = argument.as_document().ok_or_else(|| {
            let kind = argument.kind().alias();
            failed(
                40_240,
                format!("The argument to $bucketAuto must be an object, but found type: {kind}."),
            )
        })?;
        let (mut by, mut buckets, mut granularity) = (None, None, None);
        let count = Builder::new().document("count", Builder::new().int32("$sum", 1));
        let mut output = Value::Document(count.finish().into());
        for element in doc.elements() {
            let value = element.value();
            match element.name() {
                "groupBy" => by = Some(parse_by(&value, environment)?),
                "buckets" => buckets = Some(parse_count(&value)?),
                "output" => {
                    if value.as_document().is_none() {
                        let kind = value.kind().alias();
                        let message = format!(
                            "The $bucketAuto 'output' field must be an object, but found type: {kind}."
                        );
                        return Err(failed(40_244, message));
                    }
                    if value.as_document().is_some_and(|fields| !fields.is_empty()) {
                        output = value.into_owned();
                    }
                }
                "granularity" => {
                    let name = value.as_str().ok_or_else(|| {
                        let kind = value.kind().alias();
                        let message = format!("The $bucketAuto 'granularity' field must be a string, but found type: {kind}.");
                        failed(40_261, message)
                    })?;
                    granularity = Some(Granularity::named(name)?);
                }
                name => {
                    let message = format!("Unrecognized option to $bucketAuto: {name}.");
                    return Err(failed(40_245, message));
                }
            }
        }
        let (Some(by), Some(buckets)) = (by, buckets) else {
            let message = "$bucketAuto requires 'groupBy' and 'buckets' to be specified.";
            return Err(failed(40_246, message));
        };
        let fields = parse_fields(output.as_document().unwrap_or(Doc::EMPTY), environment)?;
        Ok(Self {
            by,
            buckets,
            granularity,
            fields,
        })
    }
}

/// Returns whether a value is a path or an expression.
pub fn is_computed(value: &Value<'_>) -> bool {
    match value {
        Value::String(path) => path.starts_with('$'),
        Value::Document(bytes) => {
            let first = Doc::new(bytes).elements().next();
            first.is_some_and(|first| first.name().starts_with('$'))
        }
        _ => false,
    }
}

fn parse_by(value: &Value<'_>, environment: &Environment) -> Result<Expression, CommandError> {
    if !is_computed(value) {
        let message = format!(
            "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression \
             object, but found: {value}."
        );
        return Err(failed(40_239, message));
    }
    Expression::parse_in(value, environment)
}

fn parse_count(value: &Value<'_>) -> Result<usize, CommandError> {
    if !value.is_number() {
        let kind = value.kind().alias();
        let message = format!(
            "The $bucketAuto 'buckets' field must be a numeric value, but found type: {kind}."
        );
        return Err(failed(40_241, message));
    }
    let whole = value.as_i64().and_then(|whole| i32::try_from(whole).ok());
    let whole = whole.ok_or_else(|| {
        let message = format!("The $bucketAuto 'buckets' field must be representable as a 32-bit integer, but found {value}.");
        failed(40_242, message)
    })?;
    match usize::try_from(whole) {
        Ok(count) if count > 0 => Ok(count),
        _ => {
            let message = format!(
                "The $bucketAuto 'buckets' field must be greater than 0, but found: {whole}."
            );
            Err(failed(40_243, message))
        }
    }
}

fn failed(number: i32, message: impl Into<String>) -> CommandError {
    CommandError::location(number, message)
}

impl BucketAuto {
    pub fn new(input: Box<dyn Stage>, spec: BucketAutoSpec) -> Self {
        Self {
            input: Some(input),
            left: spec.buckets,
            spec,
            sorted: VecDeque::new(),
            size: 1,
            previous: None,
            charge: Charge::default(),
        }
    }

    /// Reads and sorts all documents.
    fn sort(&mut self, mut input: Box<dyn Stage>, context: &Context) -> Result<(), CommandError> {
        let mut entries = Vec::new();
        let (mut memory, mut own) = (0, 0);
        while let Some(row) = input.next(context)? {
            let scope = Scope::new(row.doc(), context.now_ms);
            let value = null_if_missing(self.spec.by.evaluate(&scope)?).into_owned();
            if self.spec.granularity.is_some() {
                check_rounded(&value)?;
            }
            let entry = Entry {
                key: Key::of(&value),
                value,
                held: Held::new(row),
            };
            let bytes = entry.own_memory();
            own += bytes;
            memory += bytes + entry.held.memory();
            self.charge.set(own);
            check_memory("$bucketAuto", memory)?;
            entries.push(entry);
        }
        context.check()?;
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        let (documents, buckets) = (entries.len(), self.spec.buckets);
        // Rounded, half up.
        self.size = ((2 * documents + buckets) / (2 * buckets)).max(1);
        self.sorted = entries.into();
        if let (Some(granularity), Some(first)) = (&self.spec.granularity, self.sorted.front()) {
            self.previous = Some(granularity.round_down(&first.value));
        }
        Ok(())
    }

    fn next_bucket(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(first) = self.sorted.front() else {
            return Ok(None);
        };
        let min = self.previous.clone().unwrap_or_else(|| first.value.clone());
        let last_bucket = self.left == 0;
        let mut bucket = Bucket::new(&self.spec, &min, context)?;
        let mut count = 0;
        while count < self.size || last_bucket {
            let Some(entry) = self.sorted.pop_front() else {
                break;
            };
            bucket.add(entry, context)?;
            count += 1;
        }
        let max = end_of(&mut bucket, &mut self.sorted, context)?;
        if self.spec.granularity.is_some() {
            self.previous = Some(max.clone());
        }
        let id = Builder::new().with("min", &min).with("max", &max);
        let mut document = Builder::new().document("_id", id);
        for (state, (name, field)) in bucket.states.into_iter().zip(&self.spec.fields) {
            document.push(name, &field.finish(state));
        }
        Ok(Some(Row::computed(document.finish())))
    }
}

/// Adds the documents that belong to a bucket because of its end; returns the end.
fn end_of(
    bucket: &mut Bucket<'_>,
    sorted: &mut VecDeque<Entry>,
    context: &Context,
) -> Result<Value<'static>, CommandError> {
    let Some(granularity) = &bucket.spec.granularity else {
        let key = Key::of(&bucket.max);
        while let Some(entry) = take_if(sorted, |entry| entry.key == key) {
            bucket.add(entry, context)?;
        }
        let next = sorted.front().map(|next| next.value.clone());
        return Ok(next.unwrap_or_else(|| bucket.max.clone()));
    };
    let end = granularity.round_up(&bucket.max);
    let below = |entry: &Entry| order::compare(&entry.value, &end).is_lt();
    while let Some(entry) = take_if(sorted, below) {
        bucket.add(entry, context)?;
    }
    // Zero cannot be rounded up: the end is below the next value.
    Ok(match sorted.front() {
        Some(next) if end.as_f64() == Some(0.0) => granularity.round_down(&next.value),
        _ => end,
    })
}

/// Takes the first document, if a condition holds for it.
fn take_if(sorted: &mut VecDeque<Entry>, condition: impl Fn(&Entry) -> bool) -> Option<Entry> {
    if sorted.front().is_some_and(condition) {
        return sorted.pop_front();
    }
    None
}

/// A bucket that documents are added to.
struct Bucket<'s> {
    spec: &'s BucketAutoSpec,
    max: Value<'static>,
    states: Vec<State>,
    memory: usize,
    charge: Charge,
}

impl<'s> Bucket<'s> {
    fn new(
        spec: &'s BucketAutoSpec,
        min: &Value<'static>,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let states = spec.fields.iter();
        let states = states.map(|(_, field)| field.start(&Value::Null, context.now_ms));
        Ok(Self {
            spec,
            max: min.clone(),
            states: states.collect::<Result<_, _>>()?,
            memory: 0,
            charge: Charge::default(),
        })
    }

    fn add(&mut self, entry: Entry, context: &Context) -> Result<(), CommandError> {
        context.check()?;
        let row = entry.held.into_row()?;
        let scope = Scope::new(row.doc(), context.now_ms);
        for (state, (_, field)) in self.states.iter_mut().zip(&self.spec.fields) {
            let more = field.add(state, &scope)?;
            self.memory = self.memory.saturating_add_signed(more);
        }
        charge("$bucketAuto", &mut self.charge, self.memory)?;
        self.max = entry.value;
        Ok(())
    }
}

/// Rejects values that cannot be rounded.
fn check_rounded(value: &Value<'_>) -> Result<(), CommandError> {
    let Some(number) = value.as_f64() else {
        let kind = value.kind().alias();
        let message = format!(
            "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a \
             value with type: {kind}"
        );
        return Err(failed(40_258, message));
    };
    if number.is_nan() {
        let message = "$bucketAuto can specify a 'granularity' with numeric boundaries only, but \
                       found a NaN";
        return Err(failed(40_259, message));
    }
    if number < 0.0 {
        let message = "$bucketAuto can specify a 'granularity' with non-negative numbers only, but \
                       found a negative number";
        return Err(failed(40_260, message));
    }
    if matches!(value, Value::Decimal128(_)) || number.is_infinite() {
        return Err(CommandError::unsupported(
            "the granularity of $bucketAuto with decimals or infinite numbers",
        ));
    }
    Ok(())
}

impl Stage for BucketAuto {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.sort(input, context)?;
        }
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.next_bucket(context)
    }
}
