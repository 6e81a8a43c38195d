//! Fast path for the schemas of rows: one closed object of scalars.
//!
//! Parsing a payload of 171 fields into a tree takes ten times as long as validating it. A flat
//! schema is validated while the payload is parsed, without a tree. The fast path only accepts: the
//! full validator decides about every other payload.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// Keywords that do not affect validation.
const ANNOTATIONS: [&str; 8] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    // Formats are not validated.
    "format",
];

/// A closed object of scalars.
#[derive(Debug)]
pub(super) struct Flat {
    /// Sorted by name.
    properties: Vec<Property>,
    required: Members,
}

#[derive(Debug)]
struct Property {
    name: String,
    types: Types,
}

/// Types of a property.
#[derive(Debug, Clone, Copy, Default)]
struct Types {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    string: bool,
}

/// Set of properties, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Members(Vec<u64>);

impl Flat {
    /// Returns the fast path, unless the schema needs the full validator.
    pub(super) fn new(schema: &Value) -> Option<Self> {
        let schema = schema.as_object()?;
        let known = ["type", "properties", "required", "additionalProperties"];
        let supported = |key: &String| {
            let key = key.as_str();
            known.contains(&key) || ANNOTATIONS.contains(&key)
        };
        let closed = schema.get("additionalProperties")? == &Value::Bool(false);
        if !schema.keys().all(supported) || schema.get("type")? != "object" || !closed {
            return None;
        }
        let properties = schema.get("properties")?.as_object()?.iter();
        let properties = properties.map(|(name, schema)| Property::new(name, schema));
        let mut properties = properties.collect::<Option<Vec<_>>>()?;
        properties.sort_by(|a, b| a.name.cmp(&b.name));
        let mut flat = Self {
            required: Members::empty(properties.len()),
            properties,
        };
        let none = Vec::new();
        let required = schema
            .get("required")
            .map_or(Some(&none), Value::as_array)?;
        for name in required {
            flat.required.insert(flat.find(name.as_str()?, 0)?);
        }
        Some(flat)
    }

    /// Returns whether a payload certainly matches. `false` means unknown.
    pub(super) fn accepts(&self, json: &[u8]) -> bool {
        let mut payload = serde_json::Deserializer::from_slice(json);
        payload.deserialize_map(RowVisitor(self)).is_ok() && payload.end().is_ok()
    }

    /// Finds a property by name. Payloads are often sorted by name, so the property with the expected
    /// index is tried first.
    fn find(&self, name: &str, expected: usize) -> Option<usize> {
        match self.properties.get(expected) {
            Some(property) if property.name == name => Some(expected),
            _ => {
                let properties = &self.properties;
                let found =
                    properties.binary_search_by(|property| property.name.as_str().cmp(name));
                found.ok()
            }
        }
    }
}

impl Property {
    fn new(name: &str, schema: &Value) -> Option<Self> {
        let schema = schema.as_object()?;
        let supported = |key: &String| key == "type" || ANNOTATIONS.contains(&key.as_str());
        if !schema.keys().all(supported) {
            return None;
        }
        let mut types = Types::default();
        match schema.get("type")? {
            Value::Array(names) => names
                .iter()
                .try_for_each(|name| types.allow(name.as_str()?))?,
            name => types.allow(name.as_str()?)?,
        }
        let name = name.to_owned();
        Some(Self { name, types })
    }
}

impl Types {
    fn allow(&mut self, name: &str) -> Option<()> {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "string" => self.string = true,
            _ => return None,
        }
        Some(())
    }
}

impl Members {
    fn empty(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Adds a member; returns false if it was one already.
    fn insert(&mut self, number: usize) -> bool {
        let Some(word) = self.0.get_mut(number / 64) else {
            return false;
        };
        let bit = 1 << (number % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains_all(&self, others: &Self) -> bool {
        let mut words = self.0.iter().zip(&others.0);
        words.all(|(word, other)| other & !word == 0)
    }
}

/// Visits the payload.
struct RowVisitor<'a>(&'a Flat);

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of scalars")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<(), A::Error> {
        let flat = self.0;
        let mut seen = Members::empty(flat.properties.len());
        let mut expected = 0;
        while let Some(number) = row.next_key_seed(Name { flat, expected })? {
            let types = flat.properties.get(number).map(|property| property.types);
            row.next_value_seed(types.unwrap_or_default())?;
            if !seen.insert(number) {
                return Err(A::Error::custom("duplicate property"));
            }
            expected = number + 1;
        }
        if seen.contains_all(&flat.required) {
            Ok(())
        } else {
            Err(A::Error::custom("missing required property"))
        }
    }
}

/// Reads the name of a property as its index.
struct Name<'a> {
    flat: &'a Flat,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<usize, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a property")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let found = self.flat.find(name, self.expected);
        found.ok_or_else(|| E::custom("unknown property"))
    }
}

impl<'de> DeserializeSeed<'de> for Types {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl Types {
    fn accept<E: Error>(accepted: bool) -> Result<(), E> {
        if accepted {
            Ok(())
        } else {
            Err(E::custom("wrong type"))
        }
    }
}

impl Visitor<'_> for Types {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Self::accept(self.null)
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<(), E> {
        Self::accept(self.boolean)
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<(), E> {
        Self::accept(self.integer || self.number)
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<(), E> {
        Self::accept(self.integer || self.number)
    }

    /// Drafts differ in whether `1.0` is an integer, so the full validator decides.
    fn visit_f64<E: Error>(self, _value: f64) -> Result<(), E> {
        Self::accept(self.number)
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<(), E> {
        Self::accept(self.string)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "t",
            "type": "object",
            "properties": {
                "b": { "type": "integer", "description": "x" },
                "a": { "type": ["number", "null"] },
                "c": { "type": "string" },
                "d": { "type": "boolean" },
            },
            "required": ["a", "b"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn only_closed_objects_of_scalars_take_the_fast_path() {
        assert!(Flat::new(&schema()).is_some());
        for (pointer, value) in [
            ("/type", json!("array")),
            ("/additionalProperties", json!(true)),
            ("/properties/a", json!({ "type": "number", "minimum": 1 })),
            ("/properties/a", json!({ "type": "object" })),
            ("/properties/a", json!({})),
            ("/required", json!(["z"])),
            ("/title", json!({ "kept": "as it is" })),
            (
                "/properties/c",
                json!({ "type": "string", "format": "date-time" }),
            ),
        ] {
            let mut changed = schema();
            let place = changed.pointer_mut(pointer).expect("it is there");
            *place = value;
            assert_eq!(
                Flat::new(&changed).is_some(),
                matches!(pointer, "/title" | "/properties/c"),
                "{pointer}"
            );
        }
        let mut more = schema();
        more["minProperties"] = json!(1);
        assert!(Flat::new(&more).is_none());
    }

    #[test]
    fn rows_are_accepted_in_any_order_and_uncertain_ones_are_not() {
        let flat = Flat::new(&schema()).expect("it is flat");
        for row in [
            r#"{"b":1,"a":1.5,"c":"x\n","d":true}"#,
            r#" { "a" : null , "b" : -1 } "#,
            r#"{"b":18446744073709551615,"a":1}"#,
            r#"{"\u0062":1,"a":1}"#,
        ] {
            assert!(flat.accepts(row.as_bytes()), "{row}");
        }
        for row in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"b":1}"#,
            r#"{"b":1.0,"a":1}"#,
            r#"{"b":"1","a":1}"#,
            r#"{"b":1,"a":[]}"#,
            r#"{"b":1,"a":{}}"#,
            r#"{"b":1,"a":1,"b":2}"#,
            r#"{"b":1,"a":1,"z":1}"#,
            r#"{"b":1,"a":1}{}"#,
            r#"{"b":1,"a":1"#,
            r#"{"b":1,"a":1,}"#,
        ] {
            assert!(!flat.accepts(row.as_bytes()), "{row}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-9.0..9.0).prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
            Just(json!([1])),
        ]
    }

    proptest! {
        #[test]
        fn fast_path_agrees_with_the_full_validator(
            row in prop::collection::btree_map("[a-e]", value(), 0..5),
        ) {
            let flat = Flat::new(&schema()).expect("it is flat");
            let full = jsonschema::validator_for(&schema()).expect("it is a schema");
            let row = json!(row);
            let accepted = flat.accepts(row.to_string().as_bytes());
            prop_assert_eq!(accepted, full.is_valid(&row), "{}", row);
        }
    }
}
