//! `$group`: documents grouped by a key, with accumulated values per group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::vec;

use crate::aggregation::accumulator::{Accumulator, State};
use crate::aggregation::held::Charge;
use crate::aggregation::memory::charge;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{ArrayBuilder, Builder, Doc, Key, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Environment, Expression, Scope, null_if_missing};

/// A compiled `$group`.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// The key of a group.
    id: Expression,
    /// The accumulated fields.
    fields: Vec<(String, Accumulator)>,
    /// Whether another stage follows.
    pub followed: bool,
}

/// Reads all documents, then returns one document per group.
pub struct Group {
    input: Option<Box<dyn Stage>>,
    spec: GroupSpec,
    groups: vec::IntoIter<Gathered>,
    charge: Charge,
}

/// A group and the states of its accumulators.
struct Gathered {
    id: Value<'static>,
    states: Vec<State>,
}

impl GroupSpec {
    /// Compiles the argument of the stage.
    pub fn parse(spec: &Value<'_>, environment: &Environment) -> Result<Self, CommandError> {
        let doc = spec.as_document().ok_or_else(|| {
            let message = "a group's fields must be specified in an object";
            CommandError::location(15_947, message)
        })?;
        let id = doc.get("_id").ok_or_else(|| {
            let message = "a group specification must include an _id";
            CommandError::location(15_955, message)
        })?;
        check_id(&id)?;
        let fields = parse_fields(doc, environment)?;
        Ok(Self {
            id: Expression::parse_in(&id, environment)?,
            fields,
            followed: false,
        })
    }

    /// Returns whether the result depends on the number of documents only.
    pub fn only_counts(&self) -> bool {
        self.id.as_constant().is_some() && self.fields.iter().all(|(_, field)| field.only_counts())
    }
}

/// Rejects fields of a key that only say that they are included, as in a projection.
fn check_id(id: &Value<'_>) -> Result<(), CommandError> {
    let fields = id.as_document().unwrap_or(Doc::EMPTY);
    let includes = |field: Value<'_>| field.is_number() || matches!(field, Value::Bool(_));
    let operator = fields.elements().any(|field| field.name().starts_with('$'));
    if !operator && fields.values().any(includes) {
        let message = "$group does not support inclusion-style expressions";
        return Err(CommandError::location(17_390, message));
    }
    Ok(())
}

/// Compiles the accumulated fields of a group.
pub fn parse_fields(
    doc: Doc<'_>,
    environment: &Environment,
) -> Result<Vec<(String, Accumulator)>, CommandError> {
    let mut fields = Vec::new();
    for element in doc.elements().filter(|element| element.name() != "_id") {
        let name = element.name();
        if name.contains('.') {
            let message = format!("The field name '{name}' cannot contain '.'");
            return Err(CommandError::location(40_235, message));
        }
        if name.starts_with('$') {
            let message = format!("The field name '{name}' cannot be an operator name");
            return Err(CommandError::location(40_236, message));
        }
        let accumulator = Accumulator::parse(name, &element.value(), environment)?;
        fields.push((name.to_owned(), accumulator));
    }
    Ok(fields)
}

impl Group {
    pub fn new(input: Box<dyn Stage>, spec: GroupSpec) -> Self {
        Self {
            input: Some(input),
            spec,
            groups: Vec::new().into_iter(),
            charge: Charge::default(),
        }
    }

    fn gather(&mut self, mut input: Box<dyn Stage>, context: &Context) -> Result<(), CommandError> {
        let mut places = HashMap::<Key, usize>::new();
        let mut groups: Vec<Gathered> = Vec::new();
        let mut memory = 0_usize;
        while let Some(row) = input.next(context)? {
            let scope = Scope::new(row.doc(), context.now_ms);
            let id = null_if_missing(self.spec.id.evaluate(&scope)?);
            let key = Key::of(&id);
            let place = match places.entry(key) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    memory += 2 * new.key().bytes().len()
                        + size_of::<Gathered>()
                        + self.spec.fields.len() * size_of::<State>();
                    let fields = self.spec.fields.iter();
                    let states = fields.map(|(_, field)| field.start(&id, context.now_ms));
                    let states = states.collect::<Result<Vec<_>, _>>()?;
                    let id = id.into_owned();
                    groups.push(Gathered { id, states });
                    *new.insert(groups.len() - 1)
                }
            };
            for (state, (_, field)) in groups[place].states.iter_mut().zip(&self.spec.fields) {
                let more = field.add(state, &scope)?;
                memory = memory.saturating_add_signed(more);
            }
            charge("$group", &mut self.charge, memory)?;
        }
        self.groups = groups.into_iter();
        Ok(())
    }
}

/// Returns a value as MongoDB's engine of `$group` hands it over to the next stage: the least and the
/// greatest key in a document with an empty name, and code as text.
fn handed_over(value: Value<'_>) -> Value<'_> {
    match value {
        Value::MinKey | Value::MaxKey => {
            Value::Document(Builder::new().with("", &value).finish().into())
        }
        Value::Code(code) => Value::String(code),
        value => value,
    }
}

impl Stage for Group {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.gather(input, context)?;
        }
        let Some(group) = self.groups.next() else {
            return Ok(None);
        };
        let passed = |value: Value<'static>| {
            if self.spec.followed {
                handed_over(value)
            } else {
                value
            }
        };
        let mut document = Builder::new().with("_id", &passed(group.id));
        for (state, (name, field)) in group.states.into_iter().zip(&self.spec.fields) {
            let value = match field.finish(state) {
                Value::Array(items) if self.spec.followed && field.collects() => {
                    let items = Doc::new(&items);
                    let items: ArrayBuilder = items.values().map(handed_over).collect();
                    items.into_value()
                }
                value => passed(value),
            };
            document.push(name, &value);
        }
        Ok(Some(Row::computed(document.finish())))
    }
}
