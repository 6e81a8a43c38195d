//! The JSON Schema of a dataset's rows.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use crate::dataset::schema::{Column, ColumnType, Schema};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// JSON types of the values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SchemaForm {
    /// Booleans, integers, numbers, strings and dates as strings of the format `date-time`, or `null`
    /// in nullable columns. Every column is required.
    #[default]
    Typed,
    /// Every value is a string, `na` included, and no column is required: the schema that consumers
    /// of the original Python pipeline expect.
    AllStrings,
}

/// A JSON Schema (draft-07) of a row as an object, columns in file order. Implements `Serialize`.
#[derive(Debug, Clone, Copy)]
pub struct JsonSchema<'a> {
    columns: &'a Schema,
    title: &'a str,
    form: SchemaForm,
}

impl<'a> JsonSchema<'a> {
    /// Describes rows of these columns; serializers use the title as the name of the record.
    pub fn new(columns: &'a Schema, title: &'a str, form: SchemaForm) -> Self {
        Self {
            columns,
            title,
            form,
        }
    }

    /// Returns the schema as one line of JSON, the form in which it is registered.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a schema of strings is JSON")
    }
}

impl Serialize for JsonSchema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut schema = serializer.serialize_map(None)?;
        schema.serialize_entry("$schema", DRAFT)?;
        schema.serialize_entry("title", self.title)?;
        schema.serialize_entry("type", "object")?;
        schema.serialize_entry("properties", &Properties(self))?;
        if self.form == SchemaForm::Typed {
            let names = self.columns.columns.iter().map(|column| &column.name);
            schema.serialize_entry("required", &names.collect::<Vec<_>>())?;
        }
        schema.serialize_entry("additionalProperties", &false)?;
        schema.end()
    }
}

struct Properties<'a>(&'a JsonSchema<'a>);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let JsonSchema { columns, form, .. } = self.0;
        serializer.collect_map(columns.columns.iter().map(|column| {
            let kind = match form {
                SchemaForm::Typed => typed(column),
                SchemaForm::AllStrings => json!({ "type": "string" }),
            };
            (&column.name, kind)
        }))
    }
}

fn typed(column: &Column) -> serde_json::Value {
    let name = match column.kind {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer | ColumnType::LargeInteger => "integer",
        ColumnType::Decimal | ColumnType::Number => "number",
        ColumnType::Date | ColumnType::Text => "string",
    };
    let name = if column.nullable {
        json!([name, "null"])
    } else {
        json!(name)
    };
    match column.kind {
        ColumnType::Date => json!({ "type": name, "format": "date-time" }),
        _ => json!({ "type": name }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn columns() -> Schema {
        let column = |name: &str, kind, nullable| Column {
            name: name.to_owned(),
            kind,
            nullable,
        };
        Schema {
            columns: vec![
                column("class", ColumnType::Text, false),
                column("aa_000", ColumnType::Integer, true),
                column("a \"b\"", ColumnType::Decimal, false),
            ],
        }
    }

    #[test]
    fn every_type_has_a_json_type() {
        for (kind, nullable, expected) in [
            (ColumnType::Boolean, false, json!({"type": "boolean"})),
            (ColumnType::Integer, false, json!({"type": "integer"})),
            (
                ColumnType::LargeInteger,
                true,
                json!({"type": ["integer", "null"]}),
            ),
            (ColumnType::Decimal, false, json!({"type": "number"})),
            (ColumnType::Number, false, json!({"type": "number"})),
            (
                ColumnType::Date,
                false,
                json!({"type": "string", "format": "date-time"}),
            ),
            (
                ColumnType::Date,
                true,
                json!({"type": ["string", "null"], "format": "date-time"}),
            ),
            (ColumnType::Text, false, json!({"type": "string"})),
        ] {
            let name = "a".to_owned();
            let column = Column {
                name,
                kind,
                nullable,
            };
            assert_eq!(typed(&column), expected);
        }
    }

    #[test]
    fn columns_keep_their_order_and_types() {
        let columns = columns();
        insta::assert_snapshot!(
            JsonSchema::new(&columns, "trucks", SchemaForm::Typed).to_line(),
            @r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"trucks","type":"object","properties":{"class":{"type":"string"},"aa_000":{"type":["integer","null"]},"a \"b\"":{"type":"number"}},"required":["class","aa_000","a \"b\""],"additionalProperties":false}"#
        );
        insta::assert_snapshot!(
            JsonSchema::new(&columns, "trucks", SchemaForm::AllStrings).to_line(),
            @r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"trucks","type":"object","properties":{"class":{"type":"string"},"aa_000":{"type":"string"},"a \"b\"":{"type":"string"}},"additionalProperties":false}"#
        );
    }

    #[test]
    fn schema_accepts_its_rows_and_rejects_others() {
        let columns = columns();
        let schema = JsonSchema::new(&columns, "trucks", SchemaForm::Typed).to_line();
        let schema: Value = serde_json::from_str(&schema).expect("it is JSON");
        let validator = jsonschema::validator_for(&schema).expect("it is a schema");
        let fits = |row: Value| validator.is_valid(&row);
        assert!(fits(json!({"class": "neg", "aa_000": 1, "a \"b\"": 1.5})));
        assert!(fits(json!({"class": "neg", "aa_000": null, "a \"b\"": 1})));
        assert!(!fits(json!({"class": null, "aa_000": 1, "a \"b\"": 1})));
        assert!(!fits(json!({"class": "neg", "aa_000": 1.5, "a \"b\"": 1})));
        assert!(!fits(json!({"class": "neg", "aa_000": 1})));
        assert!(!fits(
            json!({"class": "neg", "aa_000": 1, "a \"b\"": 1, "x": 1})
        ));
    }
}
