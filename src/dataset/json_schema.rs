//! The JSON Schema of a dataset's rows.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use crate::dataset::schema::{Column, ColumnType, Schema};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// How values are written in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As integers, numbers and strings; `null` where a row may miss the value. Every column is
    /// required.
    #[default]
    Typed,
    /// Every value as a string, `na` included, and no column required: what consumers of the Python
    /// pipeline that convoy grew from expect.
    AllStrings,
}

/// A JSON Schema (draft-07) for one row as an object, columns in file order. Serialize it.
#[derive(Debug, Clone, Copy)]
pub struct JsonSchema<'a> {
    columns: &'a Schema,
    title: &'a str,
    form: Form,
}

impl<'a> JsonSchema<'a> {
    /// Describes rows of these columns; the title is what serializers name the record by.
    pub fn new(columns: &'a Schema, title: &'a str, form: Form) -> Self {
        Self {
            columns,
            title,
            form,
        }
    }

    /// Returns the schema as one line of JSON, as it is registered.
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
        if self.form == Form::Typed {
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
                Form::Typed => json!({ "type": typed(column) }),
                Form::AllStrings => json!({ "type": "string" }),
            };
            (&column.name, kind)
        }))
    }
}

fn typed(column: &Column) -> serde_json::Value {
    let name = match column.kind {
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "number",
        ColumnType::Text => "string",
    };
    if column.nullable {
        json!([name, "null"])
    } else {
        json!(name)
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
    fn columns_keep_their_order_and_types() {
        let columns = columns();
        insta::assert_snapshot!(
            JsonSchema::new(&columns, "trucks", Form::Typed).to_line(),
            @r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"trucks","type":"object","properties":{"class":{"type":"string"},"aa_000":{"type":["integer","null"]},"a \"b\"":{"type":"number"}},"required":["class","aa_000","a \"b\""],"additionalProperties":false}"#
        );
        insta::assert_snapshot!(
            JsonSchema::new(&columns, "trucks", Form::AllStrings).to_line(),
            @r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"trucks","type":"object","properties":{"class":{"type":"string"},"aa_000":{"type":"string"},"a \"b\"":{"type":"string"}},"additionalProperties":false}"#
        );
    }

    #[test]
    fn rows_fit_the_schema_and_others_do_not() {
        let columns = columns();
        let schema = JsonSchema::new(&columns, "trucks", Form::Typed).to_line();
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
