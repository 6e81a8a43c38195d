//! Compares two graphs pair by pair.
//!
//! A pair that is reached again while it is being compared is assumed to be compatible. If it turns
//! out not to be, the comparison is repeated without that assumption, until no assumption was wrong.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::checker::Deadline;
use crate::json_schema::bounds;
use crate::json_schema::finding::{Finding, Found};
use crate::json_schema::graph::{Criterion, Graph, Id, Shape};

/// Maximum number of pairs inside each other.
const MAX_DEPTH: usize = 2_000;

/// Findings of one pair, with paths that start at the pair.
pub(super) type Findings = Rc<[Finding]>;

/// A comparison of a writer's schema with a reader's.
pub(super) struct Comparison<'a> {
    pub(super) writer: &'a Graph<'a>,
    pub(super) reader: &'a Graph<'a>,
    done: HashMap<Pair, Findings>,
    running: HashSet<Pair>,
    /// Pairs that earlier passes found to be incompatible.
    refuted: HashMap<Pair, Findings>,
    assumed: bool,
    deadline: &'a Deadline,
}

/// A schema of the writer and one of the reader. Inside `not`, the two change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) writer: Id,
    pub(super) reader: Id,
    /// The writer's id is one of the reader's graph, and the other way round.
    pub(super) swapped: bool,
}

pub(super) fn findings<'a>(
    writer: &'a Graph<'a>,
    reader: &'a Graph<'a>,
    deadline: &'a Deadline,
) -> Result<Vec<Finding>, String> {
    let root = Pair {
        writer: writer.root,
        reader: reader.root,
        swapped: false,
    };
    let mut refuted = HashMap::new();
    loop {
        let known = refuted.len();
        let mut comparison = Comparison {
            writer,
            reader,
            done: HashMap::new(),
            running: HashSet::new(),
            refuted,
            assumed: false,
            deadline,
        };
        let found = comparison.pair(root)?;
        let Comparison { done, assumed, .. } = comparison;
        refuted = done;
        refuted.retain(|_, findings| !findings.is_empty());
        if !assumed || refuted.len() == known {
            return Ok(found.to_vec());
        }
    }
}

impl<'a> Comparison<'a> {
    /// Returns the graphs of the writer and the reader of a pair.
    pub(super) fn graphs(&self, pair: Pair) -> (&'a Graph<'a>, &'a Graph<'a>) {
        if pair.swapped {
            (self.reader, self.writer)
        } else {
            (self.writer, self.reader)
        }
    }

    /// Compares two parts of a pair and returns what was found.
    pub(super) fn parts(&mut self, of: Pair, writer: Id, reader: Id) -> Result<Findings, String> {
        self.pair(Pair {
            writer,
            reader,
            swapped: of.swapped,
        })
    }

    /// Compares parts that one of the two may lack.
    pub(super) fn optional(
        &mut self,
        of: Pair,
        parts: [Option<Id>; 2],
        path: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        match parts {
            [Some(writer), Some(reader)] => {
                let findings = self.parts(of, writer, reader)?;
                found.extend(path, &findings);
            }
            [None, Some(_)] => found.add("SCHEMA_ADDED", path, "adds a schema"),
            [_, None] => {}
        }
        Ok(())
    }

    pub(super) fn pair(&mut self, pair: Pair) -> Result<Findings, String> {
        let (writer, reader) = self.graphs(pair);
        let pair = Pair {
            writer: writer.target(pair.writer),
            reader: reader.target(pair.reader),
            ..pair
        };
        if let Some(done) = self.done.get(&pair) {
            return Ok(Rc::clone(done));
        }
        if self.running.contains(&pair) {
            if let Some(refuted) = self.refuted.get(&pair) {
                return Ok(Rc::clone(refuted));
            }
            self.assumed = true;
            return Ok(Rc::from([]));
        }
        if self.deadline.passed() {
            return Err("the comparison takes too long".to_owned());
        }
        if self.running.len() >= MAX_DEPTH {
            return Err(format!(
                "schemas are nested more than {MAX_DEPTH} levels deep"
            ));
        }
        self.running.insert(pair);
        let found = self.compare(pair)?;
        self.running.remove(&pair);
        let found: Findings = found.into();
        self.done.insert(pair, Rc::clone(&found));
        Ok(found)
    }

    fn compare(&mut self, pair: Pair) -> Result<Vec<Finding>, String> {
        let (writer, reader) = self.graphs(pair);
        let (old, new) = (writer.direct(pair.writer), reader.direct(pair.reader));
        if self.covered_by_a_part(pair)? {
            return Ok(Vec::new());
        }
        let mut found = Found::default();
        match (&old.shape, &new.shape) {
            (Shape::Nothing, _) | (_, Shape::Anything | Shape::Reference(_)) => {}
            (before, after) if !before.same_kind(after) => {
                let both_bytes = old.connect_bytes && new.connect_bytes;
                found.add_unless(both_bytes, "TYPE_CHANGED", "has another type");
            }
            (Shape::Text(old), Shape::Text(new)) => bounds::texts(old, new, &mut found),
            (Shape::Number(old), Shape::Number(new)) => bounds::numbers(old, new, &mut found),
            (Shape::Enum(old), Shape::Enum(new)) => bounds::enums(old, new, &mut found),
            (Shape::Const(old), Shape::Const(new)) if old != new => {
                found.add("ENUM_ARRAY_CHANGED", "const", "accepts another constant");
            }
            (Shape::Not(old), Shape::Not(new)) => {
                let reversed = Pair {
                    writer: *new,
                    reader: *old,
                    swapped: !pair.swapped,
                };
                if !self.pair(reversed)?.is_empty() {
                    found.add("NOT_TYPE_EXTENDED", "not", "excludes more values");
                }
            }
            (Shape::Object(old), Shape::Object(new)) => self.objects(pair, old, new, &mut found)?,
            (Shape::Array(old), Shape::Array(new)) => self.arrays(pair, old, new, &mut found)?,
            (Shape::Combined(old), Shape::Combined(new)) => {
                self.combined(pair, old, new, &mut found)?;
            }
            _ => {}
        }
        Ok(found.into_inner())
    }

    /// Returns whether only one of the two is combined, and a part of it alone decides that they are
    /// compatible.
    fn covered_by_a_part(&mut self, pair: Pair) -> Result<bool, String> {
        let (writer, reader) = self.graphs(pair);
        let (old, new) = (writer.direct(pair.writer), reader.direct(pair.reader));
        match (&old.shape, &new.shape) {
            (Shape::Combined(_), Shape::Combined(_)) => {}
            (_, Shape::Combined(new))
                if new.parts.len() == 1 || new.criterion != Criterion::All =>
            {
                for part in &new.parts {
                    if self.parts(pair, pair.writer, *part)?.is_empty() {
                        return Ok(true);
                    }
                }
            }
            (Shape::Combined(old), _)
                if old.parts.len() == 1 || old.criterion == Criterion::All =>
            {
                for part in &old.parts {
                    if self.parts(pair, *part, pair.reader)?.is_empty() {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
        Ok(false)
    }
}
