//! A payload as BSON fields under JSON's own types, where no schema is at hand.
//!
//! The payloads that convoy emits come out as with their schema: an integer column is written
//! without a point, a decimal one always with a point or an exponent.

use std::collections::BTreeSet;
use std::fmt;

use convoy_mongodb_server::bson::Writer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::record::document::RESERVED;
use crate::record::typed::Error;

/// Levels of a value below its document. Stores refuse documents that are deeper than 100.
const MAX_DEPTH: u32 = 90;

/// Reads JSON objects of any shape.
#[derive(Debug, Default)]
pub struct UntypedDecoder {
    /// Names of the last payload's fields: those of a topic are nearly always the same, and then
    /// none can occur twice.
    names: Vec<String>,
}

impl UntypedDecoder {
    /// Appends the payload's fields to `writer`, in the payload's order.
    ///
    /// Fails if the payload is no JSON object, has a field twice or one that convoy adds itself,
    /// or is nested too deep; the writer's bytes are then to be thrown away.
    pub fn decode(&mut self, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), Error> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let names = &mut self.names;
        json.deserialize_map(Fields { names, writer })
            .and_then(|()| json.end())
            .map_err(|error| Error {
                reason: error.to_string(),
            })
    }
}

/// Reads the whole object.
struct Fields<'n, 'w, 'b> {
    names: &'n mut Vec<String>,
    writer: &'w mut Writer<'b>,
}

impl<'de> Visitor<'de> for Fields<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(index_of_name) = map.next_key_seed(Name {
            names: self.names,
            index,
        })? {
            map.next_value_seed(Field {
                key: &self.names[index_of_name],
                depth: 0,
                writer: self.writer,
            })?;
            index += 1;
        }
        self.names.truncate(index);
        Ok(())
    }
}

/// Reads the name of the field at `index`, and keeps it there.
struct Name<'n> {
    names: &'n mut Vec<String>,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<usize, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        if self
            .names
            .get(self.index)
            .is_some_and(|known| known == name)
        {
            return Ok(self.index);
        }
        if RESERVED.contains(&name) {
            return Err(E::custom(format!("field `{name}` is one that convoy adds")));
        }
        check_name(name)?;
        // What was known from here on belonged to a payload of another shape.
        self.names.truncate(self.index);
        if self.names.iter().any(|known| known == name) {
            return Err(E::custom(format!("field `{name}` occurs twice")));
        }
        self.names.push(name.to_owned());
        Ok(self.index)
    }
}

/// Appends one value under its key.
struct Field<'k, 'w, 'b> {
    key: &'k str,
    depth: u32,
    writer: &'w mut Writer<'b>,
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of field `{}`", self.key)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.writer.bool(self.key, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.writer.integer(self.key, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.writer.integer(self.key, value),
            Err(_) => self.writer.double(self.key, value as f64),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.writer.double(self.key, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.writer.string(self.key, value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.writer.null(self.key);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = deeper(self.depth)?;
        self.writer.array(self.key, |writer| {
            let mut digits = itoa::Buffer::new();
            for index in 0_usize.. {
                let key = digits.format(index);
                if seq
                    .next_element_seed(Field { key, depth, writer })?
                    .is_none()
                {
                    break;
                }
            }
            Ok(())
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = deeper(self.depth)?;
        self.writer.document(self.key, |writer| {
            let mut seen = BTreeSet::new();
            while let Some(name) = map.next_key::<String>()? {
                check_name(&name)?;
                let key = name.as_str();
                map.next_value_seed(Field { key, depth, writer })?;
                if !seen.insert(name) {
                    return Err(A::Error::custom("a field of a nested object occurs twice"));
                }
            }
            Ok(())
        })
    }
}

fn check_name<E: serde::de::Error>(name: &str) -> Result<(), E> {
    if name.contains('\0') {
        return Err(E::custom("a field's name has a zero byte"));
    }
    Ok(())
}

fn deeper<E: serde::de::Error>(depth: u32) -> Result<u32, E> {
    if depth >= MAX_DEPTH {
        return Err(E::custom("the payload is nested too deep"));
    }
    Ok(depth + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::{Column, ColumnType, Schema};
    use crate::record::payload::PayloadEncoder;
    use crate::record::typed::PayloadDecoder;

    fn decode(decoder: &mut UntypedDecoder, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        decoder
            .decode(payload, &mut writer)
            .map_err(|error| error.reason)?;
        writer.finish();
        Ok(bytes)
    }

    fn document(payload: &str) -> Result<bson::Document, String> {
        let bytes = decode(&mut UntypedDecoder::default(), payload.as_bytes())?;
        Ok(bson::Document::try_from(bson::RawDocumentBuf::from_bytes(bytes).unwrap()).unwrap())
    }

    proptest! {
        #[test]
        fn what_convoy_emits_comes_out_as_with_its_schema(
            class: String, integer: i64, decimal in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        ) {
            let column = |name: &str, kind| Column { name: name.to_owned(), kind, nullable: true };
            let schema = Schema { columns: vec![
                column("class", ColumnType::Text),
                column("aa_000", ColumnType::Integer),
                column("bt_000", ColumnType::Decimal),
            ] };
            let (integer, decimal) = (integer.to_string(), decimal.to_string());
            let mut payload = Vec::new();
            let fields = [class.as_str(), &integer, &decimal];
            PayloadEncoder::new(&schema).encode(fields.into_iter(), &mut payload).unwrap();
            let mut typed = Vec::new();
            let mut writer = Writer::new(&mut typed);
            PayloadDecoder::new(&schema).decode(&payload, &mut writer).unwrap();
            writer.finish();
            prop_assert_eq!(decode(&mut UntypedDecoder::default(), &payload), Ok(typed));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(payload: Vec<u8>, text in "[\\[\\]{}\":,a0.e-]{0,40}") {
            let mut decoder = UntypedDecoder::default();
            for bytes in [payload.as_slice(), text.as_bytes(), text.as_bytes()] {
                if let Ok(document) = decode(&mut decoder, bytes) {
                    prop_assert!(bson::RawDocumentBuf::from_bytes(document).is_ok());
                }
            }
        }
    }

    #[test]
    fn every_json_value_has_its_bson_type() {
        let payload =
            r#"{"a":1,"b":9999999999,"c":1.0,"d":"x","e":null,"f":true,"g":[1,[]],"h":{"i":{}}}"#;
        let expected = bson::doc! {
            "a": 1, "b": 9_999_999_999_i64, "c": 1.0, "d": "x", "e": bson::Bson::Null, "f": true,
            "g": [1, []], "h": { "i": {} },
        };
        assert_eq!(document(payload), Ok(expected));
    }

    #[test]
    fn another_shape_is_learned_and_fields_stay_unique() {
        let mut decoder = UntypedDecoder::default();
        for payload in [
            r#"{"a":1,"b":2}"#,
            r#"{"b":1,"c":2,"a":3}"#,
            "{}",
            r#"{"a":1}"#,
        ] {
            assert!(
                decode(&mut decoder, payload.as_bytes()).is_ok(),
                "{payload}"
            );
        }
        for payload in [r#"{"a":1,"a":2}"#, r#"{"a":1,"b":{"c":1,"c":2}}"#] {
            let refused = decode(&mut decoder, payload.as_bytes()).unwrap_err();
            assert!(refused.contains("twice"), "{refused}");
        }
    }

    #[test]
    fn what_cannot_be_a_document_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(95), "]".repeat(95));
        for payload in [
            "",
            "[]",
            "1",
            "{",
            r#"{"_id":1}"#,
            r#"{"kafka":1}"#,
            r#"{"a\u0000":1}"#,
            &deep,
        ] {
            assert!(document(payload).is_err(), "{payload}");
        }
    }
}
