//! `$densify`: documents for the values that are missing between others.

use std::collections::{BTreeMap, VecDeque};

use crate::aggregation::held::Charge;
use crate::aggregation::memory::charge;
use crate::aggregation::put::put;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{Doc, Key, Value, order};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{DateUnit, Direction, Path, SortSpec, sum_of};

/// Documents that one stage may generate.
const MAX_GENERATED: usize = 500_000;

/// A compiled `$densify`.
#[derive(Debug, Clone)]
pub struct DensifySpec {
    pub field: Path,
    pub partition_by: Vec<Path>,
    pub step: Value<'static>,
    pub unit: Option<DateUnit>,
    pub bounds: DensifyBounds,
}

/// Where values are filled in.
#[derive(Debug, Clone)]
pub enum DensifyBounds {
    /// Between the least and the greatest value of all documents.
    Full,
    /// Between the least and the greatest value of each partition.
    Partition,
    /// From one value up to another one, which is excluded.
    Explicit(Value<'static>, Value<'static>),
}

/// Returns the documents of its input, which is sorted, and those between them.
pub struct Densify {
    input: Box<dyn Stage>,
    spec: DensifySpec,
    /// The next value of each partition, and the fields that its documents have in common.
    partitions: BTreeMap<Key, Partition>,
    /// The least value of all documents.
    least: Option<Value<'static>>,
    greatest: Option<Value<'static>>,
    /// The documents to generate next, and the one after them.
    filling: Option<Filling>,
    /// The partitions to fill after the last document.
    finishing: Option<VecDeque<Key>>,
    generated: usize,
    memory: usize,
    charge: Charge,
}

struct Partition {
    fields: Vec<u8>,
    next: Value<'static>,
}

/// A gap that is filled.
struct Filling {
    partition: Key,
    /// The end of the gap.
    end: Value<'static>,
    /// Whether the end itself is generated.
    inclusive: bool,
    /// The document after the gap.
    last: Option<Row>,
}

impl DensifySpec {
    /// Returns the order that the input must have.
    pub fn order(&self) -> SortSpec {
        let mut fields = Vec::new();
        if !matches!(self.bounds, DensifyBounds::Full) {
            fields.extend(self.partition_by.iter().cloned());
        }
        fields.push(self.field.clone());
        let fields = fields.into_iter().map(|path| (path, Direction::Ascending));
        SortSpec::new(fields.collect())
    }

    /// Returns the value one step after another one.
    fn after(&self, value: &Value<'static>) -> Result<Value<'static>, CommandError> {
        match (self.unit, value) {
            (Some(unit), Value::DateTime(milliseconds)) => {
                let next = unit.add(*milliseconds, self.step.as_i64().unwrap_or(1));
                next.map(Value::DateTime).ok_or_else(|| {
                    CommandError::location(5_166_406, "a date of $densify is out of range")
                })
            }
            _ => Ok(sum_of(value, &self.step)),
        }
    }

    /// Returns the value of a document; `None` if it has none.
    fn value_of(&self, doc: Doc<'_>) -> Result<Option<Value<'static>>, CommandError> {
        let Some(element) = self.field.get(doc) else {
            return Ok(None);
        };
        let value = element.value();
        let message = match (self.unit, &value) {
            (_, value) if value.is_nullish() => return Ok(None),
            (Some(_), Value::DateTime(_)) => return Ok(Some(value.into_owned())),
            (None, number) if number.is_number() => return Ok(Some(value.into_owned())),
            (Some(_), number) if number.is_number() => {
                "Encountered numeric densify value in collection when step has a date unit."
            }
            (None, Value::DateTime(_)) => {
                "Encountered date densify value in collection when step does not have a date unit."
            }
            _ => {
                let message = "Densify field type must be numeric or a date";
                return Err(CommandError::location(5_733_201, message));
            }
        };
        Err(CommandError::location(6_053_600, message))
    }

    /// Returns the fields that the documents of a partition have in common.
    fn partition_of(&self, doc: Doc<'_>) -> Vec<u8> {
        let mut fields = Doc::EMPTY.bytes().to_vec();
        for path in &self.partition_by {
            if let Some(element) = path.get(doc) {
                fields = put(Doc::new(&fields), path.parts(), &element.value());
            }
        }
        fields
    }
}

impl Densify {
    /// Returns the stage; its input must have the order of [`DensifySpec::order`].
    pub fn new(input: Box<dyn Stage>, spec: DensifySpec) -> Self {
        Self {
            input,
            spec,
            partitions: BTreeMap::new(),
            least: None,
            greatest: None,
            filling: None,
            finishing: None,
            generated: 0,
            memory: 0,
            charge: Charge::default(),
        }
    }

    /// Takes a document of the input: returns it, or begins to fill the gap before it.
    fn take(&mut self, row: Row) -> Result<Option<Row>, CommandError> {
        let Some(value) = self.spec.value_of(row.doc())? else {
            return Ok(Some(row));
        };
        self.least.get_or_insert_with(|| value.clone());
        self.greatest = Some(value.clone());
        let fields = self.spec.partition_of(row.doc());
        let key = Key::of(&Value::Document(fields.as_slice().into()));
        if !self.partitions.contains_key(&key) {
            let first = match &self.spec.bounds {
                DensifyBounds::Full => self.least.clone().unwrap_or(Value::Null),
                DensifyBounds::Partition => value.clone(),
                DensifyBounds::Explicit(lower, _) => lower.clone(),
            };
            self.add_partition(key.clone(), fields, first)?;
        }
        let end = match &self.spec.bounds {
            DensifyBounds::Explicit(_, upper) if order::compare(&value, upper).is_gt() => {
                upper.clone()
            }
            _ => value,
        };
        self.filling = Some(Filling {
            partition: key,
            end,
            inclusive: false,
            last: Some(row),
        });
        Ok(None)
    }

    fn add_partition(
        &mut self,
        key: Key,
        fields: Vec<u8>,
        next: Value<'static>,
    ) -> Result<(), CommandError> {
        self.memory += key.bytes().len() + fields.len() + size_of::<(Key, Partition)>();
        charge("$densify", &mut self.charge, self.memory)?;
        self.partitions.insert(key, Partition { fields, next });
        Ok(())
    }

    /// Returns the next document of the gap, or the one after it.
    fn fill(&mut self) -> Result<Option<Row>, CommandError> {
        let Some(filling) = &mut self.filling else {
            return Ok(None);
        };
        if let Some(partition) = self.partitions.get_mut(&filling.partition) {
            let ordering = order::compare(&partition.next, &filling.end);
            if ordering.is_lt() || ordering.is_eq() && filling.inclusive {
                let value = std::mem::replace(&mut partition.next, Value::Null);
                partition.next = self.spec.after(&value)?;
                let document = generate(&partition.fields, &self.spec.field, &value)?;
                self.generated += 1;
                if self.generated > MAX_GENERATED {
                    return Err(CommandError::location(
                        5_897_900,
                        format!(
                            "Generated {} documents in $densify, which is over the limit of \
                             {MAX_GENERATED}.",
                            self.generated
                        ),
                    ));
                }
                return Ok(Some(Row::computed(document)));
            }
            // The document has this value itself.
            let value = filling
                .last
                .as_ref()
                .and_then(|row| self.spec.field.get(row.doc()));
            if value.is_some_and(|value| order::equal(&value.value(), &partition.next)) {
                partition.next = self.spec.after(&partition.next)?;
            }
        }
        let last = self.filling.take().and_then(|filling| filling.last);
        Ok(last)
    }

    /// Begins to fill the rest of the next partition, after the last document; false at the end.
    fn finish(&mut self) -> Result<bool, CommandError> {
        if self.finishing.is_none() {
            if let DensifyBounds::Explicit(lower, _) = &self.spec.bounds
                && self.spec.partition_by.is_empty()
                && self.partitions.is_empty()
            {
                let fields = Doc::EMPTY.bytes().to_vec();
                let key = Key::of(&Value::Document(fields.as_slice().into()));
                self.add_partition(key, fields, lower.clone())?;
            }
            let unfinished = match &self.spec.bounds {
                DensifyBounds::Partition => VecDeque::new(),
                _ => self.partitions.keys().cloned().collect(),
            };
            self.finishing = Some(unfinished);
        }
        let next = self.finishing.as_mut().and_then(VecDeque::pop_front);
        let Some(partition) = next else {
            return Ok(false);
        };
        let (end, inclusive) = match &self.spec.bounds {
            DensifyBounds::Explicit(_, upper) => (upper.clone(), false),
            _ => (self.greatest.clone().unwrap_or(Value::Null), true),
        };
        self.filling = Some(Filling {
            partition,
            end,
            inclusive,
            last: None,
        });
        Ok(true)
    }
}

/// Returns a document with the fields of its partition and a value.
fn generate(fields: &[u8], path: &Path, value: &Value<'_>) -> Result<Vec<u8>, CommandError> {
    let mut doc = Doc::new(fields);
    for part in path.parts() {
        match doc.get(part.name()).map(Value::into_borrowed_document) {
            None => break,
            Some(Some(inner)) => doc = inner,
            Some(None) => {
                let message = "$densify cannot overwrite non-object values with objects";
                return Err(CommandError::location(5_733_308, message));
            }
        }
    }
    Ok(put(Doc::new(fields), path.parts(), value))
}

impl Stage for Densify {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        loop {
            context.check()?;
            if let Some(row) = self.fill()? {
                return Ok(Some(row));
            }
            if self.finishing.is_none()
                && let Some(row) = self.input.next(context)?
            {
                if let Some(row) = self.take(row)? {
                    return Ok(Some(row));
                }
                continue;
            }
            if !self.finish()? {
                return Ok(None);
            }
        }
    }
}
