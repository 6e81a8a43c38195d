//! What an update changed, as the `updateDescription` of a change event.
//!
//! Operators name the paths that they set: a document that `$set` sets is one changed field, while an
//! update by a pipeline is described by the least difference of the documents.

use std::collections::{BTreeMap, HashMap};

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use crate::query::path::array_index;
use crate::query::update::compiled::Update;
use crate::query::update::context::UpdateContext;
use crate::query::update::operators::Operator;
use crate::query::update::tree::Slot;
use crate::query::update::work::Work;

/// How an operator changes the value at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// It sets the whole value.
    Whole,
    /// It may append to an array.
    Append,
}

/// The differences of two documents.
#[derive(Debug, Default)]
struct Description {
    touched: BTreeMap<String, Touch>,
    updated: Builder,
    removed: ArrayBuilder,
    truncated: ArrayBuilder,
    ambiguous: Builder,
}

/// A place in a document.
#[derive(Debug, Clone, Default)]
struct Place {
    path: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Name(String),
    Index(usize),
}

impl Update {
    /// Returns what the update changed: `updatedFields`, `removedFields`, `truncatedArrays` and
    /// `disambiguatedPaths`.
    pub fn describe(&self, before: Doc<'_>, after: Doc<'_>, context: UpdateContext) -> Vec<u8> {
        let mut description = Description {
            touched: self.touched(before, context),
            ..Description::default()
        };
        description.documents(before, after, &Place::default());
        description.finish()
    }

    fn touched(&self, before: Doc<'_>, context: UpdateContext) -> BTreeMap<String, Touch> {
        let mut touched = BTreeMap::new();
        let Self::Modify(modifications) = self else {
            return touched;
        };
        let mut root = Slot::new(before);
        let work = Work::default();
        for modification in modifications {
            let touch = match &modification.operator {
                Operator::Push(push) if push.only_appends() => Touch::Append,
                _ => Touch::Whole,
            };
            for path in modification
                .places(&mut root, context, &work)
                .unwrap_or_default()
            {
                touched.insert(path.as_str().to_owned(), touch);
            }
            if let Operator::Rename(to) = &modification.operator {
                touched.insert(to.as_str().to_owned(), Touch::Whole);
            }
        }
        touched
    }
}

impl Description {
    fn documents<'a>(&mut self, before: Doc<'a>, after: Doc<'a>, place: &Place) {
        let by_name = |doc: Doc<'a>| {
            let mut fields = HashMap::new();
            for element in doc.elements() {
                fields.entry(element.name()).or_insert(element);
            }
            fields
        };
        let (old, new) = (by_name(before), by_name(after));
        for element in before.elements() {
            if !new.contains_key(element.name()) {
                let field = place.field(element.name());
                self.removed.push(&Value::from(field.path.as_str()));
                self.note(&field);
            }
        }
        for element in after.elements() {
            let place = place.field(element.name());
            self.values(old.get(element.name()).copied(), element, &place);
        }
    }

    fn values<'a>(&mut self, before: Option<Element<'a>>, after: Element<'a>, place: &Place) {
        let same_kind = before.filter(|before| before.kind() == after.kind());
        let unchanged = same_kind.is_some_and(|before| before.payload() == after.payload());
        if unchanged {
            return;
        }
        let touch = self.touched.get(&place.path).copied();
        let both = same_kind.and_then(|before| Some((before.doc()?, after.doc()?)));
        match both {
            Some((before, after)) if touch != Some(Touch::Whole) => match same_kind {
                Some(element) if element.kind() == Kind::Array => {
                    self.arrays(before, after, place, touch);
                }
                _ => self.documents(before, after, place),
            },
            _ => self.update(place, after),
        }
    }

    fn arrays(&mut self, before: Doc<'_>, after: Doc<'_>, place: &Place, touch: Option<Touch>) {
        let (old, new) = (before.len(), after.len());
        if new < old {
            let truncated = Builder::new()
                .string("field", &place.path)
                .count("newSize", new);
            self.truncated.push_built(truncated);
        }
        let mut known = before.elements();
        for (index, element) in after.elements().enumerate() {
            let place = place.item(index);
            let before = known.next();
            if touch == Some(Touch::Append) && before.is_some() {
                continue;
            }
            self.values(before, element, &place);
        }
    }

    fn update(&mut self, place: &Place, value: Element<'_>) {
        let path = place.path.as_bytes();
        self.updated.push_raw(value.kind(), path, value.payload());
        self.note(place);
    }

    /// Notes the parts of a path if the path alone does not tell them.
    fn note(&mut self, place: &Place) {
        let ambiguous = |part: &Part| match part {
            Part::Name(name) => name.contains('.') || array_index(name).is_some(),
            Part::Index(_) => true,
        };
        if !place.parts.iter().any(ambiguous) {
            return;
        }
        let parts = place.parts.iter().map(|part| match part {
            Part::Name(name) => Value::from(name.as_str()),
            Part::Index(index) => Value::Int32(i32::try_from(*index).unwrap_or(i32::MAX)),
        });
        let parts = parts.collect::<ArrayBuilder>().into_value();
        self.ambiguous.push(&place.path, &parts);
    }

    fn finish(self) -> Vec<u8> {
        Builder::new()
            .document("updatedFields", self.updated)
            .array("removedFields", self.removed)
            .array("truncatedArrays", self.truncated)
            .document("disambiguatedPaths", self.ambiguous)
            .finish()
    }
}

impl Place {
    fn field(&self, name: &str) -> Self {
        self.with(name, Part::Name(name.to_owned()))
    }

    fn item(&self, index: usize) -> Self {
        self.with(&index.to_string(), Part::Index(index))
    }

    fn with(&self, name: &str, part: Part) -> Self {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        let parts = self.parts.iter().cloned().chain([part]).collect();
        Self { path, parts }
    }
}
