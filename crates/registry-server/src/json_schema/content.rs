//! Compares objects and arrays. What decides is the content model: are properties and items that have
//! no schema of their own allowed?

use crate::finding::Found;
use crate::json_schema::bounds::Limit;
use crate::json_schema::compare::{Comparison, Pair};
use crate::json_schema::graph::{Additional, Array, Graph, Id, Object, Rest};

/// Whether values without a schema of their own are allowed.
#[derive(Debug, Clone, Copy)]
enum Model {
    Open,
    /// They are, if they have this schema.
    Partial(Id),
    Closed,
}

impl Rest {
    fn model(self, graph: &Graph<'_>) -> Model {
        match (self.additional, self.unevaluated) {
            (Additional::None, _) => Model::Closed,
            (Additional::Any, None) => Model::Open,
            (Additional::Any, Some(rest)) if graph.is_anything(rest) => Model::Open,
            (Additional::Any, Some(rest)) if graph.is_nothing(rest) => Model::Closed,
            (Additional::Schema(rest), _) | (Additional::Any, Some(rest)) => Model::Partial(rest),
        }
    }
}

impl Object<'_> {
    /// Returns the content model for a property.
    fn model(&self, property: &str, graph: &Graph<'_>) -> Model {
        let mut patterns = self.patterns.iter();
        if let Some(found) = patterns.find(|pattern| pattern.matches(property)) {
            return Model::Partial(found.schema);
        }
        match self.rest.model(graph) {
            // With patterns, an object is not open.
            Model::Open if !self.patterns.is_empty() => Model::Closed,
            model => model,
        }
    }
}

impl Comparison<'_> {
    pub(super) fn objects(
        &mut self,
        pair: Pair,
        old: &Object<'_>,
        new: &Object<'_>,
        found: &mut Found,
    ) -> Result<(), String> {
        self.required(pair, old, new, found);
        for (name, schema) in &old.properties {
            let path = format!("properties/{name}");
            if let Some(other) = new.properties.get(name) {
                found.extend(&path, &self.parts(pair, *schema, *other)?);
            } else {
                let model = new.model(name, self.graphs(pair).1);
                self.removed(pair, (&path, *schema), model, &PROPERTIES, found)?;
            }
        }
        for (name, schema) in &new.properties {
            if !old.properties.contains_key(name) {
                self.added_property(pair, name, *schema, [old, new], found)?;
            }
        }
        self.dependencies(pair, old, new, found)?;
        self.rest(pair, [old.rest, new.rest], &PROPERTIES, found)?;
        Limit::upper("maxProperties", "MAX_PROPERTIES").compare(
            old.max_properties,
            new.max_properties,
            found,
        );
        Limit::lower("minProperties", "MIN_PROPERTIES").compare(
            old.min_properties,
            new.min_properties,
            found,
        );
        Ok(())
    }

    /// Compares what is required of the properties that both have.
    fn required(&self, pair: Pair, old: &Object<'_>, new: &Object<'_>, found: &mut Found) {
        let (_, reader) = self.graphs(pair);
        for (name, schema) in &new.properties {
            let both = old.properties.contains_key(name);
            let added = new.required.contains(name) && !old.required.contains(name);
            if both && added && !reader.direct(*schema).has_default {
                let path = format!("required/{name}");
                let text = "requires a property that was optional";
                found.add("REQUIRED_ATTRIBUTE_ADDED", &path, text);
            }
        }
    }

    fn added_property(
        &mut self,
        pair: Pair,
        name: &str,
        schema: Id,
        [old, new]: [&Object<'_>; 2],
        found: &mut Found,
    ) -> Result<(), String> {
        let (writer, reader) = self.graphs(pair);
        let path = format!("properties/{name}");
        let required = new.required.contains(name);
        let has_default = reader.direct(schema).has_default;
        match old.model(name, writer) {
            Model::Open if reader.is_anything(schema) => {}
            Model::Open => {
                let kind = match (required, has_default) {
                    (true, true) => "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL",
                    (true, false) => "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL",
                    (false, _) => "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL",
                };
                let text = "gives a schema to a property that could have any value";
                found.add(kind, &path, text);
            }
            model @ (Model::Partial(_) | Model::Closed) => {
                if let Model::Partial(partial) = model {
                    self.covered(pair, [partial, schema], &path, PROPERTIES.added, found)?;
                }
                if required && !has_default {
                    let text = "requires a property that the earlier one does not have";
                    found.add(
                        "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL",
                        &path,
                        text,
                    );
                }
            }
        }
        Ok(())
    }

    fn dependencies(
        &mut self,
        pair: Pair,
        old: &Object<'_>,
        new: &Object<'_>,
        found: &mut Found,
    ) -> Result<(), String> {
        for (name, needed) in &new.dependencies.properties {
            let path = format!("dependencies/{name}");
            let (kind, text) = match old.dependencies.properties.get(name) {
                Some(before) if needed.is_subset(before) => continue,
                None => ("DEPENDENCY_ARRAY_ADDED", "adds a dependency"),
                Some(before) if needed.is_superset(before) => {
                    ("DEPENDENCY_ARRAY_EXTENDED", "extends a dependency")
                }
                Some(_) => ("DEPENDENCY_ARRAY_CHANGED", "changes a dependency"),
            };
            found.add(kind, &path, text);
        }
        for (name, schema) in &new.dependencies.schemas {
            let path = format!("dependencies/{name}");
            match old.dependencies.schemas.get(name) {
                Some(before) => found.extend(&path, &self.parts(pair, *before, *schema)?),
                None => found.add("DEPENDENCY_SCHEMA_ADDED", &path, "adds a dependency"),
            }
        }
        Ok(())
    }

    pub(super) fn arrays(
        &mut self,
        pair: Pair,
        old: &Array,
        new: &Array,
        found: &mut Found,
    ) -> Result<(), String> {
        self.optional(pair, [old.every, new.every], "items", found)?;
        let both = old.first.len().min(new.first.len());
        for (number, (before, after)) in old.first.iter().zip(&new.first).enumerate() {
            let findings = self.parts(pair, *before, *after)?;
            found.extend(&format!("items/{number}"), &findings);
        }
        for (number, schema) in old.first.iter().enumerate().skip(both) {
            let model = new.rest.model(self.graphs(pair).1);
            let path = format!("items/{number}");
            self.removed(pair, (&path, *schema), model, &ITEMS, found)?;
        }
        for (number, schema) in new.first.iter().enumerate().skip(both) {
            self.added_item(pair, number, *schema, old, found)?;
        }
        self.rest(pair, [old.rest, new.rest], &ITEMS, found)?;
        Limit::upper("maxItems", "MAX_ITEMS").compare(old.max_items, new.max_items, found);
        Limit::lower("minItems", "MIN_ITEMS").compare(old.min_items, new.min_items, found);
        let (before, after) = (old.max_contains, new.max_contains);
        Limit::upper("maxContains", "MAX_CONTAINS").compare(before, after, found);
        let (before, after) = (old.min_contains, new.min_contains);
        Limit::lower("minContains", "MIN_CONTAINS").compare(before, after, found);
        if new.unique && !old.unique {
            found.add("UNIQUE_ITEMS_ADDED", "uniqueItems", "requires unique items");
        }
        Ok(())
    }

    fn added_item(
        &mut self,
        pair: Pair,
        number: usize,
        schema: Id,
        old: &Array,
        found: &mut Found,
    ) -> Result<(), String> {
        let (writer, reader) = self.graphs(pair);
        let path = format!("items/{number}");
        match old.rest.model(writer) {
            Model::Closed => {}
            Model::Open if reader.is_anything(schema) => {}
            Model::Open => {
                let text = "gives a schema to an item that could have any value";
                found.add("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", &path, text);
            }
            Model::Partial(partial) => {
                self.covered(pair, [partial, schema], &path, ITEMS.added, found)?;
            }
        }
        Ok(())
    }

    /// Compares a property or an item that only the old schema has with the model of the new one.
    fn removed(
        &mut self,
        pair: Pair,
        (path, schema): (&str, Id),
        model: Model,
        names: &RestNames,
        found: &mut Found,
    ) -> Result<(), String> {
        match model {
            Model::Open => {}
            Model::Partial(partial) => {
                self.covered(pair, [schema, partial], path, names.removed, found)?;
            }
            Model::Closed if self.graphs(pair).0.is_nothing(schema) => {}
            Model::Closed => found.add(names.closed.0, path, names.closed.1),
        }
        Ok(())
    }

    /// Compares two schemas; a difference is also a finding of this kind and text.
    fn covered(
        &mut self,
        pair: Pair,
        [old, new]: [Id; 2],
        path: &str,
        (kind, text): (&'static str, &'static str),
        found: &mut Found,
    ) -> Result<(), String> {
        let findings = self.parts(pair, old, new)?;
        if !findings.is_empty() {
            found.extend(path, &findings);
            found.add(kind, path, text);
        }
        Ok(())
    }

    /// Compares what is said of properties or items without a schema of their own.
    fn rest(
        &mut self,
        pair: Pair,
        [old, new]: [Rest; 2],
        names: &RestNames,
        found: &mut Found,
    ) -> Result<(), String> {
        match (old.additional, new.additional) {
            (Additional::None, _) | (_, Additional::Any) => {}
            (_, Additional::None) => {
                found.add(names.additional[0], names.paths[0], "allows no others");
            }
            (Additional::Any, Additional::Schema(_)) => {
                found.add(names.additional[1], names.paths[0], "gives others a schema");
            }
            (Additional::Schema(before), Additional::Schema(after)) => {
                let findings = self.parts(pair, before, after)?;
                found.extend(names.paths[0], &findings);
            }
        }
        self.unevaluated(pair, [old.unevaluated, new.unevaluated], names, found)
    }

    fn unevaluated(
        &mut self,
        pair: Pair,
        [old, new]: [Option<Id>; 2],
        names: &RestNames,
        found: &mut Found,
    ) -> Result<(), String> {
        let (writer, reader) = self.graphs(pair);
        let Some(new) = new else {
            return Ok(());
        };
        let before_nothing = old.is_some_and(|old| writer.is_nothing(old));
        let before_anything = old.is_none_or(|old| writer.is_anything(old));
        if before_nothing || (old.is_some() && reader.is_anything(new)) {
            return Ok(());
        }
        if reader.is_nothing(new) {
            found.add(names.unevaluated[0], names.paths[1], "allows no others");
        } else if before_anything {
            found.add(
                names.unevaluated[1],
                names.paths[1],
                "gives others a schema",
            );
        } else if let Some(old) = old {
            let findings = self.parts(pair, old, new)?;
            found.extend(names.paths[1], &findings);
        }
        Ok(())
    }
}

/// Names in findings.
struct RestNames {
    /// Kind and text if the new schema has other properties or items with another schema.
    removed: (&'static str, &'static str),
    /// Kind and text if the new schema has no other properties or items.
    closed: (&'static str, &'static str),
    /// Kind and text if the old schema had other properties or items with another schema.
    added: (&'static str, &'static str),
    /// Kinds: removed, then narrowed.
    additional: [&'static str; 2],
    unevaluated: [&'static str; 2],
    paths: [&'static str; 2],
}

const PROPERTIES: RestNames = RestNames {
    removed: (
        "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "has no property here, and its other properties have another schema",
    ),
    closed: (
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "has no property here and allows no others",
    ),
    added: (
        "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "gives another schema to a property that could have one already",
    ),
    additional: [
        "ADDITIONAL_PROPERTIES_REMOVED",
        "ADDITIONAL_PROPERTIES_NARROWED",
    ],
    unevaluated: [
        "UNEVALUATED_PROPERTIES_REMOVED",
        "UNEVALUATED_PROPERTIES_NARROWED",
    ],
    paths: ["additionalProperties", "unevaluatedProperties"],
};

const ITEMS: RestNames = RestNames {
    removed: (
        "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "has no item here, and its other items have another schema",
    ),
    closed: (
        "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "has no item here and allows no others",
    ),
    added: (
        "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        "gives another schema to an item that could have one already",
    ),
    additional: ["ADDITIONAL_ITEMS_REMOVED", "ADDITIONAL_ITEMS_NARROWED"],
    unevaluated: ["UNEVALUATED_ITEMS_REMOVED", "UNEVALUATED_ITEMS_NARROWED"],
    paths: ["additionalItems", "unevaluatedItems"],
};
