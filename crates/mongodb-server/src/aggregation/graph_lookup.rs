//! `$graphLookup`: adds to each document those that can be reached from it, level by level.

use std::collections::HashSet;

use crate::aggregation::held::Charge;
use crate::aggregation::join::{Join, values_at};
use crate::aggregation::memory::charge;
use crate::aggregation::opener::OpenPipeline;
use crate::aggregation::put::put;
use crate::aggregation::spec::GraphLookupSpec;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{ArrayBuilder, Doc, Key, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::Scope;

/// Adds an array of reachable documents to each document.
pub struct GraphLookup {
    input: Box<dyn Stage>,
    spec: GraphLookupSpec,
    join: Join,
}

impl GraphLookup {
    pub fn new(input: Box<dyn Stage>, spec: GraphLookupSpec, open: OpenPipeline) -> Self {
        let join = Join::new(
            "$graphLookup",
            spec.from.clone(),
            spec.connect_to.clone(),
            spec.restriction.clone(),
            open,
        );
        Self { input, spec, join }
    }

    fn reachable(
        &mut self,
        doc: Doc<'_>,
        context: &Context,
    ) -> Result<Value<'static>, CommandError> {
        let start = self.spec.start.evaluate(&Scope::new(doc, context.now_ms))?;
        let mut frontier: Vec<Value<'static>> = match start {
            Value::Undefined => Vec::new(),
            Value::Array(items) => Doc::new(&items).values().map(Value::into_owned).collect(),
            value => vec![value.into_owned()],
        };
        let mut asked: HashSet<Key> = frontier.iter().map(Key::of).collect();
        let mut visited = HashSet::new();
        let mut reached = ArrayBuilder::default();
        let mut depth = 0;
        let (mut memory, mut charged) = (0, Charge::default());
        while !frontier.is_empty() && self.spec.max_depth.is_none_or(|most| depth <= most) {
            context.check()?;
            let mut next = Vec::new();
            for row in self.join.find(&frontier, context)?.rows() {
                let id = row.doc().get("_id").unwrap_or(Value::Undefined);
                let id = Key::of(&id);
                let bytes = id.bytes().len();
                if !visited.insert(id) {
                    continue;
                }
                memory += bytes;
                for value in values_at(&self.spec.connect_from, row.doc()) {
                    let key = Key::of(&value);
                    let bytes = 2 * key.bytes().len();
                    if asked.insert(key) {
                        memory += bytes;
                        next.push(value);
                    }
                }
                match &self.spec.depth_field {
                    Some(field) => {
                        let depth = Value::Int64(i64::try_from(depth).unwrap_or(i64::MAX));
                        reached.push_doc(Doc::new(&put(row.doc(), field.parts(), &depth)));
                    }
                    None => reached.push_doc(row.doc()),
                }
                charge("$graphLookup", &mut charged, memory + reached.size())?;
            }
            frontier = next;
            depth += 1;
        }
        Ok(reached.into_value())
    }
}

impl Stage for GraphLookup {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        let reached = self.reachable(row.doc(), context)?;
        let document = put(row.doc(), self.spec.field.parts(), &reached);
        Ok(Some(Row::computed(document)))
    }
}
