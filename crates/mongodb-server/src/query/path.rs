//! Dotted paths, and how they resolve through arrays.
//!
//! In an array, a path continues in each embedded document and, if its next part is a number, also
//! at that index. Arrays directly inside arrays are entered by index only.

use std::fmt;
use std::ops::ControlFlow;

use crate::bson::{Doc, Element, Kind};

/// A path such as `kafka.offset`, split at the dots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    text: String,
    parts: Vec<Part>,
}

/// One place that a path leads to.
#[derive(Debug, Clone, Copy)]
pub enum Reached<'a> {
    /// A document on the way has no field with the next name.
    Nothing,
    /// A field. If its value is an array, a test applies to the elements too.
    Field(Element<'a>),
    /// An array element that the path names by its index. A test applies to the element only.
    Item(Element<'a>),
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    name: String,
    /// The array index that the name may stand for.
    index: Option<usize>,
}

impl Path {
    pub fn new(text: &str) -> Self {
        let part = |name: &str| Part {
            name: name.to_owned(),
            index: array_index(name),
        };
        Self {
            text: text.to_owned(),
            parts: text.split('.').map(part).collect(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns whether the paths are equal or one contains the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.parts
            .iter()
            .zip(&other.parts)
            .all(|(one, other)| one.name == other.name)
    }

    /// Visits each place in `doc` that the path leads to, until `visit` breaks. Visits an array at
    /// the end of the path once, as a whole.
    pub fn visit<'a>(
        &self,
        doc: Doc<'a>,
        visit: &mut impl FnMut(Reached<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit_parts(doc, &self.parts, visit)
    }

    /// Returns the element at the path; does not enter arrays.
    pub fn get<'a>(&self, doc: Doc<'a>) -> Option<Element<'a>> {
        let (last, parents) = self.parts.split_last()?;
        let mut doc = doc;
        for part in parents {
            let element = doc.element(&part.name)?;
            if element.kind() != Kind::Document {
                return None;
            }
            doc = element.doc()?;
        }
        doc.element(&last.name)
    }
}

impl<'a> Reached<'a> {
    /// Returns whether a test applies to the elements of an array, too.
    pub fn looks_inside(self) -> bool {
        matches!(self, Self::Field(_))
    }

    pub fn element(self) -> Option<Element<'a>> {
        match self {
            Self::Nothing => None,
            Self::Field(element) | Self::Item(element) => Some(element),
        }
    }
}

impl Part {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the index that the name may mean in an array.
    pub fn index(&self) -> Option<usize> {
        self.index
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, out)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Returns the array index that a name stands for: digits without a leading zero.
pub fn array_index(name: &str) -> Option<usize> {
    let canonical = name == "0" || (!name.starts_with('0') && !name.starts_with('+'));
    name.parse().ok().filter(|_index: &usize| canonical)
}

fn visit_parts<'a>(
    doc: Doc<'a>,
    parts: &[Part],
    visit: &mut impl FnMut(Reached<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((part, rest)) = parts.split_first() else {
        return ControlFlow::Continue(());
    };
    match doc.element(&part.name) {
        Some(element) => visit_element(Reached::Field(element), rest, visit),
        None => visit(Reached::Nothing),
    }
}

/// Continues at an element.
fn visit_element<'a>(
    reached: Reached<'a>,
    rest: &[Part],
    visit: &mut impl FnMut(Reached<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let (Some((next, after)), Some(element)) = (rest.split_first(), reached.element()) else {
        return visit(reached);
    };
    match (element.kind(), element.doc()) {
        (Kind::Document, Some(doc)) => visit_parts(doc, rest, visit),
        // `a.` leads to the arrays among the values of `a`.
        (Kind::Array, Some(_)) if next.name.is_empty() && after.is_empty() => visit(reached),
        (Kind::Array, Some(array)) => {
            if let Some(item) = next.index.and_then(|index| array.elements().nth(index)) {
                visit_element(Reached::Item(item), after, visit)?;
            }
            let documents = array
                .elements()
                .filter(|item| item.kind() == Kind::Document);
            documents
                .filter_map(Element::doc)
                .try_for_each(|doc| visit_parts(doc, rest, visit))
        }
        // The path names a field of a value that has no fields.
        _ => match reached {
            Reached::Field(_) => visit(Reached::Nothing),
            Reached::Item(_) | Reached::Nothing => ControlFlow::Continue(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::strategies::{document, document_without_arrays, path};

    /// Returns the number of places that a path leads to, and the elements there.
    fn visited<'a>(path: &Path, doc: Doc<'a>) -> (usize, Vec<Element<'a>>) {
        let (mut places, mut elements) = (0, Vec::new());
        let outcome = path.visit(doc, &mut |reached| {
            places += 1;
            elements.extend(reached.element());
            ControlFlow::Continue(())
        });
        assert!(outcome.is_continue());
        (places, elements)
    }

    proptest! {
        #[test]
        fn path_leads_to_one_place_in_a_document_without_arrays(
            bytes in document_without_arrays(), path in path()
        ) {
            let (path, doc) = (Path::new(&path), Doc::new(&bytes));
            let (places, elements) = visited(&path, doc);
            prop_assert_eq!(places, 1);
            let found = elements.first().map(|element| element.payload());
            prop_assert_eq!(found, path.get(doc).map(Element::payload));
        }

        #[test]
        fn visit_finds_the_element_that_get_returns(bytes in document(), path in path()) {
            let (path, doc) = (Path::new(&path), Doc::new(&bytes));
            if let Some(element) = path.get(doc) {
                let (_, elements) = visited(&path, doc);
                let same = |found: &Element<'_>| std::ptr::eq(found.payload(), element.payload());
                prop_assert!(elements.iter().any(same));
            }
        }

        #[test]
        fn paths_overlap_if_one_is_a_prefix_of_the_other(one in path(), other in path()) {
            let (left, right) = (Path::new(&one), Path::new(&other));
            let (one, other) = (format!("{one}."), format!("{other}."));
            let expected = one.starts_with(&other) || other.starts_with(&one);
            prop_assert_eq!(left.overlaps(&right), expected);
            prop_assert_eq!(right.overlaps(&left), expected);
        }

        #[test]
        fn only_canonical_digits_are_an_array_index(index in 0_usize..1_000) {
            prop_assert_eq!(array_index(&index.to_string()), Some(index));
            prop_assert_eq!(array_index(&format!("0{index}")), None);
            prop_assert_eq!(array_index(&format!("+{index}")), None);
            prop_assert_eq!(array_index(&format!("{index}a")), None);
        }
    }
}
