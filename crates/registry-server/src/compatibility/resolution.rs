//! Avro's schema resolution: can data written with one schema be read with another?
//!
//! # References
//!
//! - <https://avro.apache.org/docs/1.12.0/specification/#schema-resolution>, as
//!   Avro's Java library (`SchemaCompatibility`) and Confluent's registry implement it: names are
//!   compared without their namespaces, logical types are ignored.

use std::collections::BTreeMap;

use crate::avro::{Field, Id, Name, Primitive, Schema, Type};

/// Returns the reasons why a reader cannot read a writer's data, if any.
pub(super) fn incompatibilities(reader: &Schema, writer: &Schema) -> Vec<String> {
    let mut comparison = Comparison {
        reader,
        writer,
        known: BTreeMap::new(),
    };
    comparison.compare(reader.root, writer.root, "")
}

struct Comparison<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// Pairs compared so far. A pair in progress counts as compatible, so that recursive types
    /// terminate.
    known: BTreeMap<(Id, Id), bool>,
}

impl Comparison<'_> {
    fn compare(&mut self, reader: Id, writer: Id, place: &str) -> Vec<String> {
        match self.known.insert((reader, writer), true) {
            Some(true) => return Vec::new(),
            Some(false) => {
                self.known.insert((reader, writer), false);
                return vec![format!("{}the types are incompatible", at(place))];
            }
            None => {}
        }
        let incompatibilities = self.compare_types(reader, writer, place);
        self.known
            .insert((reader, writer), incompatibilities.is_empty());
        incompatibilities
    }

    fn compare_types(&mut self, reader: Id, writer: Id, place: &str) -> Vec<String> {
        let (reading, writing) = (self.reader.get(reader), self.writer.get(writer));
        match (reading, writing) {
            (_, Type::Union(branches)) => {
                let branches = branches.iter();
                let incompatibilities =
                    branches.flat_map(|branch| self.compare(reader, *branch, place));
                incompatibilities.collect()
            }
            (Type::Union(branches), _) => {
                let mut branches = branches.iter();
                if branches.any(|branch| self.compare(*branch, writer, place).is_empty()) {
                    return Vec::new();
                }
                let writing = shown(writing);
                vec![format!("{}the reader's union has no {writing}", at(place))]
            }
            (Type::Primitive(reading), Type::Primitive(writing)) if reads(*reading, *writing) => {
                Vec::new()
            }
            (Type::Array(reading), Type::Array(writing))
            | (Type::Map(reading), Type::Map(writing)) => {
                self.compare(*reading, *writing, &format!("{place}/*"))
            }
            (
                Type::Record { name, fields },
                Type::Record {
                    name: old,
                    fields: written,
                },
            ) if same(name, old) => self.compare_fields(fields, written, place),
            (
                Type::Enum {
                    name,
                    symbols,
                    default,
                },
                Type::Enum {
                    name: old,
                    symbols: written,
                    ..
                },
            ) if same(name, old) => {
                let unknown = written.iter().filter(|symbol| !symbols.contains(symbol));
                let unknown: Vec<&str> = unknown.map(String::as_str).collect();
                if unknown.is_empty() || default.is_some() {
                    return Vec::new();
                }
                let unknown = unknown.join(", ");
                vec![format!("{}the reader lacks symbols: {unknown}", at(place))]
            }
            (
                Type::Fixed { name, size },
                Type::Fixed {
                    name: old,
                    size: written,
                },
            ) if same(name, old) && size == written => Vec::new(),
            _ => {
                let (reading, writing) = (shown(reading), shown(writing));
                vec![format!("{}{reading} cannot read {writing}", at(place))]
            }
        }
    }

    fn compare_fields(&mut self, fields: &[Field], written: &[Field], place: &str) -> Vec<String> {
        let mut incompatibilities = Vec::new();
        for field in fields {
            let place = format!("{place}/{}", field.name);
            let called = |name: &str| written.iter().find(|written| written.name == name);
            let aliases = field.aliases.iter();
            let source = called(&field.name).or_else(|| {
                let mut aliased = aliases.filter_map(|alias| called(alias));
                aliased.next()
            });
            match source {
                Some(source) => {
                    incompatibilities.extend(self.compare(field.kind, source.kind, &place));
                }
                None if field.default.is_none() => incompatibilities.push(format!(
                    "{}the field has no default and is missing in the writer's schema",
                    at(&place)
                )),
                None => {}
            }
        }
        incompatibilities
    }
}

/// Returns whether a type can be promoted to another: to a wider number, or between bytes and string.
fn reads(reader: Primitive, writer: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    reader == writer
        || matches!(
            (reader, writer),
            (Long, Int)
                | (Float, Int | Long)
                | (Double, Int | Long | Float)
                | (Bytes, String)
                | (String, Bytes)
        )
}

fn same(reader: &Name, writer: &Name) -> bool {
    let last = |full: &str| full.rsplit('.').next().map(str::to_owned);
    last(&reader.full) == last(&writer.full) || reader.aliases.contains(&writer.full)
}

fn at(place: &str) -> String {
    if place.is_empty() {
        String::new()
    } else {
        format!("{place}: ")
    }
}

fn shown(kind: &Type) -> String {
    match kind {
        Type::Primitive(primitive) => primitive.name().to_owned(),
        Type::Array(_) => "array".to_owned(),
        Type::Map(_) => "map".to_owned(),
        Type::Union(_) => "union".to_owned(),
        Type::Record { name, .. } => format!("record {}", name.full),
        Type::Enum { name, .. } => format!("enum {}", name.full),
        Type::Fixed { name, size } => format!("fixed {} of {size} bytes", name.full),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(schema: &Value) -> Schema {
        Schema::parse(schema, std::iter::empty()).unwrap()
    }

    /// Whether the second can read the first's data, and the first the second's.
    fn compatible(old: &Value, new: &Value) -> (bool, bool) {
        let (old, new) = (parse(old), parse(new));
        let backward = incompatibilities(&new, &old).is_empty();
        (backward, incompatibilities(&old, &new).is_empty())
    }

    const BOTH: (bool, bool) = (true, true);
    const BACKWARD: (bool, bool) = (true, false);
    const NEITHER: (bool, bool) = (false, false);

    fn record(fields: &Value) -> Value {
        json!({ "type": "record", "name": "Truck", "fields": fields })
    }

    #[test]
    fn numbers_are_promoted_and_bytes_read_as_strings() {
        let kinds = ["int", "long", "float", "double"];
        for (narrow, old) in kinds.iter().enumerate() {
            for (wide, new) in kinds.iter().enumerate() {
                let (old, new) = (parse(&json!(old)), parse(&json!(new)));
                assert_eq!(incompatibilities(&new, &old).is_empty(), narrow <= wide);
            }
        }
        assert_eq!(compatible(&json!("bytes"), &json!("string")), BOTH);
        assert_eq!(compatible(&json!("int"), &json!("string")), NEITHER);
        assert_eq!(compatible(&json!("int"), &json!("boolean")), NEITHER);
        let of = |items: &str| json!({ "type": "array", "items": items });
        assert_eq!(compatible(&of("int"), &of("long")), BACKWARD);
        let time = json!({ "type": "long", "logicalType": "timestamp-millis" });
        assert_eq!(compatible(&json!("long"), &time), BOTH);
    }

    #[test]
    fn fields_can_be_removed_and_added_with_a_default() {
        let a = json!({ "name": "a", "type": "int" });
        let b = json!({ "name": "b", "type": "int" });
        let with_default = json!({ "name": "b", "type": "int", "default": 0 });
        let one = record(&json!([a]));
        assert_eq!(compatible(&record(&json!([a, b])), &one), BACKWARD);
        assert_eq!(compatible(&one, &record(&json!([a, with_default]))), BOTH);
        assert_eq!(
            compatible(&record(&json!([b, a])), &record(&json!([a, b]))),
            BOTH
        );
        let renamed = json!([{ "name": "z", "aliases": ["a"], "type": "long" }]);
        assert_eq!(compatible(&one, &record(&renamed)), BACKWARD);
        let found = incompatibilities(&parse(&record(&json!([a, b]))), &parse(&one));
        let expected = "/b: the field has no default and is missing in the writer's schema";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn unions_can_gain_branches() {
        let optional = json!(["null", "string"]);
        assert_eq!(compatible(&json!("string"), &optional), BACKWARD);
        assert_eq!(compatible(&optional, &json!(["string", "null"])), BOTH);
        assert_eq!(
            compatible(&optional, &json!(["null", "string", "int"])),
            BACKWARD
        );
        assert_eq!(compatible(&json!(["int"]), &json!("long")), BACKWARD);
    }

    #[test]
    fn enums_can_gain_symbols_and_a_default_covers_unknown_ones() {
        let of = |symbols: &[&str]| json!({ "type": "enum", "name": "E", "symbols": symbols });
        assert_eq!(compatible(&of(&["A"]), &of(&["A", "B"])), BACKWARD);
        let mut with_default = of(&["A"]);
        with_default["default"] = json!("A");
        assert_eq!(compatible(&of(&["A", "B"]), &with_default), BOTH);
    }

    #[test]
    fn named_types_must_keep_their_names_and_sizes() {
        let of = |name: &str, size| json!({ "type": "fixed", "name": name, "size": size });
        assert_eq!(compatible(&of("F", 2), &of("n.F", 2)), BOTH);
        assert_eq!(compatible(&of("F", 2), &of("G", 2)), NEITHER);
        assert_eq!(compatible(&of("F", 2), &of("F", 3)), NEITHER);
        let mut renamed = of("G", 2);
        renamed["aliases"] = json!(["F"]);
        assert_eq!(compatible(&of("F", 2), &renamed), BACKWARD);
    }

    #[test]
    fn comparison_of_recursive_types_terminates() {
        let list = |kind: &str| {
            record(&json!([
                { "name": "next", "type": ["null", "Truck"] },
                { "name": "value", "type": kind },
            ]))
        };
        assert_eq!(compatible(&list("int"), &list("int")), BOTH);
        assert_eq!(compatible(&list("int"), &list("long")), BACKWARD);
    }
}
