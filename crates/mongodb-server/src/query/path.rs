//! Dotted paths, and how they reach through arrays.
//!
//! A path that meets an array goes on in each document of that array and, where the next part is a
//! number, also at that index. Arrays directly inside of arrays are entered by index only.

use std::fmt;
use std::ops::ControlFlow;

use crate::bson::{Doc, Element, Kind};

/// A path such as `kafka.offset`, taken apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    text: String,
    parts: Vec<Part>,
}

/// What a path reaches in one place.
#[derive(Debug, Clone, Copy)]
pub enum Reached<'a> {
    /// A document on the way lacks the next name.
    Nothing,
    /// A field. If it is an array, its elements are meant as well.
    Field(Element<'a>),
    /// An array's element, named by its index. It is meant as it is.
    Item(Element<'a>),
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    name: String,
    /// The index that the name may mean in an array.
    index: Option<usize>,
}

impl Path {
    /// Takes a dotted path apart.
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

    /// Returns the path as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the names.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns whether one of the two paths is the other or lies inside of it.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.parts
            .iter()
            .zip(&other.parts)
            .all(|(one, other)| one.name == other.name)
    }

    /// Visits everything that the path reaches in `doc`, arrays at its end as a whole. Stops when
    /// `visit` breaks.
    pub fn visit<'a>(
        &self,
        doc: Doc<'a>,
        visit: &mut impl FnMut(Reached<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit_parts(doc, &self.parts, visit)
    }

    /// Returns the element at the path, without entering arrays.
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
    /// Returns the element, if there is one.
    pub fn element(self) -> Option<Element<'a>> {
        match self {
            Self::Nothing => None,
            Self::Field(element) | Self::Item(element) => Some(element),
        }
    }
}

impl Part {
    /// Returns the name.
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

/// Returns the index a name stands for: digits without a leading zero.
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

/// Goes on at an element.
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
        // A name was asked of something that has no names.
        _ => match reached {
            Reached::Field(_) => visit(Reached::Nothing),
            Reached::Item(_) | Reached::Nothing => ControlFlow::Continue(()),
        },
    }
}
