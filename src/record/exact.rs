//! Decodes payloads whose numbers a double or a 64-bit integer would change, and extended JSON.
//!
//! | number | type |
//! |---|---|
//! | integer of at most 64 bits | `int`, `long` |
//! | decimal with at most 17 significant digits, within the range of a double | `double` |
//! | other numbers with at most 34 significant digits | `decimal` |
//! | all others | `string`, counted |

use std::collections::HashSet;
use std::fmt;

use bson::{Bson, RawDocumentBuf};
use convoy_mongodb_server::bson::{Decimal128, Doc, Value, Writer};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error;
use serde_json::value::RawValue;

use crate::dataset::{parse_date, significant_digits};
use crate::record::names::{stored_name, written_name};

/// Maximum depth of a value. MongoDB rejects documents with more than 100 levels.
const MAX_DEPTH: u32 = 90;

/// Significant digits that a double keeps.
const DOUBLE_DIGITS: usize = 17;

/// Significant digits of a decimal.
const DECIMAL_DIGITS: usize = 34;

/// Shortest number, in characters, that can have too many digits for a double or an integer.
const SHORTEST: usize = 19;

/// Decodes one payload.
#[derive(Debug, Default)]
pub(super) struct ExactDecoder {
    /// Whether objects such as `{"$date": …}` become the value that they stand for.
    pub extended: bool,
    /// Whether texts in the form of convoy's dates are dates.
    pub own: bool,
    /// Numbers that became text.
    pub as_text: usize,
}

/// Fields of an object in order. Names may repeat.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

/// Converts a JSON object to a document with the same names and with exact numbers; extended JSON
/// becomes the values that it stands for.
pub fn exact_document(json: &[u8]) -> Result<RawDocumentBuf, String> {
    let mut decoder = ExactDecoder {
        extended: true,
        ..ExactDecoder::default()
    };
    let mut bytes = Vec::with_capacity(json.len());
    let mut writer = Writer::new(&mut bytes);
    serde_json::from_slice(json)
        .and_then(|Entries(fields)| decoder.fields(fields, 0, &mut writer, str::to_owned))
        .map_err(|error| error.to_string())?;
    writer.finish();
    RawDocumentBuf::from_bytes(bytes).map_err(|error| error.to_string())
}

impl ExactDecoder {
    /// Appends the payload's fields.
    pub(super) fn decode(&mut self, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), Error> {
        let Entries(fields) = serde_json::from_slice(payload)?;
        self.fields(fields, 0, writer, |name| stored_name(name).into_owned())
    }

    fn fields(
        &mut self,
        fields: Vec<(String, &RawValue)>,
        depth: u32,
        writer: &mut Writer<'_>,
        stored: impl Fn(&str) -> String,
    ) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(fields.len());
        for (name, value) in fields {
            let name = written_name(&name).into_owned();
            self.value(&stored(&name), value.get(), depth, writer)?;
            if let Some(name) = seen.replace(name) {
                return Err(Error::custom(format!("field `{name}` occurs twice")));
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        key: &str,
        json: &str,
        depth: u32,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        match json.as_bytes().first() {
            Some(b'{') => return self.object(key, json, depth, writer),
            Some(b'[') => return self.array(key, json, depth, writer),
            Some(b'-' | b'0'..=b'9') => self.number(key, json, writer),
            Some(b'"') => {
                let text: String = serde_json::from_str(json)?;
                let own = self.own && depth == 0;
                match own.then(|| parse_date(&text)).flatten() {
                    Some(unix_ms) => writer.date_time(key, unix_ms),
                    None => writer.string(key, &text),
                }
            }
            Some(b't') => writer.bool(key, true),
            Some(b'f') => writer.bool(key, false),
            _ => writer.null(key),
        }
        Ok(())
    }

    fn object(
        &mut self,
        key: &str,
        json: &str,
        depth: u32,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let depth = deeper(depth)?;
        let Entries(fields) = serde_json::from_str(json)?;
        let special = |(name, _): &(String, &RawValue)| name.starts_with('$');
        if self.extended && !fields.is_empty() && fields.iter().all(special) {
            return extended(key, json, writer);
        }
        writer.document(key, |writer| {
            self.fields(fields, depth, writer, str::to_owned)
        })
    }

    fn array(
        &mut self,
        key: &str,
        json: &str,
        depth: u32,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let depth = deeper(depth)?;
        let items: Vec<&RawValue> = serde_json::from_str(json)?;
        writer.array(key, |writer| {
            let mut digits = itoa::Buffer::new();
            for (index, item) in items.into_iter().enumerate() {
                self.value(digits.format(index), item.get(), depth, writer)?;
            }
            Ok(())
        })
    }

    fn number(&mut self, key: &str, text: &str, writer: &mut Writer<'_>) {
        if let Some(number) = exact(text) {
            writer.value(key, &number);
        } else {
            self.as_text += 1;
            writer.string(key, text);
        }
    }
}

/// Returns the value of a JSON number; `None` if only text keeps it.
fn exact(text: &str) -> Option<Value<'static>> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = digits_to_keep(mantissa);
    if mantissa.len() == text.len() && !text.contains('.') && text != "-0" {
        if let Ok(number) = text.parse::<i64>() {
            let small = i32::try_from(number).map(Value::Int32);
            return Some(small.unwrap_or(Value::Int64(number)));
        }
    } else if digits <= DOUBLE_DIGITS
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
        && (number != 0.0 || digits == 0)
    {
        return Some(Value::Double(number));
    }
    let number: bson::Decimal128 = text.parse().ok().filter(|_| digits <= DECIMAL_DIGITS)?;
    Some(Value::Decimal128(Decimal128::from_bytes(number.bytes())))
}

/// Returns the digits that a type must keep: the significant ones, and of an integer also the zeros
/// at its end.
fn digits_to_keep(mantissa: &str) -> usize {
    if mantissa.contains('.') {
        significant_digits(mantissa)
    } else {
        mantissa.trim_start_matches(['-', '0']).len()
    }
}

/// Returns whether a payload may have a number that needs [`ExactDecoder`].
///
/// Looks at every nineteenth byte: such a number has at least that many digits and points.
pub(super) fn has_long_number(payload: &[u8]) -> bool {
    let in_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let mut at = SHORTEST - 1;
    while let Some(byte) = payload.get(at) {
        if !in_number(byte) {
            at += SHORTEST;
            continue;
        }
        let before = payload[..at].iter().rev().take_while(|it| in_number(it));
        let after = payload[at..].iter().take_while(|it| in_number(it));
        let (start, end) = (at - before.count(), at + after.count());
        if end - start >= SHORTEST {
            let number = &payload[start..end];
            let digits = number.iter().skip_while(|it| matches!(it, b'0' | b'.'));
            if digits.filter(|it| **it != b'.').count() > DOUBLE_DIGITS {
                return true;
            }
        }
        at = end + SHORTEST;
    }
    false
}

/// Appends the value that an object of extended JSON stands for.
fn extended(key: &str, json: &str, writer: &mut Writer<'_>) -> Result<(), Error> {
    let invalid = |reason: &dyn fmt::Display| {
        Error::custom(format!(
            "field `{key}` is not valid extended JSON: {reason}"
        ))
    };
    let object: serde_json::Value = serde_json::from_str(json)?;
    let value = Bson::try_from(object).map_err(|error| invalid(&error))?;
    let document = bson::doc! { "v": value }.to_vec();
    let document = document.map_err(|error| invalid(&error))?;
    if let Some(value) = Doc::new(&document).get("v") {
        writer.value(key, &value);
    }
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

pub(super) fn deeper<E: serde::de::Error>(depth: u32) -> Result<u32, E> {
    if depth >= MAX_DEPTH {
        return Err(E::custom(format!(
            "the payload is nested deeper than {MAX_DEPTH} levels"
        )));
    }
    Ok(depth + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(payload: &str, extended: bool) -> Result<(bson::Document, usize), String> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        let mut decoder = ExactDecoder {
            extended,
            ..ExactDecoder::default()
        };
        let decoded = decoder.decode(payload.as_bytes(), &mut writer);
        decoded.map_err(|error| error.to_string())?;
        writer.finish();
        let raw = RawDocumentBuf::from_bytes(bytes).unwrap();
        Ok((bson::Document::try_from(raw).unwrap(), decoder.as_text))
    }

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse().unwrap())
    }

    #[test]
    fn every_number_keeps_its_value() {
        let long = "1".repeat(34);
        let too_long = "1".repeat(35);
        let table: [(&str, Bson); 20] = [
            ("7", Bson::Int32(7)),
            ("-7", Bson::Int32(-7)),
            ("9223372036854775807", Bson::Int64(i64::MAX)),
            ("-9223372036854775808", Bson::Int64(i64::MIN)),
            ("9223372036854775808", decimal("9223372036854775808")),
            ("-9223372036854775809", decimal("-9223372036854775809")),
            ("18446744073709551615", decimal("18446744073709551615")),
            ("18446744073709551616", decimal("18446744073709551616")),
            (&long, decimal(&long)),
            (&too_long, Bson::String(too_long.clone())),
            ("1.0", Bson::Double(1.0)),
            ("-0", Bson::Double(-0.0)),
            ("0e9", Bson::Double(0.0)),
            (
                "0.30000000000000004",
                Bson::Double(0.300_000_000_000_000_04),
            ),
            ("1.00000000000000000000", Bson::Double(1.0)),
            ("12345678901234567.89", decimal("12345678901234567.89")),
            ("0.1234567890123456789", decimal("0.1234567890123456789")),
            ("1e308", Bson::Double(1e308)),
            ("1e400", decimal("1E+400")),
            ("1e-400", decimal("1E-400")),
        ];
        for (number, expected) in table {
            let (document, as_text) = document(&format!(r#"{{"a":{number}}}"#), false).unwrap();
            assert_eq!(document.get("a"), Some(&expected), "{number}");
            let is_text = matches!(expected, Bson::String(_));
            assert_eq!(as_text, usize::from(is_text), "{number}");
        }
        let nested = document(r#"{"a":[{"b":18446744073709551615}]}"#, false).unwrap();
        let expected = bson::doc! { "a": [{ "b": decimal("18446744073709551615") }] };
        assert_eq!(nested.0, expected);
    }

    #[test]
    fn extended_json_is_read_if_asked_for() {
        let id = bson::oid::ObjectId::parse_str("665f00000000000000000001").unwrap();
        let date = bson::DateTime::from_millis(1_740_988_800_000);
        let table: [(&str, Bson); 9] = [
            (r#"{"$date":"2025-03-03T08:00:00Z"}"#, date.into()),
            (r#"{"$date":{"$numberLong":"1740988800000"}}"#, date.into()),
            (r#"{"$numberInt":"7"}"#, Bson::Int32(7)),
            (r#"{"$numberLong":"7"}"#, Bson::Int64(7)),
            (r#"{"$numberDouble":"NaN"}"#, Bson::Double(f64::NAN)),
            (r#"{"$numberDecimal":"7.50"}"#, decimal("7.50")),
            (r#"{"$oid":"665f00000000000000000001"}"#, id.into()),
            (
                r#"{"$timestamp":{"t":1,"i":2}}"#,
                bson::Timestamp {
                    time: 1,
                    increment: 2,
                }
                .into(),
            ),
            (r#"{"a":1}"#, bson::doc! { "a": 1 }.into()),
        ];
        for (json, expected) in table {
            let payload = format!(r#"{{"v":{json},"w":[{{"x":{json}}}]}}"#);
            let (found, _) = document(&payload, true).unwrap();
            let expected = bson::doc! { "v": expected.clone(), "w": [{ "x": expected }] };
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{json}");
            let (plain, _) = document(&payload, false).unwrap();
            assert!(plain.get("v").unwrap().as_document().is_some(), "{json}");
        }
        let error = document(r#"{"ts":{"$date":"yesterday"}}"#, true).unwrap_err();
        assert!(error.contains("field `ts`"), "{error}");
    }

    proptest! {
        #[test]
        fn numbers_without_a_double_or_an_integer_are_long(
            sign in "-?", whole in "(0|[1-9][0-9]{0,40})", rest in "(\\.[0-9]{1,40})?", at in 0_usize..30,
        ) {
            let number = format!("{sign}{whole}{rest}");
            let kept = matches!(
                exact(&number),
                Some(Value::Int32(_) | Value::Int64(_) | Value::Double(_))
            );
            let payload = format!(r#"{{"{}":{number}}}"#, "a".repeat(at));
            prop_assert!(kept || has_long_number(payload.as_bytes()), "{}", number);
        }

        #[test]
        fn shortest_doubles_of_other_programs_take_the_fast_path(number in prop::num::f64::NORMAL) {
            let payload = format!(r#"{{"a":{number:e}}}"#);
            prop_assert!(!has_long_number(payload.as_bytes()), "{}", number);
        }
    }
}
