//! Runs `$setWindowFields`.

use std::vec;

use crate::aggregation::held::{Charge, Held};
use crate::aggregation::memory::{charge, check_memory};
use crate::aggregation::put::put;
use crate::aggregation::rows::Kept;
use crate::aggregation::stage::{Context, Stage};
use crate::aggregation::window::running::{Partition, Running};
use crate::aggregation::window::spec::WindowSpec;
use crate::bson::{Value, key};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Scope, is_missing, null_if_missing};

/// The name of the stage in errors.
const NAME: &str = "$setWindowFields";

/// Returns the documents by partition and in order, each with computed fields.
pub struct SetWindowFields {
    input: Option<Box<dyn Stage>>,
    spec: WindowSpec,
    sorted: std::iter::Peekable<vec::IntoIter<Entry>>,
    current: Option<Current>,
    /// Memory of the keys.
    charge: Charge,
}

/// A document with the key of its partition and its place in it.
struct Entry {
    partition: Vec<u8>,
    order: Vec<u8>,
    held: Held,
}

/// The partition whose documents are returned.
struct Current {
    rows: vec::IntoIter<Row>,
    running: Vec<Running>,
    /// Memory of the documents and of the computations.
    _charges: [Charge; 2],
}

impl SetWindowFields {
    pub fn new(input: Box<dyn Stage>, spec: WindowSpec) -> Self {
        Self {
            input: Some(input),
            spec,
            sorted: Vec::new().into_iter().peekable(),
            current: None,
            charge: Charge::default(),
        }
    }

    /// Reads and sorts all documents.
    fn sort(&mut self, mut input: Box<dyn Stage>, context: &Context) -> Result<(), CommandError> {
        let mut entries = Vec::new();
        let (mut memory, mut own) = (0, 0);
        while let Some(row) = input.next(context)? {
            let mut partition = Vec::new();
            if let Some(expression) = &self.spec.partition {
                let scope = Scope::new(row.doc(), context.now_ms);
                let value = null_if_missing(expression.evaluate(&scope)?);
                if matches!(value, Value::Array(_)) {
                    return Err(CommandError::type_mismatch(
                        "An expression used to partition cannot evaluate to value of type array",
                    ));
                }
                key::encode(&value, &mut partition);
            }
            let mut order = Vec::new();
            if !self.spec.sort.is_empty() {
                self.spec.sort.encode(row.doc(), &mut order)?;
            }
            let entry = Entry {
                partition,
                order,
                held: Held::new(row),
            };
            let keys = entry.partition.len() + entry.order.len();
            own += size_of::<Entry>() + keys;
            memory += entry.held.memory();
            self.charge.set(own);
            check_memory(NAME, memory + own)?;
            entries.push(entry);
        }
        context.check()?;
        // Documents that are equal in order stay in the order of arrival.
        entries.sort_by(|one, other| {
            (&one.partition, &one.order).cmp(&(&other.partition, &other.order))
        });
        self.sorted = entries.into_iter().peekable();
        Ok(())
    }

    /// Takes the documents of the next partition; `None` after the last one.
    fn next_partition(&mut self, context: &Context) -> Result<Option<Current>, CommandError> {
        let Some(first) = self.sorted.next() else {
            return Ok(None);
        };
        let partition = first.partition;
        let mut orders = vec![first.order];
        let mut kept = Kept::new(NAME);
        kept.push(first.held.into_row()?)?;
        while let Some(entry) = self.sorted.next_if(|entry| entry.partition == partition) {
            kept.push(entry.held.into_row()?)?;
            orders.push(entry.order);
        }
        context.check()?;
        let partition = Partition {
            rows: kept.rows(),
            orders: &orders,
            sort: &self.spec.sort,
            now_ms: context.now_ms,
        };
        let mut running = Vec::new();
        let (mut memory, mut charged) = (0, Charge::default());
        for output in &self.spec.outputs {
            let started = Running::start(&output.function, &partition, context)?;
            memory += started.memory();
            charge(NAME, &mut charged, memory)?;
            running.push(started);
        }
        let (rows, kept) = kept.into_parts();
        Ok(Some(Current {
            rows: rows.into_iter(),
            running,
            _charges: [kept, charged],
        }))
    }
}

impl Stage for SetWindowFields {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.sort(input, context)?;
        }
        loop {
            if let Some(current) = &mut self.current
                && let Some(row) = current.rows.next()
            {
                context.check()?;
                let mut document = row.document.to_vec();
                for (output, running) in self.spec.outputs.iter().zip(&mut current.running) {
                    let value = running.next(context)?;
                    if !is_missing(&value) {
                        let doc = crate::bson::Doc::new(&document);
                        document = put(doc, output.path.parts(), &value);
                    }
                }
                return Ok(Some(Row::computed(document)));
            }
            self.current = self.next_partition(context)?;
            if self.current.is_none() {
                return Ok(None);
            }
        }
    }
}
