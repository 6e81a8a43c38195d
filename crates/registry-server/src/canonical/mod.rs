//! The canonical text of a schema: schemas with the same canonical text are the same schema.
//!
//! As in Confluent's registry, blanks never matter. The order of keys matters in JSON Schemas, and
//! the order of a program's own attributes in Avro, unless the schema is normalized.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod avro;
mod json;

use crate::schema::SchemaType;

/// Returns the canonical text of a schema, or the text itself if it cannot be parsed.
pub(super) fn text(kind: SchemaType, text: &str, normalize: bool) -> String {
    let parsed = json::parse(text).map(|mut json| {
        if normalize {
            json.sort();
        }
        match kind {
            SchemaType::Avro => avro::schema(&json),
            SchemaType::Json => json,
        }
    });
    parsed.map_or_else(|| text.to_owned(), |json| json.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avro(schema: &str) -> String {
        text(SchemaType::Avro, schema, false)
    }

    #[test]
    fn canonical_text_is_its_own_canonical_text() {
        let schemas = [
            r#" { "type":"record" , "name":"a.R", "x": [1, {"b": 1.50}], "fields": [ {"name":"a","type":{"type":"int"}} ] }"#,
            r#"["null", {"type":"array","items":{"type":"string"}}, "long"]"#,
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"A","doc":"\u00e9\/\n"}"#,
            "\"int\"",
            "{}",
            "not JSON",
        ];
        for schema in schemas {
            for kind in [SchemaType::Avro, SchemaType::Json] {
                for normalize in [false, true] {
                    let once = text(kind, schema, normalize);
                    assert_eq!(text(kind, &once, normalize), once, "{schema}");
                }
            }
        }
    }

    #[test]
    fn json_keeps_its_order_and_its_numbers() {
        let schema = "{ \"b\" : 1.50, \"a\" : [ 1E300, 123456789012345678901234567890, \"\\u0041\\/ b\" ],\n\"c\":{ } }";
        let expected = r#"{"b":1.50,"a":[1E300,123456789012345678901234567890,"A/ b"],"c":{}}"#;
        assert_eq!(text(SchemaType::Json, schema, false), expected);
        let sorted = r#"{"a":[1E300,123456789012345678901234567890,"A/ b"],"b":1.50,"c":{}}"#;
        assert_eq!(text(SchemaType::Json, schema, true), sorted);
    }

    #[test]
    fn avro_is_written_with_its_attributes_in_order() {
        let same = [
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#,
            r#"{"fields":[{"type":{"type":"int"},"name":"a"}],"name":"R","type":"record"}"#,
            r#"{ "name": "R", "type": { "type": "record", "name": "R", "fields": [ { "name": "a", "type": "int" } ] } }"#,
            r#"{"type":"record","name":"R","fields":[{"name":"a","order":"ascending","type":"int"}]}"#,
        ];
        for schema in same {
            assert_eq!(avro(schema), same[0]);
        }
        let logical = r#"{"logicalType":"timestamp-millis","type":"long"}"#;
        assert_eq!(
            avro(logical),
            r#"{"type":"long","logicalType":"timestamp-millis"}"#
        );
        let complete = r#"{"aliases":["n.Old","Older"],"symbols":["A","B"],"default":"A","own":{"z":1,"y":2},"doc":"d","namespace":"n","name":"E","type":"enum"}"#;
        let expected = r#"{"type":"enum","name":"E","namespace":"n","doc":"d","symbols":["A","B"],"default":"A","own":{"z":1,"y":2},"aliases":["Old","Older"]}"#;
        assert_eq!(avro(complete), expected);
        let field = r#"{"type":"record","name":"R","fields":[{"x":1,"aliases":["b"],"order":"ignore","default":[1, 2],"doc":"d","type":{"items":"long","type":"array"},"name":"a"}]}"#;
        let expected = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"long"},"doc":"d","default":[1,2],"order":"ignore","aliases":["b"],"x":1}]}"#;
        assert_eq!(avro(field), expected);
    }

    #[test]
    fn namespaces_are_written_only_where_they_change() {
        let schema = r#"{"type":"record","name":"a.b.R","fields":[
            {"name":"x","type":{"type":"fixed","name":"F","namespace":"a.b","size":2}},
            {"name":"y","type":{"type":"fixed","name":"c.G","size":2}},
            {"name":"z","type":["a.b.F","c.G","R"]},
            {"name":"w","type":{"type":"map","values":{"type":"a.b.F"}}}]}"#;
        let expected = r#"{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"x","type":{"type":"fixed","name":"F","size":2}},{"name":"y","type":{"type":"fixed","name":"G","namespace":"c","size":2}},{"name":"z","type":["F","c.G","R"]},{"name":"w","type":{"type":"map","values":"F"}}]}"#;
        assert_eq!(avro(schema), expected);
    }

    #[test]
    fn normalization_ignores_the_order_of_own_attributes() {
        let one = r#"{"type":"record","name":"R","b":1,"a":{"y":1,"x":2},"fields":[]}"#;
        let other = r#"{"type":"record","name":"R","a":{"x":2,"y":1},"b":1,"fields":[]}"#;
        assert_ne!(avro(one), avro(other));
        let normalized = |schema| text(SchemaType::Avro, schema, true);
        assert_eq!(normalized(one), normalized(other));
    }
}
