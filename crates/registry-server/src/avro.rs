//! Avro schemas: parsed from JSON into types whose names are resolved.
//!
//! # References
//!
//! - <https://avro.apache.org/docs/1.12.0/specification/#schema-declaration>

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Index of a type in its schema; recursive types refer to themselves by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(usize);

/// A schema in which every name is resolved.
#[derive(Debug)]
pub(super) struct Schema {
    types: Vec<Type>,
    pub(super) root: Id,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Primitive(Primitive),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Record {
        name: Name,
        fields: Vec<Field>,
    },
    Enum {
        name: Name,
        symbols: Vec<String>,
        /// Symbol for unknown ones.
        default: Option<String>,
    },
    Fixed {
        name: Name,
        size: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// Name of a type, with its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Name with its namespace.
    pub(super) full: String,
    /// Aliases with their namespaces.
    pub(super) aliases: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) kind: Id,
    /// Value for records without the field.
    pub(super) default: Option<Value>,
}

impl Schema {
    /// Parses a schema. Names may be defined in the referenced documents.
    pub(super) fn parse<'a>(
        schema: &Value,
        references: impl Iterator<Item = &'a Value>,
    ) -> Result<Self, String> {
        let mut parser = Parser::default();
        parser.references(references.collect());
        let root = parser.parse(schema, "")?;
        let schema = Self {
            types: parser.types,
            root,
        };
        schema.check_defaults()?;
        Ok(schema)
    }

    pub(super) fn get(&self, id: Id) -> &Type {
        let found = self.types.get(id.0);
        found.expect("every id is created with its type")
    }

    fn check_defaults(&self) -> Result<(), String> {
        for kind in &self.types {
            let Type::Record { name, fields } = kind else {
                continue;
            };
            for field in fields {
                let fits = |default: &Value| self.takes(field.kind, default);
                if !field.default.as_ref().is_none_or(fits) {
                    let default = field.default.clone().unwrap_or_default();
                    let (record, field) = (&name.full, &field.name);
                    return Err(format!(
                        "invalid default of field {record}.{field}: {default}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns whether a value, encoded as a default, has the type.
    fn takes(&self, id: Id, value: &Value) -> bool {
        match self.get(id) {
            Type::Primitive(primitive) => primitive.takes(value),
            Type::Enum { .. } | Type::Fixed { .. } => value.is_string(),
            Type::Array(items) => {
                let values = value.as_array();
                values.is_some_and(|values| values.iter().all(|value| self.takes(*items, value)))
            }
            Type::Map(of) => {
                let values = value.as_object();
                values.is_some_and(|values| values.values().all(|value| self.takes(*of, value)))
            }
            Type::Union(branches) => branches.iter().any(|branch| self.takes(*branch, value)),
            Type::Record { fields, .. } => value.as_object().is_some_and(|values| {
                // Defaults of fields are checked with their own record.
                fields.iter().all(|field| match values.get(&field.name) {
                    Some(value) => self.takes(field.kind, value),
                    None => field.default.is_some(),
                })
            }),
        }
    }
}

impl Primitive {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Int => value
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            Self::Long => value.is_i64(),
            Self::Float | Self::Double => value.is_number(),
            Self::Bytes | Self::String => value.is_string(),
        }
    }
}

impl Type {
    /// Returns the name of a type as a branch of a union, which must be unique in it.
    fn branch(&self) -> Option<&str> {
        Some(match self {
            Self::Primitive(primitive) => primitive.name(),
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Record { name, .. } | Self::Enum { name, .. } | Self::Fixed { name, .. } => {
                &name.full
            }
            Self::Union(_) => return None,
        })
    }
}

#[derive(Debug, Default)]
struct Parser {
    types: Vec<Type>,
    names: BTreeMap<String, Id>,
}

impl Parser {
    /// Parses the documents that a schema refers to. They may refer to each other in any order. An
    /// invalid one matters only if a name of it is used.
    fn references(&mut self, mut documents: Vec<&Value>) {
        loop {
            let waiting = documents.len();
            documents.retain(|document| {
                let names = self.names.clone();
                let unread = self.parse(document, "").is_err();
                if unread {
                    self.names = names;
                }
                unread
            });
            if documents.len() == waiting {
                return;
            }
        }
    }

    fn parse(&mut self, schema: &Value, namespace: &str) -> Result<Id, String> {
        match schema {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(_) => self.complex(schema, namespace),
            _ => Err(format!("not a type: {schema}")),
        }
    }

    fn add(&mut self, kind: Type) -> Id {
        self.types.push(kind);
        Id(self.types.len() - 1)
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<Id, String> {
        if let Some(primitive) = Primitive::from_name(name) {
            return Ok(self.add(Type::Primitive(primitive)));
        }
        let found = self.names.get(&qualified(name, namespace));
        let found = found.or_else(|| self.names.get(name)).copied();
        found.ok_or_else(|| format!("undefined name: \"{name}\""))
    }

    fn union(&mut self, branches: &[Value], namespace: &str) -> Result<Id, String> {
        let mut ids = Vec::new();
        let mut known = BTreeSet::new();
        for branch in branches {
            let id = self.parse(branch, namespace)?;
            let kind = self.types.get(id.0).and_then(Type::branch);
            let kind = kind.ok_or_else(|| format!("nested union: {branch}"))?;
            if !known.insert(kind.to_owned()) {
                return Err(format!("duplicate in a union: {kind}"));
            }
            ids.push(id);
        }
        Ok(self.add(Type::Union(ids)))
    }

    fn complex(&mut self, schema: &Value, namespace: &str) -> Result<Id, String> {
        let kind = part(schema, "type")?;
        match kind.as_str() {
            Some("record" | "error") => self.record(schema, namespace),
            Some("enum") => self.enumeration(schema, namespace),
            Some("fixed") => {
                let size = part(schema, "size")?.as_u64();
                let size = size.ok_or_else(|| format!("`size` is not a number: {schema}"))?;
                let name = name(schema, namespace)?;
                let full = name.full.clone();
                self.define(&full, Type::Fixed { name, size })
            }
            Some("array") => {
                let items = self.parse(part(schema, "items")?, namespace)?;
                Ok(self.add(Type::Array(items)))
            }
            Some("map") => {
                let values = self.parse(part(schema, "values")?, namespace)?;
                Ok(self.add(Type::Map(values)))
            }
            _ => self.parse(kind, namespace),
        }
    }

    fn define(&mut self, full: &str, kind: Type) -> Result<Id, String> {
        let id = self.add(kind);
        match self.names.insert(full.to_owned(), id) {
            None => Ok(id),
            Some(_) => Err(format!("duplicate definition: \"{full}\"")),
        }
    }

    fn record(&mut self, schema: &Value, namespace: &str) -> Result<Id, String> {
        let name = name(schema, namespace)?;
        let empty = Type::Record {
            name: name.clone(),
            fields: Vec::new(),
        };
        let id = self.define(&name.full, empty)?;
        let inner = namespace_of(&name.full);
        let described = part(schema, "fields")?.as_array();
        let described = described.ok_or_else(|| format!("`fields` is not an array: {schema}"))?;
        let mut fields: Vec<Field> = Vec::new();
        for field in described {
            let name = simple_name(field)?.to_owned();
            if fields.iter().any(|known| known.name == name) {
                return Err(format!("duplicate field \"{name}\": {schema}"));
            }
            fields.push(Field {
                name,
                aliases: strings(field, "aliases"),
                kind: self.parse(part(field, "type")?, inner)?,
                default: field.get("default").cloned(),
            });
        }
        if let Some(kind) = self.types.get_mut(id.0) {
            *kind = Type::Record { name, fields };
        }
        Ok(id)
    }

    fn enumeration(&mut self, schema: &Value, namespace: &str) -> Result<Id, String> {
        part(schema, "symbols")?;
        let symbols = strings(schema, "symbols");
        let distinct: BTreeSet<_> = symbols.iter().collect();
        if distinct.len() < symbols.len() || !symbols.iter().all(|symbol| is_name(symbol)) {
            return Err(format!("invalid or duplicate symbols: {schema}"));
        }
        let default = schema.get("default").and_then(Value::as_str);
        let default = default.map(str::to_owned);
        if !default.iter().all(|default| symbols.contains(default)) {
            return Err(format!("default is not a symbol: {schema}"));
        }
        let name = name(schema, namespace)?;
        let full = name.full.clone();
        let kind = Type::Enum {
            name,
            symbols,
            default,
        };
        self.define(&full, kind)
    }
}

fn part<'a>(schema: &'a Value, key: &str) -> Result<&'a Value, String> {
    let found = schema.get(key);
    found.ok_or_else(|| format!("missing `{key}`: {schema}"))
}

fn strings(schema: &Value, key: &str) -> Vec<String> {
    let values = schema.get(key).and_then(Value::as_array);
    let texts = values.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn name(schema: &Value, namespace: &str) -> Result<Name, String> {
    let name = schema.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| format!("missing `name`: {schema}"))?;
    let own = schema.get("namespace").and_then(Value::as_str);
    let full = qualified(name, own.unwrap_or(namespace));
    if !full.split('.').all(is_name) {
        return Err(format!("invalid name: \"{name}\""));
    }
    let aliases = strings(schema, "aliases");
    let aliases = aliases.iter();
    let aliases = aliases.map(|alias| qualified(alias, namespace_of(&full)));
    Ok(Name {
        aliases: aliases.collect(),
        full,
    })
}

fn simple_name(field: &Value) -> Result<&str, String> {
    let name = field.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| format!("missing `name`: {field}"))?;
    if is_name(name) {
        Ok(name)
    } else {
        Err(format!("invalid name: \"{name}\""))
    }
}

pub(super) fn qualified(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.trim_start_matches('.').to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

pub(super) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

fn is_name(text: &str) -> bool {
    let begins = |first: char| first.is_alphabetic() || first == '_';
    text.starts_with(begins) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(schema: &Value) -> Result<Schema, String> {
        Schema::parse(schema, std::iter::empty())
    }

    fn record(fields: &Value) -> Value {
        json!({ "type": "record", "name": "a.b.Truck", "fields": fields })
    }

    #[test]
    fn names_are_resolved_in_their_namespace() {
        let schema = record(&json!([
            { "name": "id", "type": "long" },
            { "name": "next", "type": ["null", "Truck"] },
            { "name": "kind", "type": { "type": "enum", "name": "Kind", "symbols": ["X"] } },
            { "name": "tags", "type": { "type": "map", "values": { "type": "array", "items": "a.b.Kind" } } },
            { "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } },
        ]));
        let schema = parse(&schema).unwrap();
        let Type::Record { fields, .. } = schema.get(schema.root) else {
            panic!("it is a record");
        };
        assert_eq!(fields[4].kind, Id(schema.types.len() - 1));
        let Type::Union(branches) = schema.get(fields[1].kind) else {
            panic!("it is a union");
        };
        assert_eq!(branches[1], schema.root);
        let elsewhere = json!({ "type": "record", "name": "A", "fields": [
            { "name": "x", "type": { "type": "fixed", "name": "F", "namespace": "n", "size": 2 } },
            { "name": "y", "type": "F" },
        ]});
        assert!(parse(&elsewhere).is_err());
    }

    #[test]
    fn invalid_schema_is_rejected() {
        for wrong in [
            json!("text"),
            json!(1),
            json!({ "type": "record", "name": "A" }),
            json!({ "type": "record", "fields": [] }),
            json!({ "type": "record", "name": "a b", "fields": [] }),
            json!({ "type": "array" }),
            json!({ "type": "fixed", "name": "F", "size": "2" }),
            json!({ "type": "enum", "name": "E", "symbols": ["A", "A"] }),
            json!({ "type": "enum", "name": "E", "symbols": ["A"], "default": "B" }),
            json!(["int", "int"]),
            json!(["null", ["int"]]),
            record(&json!([{ "name": "x", "type": "B" }])),
            record(&json!([{ "name": "x", "type": "int" }, { "name": "x", "type": "int" }])),
            record(
                &json!([{ "name": "x", "type": { "type": "fixed", "name": "Truck", "size": 1 } }]),
            ),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn default_must_have_the_type_of_its_field() {
        let of = |kind: Value, default: Value| {
            let fields = json!([{ "name": "x", "type": kind, "default": default }]);
            parse(&record(&fields)).is_ok()
        };
        assert!(of(json!("int"), json!(5)));
        assert!(!of(json!("int"), json!(3_000_000_000_u32)));
        assert!(!of(json!("int"), json!("5")));
        assert!(!of(json!("string"), json!(null)));
        assert!(of(json!(["null", "string"]), json!(null)));
        assert!(of(json!({ "type": "array", "items": "int" }), json!([])));
        assert!(!of(
            json!({ "type": "map", "values": "int" }),
            json!({ "a": "b" })
        ));
        let inner = json!({ "type": "record", "name": "I", "fields": [
            { "name": "a", "type": "int" }, { "name": "b", "type": "int", "default": 0 },
        ]});
        assert!(of(inner.clone(), json!({ "a": 1 })));
        assert!(!of(inner, json!({ "b": 1 })));
    }

    #[test]
    fn documents_can_refer_to_each_other_in_any_order() {
        let one = json!({ "type": "record", "name": "n.One", "fields": [{ "name": "two", "type": "n.Two" }] });
        let two = json!({ "type": "enum", "name": "n.Two", "symbols": ["X"] });
        let schema = json!({ "type": "array", "items": "n.One" });
        assert!(Schema::parse(&schema, [&one, &two].into_iter()).is_ok());
        assert!(Schema::parse(&schema, [&one].into_iter()).is_err());
    }
}
