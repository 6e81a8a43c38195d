//! Compares `allOf`, `anyOf` and `oneOf`.

use std::collections::HashSet;

use crate::json_schema::compare::{Comparison, Pair};
use crate::json_schema::finding::Found;
use crate::json_schema::graph::{Combined, Criterion, Graph, Id};

impl Comparison<'_> {
    pub(super) fn combined(
        &mut self,
        pair: Pair,
        old: &Combined,
        new: &Combined,
        found: &mut Found,
    ) -> Result<(), String> {
        if !criteria_are_compatible(old, new) {
            found.add(
                "COMBINED_TYPE_CHANGED",
                "",
                "combines its parts in another way",
            );
            return Ok(());
        }
        let (writer, reader) = self.graphs(pair);
        let (old_parts, new_parts) = (distinct(writer, old), distinct(reader, new));
        if old_parts.len() < new_parts.len() && new.criterion == Criterion::All {
            found.add("PRODUCT_TYPE_EXTENDED", "", "demands more parts");
        }
        if old_parts.len() > new_parts.len() && old.criterion != Criterion::All {
            found.add("SUM_TYPE_NARROWED", "", "offers fewer choices");
        }
        let mut edges = Vec::with_capacity(old_parts.len());
        for old in &old_parts {
            let mut fitting = Vec::new();
            for (number, new) in new_parts.iter().enumerate() {
                if self.parts(pair, *old, *new)?.is_empty() {
                    fitting.push(number);
                }
            }
            edges.push(fitting);
        }
        if matched(&edges, new_parts.len()) < old_parts.len().min(new_parts.len()) {
            let text = "has parts that do not cover the earlier ones";
            found.add("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "", text);
        }
        Ok(())
    }
}

fn criteria_are_compatible(old: &Combined, new: &Combined) -> bool {
    let one_old = old.parts.len() == 1;
    let one_new = new.parts.len() == 1;
    old.criterion == new.criterion
        || new.criterion == Criterion::Any
        || (one_old && (one_new || new.criterion == Criterion::One))
        || (one_new && old.criterion == Criterion::All)
}

/// Returns the parts without those that repeat an earlier one.
fn distinct(graph: &Graph<'_>, combined: &Combined) -> Vec<Id> {
    let mut known = HashSet::new();
    let mut parts = combined.parts.clone();
    parts.retain(|part| match graph.direct(*part).source {
        Some(source) => known.insert(source.to_string()),
        None => true,
    });
    parts
}

/// Returns the size of a largest matching: each part of one side with at most one of the other.
fn matched(edges: &[Vec<usize>], others: usize) -> usize {
    let mut partners = vec![None; others];
    let mut count = 0;
    for one in 0..edges.len() {
        let mut seen = vec![false; others];
        count += usize::from(augment(one, edges, &mut partners, &mut seen));
    }
    count
}

/// Finds a partner for one part; parts that have one may change it.
fn augment(
    one: usize,
    edges: &[Vec<usize>],
    partners: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for &other in edges.get(one).into_iter().flatten() {
        match seen.get_mut(other) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let taken_by = partners.get(other).copied().flatten();
        if taken_by.is_none_or(|taken_by| augment(taken_by, edges, partners, seen)) {
            if let Some(partner) = partners.get_mut(other) {
                *partner = Some(one);
            }
            return true;
        }
    }
    false
}
