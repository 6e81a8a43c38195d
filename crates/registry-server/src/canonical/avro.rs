//! Avro schemas as Avro for Java writes them: attributes in a fixed order, names as short as possible.

use crate::avro::{Primitive, namespace_of, qualified};
use crate::canonical::json::Json;

/// Attributes of schemas; all others are a program's own.
const RESERVED: [&str; 10] = [
    "doc",
    "fields",
    "items",
    "name",
    "namespace",
    "size",
    "symbols",
    "values",
    "type",
    "aliases",
];

const RESERVED_IN_FIELDS: [&str; 6] = ["name", "type", "doc", "default", "order", "aliases"];

/// Returns the canonical form of a schema. What is not a schema stays as it is.
pub(super) fn schema(schema: &Json) -> Json {
    within(schema, "")
}

fn within(schema: &Json, namespace: &str) -> Json {
    match schema {
        Json::Text(name) => Json::text(reference(name, namespace)),
        Json::Array(branches) => {
            let branches = branches.iter().map(|branch| within(branch, namespace));
            Json::Array(branches.collect())
        }
        Json::Object(_) => complex(schema, namespace),
        Json::Word(_) => schema.clone(),
    }
}

/// Returns a name of a type as it is written in a namespace.
fn reference(name: &str, namespace: &str) -> String {
    let full = qualified(name, namespace);
    match full.rsplit_once('.') {
        Some((of, simple)) if of == namespace && Primitive::from_name(simple).is_none() => {
            simple.to_owned()
        }
        _ if Primitive::from_name(name).is_some() => name.to_owned(),
        _ => full,
    }
}

fn complex(schema: &Json, namespace: &str) -> Json {
    let Some(kind) = schema.get("type") else {
        return schema.clone();
    };
    let Some(name) = kind.as_str() else {
        return within(kind, namespace);
    };
    let mut written = Written::new(schema);
    match name {
        "record" | "error" | "enum" | "fixed" => named(name, schema, namespace),
        "array" | "map" => {
            let items = if name == "array" { "items" } else { "values" };
            written.push("type", Json::text(name));
            written.map(items, |items| within(items, namespace));
            written.own(&RESERVED);
            written.finish()
        }
        _ if Primitive::from_name(name).is_none() => within(kind, namespace),
        _ => {
            written.push("type", Json::text(name));
            written.own(&RESERVED);
            if written.entries.len() == 1 {
                return Json::text(name);
            }
            written.finish()
        }
    }
}

fn named(kind: &str, schema: &Json, namespace: &str) -> Json {
    let mut written = Written::new(schema);
    let name = schema
        .get("name")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let own = schema.get("namespace").and_then(Json::as_str);
    let full = qualified(name, own.unwrap_or(namespace));
    let inner = namespace_of(&full);
    let simple = full.rsplit('.').next().unwrap_or_default();
    written.push("type", Json::text(kind));
    written.push("name", Json::text(simple));
    if inner != namespace {
        written.push("namespace", Json::text(inner));
    }
    written.map("doc", Json::clone);
    match kind {
        "enum" => {
            written.map("symbols", Json::clone);
            written.map("default", Json::clone);
        }
        "fixed" => written.map("size", Json::clone),
        _ => written.map("fields", |fields| {
            let fields = fields
                .items()
                .iter()
                .map(|described| field(described, inner));
            Json::Array(fields.collect())
        }),
    }
    if kind == "enum" {
        let reserved: Vec<&str> = RESERVED.iter().copied().chain(["default"]).collect();
        written.own(&reserved);
    } else {
        written.own(&RESERVED);
    }
    written.map("aliases", |aliases| {
        let aliases = aliases.items().iter().map(|alias| match alias {
            Json::Text(alias) => Json::text(reference(alias, inner)),
            other => other.clone(),
        });
        Json::Array(aliases.collect())
    });
    written.finish()
}

fn field(described: &Json, namespace: &str) -> Json {
    let mut written = Written::new(described);
    written.map("name", Json::clone);
    written.map("type", |kind| within(kind, namespace));
    written.map("doc", Json::clone);
    written.map("default", Json::clone);
    let ascending = |order: &Json| {
        let order = order.as_str();
        order.is_some_and(|order| order.eq_ignore_ascii_case("ascending"))
    };
    if !described.get("order").is_some_and(ascending) {
        written.map("order", Json::clone);
    }
    written.map("aliases", Json::clone);
    written.own(&RESERVED_IN_FIELDS);
    written.finish()
}

/// An object while it is written.
struct Written<'a> {
    from: &'a Json,
    entries: Vec<(String, Json)>,
}

impl<'a> Written<'a> {
    fn new(from: &'a Json) -> Self {
        Self {
            from,
            entries: Vec::new(),
        }
    }

    fn push(&mut self, key: &str, value: Json) {
        self.entries.push((key.to_owned(), value));
    }

    /// Writes a key if the original has it.
    fn map(&mut self, key: &str, write: impl FnOnce(&Json) -> Json) {
        if let Some(value) = self.from.get(key) {
            self.push(key, write(value));
        }
    }

    /// Writes the keys that are not reserved.
    fn own(&mut self, reserved: &[&str]) {
        let own = self.from.entries().iter();
        let own = own.filter(|(key, _)| !reserved.contains(&key.as_str()));
        self.entries.extend(own.cloned());
    }

    fn finish(self) -> Json {
        Json::Object(self.entries)
    }
}
