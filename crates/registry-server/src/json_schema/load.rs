//! Reads a JSON Schema into a graph, by the keywords of its draft.

use std::collections::HashMap;

use jsonschema::Draft;
use referencing::{Registry, Resolver, ResourceRef};
use serde_json::{Map, Value};

use crate::json_schema::Document;
use crate::json_schema::check::{BASE, draft};
use crate::json_schema::graph::{
    Additional, Array, Combined, Criterion, Dependencies, Graph, Id, Node, Number, Object,
    PatternProperty, Rest, Shape, Text,
};

/// Maximum number of nodes of a graph.
const MAX_NODES: usize = 200_000;

/// Maximum depth of a chain of schemas in schemas, through references too.
const MAX_DEPTH: usize = 2_000;

const OBJECT: [&str; 11] = [
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
];
const ARRAY: [&str; 8] = [
    "items",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "prefixItems",
    "unevaluatedItems",
];
const NUMBER: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
const TEXT: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];

/// A document, indexed for its references.
pub(super) struct Source<'a> {
    registry: Registry<'a>,
    base: jsonschema::Uri<String>,
    draft: Draft,
    schema: &'a Value,
}

impl<'a> Source<'a> {
    pub(super) fn new(document: Document<'a>) -> Result<Self, String> {
        let Document { schema, references } = document;
        let draft = draft(schema);
        let id = schema.get("$id").and_then(Value::as_str);
        let base = id.map_or_else(|| BASE.to_owned(), str::to_owned);
        let base = referencing::uri::from_str(base.trim_end_matches('#'))
            .or_else(|_relative| referencing::uri::from_str(BASE))
            .map_err(|error| error.to_string())?;
        let registry = Registry::new()
            .draft(draft)
            .retriever(references.resolved_in(schema))
            .add(base.as_str(), ResourceRef::new(schema, draft))
            .and_then(referencing::RegistryBuilder::prepare)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            registry,
            base,
            draft,
            schema,
        })
    }

    pub(super) fn graph(&'a self) -> Result<Graph<'a>, String> {
        let mut loader = Loader {
            nodes: Vec::new(),
            known: HashMap::new(),
            depth: 0,
        };
        let scope = Scope {
            resolver: self.registry.resolver(self.base.clone()),
            draft: self.draft,
        };
        let root = loader.load(self.schema, &scope)?;
        Ok(Graph {
            nodes: loader.nodes,
            root,
        })
    }
}

/// Where a schema stands: its base URI and its draft.
struct Scope<'a> {
    resolver: Resolver<'a>,
    draft: Draft,
}

impl Scope<'_> {
    /// Returns whether the draft is 2019-09 or later.
    fn modern(&self) -> bool {
        !matches!(self.draft, Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
    }
}

struct Loader<'a> {
    nodes: Vec<Node<'a>>,
    /// Nodes by the address of their JSON.
    known: HashMap<*const Value, Id>,
    depth: usize,
}

impl<'a> Loader<'a> {
    fn load(&mut self, schema: &'a Value, scope: &Scope<'a>) -> Result<Id, String> {
        let address = std::ptr::from_ref(schema);
        if let Some(known) = self.known.get(&address) {
            return Ok(*known);
        }
        if self.depth >= MAX_DEPTH {
            return Err(format!(
                "the schema is nested more than {MAX_DEPTH} levels deep"
            ));
        }
        let id = self.add(Shape::Anything, Some(schema))?;
        self.known.insert(address, id);
        self.depth += 1;
        let shape = self.shape(schema, scope)?;
        self.depth -= 1;
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.shape = shape;
            node.has_default = schema.get("default").is_some();
            node.connect_bytes = schema
                .get("connect.type")
                .is_some_and(|kind| kind == "bytes");
        }
        Ok(id)
    }

    fn add(&mut self, shape: Shape<'a>, source: Option<&'a Value>) -> Result<Id, String> {
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("the schema has more than {MAX_NODES} parts"));
        }
        self.nodes.push(Node {
            shape,
            has_default: false,
            connect_bytes: false,
            source,
        });
        Ok(Id(self.nodes.len() - 1))
    }

    fn shape(&mut self, schema: &'a Value, scope: &Scope<'a>) -> Result<Shape<'a>, String> {
        let keywords = match schema {
            Value::Bool(false) => return Ok(Shape::Nothing),
            Value::Object(keywords) => keywords,
            _ => return Ok(Shape::Anything),
        };
        let resource = ResourceRef::new(schema, scope.draft);
        let resolver = scope.resolver.in_subresource(resource);
        let scope = Scope {
            resolver: resolver.map_err(|error| error.to_string())?,
            draft: scope.draft,
        };
        let mut parts = self.references(keywords, &scope)?;
        if parts.is_empty() || scope.modern() {
            self.combinations(keywords, &scope, &mut parts)?;
            self.typed(keywords, &scope, &mut parts)?;
        }
        if parts.len() > 1 {
            let parts: Result<Vec<_>, _> =
                parts.into_iter().map(|part| self.add(part, None)).collect();
            return Ok(Shape::Combined(Combined {
                criterion: Criterion::All,
                parts: parts?,
            }));
        }
        Ok(parts.pop().unwrap_or(Shape::Anything))
    }

    fn references(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
    ) -> Result<Vec<Shape<'a>>, String> {
        let mut parts = Vec::new();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let modern_only = keyword != "$ref";
            let Some(reference) = keywords.get(keyword).and_then(Value::as_str) else {
                continue;
            };
            if modern_only && !scope.modern() {
                continue;
            }
            let found = scope.resolver.lookup(reference);
            let found = found.map_err(|error| error.to_string())?;
            let (target, resolver, draft) = found.into_inner();
            parts.push(Shape::Reference(
                self.load(target, &Scope { resolver, draft })?,
            ));
        }
        Ok(parts)
    }

    /// Reads the keywords that apply to values of every type.
    fn combinations(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
        parts: &mut Vec<Shape<'a>>,
    ) -> Result<(), String> {
        if let Some(Value::Array(values)) = keywords.get("enum") {
            parts.push(Shape::Enum(values));
        }
        let criteria = [
            ("allOf", Criterion::All),
            ("anyOf", Criterion::Any),
            ("oneOf", Criterion::One),
        ];
        for (keyword, criterion) in criteria {
            if let Some(Value::Array(_)) = keywords.get(keyword) {
                let parts_of = self.list(keywords.get(keyword), scope)?;
                parts.push(Shape::Combined(Combined {
                    criterion,
                    parts: parts_of,
                }));
            }
        }
        if let Some(schema) = keywords.get("not") {
            parts.push(Shape::Not(self.load(schema, scope)?));
        }
        if let Some(value) = keywords.get("const")
            && scope.draft != Draft::Draft4
        {
            parts.push(Shape::Const(value));
        }
        let conditional = ["if", "then", "else"];
        if conditional.iter().any(|name| keywords.contains_key(*name))
            && !matches!(scope.draft, Draft::Draft4 | Draft::Draft6)
        {
            parts.push(Shape::Conditional);
        }
        Ok(())
    }

    /// Reads the keywords that apply to values of one type.
    fn typed(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
        parts: &mut Vec<Shape<'a>>,
    ) -> Result<(), String> {
        let mut named: Vec<&str> = Vec::new();
        match keywords.get("type") {
            Some(Value::String(name)) => {
                named.push(name);
                parts.push(self.of_type(name, keywords, scope)?);
            }
            Some(Value::Array(names)) => {
                named.extend(names.iter().filter_map(Value::as_str));
                let mut any = Vec::new();
                for name in &named {
                    let shape = self.of_type(name, keywords, scope)?;
                    any.push(self.add(shape, None)?);
                }
                parts.push(Shape::Combined(Combined {
                    criterion: Criterion::Any,
                    parts: any,
                }));
            }
            _ => {}
        }
        let families: [(&str, &[&str]); 4] = [
            ("array", &ARRAY),
            ("object", &OBJECT),
            ("number", &NUMBER),
            ("string", &TEXT),
        ];
        for (family, names) in families {
            let covered = named
                .iter()
                .any(|name| *name == family || (family == "number" && *name == "integer"));
            let present = |name: &&str| says_something(keywords, name, scope);
            if !covered && names.iter().any(present) {
                parts.push(self.of_type(family, keywords, scope)?);
            }
        }
        Ok(())
    }

    fn of_type(
        &mut self,
        name: &str,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
    ) -> Result<Shape<'a>, String> {
        Ok(match name {
            "null" => Shape::Null,
            "boolean" => Shape::Boolean,
            "integer" | "number" => Shape::Number(number(keywords, name == "integer")),
            "string" => Shape::Text(Text {
                min_length: limit(keywords, "minLength"),
                max_length: limit(keywords, "maxLength"),
                pattern: keywords.get("pattern").and_then(Value::as_str),
            }),
            "object" => Shape::Object(Box::new(self.object(keywords, scope)?)),
            "array" => Shape::Array(Box::new(self.array(keywords, scope)?)),
            _ => Shape::Anything,
        })
    }

    fn object(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
    ) -> Result<Object<'a>, String> {
        let mut properties = std::collections::BTreeMap::new();
        for (name, schema) in entries(keywords, "properties") {
            properties.insert(name, self.load(schema, scope)?);
        }
        let mut patterns = Vec::new();
        for (pattern, schema) in entries(keywords, "patternProperties") {
            patterns.push(PatternProperty {
                pattern,
                schema: self.load(schema, scope)?,
                compiled: std::cell::OnceCell::new(),
            });
        }
        let additional = self.additional(keywords.get("additionalProperties"), scope)?;
        let unevaluated = self.unevaluated(keywords, "unevaluatedProperties", scope)?;
        Ok(Object {
            properties,
            required: strings(keywords.get("required")).collect(),
            patterns,
            rest: Rest {
                additional,
                unevaluated,
            },
            dependencies: self.dependencies(keywords, scope)?,
            min_properties: limit(keywords, "minProperties"),
            max_properties: limit(keywords, "maxProperties"),
        })
    }

    fn dependencies(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
    ) -> Result<Dependencies<'a>, String> {
        let names: &[&str] = if scope.modern() {
            &["dependentRequired", "dependentSchemas"]
        } else {
            &["dependencies"]
        };
        let mut found = Dependencies::default();
        for (property, needed) in names.iter().flat_map(|name| entries(keywords, name)) {
            if needed.is_array() {
                let needed = strings(Some(needed)).collect();
                found.properties.insert(property, needed);
            } else {
                let needed = self.load(needed, scope)?;
                found.schemas.insert(property, needed);
            }
        }
        Ok(found)
    }

    fn array(
        &mut self,
        keywords: &'a Map<String, Value>,
        scope: &Scope<'a>,
    ) -> Result<Array, String> {
        let items = keywords.get("items");
        let prefix = keywords.get("prefixItems");
        let tuple = items.is_some_and(Value::is_array);
        let first = self.list(if tuple { items } else { prefix }, scope)?;
        let (mut every, mut additional) = (None, Additional::Any);
        if scope.modern() && !tuple {
            // The rest of the items.
            match items {
                Some(Value::Object(_)) if first.is_empty() => {
                    every = items.map(|items| self.load(items, scope)).transpose()?;
                }
                _ => additional = self.additional(items, scope)?,
            }
        } else {
            if let Some(items) = items.filter(|_| !tuple) {
                every = Some(self.load(items, scope)?);
            }
            additional = self.additional(keywords.get("additionalItems"), scope)?;
        }
        let contains = scope.modern() && keywords.contains_key("contains");
        let min_contains = limit(keywords, "minContains").or(contains.then_some(1.0));
        Ok(Array {
            every,
            first,
            rest: Rest {
                additional,
                unevaluated: self.unevaluated(keywords, "unevaluatedItems", scope)?,
            },
            min_items: limit(keywords, "minItems"),
            max_items: limit(keywords, "maxItems"),
            unique: keywords.get("uniqueItems") == Some(&Value::Bool(true)),
            min_contains,
            max_contains: limit(keywords, "maxContains"),
        })
    }

    fn list(&mut self, schemas: Option<&'a Value>, scope: &Scope<'a>) -> Result<Vec<Id>, String> {
        let schemas = schemas.and_then(Value::as_array);
        let loaded = schemas.into_iter().flatten();
        loaded.map(|schema| self.load(schema, scope)).collect()
    }

    fn additional(
        &mut self,
        schema: Option<&'a Value>,
        scope: &Scope<'a>,
    ) -> Result<Additional, String> {
        Ok(match schema {
            None | Some(Value::Bool(true)) => Additional::Any,
            Some(Value::Bool(false)) => Additional::None,
            Some(schema) => Additional::Schema(self.load(schema, scope)?),
        })
    }

    fn unevaluated(
        &mut self,
        keywords: &'a Map<String, Value>,
        keyword: &str,
        scope: &Scope<'a>,
    ) -> Result<Option<Id>, String> {
        let schema = keywords.get(keyword).filter(|_| scope.modern());
        schema.map(|schema| self.load(schema, scope)).transpose()
    }
}

/// Returns whether a keyword is there and constrains values. From draft 2019-09 on, an empty list of
/// properties says nothing.
fn says_something(keywords: &Map<String, Value>, name: &str, scope: &Scope<'_>) -> bool {
    let in_draft = match name {
        "dependentRequired"
        | "dependentSchemas"
        | "prefixItems"
        | "unevaluatedItems"
        | "unevaluatedProperties" => scope.modern(),
        "dependencies" | "additionalItems" | "format" => !scope.modern(),
        "contains" | "propertyNames" => scope.draft != Draft::Draft4,
        _ => true,
    };
    let lists_properties = matches!(name, "properties" | "patternProperties");
    let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    let found = keywords.get(name).filter(|_| in_draft);
    found.is_some_and(|value| !(scope.modern() && lists_properties && empty(value)))
}

fn number(keywords: &Map<String, Value>, integer: bool) -> Number<'_> {
    Number {
        integer,
        minimum: limit(keywords, "minimum"),
        maximum: limit(keywords, "maximum"),
        exclusive_minimum: limit(keywords, "exclusiveMinimum"),
        exclusive_maximum: limit(keywords, "exclusiveMaximum"),
        multiple_of: keywords.get("multipleOf").and_then(Value::as_number),
    }
}

fn limit(keywords: &Map<String, Value>, name: &str) -> Option<f64> {
    keywords.get(name).and_then(Value::as_f64)
}

fn entries<'a>(
    keywords: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let entries = keywords.get(name).and_then(Value::as_object);
    let entries = entries.into_iter().flatten();
    entries.map(|(name, schema)| (name.as_str(), schema))
}

fn strings(values: Option<&Value>) -> impl Iterator<Item = &str> {
    let values = values.and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str)
}
