//! Compiles schemas; rejects unknown keywords and arguments of the wrong type.

use crate::bson::{Doc, Element, Kind, Value, order};
use crate::error::CommandError;
use crate::query::regex::Pattern;
use crate::query::schema::check::kinds_of;
use crate::query::schema::rule::{Additional, Allowed, Check, Dependency, Named, Rule, Schema};

/// Deepest nesting of schemas.
const MAX_DEPTH: usize = 100;

/// Keywords of JSON Schema that MongoDB does not have.
const NOT_IN_MONGODB: &[&str] = &["$ref", "$schema", "default", "definitions", "format", "id"];

/// Types of JSON, as `type` names them.
const JSON_TYPES: &[(&str, &str)] = &[
    ("array", "array"),
    ("boolean", "bool"),
    ("null", "null"),
    ("number", "number"),
    ("object", "object"),
    ("string", "string"),
];

/// A keyword with what it demands.
type Compiled = (&'static str, Check);

impl Schema {
    /// Compiles the argument of `$jsonSchema`.
    pub fn parse(schema: &Value<'_>) -> Result<Self, CommandError> {
        let doc = schema.as_document().ok_or_else(|| {
            CommandError::type_mismatch(format!(
                "$jsonSchema must be an object, but found type: {}",
                schema.kind().alias()
            ))
        })?;
        parse(doc, MAX_DEPTH)
    }
}

fn parse(doc: Doc<'_>, depth: usize) -> Result<Schema, CommandError> {
    let Some(depth) = depth.checked_sub(1) else {
        let message = "$jsonSchema is nested too deeply";
        return Err(CommandError::failed_to_parse(message));
    };
    if doc.element("type").is_some() && doc.element("bsonType").is_some() {
        return Err(CommandError::failed_to_parse(
            "Cannot specify both $jsonSchema keywords 'type' and 'bsonType'",
        ));
    }
    let mut schema = Schema::default();
    for element in doc.elements() {
        match element.name() {
            "title" => schema.title = Some(text(element)?),
            "description" => schema.description = Some(Value::from(text(element)?)),
            _ => {
                if let Some((keyword, check)) = check(doc, element, depth)? {
                    schema.rules.push(Rule {
                        keyword,
                        specified: element.value().into_owned(),
                        check,
                    });
                }
            }
        }
    }
    Ok(schema)
}

/// Compiles a keyword; `None` if it demands nothing by itself.
fn check(
    doc: Doc<'_>,
    element: Element<'_>,
    depth: usize,
) -> Result<Option<Compiled>, CommandError> {
    let compiled = match element.name() {
        "bsonType" => ("bsonType", Check::Type(types(element, bson_type)?)),
        "type" => ("type", Check::Type(types(element, json_type)?)),
        "enum" => ("enum", Check::Enum(choices(element)?)),
        "allOf" => ("allOf", Check::AllOf(schemas(element, depth)?)),
        "anyOf" => ("anyOf", Check::AnyOf(schemas(element, depth)?)),
        "oneOf" => ("oneOf", Check::OneOf(schemas(element, depth)?)),
        "not" => ("not", Check::Not(Box::new(schema(element, depth)?))),
        "minLength" => ("minLength", Check::MinLength(count(element)?)),
        "maxLength" => ("maxLength", Check::MaxLength(count(element)?)),
        "pattern" => {
            let pattern = Pattern::new(&text(element)?, "")?;
            ("pattern", Check::Pattern(pattern))
        }
        "multipleOf" => ("multipleOf", Check::MultipleOf(divisor(element)?)),
        "minimum" => {
            let (bound, exclusive) = bound(doc, element, "exclusiveMinimum")?;
            ("minimum", Check::Minimum { bound, exclusive })
        }
        "maximum" => {
            let (bound, exclusive) = bound(doc, element, "exclusiveMaximum")?;
            ("maximum", Check::Maximum { bound, exclusive })
        }
        name @ ("exclusiveMinimum" | "exclusiveMaximum") => {
            let of = name.replace("exclusiveM", "m");
            flag(element)?;
            if doc.element(&of).is_none() {
                return Err(CommandError::failed_to_parse(format!(
                    "$jsonSchema keyword '{of}' must be a present if {name} is present"
                )));
            }
            return Ok(None);
        }
        _ => return check_parts(doc, element, depth),
    };
    Ok(Some(compiled))
}

/// Compiles a keyword about the parts of documents and arrays.
fn check_parts(
    doc: Doc<'_>,
    element: Element<'_>,
    depth: usize,
) -> Result<Option<Compiled>, CommandError> {
    let compiled = match element.name() {
        "required" => ("required", Check::Required(names(element)?)),
        "properties" => ("properties", Check::Properties(properties(element, depth)?)),
        "patternProperties" => {
            let patterns = pattern_properties(element, depth)?;
            ("patternProperties", Check::PatternProperties(patterns))
        }
        "additionalProperties" => {
            let Some(allowed) = allowed(element, depth)? else {
                return Ok(None);
            };
            let additional = additional(doc, allowed, depth)?;
            (
                "additionalProperties",
                Check::AdditionalProperties(additional),
            )
        }
        "minProperties" => ("minProperties", Check::MinProperties(count(element)?)),
        "maxProperties" => ("maxProperties", Check::MaxProperties(count(element)?)),
        "dependencies" => {
            let dependencies = dependencies(element, depth)?;
            ("dependencies", Check::Dependencies(dependencies))
        }
        "items" if element.kind() == Kind::Array => {
            ("items", Check::ItemsInOrder(schemas_of(element, depth)?))
        }
        "items" => ("items", Check::Items(Box::new(schema(element, depth)?))),
        "additionalItems" => {
            let listed = |items: &Element<'_>| items.kind() == Kind::Array;
            let items = doc.element("items").filter(listed).and_then(Element::doc);
            // Without a list of schemas there are no other items.
            let (Some(allowed), Some(items)) = (allowed(element, depth)?, items) else {
                return Ok(None);
            };
            let after = items.len();
            ("additionalItems", Check::AdditionalItems { after, allowed })
        }
        "minItems" => ("minItems", Check::MinItems(count(element)?)),
        "maxItems" => ("maxItems", Check::MaxItems(count(element)?)),
        "uniqueItems" if flag(element)? => ("uniqueItems", Check::UniqueItems),
        "uniqueItems" => return Ok(None),
        name => return Err(refuse(name)),
    };
    Ok(Some(compiled))
}

fn refuse(name: &str) -> CommandError {
    if matches!(name, "encrypt" | "encryptMetadata") {
        return CommandError::unsupported(format!("the $jsonSchema keyword {name}"));
    }
    CommandError::failed_to_parse(if NOT_IN_MONGODB.contains(&name) {
        format!("$jsonSchema keyword '{name}' is not currently supported")
    } else {
        format!("Unknown $jsonSchema keyword: {name}")
    })
}

fn wrong_type(element: Element<'_>, expected: &str) -> CommandError {
    CommandError::type_mismatch(format!(
        "$jsonSchema keyword '{}' must be {expected}, but found an element of type: {}",
        element.name(),
        element.kind().alias()
    ))
}

fn wrong(element: Element<'_>, must: &str) -> CommandError {
    let name = element.name();
    CommandError::failed_to_parse(format!("$jsonSchema keyword '{name}' {must}"))
}

fn text(element: Element<'_>) -> Result<String, CommandError> {
    match element.value() {
        Value::String(text) => Ok(text.into_owned()),
        _ => Err(wrong_type(element, "a string")),
    }
}

fn flag(element: Element<'_>) -> Result<bool, CommandError> {
    match element.value() {
        Value::Bool(flag) => Ok(flag),
        _ => Err(wrong_type(element, "a boolean")),
    }
}

fn count(element: Element<'_>) -> Result<usize, CommandError> {
    let value = element.value();
    if !value.is_number() {
        return Err(wrong_type(element, "a number"));
    }
    let count = value.as_i64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| wrong(element, "must be a non-negative whole number"))
}

fn document(element: Element<'_>) -> Result<Doc<'_>, CommandError> {
    let doc = element.doc().filter(|_| element.kind() == Kind::Document);
    doc.ok_or_else(|| wrong_type(element, "an object"))
}

/// Returns the items of an array that is not empty.
fn array(element: Element<'_>) -> Result<Doc<'_>, CommandError> {
    let doc = element.doc().filter(|_| element.kind() == Kind::Array);
    let doc = doc.ok_or_else(|| wrong_type(element, "an array"))?;
    if doc.is_empty() {
        return Err(wrong(element, "cannot be an empty array"));
    }
    Ok(doc)
}

fn names(element: Element<'_>) -> Result<Vec<String>, CommandError> {
    let names = array(element)?.elements();
    let names = names.map(text).collect::<Result<Vec<_>, _>>()?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            let must = format!("array cannot contain duplicate values: {name}");
            return Err(wrong(element, &must));
        }
    }
    Ok(names)
}

fn schema(element: Element<'_>, depth: usize) -> Result<Schema, CommandError> {
    parse(document(element)?, depth)
}

fn schemas(element: Element<'_>, depth: usize) -> Result<Vec<Schema>, CommandError> {
    array(element)?;
    schemas_of(element, depth)
}

fn schemas_of(element: Element<'_>, depth: usize) -> Result<Vec<Schema>, CommandError> {
    let items = element.doc().unwrap_or(Doc::EMPTY).elements();
    items.map(|item| schema(item, depth)).collect()
}

fn properties(element: Element<'_>, depth: usize) -> Result<Vec<(String, Schema)>, CommandError> {
    let properties = document(element)?.elements();
    properties
        .map(|property| Ok((property.name().to_owned(), schema(property, depth)?)))
        .collect()
}

fn pattern_properties(element: Element<'_>, depth: usize) -> Result<Vec<Named>, CommandError> {
    let properties = document(element)?.elements();
    properties
        .map(|property| {
            Ok(Named {
                text: property.name().to_owned(),
                pattern: Pattern::new(property.name(), "")?,
                schema: schema(property, depth)?,
            })
        })
        .collect()
}

/// Reads a boolean or a schema; `None` if everything is allowed.
fn allowed(element: Element<'_>, depth: usize) -> Result<Option<Allowed>, CommandError> {
    match element.value() {
        Value::Bool(true) => Ok(None),
        Value::Bool(false) => Ok(Some(Allowed::No)),
        Value::Document(_) => Ok(Some(Allowed::If(Box::new(schema(element, depth)?)))),
        _ => Err(wrong_type(element, "an object or a boolean")),
    }
}

fn additional(doc: Doc<'_>, allowed: Allowed, depth: usize) -> Result<Additional, CommandError> {
    let properties = match doc.element("properties") {
        Some(element) => document(element)?.elements().map(Element::name).collect(),
        None => Vec::new(),
    };
    let patterns = match doc.element("patternProperties") {
        Some(element) => pattern_properties(element, depth)?,
        None => Vec::new(),
    };
    Ok(Additional {
        named: properties.into_iter().map(str::to_owned).collect(),
        patterns: patterns.into_iter().map(|named| named.pattern).collect(),
        allowed,
    })
}

fn dependencies(
    element: Element<'_>,
    depth: usize,
) -> Result<Vec<(String, Dependency)>, CommandError> {
    let dependencies = document(element)?.elements();
    dependencies
        .map(|dependency| {
            let needed = match dependency.kind() {
                Kind::Array => Dependency::Properties(names(dependency)?),
                _ => Dependency::Schema(schema(dependency, depth)?),
            };
            Ok((dependency.name().to_owned(), needed))
        })
        .collect()
}

fn bound(
    doc: Doc<'_>,
    element: Element<'_>,
    exclusive: &str,
) -> Result<(Value<'static>, bool), CommandError> {
    let value = element.value();
    if !value.is_number() {
        return Err(wrong_type(element, "a number"));
    }
    let exclusive = match doc.element(exclusive) {
        Some(element) => flag(element)?,
        None => false,
    };
    Ok((value.into_owned(), exclusive))
}

fn divisor(element: Element<'_>) -> Result<Value<'static>, CommandError> {
    let value = element.value();
    if !value.is_number() {
        return Err(wrong_type(element, "a number"));
    }
    if !order::compare(&value, &Value::Int32(0)).is_gt() {
        return Err(wrong(element, "must have a positive value"));
    }
    Ok(value.into_owned())
}

fn choices(element: Element<'_>) -> Result<Vec<Value<'static>>, CommandError> {
    let values: Vec<_> = array(element)?.values().map(Value::into_owned).collect();
    for (index, value) in values.iter().enumerate() {
        if values[..index]
            .iter()
            .any(|known| order::equal(known, value))
        {
            let must = format!("array cannot contain duplicate values: {value}");
            return Err(wrong(element, &must));
        }
    }
    Ok(values)
}

/// Reads a type, or a list of types.
fn types(
    element: Element<'_>,
    read: fn(&str) -> Result<Vec<Kind>, CommandError>,
) -> Result<Vec<Kind>, CommandError> {
    if element.kind() != Kind::Array {
        let value = element.value();
        let name = value.as_str();
        return read(name.ok_or_else(|| wrong_type(element, "either a string or an array"))?);
    }
    let mut kinds = Vec::new();
    for name in names(element)? {
        kinds.extend(read(&name)?);
    }
    Ok(kinds)
}

fn bson_type(name: &str) -> Result<Vec<Kind>, CommandError> {
    kinds_of(name)
        .ok_or_else(|| CommandError::bad_value(format!("Unknown type name alias: {name}")))
}

fn json_type(name: &str) -> Result<Vec<Kind>, CommandError> {
    if name == "integer" {
        let message = "$jsonSchema type 'integer' is not currently supported.";
        return Err(CommandError::failed_to_parse(message));
    }
    let known = JSON_TYPES.iter().find(|(json, _)| *json == name);
    known
        .and_then(|(_, alias)| kinds_of(alias))
        .ok_or_else(|| CommandError::bad_value(format!("Unknown type name alias: {name}")))
}
