//! Update operators on arrays.

use std::collections::HashSet;

use crate::bson::{Builder, Doc, Element, Key, Kind, Value, order};
use crate::error::CommandError;
use crate::query::filter::Filter;
use crate::query::path::Path;
use crate::query::sort::SortSpec;
use crate::query::update::paths::shown_id;
use crate::query::update::tree::Slot;

/// `$push`
#[derive(Debug, Clone)]
pub struct Push {
    values: Vec<Value<'static>>,
    position: Option<i64>,
    slice: Option<i64>,
    sort: Option<ElementOrder>,
}

impl Push {
    /// Returns whether new elements follow the others, which stay.
    pub fn only_appends(&self) -> bool {
        self.position.is_none() && self.slice.is_none() && self.sort.is_none()
    }
}

/// The order that `$sort` puts the elements in.
#[derive(Debug, Clone)]
enum ElementOrder {
    /// Documents, by their fields.
    Fields(SortSpec),
    /// Values as a whole.
    Values { descending: bool },
}

/// `$addToSet`
#[derive(Debug, Clone)]
pub struct AddToSet(Vec<Value<'static>>);

/// `$pull` and `$pullAll`
#[derive(Debug, Clone)]
pub enum Pull {
    /// Removes elements that pass a filter on the field `v`.
    Value(Filter),
    /// Removes documents that pass a filter.
    Document(Filter),
    /// Removes elements that equal one of these.
    All(HashSet<Key>),
}

/// `$pop`
#[derive(Debug, Clone, Copy)]
pub struct Pop {
    first: bool,
}

impl Push {
    /// Compiles a value, or `{ $each: […], … }`.
    pub fn parse(argument: Element<'_>) -> Result<Self, CommandError> {
        let mut push = Self {
            values: Vec::new(),
            position: None,
            slice: None,
            sort: None,
        };
        let Some((each, modifiers)) = each_of(argument)? else {
            push.values.push(argument.value().into_owned());
            return Ok(push);
        };
        push.values = each;
        for element in modifiers.elements() {
            let value = element.value();
            let whole = || {
                value.as_i64().ok_or_else(|| {
                    CommandError::bad_value(format!(
                        "The value for {} must be an integer value but was given type: {}",
                        element.name(),
                        value.kind().alias()
                    ))
                })
            };
            match element.name() {
                "$each" => {}
                "$position" => push.position = Some(whole()?),
                "$slice" => push.slice = Some(whole()?),
                "$sort" => push.sort = Some(ElementOrder::parse(&value)?),
                name => {
                    return Err(CommandError::bad_value(format!(
                        "Unrecognized clause in $push: {name}"
                    )));
                }
            }
        }
        Ok(push)
    }

    /// Adds values to an array; creates a missing one.
    pub fn apply(
        &self,
        slot: &mut Slot<'_>,
        existed: bool,
        path: &Path,
        doc: Doc<'_>,
    ) -> Result<(), CommandError> {
        let items = array_of(slot, existed, path, doc)?;
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let at = match self.position {
            None => length,
            Some(position) if position < 0 => (length + position).max(0),
            Some(position) => position.min(length),
        };
        let at = usize::try_from(at).unwrap_or_default();
        let added = self.values.iter().map(|value| Slot::Value(value.clone()));
        items.splice(at..at, added);
        if let Some(order) = &self.sort {
            order.sort(items);
        }
        if let Some(slice) = self.slice {
            let kept = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX);
            if slice >= 0 {
                items.truncate(kept);
            } else {
                items.drain(..items.len().saturating_sub(kept));
            }
        }
        Ok(())
    }
}

impl ElementOrder {
    fn parse(value: &Value<'_>) -> Result<Self, CommandError> {
        match value {
            Value::Document(bytes) if Doc::new(bytes).is_empty() => Err(CommandError::bad_value(
                "The $sort pattern is empty when it should be a set of fields.",
            )),
            Value::Document(bytes) => Ok(Self::Fields(SortSpec::parse(Doc::new(bytes))?)),
            other => match other.as_i64() {
                Some(1) => Ok(Self::Values { descending: false }),
                Some(-1) => Ok(Self::Values { descending: true }),
                _ => Err(CommandError::bad_value(
                    "The $sort element value must be either 1 or -1",
                )),
            },
        }
    }

    fn sort(&self, items: &mut [Slot<'_>]) {
        match self {
            Self::Values { descending } => items.sort_by(|one, other| {
                let ordering = order::compare(&one.to_value(), &other.to_value());
                if *descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            }),
            Self::Fields(spec) => items.sort_by_cached_key(|item| {
                let value = item.to_value();
                let mut key = Vec::new();
                spec.encode_element(value.as_document().unwrap_or(Doc::EMPTY), &mut key);
                key
            }),
        }
    }
}

impl AddToSet {
    /// Compiles a value, or `{ $each: […] }`.
    pub fn parse(argument: Element<'_>) -> Result<Self, CommandError> {
        // Only the first field may be a modifier; another document is a value.
        let first = argument.doc().and_then(|doc| doc.elements().next());
        if first.is_none_or(|first| first.name() != "$each") {
            return Ok(Self(vec![argument.value().into_owned()]));
        }
        match each_of(argument)? {
            Some((_, modifiers)) if modifiers.len() > 1 => Err(CommandError::bad_value(format!(
                "Found unexpected fields after $each in $addToSet: {}",
                argument.value()
            ))),
            Some((each, _)) => Ok(Self(each)),
            None => Ok(Self(vec![argument.value().into_owned()])),
        }
    }

    /// Adds the values that the array does not have; creates a missing array.
    pub fn apply(
        &self,
        slot: &mut Slot<'_>,
        existed: bool,
        path: &Path,
        doc: Doc<'_>,
    ) -> Result<(), CommandError> {
        let items = array_of(slot, existed, path, doc)?;
        if let [value] = self.0.as_slice() {
            let mut known = items.iter().map(Slot::to_value);
            if !known.any(|item| order::equal(&item, value)) {
                items.push(Slot::Value(value.clone()));
            }
            return Ok(());
        }
        let known = items.iter().map(|item| Key::of(&item.to_value()));
        let mut known: HashSet<Key> = known.collect();
        for value in &self.0 {
            if known.insert(Key::of(value)) {
                items.push(Slot::Value(value.clone()));
            }
        }
        Ok(())
    }
}

impl Pull {
    /// Compiles a value or a condition.
    pub fn parse(argument: Element<'_>) -> Result<Self, CommandError> {
        let doc = argument.doc().filter(|_| argument.kind() == Kind::Document);
        let operators = doc.is_some_and(|doc| {
            let first = doc.elements().next();
            // The logical operators take filters of documents.
            let logical =
                |name: &str| matches!(name, "$and" | "$or" | "$nor" | "$expr" | "$comment");
            first.is_some_and(|element| element.name().starts_with('$') && !logical(element.name()))
        });
        if let Some(doc) = doc.filter(|_| !operators) {
            return Ok(Self::Document(Filter::parse_within(doc)?));
        }
        if !operators && argument.kind() != Kind::Regex {
            // A plain value matches an element, and not the elements of a nested array.
            return Ok(Self::All(HashSet::from([Key::of(&argument.value())])));
        }
        let wrapped = Builder::new().with("v", &argument.value()).finish();
        Ok(Self::Value(Filter::parse_within(Doc::new(&wrapped))?))
    }

    /// Compiles an array of values.
    pub fn parse_all(value: &Value<'_>) -> Result<Self, CommandError> {
        let array = value.as_array().ok_or_else(|| {
            CommandError::bad_value(
                "$pullAll requires an array argument but was given another type",
            )
        })?;
        Ok(Self::All(
            array.values().map(|value| Key::of(&value)).collect(),
        ))
    }

    pub fn apply(&self, slot: &mut Slot<'_>) -> Result<(), CommandError> {
        let Some(items) = slot.as_array_mut() else {
            return Err(CommandError::bad_value(
                "Cannot apply $pull to a non-array value",
            ));
        };
        items.retain(|item| {
            let value = item.to_value();
            !match self {
                Self::Document(filter) => {
                    value.as_document().is_some_and(|doc| filter.matches(doc))
                }
                Self::All(values) => values.contains(&Key::of(&value)),
                Self::Value(filter) => {
                    let holder = Builder::new().with("v", &value).finish();
                    filter.matches(Doc::new(&holder))
                }
            }
        });
        Ok(())
    }
}

impl Pop {
    /// Compiles `1` (removes the last element) or `-1` (removes the first).
    pub fn parse(value: &Value<'_>) -> Result<Self, CommandError> {
        match value.as_i64() {
            Some(1) => Ok(Self { first: false }),
            Some(-1) => Ok(Self { first: true }),
            _ => Err(CommandError::failed_to_parse(format!(
                "$pop expects 1 or -1, found: {value}"
            ))),
        }
    }

    pub fn apply(self, slot: &mut Slot<'_>, path: &Path) -> Result<(), CommandError> {
        let shown = slot.to_value().kind().alias();
        let Some(items) = slot.as_array_mut() else {
            return Err(CommandError::type_mismatch(format!(
                "Path '{path}' contains an element of non-array type '{shown}'"
            )));
        };
        if self.first && !items.is_empty() {
            items.remove(0);
        } else if !self.first {
            items.pop();
        }
        Ok(())
    }
}

/// The values of `$each`, and the document with all modifiers.
type Each<'a> = (Vec<Value<'static>>, Doc<'a>);

/// Returns the values of `$each` and the modifiers; `None` for a plain value.
fn each_of(argument: Element<'_>) -> Result<Option<Each<'_>>, CommandError> {
    let doc = argument.doc().filter(|_| argument.kind() == Kind::Document);
    let Some((doc, each)) = doc.and_then(|doc| Some((doc, doc.get("$each")?))) else {
        return Ok(None);
    };
    let array = each.as_array().ok_or_else(|| {
        CommandError::bad_value(format!(
            "The argument to $each in $push must be an array but it was of type: {}",
            each.kind().alias()
        ))
    })?;
    Ok(Some((array.values().map(Value::into_owned).collect(), doc)))
}

/// Returns the array to add to; creates a missing one.
fn array_of<'s, 'a>(
    slot: &'s mut Slot<'a>,
    existed: bool,
    path: &Path,
    doc: Doc<'_>,
) -> Result<&'s mut Vec<Slot<'a>>, CommandError> {
    if !existed {
        *slot = Slot::Array(Vec::new());
    }
    let kind = match slot {
        Slot::Value(value) => value.kind(),
        Slot::Document(_) => Kind::Document,
        Slot::Array(_) => Kind::Array,
    };
    slot.as_array_mut().ok_or_else(|| {
        CommandError::bad_value(format!(
            "The field '{path}' must be an array but is of type {} in document {}",
            kind.alias(),
            shown_id(doc)
        ))
    })
}
