//! Decodes a payload into BSON fields with the types of its columns, in one pass without a tree.

use std::collections::HashMap;
use std::fmt;

use convoy_mongodb_server::bson::Writer;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, Visitor};

use crate::dataset::{Column, ColumnType, Schema};

/// Decodes payloads of one schema.
#[derive(Debug)]
pub struct PayloadDecoder {
    columns: Vec<Column>,
    by_name: HashMap<String, usize>,
}

/// A payload cannot become the fields of a document.
#[derive(Debug, thiserror::Error)]
#[error("invalid payload: {reason}")]
pub struct DecodeError {
    /// The reason, with the field or the position.
    pub reason: String,
}

impl PayloadDecoder {
    /// Prepares to decode payloads of a schema.
    pub fn new(schema: &Schema) -> Self {
        let by_name = schema
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.clone(), index))
            .collect();
        Self {
            columns: schema.columns.clone(),
            by_name,
        }
    }

    /// Appends the payload's fields to `writer`, in the payload's order.
    ///
    /// Fails if the payload is not a JSON object, if a field is missing, unknown or repeated, or if
    /// a value does not have the type of its column; discard the writer's bytes then.
    pub fn decode(&self, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), DecodeError> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        json.deserialize_map(Fields {
            decoder: self,
            writer,
        })
        .and_then(|()| json.end())
        .map_err(|error| DecodeError {
            reason: error.to_string(),
        })
    }
}

/// Visits the whole object.
struct Fields<'d, 'w, 'b> {
    decoder: &'d PayloadDecoder,
    writer: &'w mut Writer<'b>,
}

impl<'de> Visitor<'de> for Fields<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the dataset's columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let columns = &self.decoder.columns;
        let mut expected = 0;
        // Payloads almost always have the columns in order; `seen` is needed only if one does not.
        let mut seen: Option<Vec<bool>> = None;
        while let Some(index) = map.next_key_seed(FieldName {
            decoder: self.decoder,
            expected,
        })? {
            if seen.is_none() && index != expected {
                seen = Some((0..columns.len()).map(|column| column < expected).collect());
            }
            if let Some(seen) = &mut seen
                && std::mem::replace(&mut seen[index], true)
            {
                let name = &columns[index].name;
                return Err(A::Error::custom(format!("field `{name}` occurs twice")));
            }
            map.next_value_seed(FieldValue {
                column: &columns[index],
                writer: self.writer,
            })?;
            expected = index + 1;
        }
        let missing = match &seen {
            Some(seen) => seen.iter().position(|seen| !seen),
            None => (expected < columns.len()).then_some(expected),
        };
        match missing {
            Some(index) => {
                let name = &columns[index].name;
                Err(A::Error::custom(format!("field `{name}` is missing")))
            }
            None => Ok(()),
        }
    }
}

/// Finds the column of a field's name.
struct FieldName<'d> {
    decoder: &'d PayloadDecoder,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = usize;

    fn deserialize<D: serde::Deserializer<'de>>(self, key: D) -> Result<usize, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        match self.decoder.columns.get(self.expected) {
            Some(column) if column.name == name => Ok(self.expected),
            _ => {
                self.decoder.by_name.get(name).copied().ok_or_else(|| {
                    E::custom(format!("field `{name}` is not a column of the dataset"))
                })
            }
        }
    }
}

/// Appends one value under its column's type.
struct FieldValue<'d, 'w, 'b> {
    column: &'d Column,
    writer: &'w mut Writer<'b>,
}

impl FieldValue<'_, '_, '_> {
    fn wrong_type<E: serde::de::Error>(&self, found: impl fmt::Display) -> E {
        let expected = match self.column.kind {
            ColumnType::Integer => "an integer",
            ColumnType::Decimal => "a number",
            ColumnType::Text => "a string",
        };
        E::custom(format!(
            "field `{}` is {found} (expected {expected})",
            self.column.name
        ))
    }
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of column `{}`", self.column.name)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        match self.column.kind {
            ColumnType::Integer => self.writer.integer(&self.column.name, value),
            ColumnType::Decimal => self.writer.double(&self.column.name, value as f64),
            ColumnType::Text => return Err(self.wrong_type(format_args!("the number {value}"))),
        }
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if self.column.kind != ColumnType::Decimal {
            return Err(self.wrong_type(format_args!("the number {value}")));
        }
        self.writer.double(&self.column.name, value);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        if self.column.kind != ColumnType::Text {
            return Err(self.wrong_type("a string"));
        }
        self.writer.string(&self.column.name, value);
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if !self.column.nullable {
            return Err(self.wrong_type("null"));
        }
        self.writer.null(&self.column.name);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        Err(self.wrong_type(value))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong_type("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong_type("an object"))
    }
}
