//! A mutable document, parsed only where an update reads or changes it.

use std::borrow::Cow;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::error::{Code, CommandError};
use crate::query::path::{Part, Path, array_index};
use crate::query::update::fields::Fields;

/// Maximum index to which setting an element extends an array.
const MAX_ARRAY_INDEX: usize = 1_500_000;

/// A value, parsed as far as its parts have been accessed.
#[derive(Debug, Clone)]
pub enum Slot<'a> {
    /// A value that is not parsed.
    Value(Value<'a>),
    Document(Fields<'a, Self>),
    Array(Vec<Self>),
}

impl<'a> Slot<'a> {
    /// Parses a document.
    pub fn new(doc: Doc<'a>) -> Self {
        let fields = doc.elements();
        Self::Document(
            fields
                .map(|element| (Cow::Borrowed(element.name()), Self::Value(element.value())))
                .collect(),
        )
    }

    /// Returns the BSON of a document; an empty document for other values.
    pub fn into_document(self) -> Vec<u8> {
        match self.into_value() {
            Value::Document(bytes) => bytes.into_owned(),
            _ => Builder::new().finish(),
        }
    }

    pub fn into_value(self) -> Value<'a> {
        match self {
            Self::Value(value) => value,
            Self::Document(fields) => {
                let mut builder = Builder::new();
                for (name, slot) in fields {
                    builder.push(&name, &slot.into_value());
                }
                Value::Document(builder.finish().into())
            }
            Self::Array(items) => {
                let items = items.into_iter().map(Self::into_value);
                Value::Array(items.collect::<ArrayBuilder>().finish().into())
            }
        }
    }

    pub fn to_value(&self) -> Value<'a> {
        self.clone().into_value()
    }

    /// Parses the value, if it is a document or an array.
    pub fn open(&mut self) {
        if let Self::Value(value) = self {
            match value {
                Value::Document(bytes) => *self = Self::Document(fields(bytes)),
                Value::Array(bytes) => {
                    let items = fields(bytes).into_iter();
                    *self = Self::Array(items.map(|(_, slot)| slot).collect());
                }
                _ => {}
            }
        }
    }

    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Self>> {
        self.open();
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the value at a path, if it exists.
    pub fn find(&mut self, parts: &[Part]) -> Result<Option<&mut Self>, CommandError> {
        let Some((part, rest)) = parts.split_first() else {
            return Ok(Some(self));
        };
        self.open();
        let next = match self {
            Self::Document(fields) => fields.get_mut(part.name()),
            Self::Array(items) => part.index().and_then(|index| items.get_mut(index)),
            Self::Value(_) => None,
        };
        match next {
            Some(slot) => slot.find(rest),
            None => Ok(None),
        }
    }

    /// Rejects a path that cannot be created because a value on the way has no fields or elements.
    pub fn check_viable(&mut self, path: &Path) -> Result<(), CommandError> {
        let parts = path.parts();
        for end in 1..parts.len() {
            let (part, name) = (&parts[end], parts[end - 1].name());
            let Some(slot) = self.find(&parts[..end])? else {
                return Ok(());
            };
            slot.open();
            let named = match slot {
                Self::Document(_) => true,
                Self::Array(_) => part.index().is_some(),
                Self::Value(_) => false,
            };
            if !named {
                let holder = Builder::new().with(name, &slot.to_value()).finish();
                return Err(CommandError::new(
                    Code::PATH_NOT_VIABLE,
                    format!(
                        "Cannot use the part ({}) of ({path}) to traverse the element ({})",
                        part.name(),
                        Value::Document(holder.into())
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Returns the value at a path, and whether it existed; creates a missing one as null.
    pub fn find_or_create(&mut self, parts: &[Part]) -> Result<(&mut Self, bool), CommandError> {
        self.reach(parts, "")
    }

    fn reach(&mut self, parts: &[Part], name: &str) -> Result<(&mut Self, bool), CommandError> {
        let Some((part, rest)) = parts.split_first() else {
            return Ok((self, true));
        };
        self.open();
        match self {
            Self::Document(fields) => {
                let name = part.name();
                let existed = fields.get_mut(name).is_some();
                if !existed {
                    fields.push(Cow::Owned(name.to_owned()), Self::new_for(rest));
                }
                let Some(slot) = fields.get_mut(name) else {
                    return Err(not_viable(name, name, &Value::Null));
                };
                let (slot, whole) = slot.reach(rest, name)?;
                Ok((slot, existed && whole))
            }
            Self::Array(items) => {
                let Some(index) = array_index(part.name()) else {
                    let array = Self::Array(std::mem::take(items)).into_value();
                    return Err(not_viable(part.name(), name, &array));
                };
                if let Some(existing) = items.len().checked_sub(index + 1) {
                    let at = items.len() - 1 - existing;
                    return items[at].reach(rest, part.name());
                }
                if index > MAX_ARRAY_INDEX {
                    return Err(CommandError::location(
                        36_510,
                        format!("can't backfill array to larger than {MAX_ARRAY_INDEX} elements"),
                    ));
                }
                items.resize_with(index, || Self::Value(Value::Null));
                items.push(Self::new_for(rest));
                let (slot, _) = items[index].reach(rest, part.name())?;
                Ok((slot, false))
            }
            Self::Value(value) => Err(not_viable(part.name(), name, value)),
        }
    }

    /// Removes and returns the value at a path. An array element becomes null instead.
    pub fn remove(&mut self, parts: &[Part]) -> Result<Option<Value<'a>>, CommandError> {
        let Some((last, parents)) = parts.split_last() else {
            return Ok(None);
        };
        let Some(parent) = self.find(parents)? else {
            return Ok(None);
        };
        parent.open();
        Ok(match parent {
            Self::Document(fields) => fields.remove(last.name()).map(Self::into_value),
            Self::Array(items) => {
                let item = last.index().and_then(|index| items.get_mut(index));
                item.map(|item| std::mem::replace(item, Self::Value(Value::Null)).into_value())
            }
            Self::Value(_) => None,
        })
    }

    /// Returns the initial value of a created field.
    fn new_for(rest: &[Part]) -> Self {
        if rest.is_empty() {
            Self::Value(Value::Null)
        } else {
            Self::Document(Fields::default())
        }
    }
}

/// Returns a document with a value set at a path, or with the path removed.
pub fn set_field(
    doc: Doc<'_>,
    path: &Path,
    value: Option<&Value<'_>>,
) -> Result<Vec<u8>, CommandError> {
    let mut root = Slot::new(doc);
    match value {
        Some(value) => {
            *root.find_or_create(path.parts())?.0 = Slot::Value(value.clone().into_owned());
        }
        None => drop(root.remove(path.parts())?),
    }
    Ok(root.into_document())
}

/// Parses a document or an array; borrows if the bytes are borrowed.
fn fields<'a>(bytes: &mut Cow<'a, [u8]>) -> Fields<'a, Slot<'a>> {
    match std::mem::take(bytes) {
        Cow::Borrowed(bytes) => Doc::new(bytes)
            .elements()
            .map(|element| {
                let name = Cow::Borrowed(element.name());
                (name, Slot::Value(element.value()))
            })
            .collect(),
        Cow::Owned(bytes) => Doc::new(&bytes)
            .elements()
            .map(|element| {
                let name = Cow::Owned(element.name().to_owned());
                (name, Slot::Value(element.value().into_owned()))
            })
            .collect(),
    }
}

fn not_viable(field: &str, parent: &str, value: &Value<'_>) -> CommandError {
    CommandError::new(
        Code::PATH_NOT_VIABLE,
        format!("Cannot create field '{field}' in element {{{parent}: {value}}}"),
    )
}
