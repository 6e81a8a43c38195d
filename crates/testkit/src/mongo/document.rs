//! Documents as tests look at them.

use std::fmt;

use bytes::Bytes;
use convoy_mongodb_server::bson::{Doc, Value};
use serde_json::{Map, Number, Value as Json, json};

/// A document of a collection.
///
/// It is shown, by `Debug` too, as MongoDB's shell shows it. [`bytes`](Self::bytes) is BSON for any
/// other library, such as `bson::deserialize_from_slice`.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(Bytes);

impl Document {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Returns the document as BSON.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a field by its path, such as `customer.address.0`; `None` if there is none.
    pub fn get(&self, path: &str) -> Option<Value<'_>> {
        let mut doc = Doc::new(&self.0);
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let element = doc.element(name)?;
            if names.peek().is_none() {
                return Some(element.value());
            }
            doc = element.doc()?;
        }
        None
    }

    /// Returns a text by its path; `None` if there is no text.
    pub fn str(&self, path: &str) -> Option<&str> {
        self.get(path)?.into_borrowed_str()
    }

    /// Returns a whole number of any of MongoDB's types; `None` if there is none.
    pub fn i64(&self, path: &str) -> Option<i64> {
        self.get(path)?.as_i64()
    }

    /// Returns a number of any of MongoDB's types; `None` if there is none.
    pub fn f64(&self, path: &str) -> Option<f64> {
        self.get(path)?.as_f64()
    }

    /// Returns the document as JSON, for comparisons: numbers, texts, booleans, null, arrays and
    /// documents as such, all other types as in MongoDB's relaxed extended JSON, except that dates
    /// are `{"$date": MILLISECONDS}`.
    pub fn json(&self) -> Json {
        object(Doc::new(&self.0))
    }
}

fn object(doc: Doc<'_>) -> Json {
    let fields = doc.elements();
    let fields = fields.map(|field| (field.name().to_owned(), value(&field.value())));
    Json::Object(fields.collect::<Map<_, _>>())
}

fn value(value: &Value<'_>) -> Json {
    match value {
        Value::Double(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => json!({ "$numberDouble": double(*number) }),
        },
        Value::String(text) => json!(text),
        Value::Document(bytes) => object(Doc::new(bytes)),
        Value::Array(bytes) => Doc::new(bytes)
            .values()
            .map(|it| self::value(&it))
            .collect(),
        Value::Bool(value) => json!(value),
        Value::Null => Json::Null,
        Value::Int32(number) => json!(number),
        Value::Int64(number) => json!(number),
        Value::Decimal128(number) => json!({ "$numberDecimal": number.to_string() }),
        Value::ObjectId(id) => json!({ "$oid": id.to_string() }),
        Value::DateTime(milliseconds) => json!({ "$date": milliseconds }),
        other => json!({ format!("${}", other.kind().alias()): other.to_string() }),
    }
}

fn double(number: f64) -> &'static str {
    match (number.is_nan(), number > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

impl fmt::Display for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::Document((&*self.0).into()).fmt(out)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::{ArrayBuilder, Builder};

    use super::*;

    fn document() -> Document {
        let mut tags = ArrayBuilder::default();
        tags.push(&Value::String("new".into()));
        tags.push(&Value::Double(f64::NAN));
        let built = Builder::new()
            .int32("_id", 7)
            .document("customer", Builder::new().string("name", "Ada"))
            .array("tags", tags)
            .with("at", &Value::DateTime(5));
        Document::new(built.finish().into())
    }

    #[test]
    fn fields_are_found_by_path() {
        let document = document();
        assert_eq!(document.i64("_id"), Some(7));
        assert_eq!(document.str("customer.name"), Some("Ada"));
        assert_eq!(document.str("tags.0"), Some("new"));
        for absent in ["", "customer.", "customer.name.first", "tags.2", "name"] {
            assert!(document.get(absent).is_none(), "{absent}");
        }
        assert_eq!(document.str("_id"), None);
        assert_eq!(document.f64("customer"), None);
    }

    #[test]
    fn document_becomes_json_and_text() {
        let expected = json!({
            "_id": 7,
            "customer": { "name": "Ada" },
            "tags": ["new", { "$numberDouble": "NaN" }],
            "at": { "$date": 5 },
        });
        assert_eq!(document().json(), expected);
        let text =
            r#"{ _id: 7, customer: { name: "Ada" }, tags: [ "new", nan.0 ], at: new Date(5) }"#;
        assert_eq!(format!("{:?}", document()), text);
    }
}
