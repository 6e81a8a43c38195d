//! Extended JSON with fields in their order, which `serde_json::Value` does not keep.

use std::fmt;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, Regex, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value of extended JSON. A plain number is an int, a long if it is too large, or a double.
#[derive(Debug)]
pub struct Json(pub Bson);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Bson;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("extended JSON")
    }

    fn visit_unit<E>(self) -> Result<Bson, E> {
        Ok(Bson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bson, E> {
        Ok(i32::try_from(value).map_or(Bson::Int64(value), Bson::Int32))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Bson, E> {
        self.visit_i64(i64::try_from(value).map_err(E::custom)?)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Bson, A::Error> {
        let mut values = Vec::new();
        while let Some(Json(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Bson::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bson, A::Error> {
        let mut document = Document::new();
        while let Some((key, Json(value))) = map.next_entry::<String, _>()? {
            if document.insert(&key, value).is_some() {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
        }
        Ok(extended(&document).unwrap_or(Bson::Document(document)))
    }
}

/// Returns the value that an object of extended JSON stands for; `None` if it is a document.
fn extended(object: &Document) -> Option<Bson> {
    let (name, value) = object.iter().next()?;
    let text = value.as_str().unwrap_or_default();
    let body = value.as_document();
    Some(match name.as_str() {
        "$numberInt" => Bson::Int32(text.parse().unwrap()),
        "$numberLong" => Bson::Int64(text.parse().unwrap()),
        "$numberDouble" => Bson::Double(text.parse().unwrap()),
        "$numberDecimal" => Bson::Decimal128(text.parse::<Decimal128>().unwrap()),
        "$oid" => Bson::ObjectId(text.parse().unwrap()),
        "$code" => Bson::JavaScriptCode(text.to_owned()),
        "$minKey" => Bson::MinKey,
        "$maxKey" => Bson::MaxKey,
        "$date" => Bson::DateTime(match value.as_i64() {
            Some(milliseconds) => DateTime::from_millis(milliseconds),
            None => DateTime::parse_rfc3339_str(text).unwrap(),
        }),
        "$timestamp" => Bson::Timestamp(Timestamp {
            time: unsigned(body?, "t"),
            increment: unsigned(body?, "i"),
        }),
        "$regularExpression" => {
            let [pattern, options] = ["pattern", "options"]
                .map(|it| body?.get_str(it).unwrap().to_owned().try_into().ok());
            Bson::RegularExpression(Regex {
                pattern: pattern?,
                options: options?,
            })
        }
        "$binary" => {
            let [base64, subtype] = ["base64", "subType"].map(|it| body?.get_str(it).ok());
            let subtype = BinarySubtype::from(u8::from_str_radix(subtype?, 16).unwrap());
            Bson::Binary(Binary::from_base64(base64?, subtype).unwrap())
        }
        _ => return None,
    })
}

fn unsigned(body: &Document, field: &str) -> u32 {
    let number = body.get(field).unwrap();
    let number = number.as_i32().map(i64::from).or(number.as_i64());
    u32::try_from(number.unwrap()).unwrap()
}
