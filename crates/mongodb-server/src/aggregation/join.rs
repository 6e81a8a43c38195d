//! Documents of another collection by the values of a field: what `$lookup` and `$graphLookup` join
//! with.
//!
//! An index on the field answers each question alone. Without one, the collection is read once and
//! its documents are kept by their values, so that a join takes time in proportion to both sides.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use crate::aggregation::held::{Charge, Held};
use crate::aggregation::memory::check_memory;
use crate::aggregation::opener::OpenPipeline;
use crate::aggregation::rows::Kept;
use crate::aggregation::selection::Selection;
use crate::aggregation::spec::StageSpec;
use crate::aggregation::stage::Context;
use crate::bson::{Doc, Element, Key, Kind, Value};
use crate::engine::{Namespace, Source};
use crate::error::CommandError;
use crate::query::{Choices, Filter, Path, Test};

/// A join with a field of a collection.
pub struct Join {
    from: Namespace,
    field: Path,
    /// A filter of the documents.
    restriction: Filter,
    open: OpenPipeline,
    /// The stage that joins, for the error if it needs too much memory.
    stage: &'static str,
    /// The documents of the collection, once they are read.
    table: Option<Table>,
}

/// Documents by the values of a field.
#[derive(Default)]
struct Table {
    documents: Vec<Held>,
    places: HashMap<Key, Vec<usize>>,
    /// Memory of the keys and places.
    charge: Charge,
}

impl Join {
    /// Returns a join with the documents of a collection that pass a filter.
    pub fn new(
        stage: &'static str,
        from: Namespace,
        field: Path,
        restriction: Filter,
        open: OpenPipeline,
    ) -> Self {
        Self {
            from,
            field,
            restriction,
            open,
            stage,
            table: None,
        }
    }

    /// Returns the documents whose field has one of these values, or contains one.
    pub fn find(
        &mut self,
        values: &[Value<'static>],
        context: &Context,
    ) -> Result<Kept, CommandError> {
        if self.table.is_none() {
            let selection = Selection::new(Filter::And(vec![
                self.filter(values),
                self.restriction.clone(),
            ]));
            let plan = selection.plan(&context.engine, &self.from)?;
            let indexed = plan.index.is_some() || matches!(plan.source, Source::Nothing);
            if indexed && !context.engine.is_view(&self.from) {
                let mut stage = selection.into_stage(&context.engine, &self.from)?;
                return Kept::read(self.stage, stage.as_mut(), context);
            }
        }
        let table = match self.table.take() {
            Some(table) => table,
            None => self.read(context)?,
        };
        let table = self.table.insert(table);
        let mut found: BTreeSet<&usize> = BTreeSet::new();
        for value in values {
            if let Some(places) = table.places.get(&key_of(value)) {
                found.extend(places);
            }
        }
        let mut kept = Kept::new(self.stage);
        for place in found {
            kept.push(table.documents[*place].clone().into_row()?)?;
        }
        Ok(kept)
    }

    /// Returns the filter of the documents whose field has one of these values.
    pub fn filter(&self, values: &[Value<'static>]) -> Filter {
        let test = match values {
            [only] => Test::Equal(only.clone()),
            several => Test::In(Choices {
                keys: several.iter().map(Key::of).collect(),
                values: several.to_vec(),
                patterns: Vec::new(),
                null: several.iter().any(Value::is_nullish),
            }),
        };
        Filter::Field {
            path: self.field.clone(),
            test,
        }
    }

    /// Reads the collection.
    fn read(&self, context: &Context) -> Result<Table, CommandError> {
        let stages = vec![StageSpec::Match(self.restriction.clone())];
        let mut stage = (self.open)(context, &self.from, stages)?;
        let mut table = Table::default();
        let (mut memory, mut own) = (0, 0);
        while let Some(row) = stage.next(context)? {
            let place = table.documents.len();
            for key in keys(&self.field, row.doc()) {
                own += key.bytes().len() + size_of::<(Key, Vec<usize>)>();
                table.places.entry(key).or_default().push(place);
            }
            let held = Held::new(row);
            own += size_of::<Held>();
            memory += held.memory();
            table.documents.push(held);
            table.charge.set(own);
            check_memory(self.stage, memory + own)?;
        }
        Ok(table)
    }
}

/// Returns the values at a path, the elements of arrays instead of the arrays.
pub fn values_at(path: &Path, doc: Doc<'_>) -> Vec<Value<'static>> {
    let mut values = Vec::new();
    let visited = path.visit(doc, &mut |reached| {
        if let Some(element) = reached.element() {
            match array_of(element) {
                Some(array) => values.extend(array.values().map(Value::into_owned)),
                None => values.push(element.value().into_owned()),
            }
        }
        ControlFlow::Continue(())
    });
    debug_assert!(visited.is_continue(), "the visitor never breaks");
    values
}

/// Returns the keys of all values by which a document has a value at a path.
fn keys(path: &Path, doc: Doc<'_>) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    let visited = path.visit(doc, &mut |reached| {
        match reached.element() {
            None => {
                keys.insert(Key::of(&Value::Null));
            }
            Some(element) => {
                keys.insert(key_of(&element.value()));
                if reached.looks_inside()
                    && let Some(array) = array_of(element)
                {
                    keys.extend(array.values().map(|item| key_of(&item)));
                }
            }
        }
        ControlFlow::Continue(())
    });
    debug_assert!(visited.is_continue(), "the visitor never breaks");
    keys
}

/// Returns the key of a value; undefined is equal to null.
fn key_of(value: &Value<'_>) -> Key {
    match value {
        Value::Undefined => Key::of(&Value::Null),
        value => Key::of(value),
    }
}

fn array_of(element: Element<'_>) -> Option<Doc<'_>> {
    element.doc().filter(|_| element.kind() == Kind::Array)
}
