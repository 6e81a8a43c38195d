//! Decodes a payload into BSON fields with the types of its JSON values, without a schema.
//!
//! Payloads that convoy emits give the same fields as with their schema: integers have no decimal
//! point, decimals always have a point or an exponent, dates have the form of `2024-05-01T10:00:00.000Z`. Dates
//! are recognised in payloads that convoy emitted only; the text of other producers stays text.
//!
//! No field is refused because of its name: dots, `$` and empty names are kept, `_id` and `_convoy`
//! are renamed as `names` says, and a zero byte becomes `␀` (U+2400).

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use convoy_mongodb_server::bson::Writer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::dataset::parse_date;
use crate::record::exact::{ExactDecoder, deeper, has_long_number};
use crate::record::learned::LearnedDecoder;
use crate::record::names::{stored_name, written_name};
use crate::record::syntax::{explain_content, explain_syntax};
use crate::record::typed::DecodeError;

/// Names that are compared one by one before a set of them is worth its memory.
const FEW_NAMES: usize = 32;

/// Names that are remembered from payload to payload.
const MOST_NAMES: usize = 10_000;

/// Decodes JSON objects with any fields.
#[derive(Debug, Default)]
pub struct UntypedDecoder {
    /// Names of the last payload's fields. Payloads of a topic nearly always have the same names,
    /// and then no name can be repeated.
    names: Names,
    learned: LearnedDecoder,
    extended: bool,
    /// Whether the payload is one that convoy emitted, so that texts in the form of its dates are
    /// dates.
    own: bool,
    as_text: usize,
}

/// Names of the fields so far, and those of the last payload after them.
#[derive(Debug, Default)]
struct Names {
    listed: Vec<String>,
    /// The same names, once there are many and they are not those of the last payload.
    set: HashSet<String>,
    /// Whether all are those of the last payload, in its order.
    steady: bool,
}

impl UntypedDecoder {
    /// Creates a decoder that reads extended JSON: `{"$date": …}` becomes a date.
    pub fn extended() -> Self {
        Self {
            extended: true,
            ..Self::default()
        }
    }

    /// Appends the payload's fields to `writer`, in the payload's order.
    ///
    /// Fails if the payload is not a JSON object, has a repeated field, or is nested too deep; discard
    /// the writer's bytes then.
    pub fn decode(&mut self, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), DecodeError> {
        self.own = false;
        self.decode_either(payload, writer)
    }

    /// Appends the fields of a payload that convoy emitted, as [`Self::decode`] does. Dates in
    /// convoy's form become dates.
    pub fn decode_own(
        &mut self,
        payload: &[u8],
        writer: &mut Writer<'_>,
    ) -> Result<(), DecodeError> {
        self.own = true;
        self.decode_either(payload, writer)
    }

    fn decode_either(
        &mut self,
        payload: &[u8],
        writer: &mut Writer<'_>,
    ) -> Result<(), DecodeError> {
        if self.learned.decode(payload, self.own, writer) {
            return Ok(());
        }
        let special = self.extended && payload.windows(2).any(|pair| pair == b"\"$");
        let decoded = if special || has_long_number(payload) {
            let mut exact = ExactDecoder {
                extended: self.extended,
                own: self.own,
                as_text: 0,
            };
            let decoded = exact.decode(payload, writer);
            self.as_text += exact.as_text;
            decoded
        } else {
            self.decode_plain(payload, writer)
        };
        decoded.map_err(|error| DecodeError {
            reason: explain_syntax(payload).unwrap_or_else(|| explain_content(payload, &error)),
        })
    }

    fn decode_plain(
        &mut self,
        payload: &[u8],
        writer: &mut Writer<'_>,
    ) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let (names, own) = (&mut self.names, self.own);
        json.deserialize_map(Fields { names, own, writer })
            .and_then(|()| json.end())?;
        let Names { listed, steady, .. } = &self.names;
        self.learned.learn(payload, listed, *steady);
        Ok(())
    }

    /// Returns how many numbers became text since the last call, because they have more than 34
    /// digits.
    pub fn take_numbers_as_text(&mut self) -> usize {
        std::mem::take(&mut self.as_text)
    }
}

impl Names {
    /// Adds the name at an index. Returns false if it occurred before.
    fn add(&mut self, index: usize, name: &str) -> bool {
        if index == 0 {
            self.set.clear();
            self.steady = true;
        }
        if self.set.is_empty() && self.listed.get(index).is_some_and(|known| known == name) {
            return true;
        }
        // The remaining names belong to a payload with other fields.
        self.steady = false;
        self.listed.truncate(index);
        let new = if index < FEW_NAMES {
            self.listed.iter().all(|known| known != name)
        } else {
            if self.set.is_empty() {
                self.set.extend(self.listed.iter().cloned());
            }
            self.set.insert(name.to_owned())
        };
        self.listed.push(name.to_owned());
        new
    }

    /// Ends a payload with this number of names.
    fn end(&mut self, names: usize) {
        self.steady &= names == self.listed.len() && names > 0;
        self.listed.truncate(names);
        self.set.clear();
        if names > MOST_NAMES {
            *self = Self::default();
        }
    }
}

/// Visits the whole object.
struct Fields<'n, 'w, 'b> {
    names: &'n mut Names,
    own: bool,
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
                key: &stored_name(&self.names.listed[index_of_name]),
                depth: 0,
                own: self.own,
                writer: self.writer,
            })?;
            index += 1;
        }
        self.names.end(index);
        Ok(())
    }
}

/// Visits the name of the field at `index` and remembers it.
struct Name<'n> {
    names: &'n mut Names,
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
        let name = written_name(name);
        if !self.names.add(self.index, &name) {
            return Err(E::custom(format!("field `{name}` occurs twice")));
        }
        Ok(self.index)
    }
}

/// Appends one value under its key.
struct Field<'k, 'w, 'b> {
    key: &'k str,
    depth: u32,
    /// Whether the field is one of a row of convoy's.
    own: bool,
    writer: &'w mut Writer<'b>,
}

impl<'k, 'w, 'b> Field<'k, 'w, 'b> {
    /// A value within a field, which no row of convoy's has.
    fn nested(key: &'k str, depth: u32, writer: &'w mut Writer<'b>) -> Self {
        Self {
            key,
            depth,
            own: false,
            writer,
        }
    }
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

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        // Longer integers have so many digits that the exact decoder reads them.
        self.visit_i64(i64::try_from(value).map_err(E::custom)?)
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.writer.double(self.key, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        match self.own.then(|| parse_date(value)).flatten() {
            Some(unix_ms) => self.writer.date_time(self.key, unix_ms),
            None => self.writer.string(self.key, value),
        }
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
                    .next_element_seed(Field::nested(key, depth, writer))?
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
                let name = written_name(&name).into_owned();
                let key = name.as_str();
                map.next_value_seed(Field::nested(key, depth, writer))?;
                if let Some(name) = seen.replace(name) {
                    let error = format!("a nested object contains field `{name}` twice");
                    return Err(A::Error::custom(error));
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::example_schema;
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
            let schema = example_schema();
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
        fn any_bytes_decode_or_fail(payload: Vec<u8>, text in "[\\[\\]{}\":,a0.e-]{0,40}") {
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
    fn dates_of_convoys_own_payloads_are_dates() {
        const TEXT: &str = "2025-03-03T08:00:00.000Z";
        let date = bson::DateTime::from_millis(1_740_988_800_000);
        let other = [
            "2025-03-03T08:00:00Z",
            "2025-03-03",
            "2025-13-03T08:00:00.000Z",
        ];
        // A long number takes another way through the decoder.
        for number in ["1", "18446744073709551615"] {
            let payload = format!(
                r#"{{"n":{number},"at":"{TEXT}","in":["{TEXT}"],"a":"{}","b":"{}","c":"{}"}}"#,
                other[0], other[1], other[2],
            );
            let own = |own: bool| {
                let (mut bytes, mut decoder) = (Vec::new(), UntypedDecoder::default());
                let mut writer = Writer::new(&mut bytes);
                let decoded = if own {
                    decoder.decode_own(payload.as_bytes(), &mut writer)
                } else {
                    decoder.decode(payload.as_bytes(), &mut writer)
                };
                decoded.unwrap();
                writer.finish();
                let raw = bson::RawDocumentBuf::from_bytes(bytes).unwrap();
                bson::Document::try_from(raw).unwrap()
            };
            for (document, at) in [
                (own(true), bson::Bson::from(date)),
                (own(false), TEXT.into()),
            ] {
                assert_eq!(document.get("at"), Some(&at));
                assert_eq!(document.get("in"), Some(&bson::bson!([TEXT])));
                let others = ["a", "b", "c"].map(|name| document.get_str(name).unwrap());
                assert_eq!(others, other);
            }
        }
    }

    #[test]
    fn changed_fields_are_accepted_and_repeated_fields_rejected() {
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
            let error = decode(&mut decoder, payload.as_bytes()).unwrap_err();
            assert!(error.contains("twice"), "{error}");
        }
    }

    #[test]
    fn no_field_is_refused_because_of_its_name() {
        let payload = r#"{"_id":7,"__id":8,"_convoy":9,"kafka":1,"a.b":1,"$c":1,"":1,"d\u0000":{"_id":1,"":2,"e\u0000":3}}"#;
        let expected = bson::doc! {
            "__id": 7, "___id": 8, "__convoy": 9, "kafka": 1, "a.b": 1, "$c": 1, "": 1,
            "d␀": { "_id": 1, "": 2, "e␀": 3 },
        };
        assert_eq!(document(payload), Ok(expected.clone()));
        let long = payload.replace("\"kafka\":1", "\"kafka\":18446744073709551615");
        let mut expected = expected;
        let number: bson::Decimal128 = "18446744073709551615".parse().unwrap();
        expected.insert("kafka", number);
        assert_eq!(document(&long), Ok(expected));
    }

    #[test]
    fn objects_of_many_names_are_decoded_in_linear_time() {
        let fields = |from: usize, to: usize| {
            let fields: Vec<String> = (from..to).map(|n| format!("\"k{n}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };
        let mut decoder = UntypedDecoder::default();
        // Quadratic comparison of names takes minutes.
        for payload in [
            fields(0, 200_000),
            fields(1, 200_001),
            fields(0, 40),
            fields(5, 45),
        ] {
            assert!(decode(&mut decoder, payload.as_bytes()).is_ok());
        }
        let twice = fields(0, 1_000).replace("\"k999\"", "\"k7\"");
        let error = decode(&mut decoder, twice.as_bytes()).unwrap_err();
        assert!(error.contains("`k7` occurs twice"), "{error}");
        assert!(decode(&mut decoder, fields(0, 1_000).as_bytes()).is_ok());
    }

    #[test]
    fn payloads_that_cannot_be_documents_are_rejected() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(95), "]".repeat(95));
        for payload in ["", "[]", "1", "{", &deep] {
            assert!(document(payload).is_err(), "{payload}");
        }
    }
}
