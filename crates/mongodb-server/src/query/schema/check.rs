//! Checks values against a schema.

use std::collections::BTreeSet;

use crate::bson::{Doc, Key, Kind, Value, order};
use crate::query::decimal;
use crate::query::number;
use crate::query::schema::rule::{Additional, Allowed, Check, Dependency, Schema};

impl Schema {
    /// Returns whether a document is valid.
    pub fn accepts_document(&self, doc: Doc<'_>) -> bool {
        self.accepts(&Value::Document(doc.bytes().into()))
    }

    /// Returns whether a value is valid.
    pub(super) fn accepts(&self, value: &Value<'_>) -> bool {
        self.rules.iter().all(|rule| rule.check.accepts(value))
    }
}

impl Check {
    pub fn accepts(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Type(kinds) => kinds.contains(&value.kind()),
            Self::Enum(values) => values.iter().any(|known| order::equal(known, value)),
            Self::AllOf(schemas) => schemas.iter().all(|schema| schema.accepts(value)),
            Self::AnyOf(schemas) => schemas.iter().any(|schema| schema.accepts(value)),
            Self::OneOf(schemas) => {
                let accepting = schemas.iter().filter(|schema| schema.accepts(value));
                accepting.take(2).count() == 1
            }
            Self::Not(schema) => !schema.accepts(value),
            Self::Minimum { .. } | Self::Maximum { .. } | Self::MultipleOf(_) => {
                !value.is_number() || self.accepts_number(value)
            }
            Self::MinLength(_) | Self::MaxLength(_) | Self::Pattern(_) => match value {
                Value::String(text) => self.accepts_text(text),
                _ => true,
            },
            _ => match value {
                Value::Document(bytes) => self.accepts_document(Doc::new(bytes)),
                Value::Array(bytes) => self.accepts_array(Doc::new(bytes)),
                _ => true,
            },
        }
    }

    fn accepts_number(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Minimum { bound, exclusive } => {
                let ordering = order::compare(value, bound);
                !is_nan(value) && (ordering.is_gt() || ordering.is_eq() && !exclusive)
            }
            Self::Maximum { bound, exclusive } => {
                let ordering = order::compare(value, bound);
                !is_nan(value) && (ordering.is_lt() || ordering.is_eq() && !exclusive)
            }
            Self::MultipleOf(divisor) => is_multiple(value, divisor),
            _ => true,
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::MinLength(length) => text.chars().count() >= *length,
            Self::MaxLength(length) => text.chars().count() <= *length,
            Self::Pattern(pattern) => pattern.is_match(text),
            _ => true,
        }
    }

    fn accepts_document(&self, doc: Doc<'_>) -> bool {
        match self {
            Self::Required(names) => names.iter().all(|name| doc.element(name).is_some()),
            Self::Properties(properties) => properties.iter().all(|(name, schema)| {
                let property = doc.get(name);
                property.is_none_or(|property| schema.accepts(&property))
            }),
            Self::PatternProperties(patterns) => doc.elements().all(|element| {
                let mut named = patterns
                    .iter()
                    .filter(|one| one.pattern.is_match(element.name()));
                named.all(|named| named.schema.accepts(&element.value()))
            }),
            Self::AdditionalProperties(additional) => additional.broken_by(doc).is_none(),
            Self::MinProperties(count) => doc.len() >= *count,
            Self::MaxProperties(count) => doc.len() <= *count,
            Self::Dependencies(dependencies) => dependencies
                .iter()
                .all(|(name, dependency)| dependency.accepts(name, doc)),
            _ => true,
        }
    }

    fn accepts_array(&self, array: Doc<'_>) -> bool {
        match self {
            Self::Items(schema) => array.values().all(|item| schema.accepts(&item)),
            Self::ItemsInOrder(schemas) => {
                let mut pairs = schemas.iter().zip(array.values());
                pairs.all(|(schema, item)| schema.accepts(&item))
            }
            Self::AdditionalItems { after, allowed } => {
                let mut rest = array.values().skip(*after);
                match allowed {
                    Allowed::No => rest.next().is_none(),
                    Allowed::If(schema) => rest.all(|item| schema.accepts(&item)),
                }
            }
            Self::MinItems(count) => array.len() >= *count,
            Self::MaxItems(count) => array.len() <= *count,
            Self::UniqueItems => duplicate(array).is_none(),
            _ => true,
        }
    }
}

impl Additional {
    /// Returns the first property that is not allowed.
    pub fn broken_by(&self, doc: Doc<'_>) -> Option<String> {
        let mut others = doc
            .elements()
            .filter(|element| self.concerns(element.name()));
        let broken = others.find(|element| match &self.allowed {
            Allowed::No => true,
            Allowed::If(schema) => !schema.accepts(&element.value()),
        });
        broken.map(|element| element.name().to_owned())
    }
}

impl Dependency {
    pub fn accepts(&self, name: &str, doc: Doc<'_>) -> bool {
        if doc.element(name).is_none() {
            return true;
        }
        match self {
            Self::Properties(names) => names.iter().all(|name| doc.element(name).is_some()),
            Self::Schema(schema) => schema.accepts_document(doc),
        }
    }
}

/// Returns an item that is in the array before.
pub(super) fn duplicate(array: Doc<'_>) -> Option<Value<'_>> {
    let mut seen = BTreeSet::new();
    array.values().find(|item| !seen.insert(Key::of(item)))
}

fn is_nan(value: &Value<'_>) -> bool {
    match value {
        Value::Double(number) => number.is_nan(),
        Value::Decimal128(number) => number.to_f64().is_nan(),
        _ => false,
    }
}

/// Returns whether a number is a whole multiple of another one.
fn is_multiple(value: &Value<'_>, divisor: &Value<'_>) -> bool {
    match (value.as_i64(), divisor.as_i64()) {
        (Some(value), Some(divisor)) if divisor != 0 => value.wrapping_rem(divisor) == 0,
        // In decimals, 0.3 is a multiple of 0.1.
        _ => {
            let (value, divisor) = (number::to_decimal(value), number::to_decimal(divisor));
            decimal::remainder(value, divisor).is_zero()
        }
    }
}

/// Returns the types of a name.
pub(super) fn kinds_of(alias: &str) -> Option<Vec<Kind>> {
    match alias {
        "number" => Some(vec![
            Kind::Double,
            Kind::Int32,
            Kind::Int64,
            Kind::Decimal128,
        ]),
        alias => Kind::from_alias(alias).map(|kind| vec![kind]),
    }
}
