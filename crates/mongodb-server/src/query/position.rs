//! The array element that makes a document pass a filter: `$` in an update path.

use crate::bson::{Doc, Element, Kind};
use crate::query::filter::{Comparison, Filter, Test};
use crate::query::path::{Part, Path};

impl Filter {
    /// Returns the index, in the outermost array, of the element that makes the document pass. If
    /// several conditions look into arrays, the last one in MongoDB's order of conditions determines
    /// it.
    pub fn position(&self, doc: Doc<'_>) -> Option<usize> {
        match self {
            Self::And(filters) => {
                let mut conditions = Vec::new();
                for filter in filters {
                    filter.flatten(&mut conditions);
                }
                conditions.sort_by_key(|condition| condition.place());
                let mut conditions = conditions.iter().rev();
                conditions.find_map(|condition| condition.position(doc))
            }
            Self::Or(filters) => position_of_choices(filters, doc),
            Self::Field { path, test } => position_at(doc, path.parts(), test),
            Self::Not(_) | Self::Constant(_) | Self::Schema(_) | Self::Expression { .. } => None,
        }
    }

    /// Adds the conditions that must all pass.
    fn flatten<'f>(&'f self, conditions: &mut Vec<&'f Self>) {
        match self {
            Self::And(filters) => {
                for filter in filters {
                    filter.flatten(conditions);
                }
            }
            filter => conditions.push(filter),
        }
    }

    /// Returns the place among conditions that must all pass: by the kind, then by the path.
    fn place(&self) -> (u8, &str) {
        let Self::Field { path, test } = self else {
            return (0, "");
        };
        let kind = match test {
            Test::ElementDocument(_) => 1,
            Test::ElementValue(_) => 2,
            Test::Size(_) => 3,
            Test::Equal(_) | Test::All(_) => 4,
            Test::Compare(Comparison::LessOrEqual, _) => 5,
            Test::Compare(Comparison::Less, _) => 6,
            Test::Compare(Comparison::Greater, _) => 7,
            Test::Compare(Comparison::GreaterOrEqual, _) => 8,
            Test::Matches(_) => 9,
            Test::Modulo { .. } => 10,
            Test::Exists(_) => 11,
            Test::In(_) => 12,
            Test::Bits { .. } => 13,
            Test::Each(_) => 14,
            Test::Type(_) => 15,
        };
        (kind, path.as_str())
    }
}

/// Returns the position of an `$or`, which has one only where it is another form of `$in`, or of its
/// only condition.
fn position_of_choices(filters: &[Filter], doc: Doc<'_>) -> Option<usize> {
    if let [only] = filters {
        return only.position(doc);
    }
    let mut paths = filters.iter().map(path_of);
    let first = paths.next()??;
    if !paths.all(|path| path == Some(first)) {
        return None;
    }
    filters
        .iter()
        .filter_map(|filter| filter.position(doc))
        .min()
}

/// Returns the path of a condition that `$in` can have.
fn path_of(filter: &Filter) -> Option<&Path> {
    match filter {
        Filter::And(filters) => match filters.as_slice() {
            [only] => path_of(only),
            _ => None,
        },
        Filter::Field {
            path,
            test: Test::Equal(_) | Test::In(_),
        } => Some(path),
        _ => None,
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
        let mut tests = tests.iter().rev();
        return tests.find_map(|test| position_in(inner, rest, test));
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
