//! The array element that makes a document pass a filter: `$` in an update path.

use crate::bson::{Doc, Element, Kind};
use crate::query::filter::{Filter, Test};
use crate::query::path::Part;

impl Filter {
    /// Returns the index, in the outermost array, of the element that makes the document pass. If
    /// several conditions look into arrays, the last one determines it.
    pub fn position(&self, doc: Doc<'_>) -> Option<usize> {
        match self {
            Self::And(filters) => filters.iter().rev().find_map(|filter| filter.position(doc)),
            Self::Or(filters) => filters
                .iter()
                .filter(|filter| filter.matches(doc))
                .find_map(|filter| filter.position(doc)),
            Self::Field { path, test } => position_at(doc, path.parts(), test),
            Self::Not(_) | Self::Constant(_) | Self::Schema(_) | Self::Expression { .. } => None,
        }
    }
}

fn position_at(doc: Doc<'_>, parts: &[Part], test: &Test) -> Option<usize> {
    let (part, rest) = parts.split_first()?;
    let element = doc.element(part.name())?;
    let inner = element.doc()?;
    if element.kind() == Kind::Document {
        return position_at(inner, rest, test);
    }
    if let Test::All(tests) = test {
        return tests.iter().find_map(|test| position_in(inner, rest, test));
    }
    position_in(inner, rest, test)
}

/// Returns the index of the first element that passes, or contains a value that passes.
fn position_in(array: Doc<'_>, rest: &[Part], test: &Test) -> Option<usize> {
    array.elements().position(|item| {
        if rest.is_empty() {
            return test.matches_item(item);
        }
        let doc = item.doc().filter(|_| item.kind() == Kind::Document);
        doc.is_some_and(|doc| reaches(doc, rest, test))
    })
}

fn reaches(doc: Doc<'_>, parts: &[Part], test: &Test) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    let Some(element) = doc.element(part.name()) else {
        return false;
    };
    if rest.is_empty() {
        return test.matches_field(element);
    }
    let documents = |array: Doc<'_>| {
        let mut items = array.elements().filter_map(Element::doc);
        items.any(|item| reaches(item, rest, test))
    };
    match (element.kind(), element.doc()) {
        (Kind::Document, Some(inner)) => reaches(inner, rest, test),
        (Kind::Array, Some(array)) => documents(array),
        _ => false,
    }
}
