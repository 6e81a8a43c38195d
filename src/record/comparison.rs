//! Compares a reading's payload with a document that another program made of it: by value, tolerant of
//! the types that programs and connectors choose.
//!
//! | in the payload | in the document |
//! |---|---|
//! | number | integer of any width, double or decimal of the same value, or text of it |
//! | `null` | null, `"null"`, or no such field |
//! | boolean | boolean, `"true"`, `"True"`, 1 or 0 |
//! | date | date, or text of the same instant |
//! | text | the same text; a number or boolean whose text it is |
//!
//! Fields that the payload does not have do not matter: programs add their own. A field may have
//! another case and other separators than its column, such as `tirePressure`, as mappers write it.

use std::fmt;

use chrono::DateTime;
use convoy_mongodb_server::bson::{Doc, Element, Value};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dataset::{Schema, parse_date};
use crate::record::names::ID;
use crate::record::payload_identity::same_letters;

/// Length of the text of a value in a message.
const SHOWN: usize = 60;

/// The last integer before the first one that a double does not hold: 2^53.
const EXACT_IN_DOUBLES: f64 = 9_007_199_254_740_992.0;

/// A column whose value in a document is not that of the reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the column.
    pub column: String,
    /// Value of the reading, as JSON.
    pub expected: String,
    /// Value in the document; `None` if the field is missing.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (column, expected) = (&self.column, &self.expected);
        match &self.found {
            Some(found) => write!(formatter, "`{column}` is {found} (expected {expected})"),
            None => write!(formatter, "`{column}` is missing (expected {expected})"),
        }
    }
}

/// Returns the first column of a payload that a document changes; `None` if it changes none.
///
/// `payload` has the columns of `schema` in their order.
pub fn first_difference(schema: &Schema, payload: &[u8], document: Doc<'_>) -> Option<Difference> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let elements = document.elements().collect();
    let columns = Columns { schema, elements };
    // The payload is convoy's own, so that it is an object.
    json.deserialize_map(columns).ok().flatten()
}

struct Columns<'a> {
    schema: &'a Schema,
    elements: Vec<Element<'a>>,
}

impl Columns<'_> {
    /// Returns the element of a column. Most documents keep the order of the columns.
    fn element(&self, name: &str, likely: usize) -> Option<Element<'_>> {
        let named = |element: &&Element<'_>| element.name_bytes() == name.as_bytes();
        let at_place = self.elements.get(likely).filter(named);
        let columns = &self.schema.columns;
        let spelled = |element: &&Element<'_>| {
            let found = element.name_bytes();
            same_letters(found, name.as_bytes())
                && !columns.iter().any(|it| it.name.as_bytes() == found)
        };
        at_place
            .or_else(|| self.elements.iter().find(named))
            .or_else(|| self.elements.iter().find(spelled))
            .copied()
    }
}

impl<'de> Visitor<'de> for Columns<'_> {
    type Value = Option<Difference>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut difference = None;
        let mut shift = 0;
        let mut index = 0;
        while map.next_key::<IgnoredAny>()?.is_some() {
            let expected: &RawValue = map.next_value()?;
            let column = self.schema.columns.get(index);
            index += 1;
            let Some(column) = column.filter(|it| difference.is_none() && it.name != ID) else {
                continue;
            };
            // Fields in front of the columns, such as `_id`, shift all of them.
            let found = self.element(&column.name, index - 1 + shift);
            if index == 1 {
                let named = |it: &Element<'_>| it.name_bytes() == column.name.as_bytes();
                shift = self.elements.iter().position(named).unwrap_or_default();
            }
            let value = found.map(Element::value);
            if !same(expected.get(), value.as_ref()) {
                difference = Some(Difference {
                    column: column.name.clone(),
                    expected: shown(expected.get()),
                    found: value.as_ref().map(text_of),
                });
            }
        }
        Ok(difference)
    }
}

/// Returns whether a value of a document is that of a payload, which is given as JSON.
fn same(expected: &str, found: Option<&Value<'_>>) -> bool {
    let found = match found {
        None | Some(Value::Null | Value::Undefined) => return expected == "null",
        Some(found) => found,
    };
    match (expected.as_bytes().first(), found) {
        (Some(b'n'), Value::String(text)) => text == "null",
        (Some(b't' | b'f'), _) => same_boolean(expected == "true", found),
        (Some(b'"'), _) => {
            let text: Result<String, _> = serde_json::from_str(expected);
            text.is_ok_and(|text| same_text(&text, found))
        }
        _ => same_number(expected, found),
    }
}

fn same_boolean(expected: bool, found: &Value<'_>) -> bool {
    match found {
        Value::Bool(found) => *found == expected,
        Value::Int32(number) => i64::from(*number) == i64::from(expected),
        Value::Int64(number) => *number == i64::from(expected),
        Value::String(text) => text.eq_ignore_ascii_case(if expected { "true" } else { "false" }),
        _ => false,
    }
}

fn same_text(expected: &str, found: &Value<'_>) -> bool {
    match found {
        Value::String(text) | Value::Symbol(text) => {
            if text == expected {
                return true;
            }
            let date = parse_date(expected);
            let instant = DateTime::parse_from_rfc3339(text).ok();
            date.is_some() && date == instant.map(|instant| instant.timestamp_millis())
        }
        Value::DateTime(unix_ms) => parse_date(expected) == Some(*unix_ms),
        Value::Int32(number) => number.to_string() == expected,
        Value::Int64(number) => number.to_string() == expected,
        Value::Bool(found) => found.to_string() == expected,
        Value::Double(number) => number.to_string() == expected,
        _ => false,
    }
}

fn same_number(expected: &str, found: &Value<'_>) -> bool {
    let whole = || expected.parse::<i64>().ok();
    let number = || expected.parse::<f64>().ok();
    match found {
        Value::Int32(found) => same_integer(whole(), number(), i64::from(*found)),
        Value::Int64(found) => same_integer(whole(), number(), *found),
        // Beyond it a double may have rounded an integer.
        Value::Double(found) if found.abs() >= EXACT_IN_DOUBLES && whole().is_some() => {
            same_digits(expected, &format!("{found:.0}"))
        }
        Value::Double(found) => number() == Some(*found),
        Value::Decimal128(found) => same_digits(expected, &found.to_string()),
        Value::String(text) => same_digits(expected, text.trim()),
        _ => false,
    }
}

/// Compares the texts of numbers: integers exactly, others as doubles.
fn same_digits(expected: &str, found: &str) -> bool {
    if let (Ok(expected), Ok(found)) = (expected.parse::<i128>(), found.parse::<i128>()) {
        return expected == found;
    }
    let number = expected.parse::<f64>();
    found == expected || number.is_ok_and(|number| found.parse() == Ok(number))
}

/// Compares integers exactly; a decimal such as `3.0` may have become an integer.
fn same_integer(whole: Option<i64>, number: Option<f64>, found: i64) -> bool {
    match whole {
        Some(expected) => expected == found,
        None => number == Some(found as f64),
    }
}

/// Returns a value of a document for a message.
fn text_of(value: &Value<'_>) -> String {
    match value {
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Decimal128(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        Value::String(text) => shown(&serde_json::Value::from(text.as_ref()).to_string()),
        Value::DateTime(unix_ms) => match DateTime::from_timestamp_millis(*unix_ms) {
            Some(date) => format!("date {}", date.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => format!("date {unix_ms} ms from 1970"),
        },
        other => format!("of type {}", other.kind().alias()),
    }
}

/// Returns a text cut to the length that is shown.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::{Builder, Decimal128};

    use super::*;
    use crate::dataset::{Column, ColumnType};

    fn schema() -> Schema {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            kind,
            nullable: true,
        };
        Schema {
            columns: vec![
                column("class", ColumnType::Text),
                column("n", ColumnType::Integer),
                column("x", ColumnType::Decimal),
            ],
        }
    }

    #[test]
    fn values_are_the_same_in_every_type_that_holds_them() {
        let text = |text: &'static str| Value::String(text.into());
        let decimal = |text: &str| {
            let number: bson::Decimal128 = text.parse().unwrap();
            Value::Decimal128(Decimal128::from_bytes(number.bytes()))
        };
        let same_values = [
            ("12", Value::Int32(12)),
            ("12", Value::Int64(12)),
            ("12", Value::Double(12.0)),
            ("12", text("12")),
            ("12", text("12.0")),
            ("12", decimal("12")),
            ("2.5", Value::Double(2.5)),
            ("2.5", text("2.5")),
            ("2.5", decimal("2.50")),
            ("3.0", Value::Int32(3)),
            ("3.0", text("3")),
            ("-0.0", Value::Double(0.0)),
            ("9007199254740993", Value::Int64(9_007_199_254_740_993)),
            ("9007199254740993", text("9007199254740993")),
            ("9007199254740992", Value::Double(9_007_199_254_740_992.0)),
            ("1e300", Value::Double(1e300)),
            ("null", Value::Null),
            ("null", text("null")),
            ("true", Value::Bool(true)),
            ("false", text("False")),
            ("true", Value::Int32(1)),
            (r#""a\"b""#, text("a\"b")),
            (r#""7""#, Value::Int32(7)),
            (
                r#""2024-05-01T10:00:00.000Z""#,
                Value::DateTime(1_714_557_600_000),
            ),
            (
                r#""2024-05-01T10:00:00.000Z""#,
                text("2024-05-01T12:00:00+02:00"),
            ),
        ];
        for (expected, found) in same_values {
            assert!(same(expected, Some(&found)), "{expected} {found:?}");
        }
        assert!(same("null", None));
    }

    #[test]
    fn other_values_differ() {
        let text = |text: &'static str| Value::String(text.into());
        let decimal = |text: &str| {
            let number: bson::Decimal128 = text.parse().unwrap();
            Value::Decimal128(Decimal128::from_bytes(number.bytes()))
        };
        let other = [
            ("12", Value::Int32(13)),
            ("12", Value::Double(12.5)),
            ("12", text("012x")),
            ("12", text("")),
            ("12", Value::Null),
            ("12", Value::Bool(true)),
            ("9007199254740993", Value::Int64(9_007_199_254_740_992)),
            ("9007199254740993", Value::Double(9_007_199_254_740_992.0)),
            ("9007199254740993", text("9007199254740992")),
            ("9007199254740993", decimal("9007199254740992")),
            ("12", Value::Double(f64::NAN)),
            ("2.5", Value::Int32(2)),
            ("null", Value::Int32(0)),
            ("null", text("")),
            ("null", Value::Double(f64::NAN)),
            ("true", Value::Bool(false)),
            (r#""neg""#, text("pos")),
            (r#""007""#, Value::Int32(7)),
            (
                r#""2024-05-01T10:00:00.000Z""#,
                Value::DateTime(1_714_557_600_001),
            ),
        ];
        for (expected, found) in other {
            assert!(!same(expected, Some(&found)), "{expected} {found:?}");
        }
        assert!(!same("12", None));
    }

    #[test]
    fn order_and_additional_fields_do_not_matter() {
        let payload = br#"{"class":"neg","n":null,"x":2.5}"#;
        let document = Builder::new()
            .int32("_id", 1)
            .with("x", &Value::Double(2.5))
            .string("read_by", "me")
            .string("class", "neg");
        assert_eq!(
            first_difference(&schema(), payload, Doc::new(&document.finish())),
            None
        );
    }

    #[test]
    fn field_with_another_case_or_separators_is_that_of_its_column() {
        let mut schema = schema();
        schema.columns[1].name = "tire_pressure".to_owned();
        let payload = br#"{"class":"neg","tire_pressure":12,"x":2.5}"#;
        let difference = |schema: &Schema, name: &str| {
            let document = Builder::new().string("Class", "neg").int32(name, 12);
            let document = document.double("x", 2.5).finish();
            first_difference(schema, payload, Doc::new(&document))
        };
        for name in [
            "tirePressure",
            "TIRE_PRESSURE",
            "tire-pressure",
            "tirepressure",
        ] {
            assert_eq!(difference(&schema, name), None, "{name}");
        }
        let missing = difference(&schema, "tire_pressures").unwrap();
        assert_eq!(
            missing.to_string(),
            "`tire_pressure` is missing (expected 12)"
        );
        // A field of another column is not taken for this one.
        schema.columns.push(Column {
            name: "tirePressure".to_owned(),
            kind: ColumnType::Integer,
            nullable: true,
        });
        assert!(difference(&schema, "tirePressure").is_some());
    }

    #[test]
    fn first_changed_column_is_named_with_both_values() {
        let payload = br#"{"class":"neg","n":12,"x":2.5}"#;
        let difference = |document: Builder| {
            let difference = first_difference(&schema(), payload, Doc::new(&document.finish()));
            difference.unwrap().to_string()
        };
        let document = Builder::new().string("class", "neg");
        insta::assert_snapshot!(
            difference(document),
            @"`n` is missing (expected 12)"
        );
        let document = Builder::new().string("class", "pos").int32("n", 12);
        insta::assert_snapshot!(
            difference(document),
            @r#"`class` is "pos" (expected "neg")"#
        );
    }
}
