//! Says which rules of a schema a value breaks, in the form of MongoDB's `errInfo`.

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value};
use crate::query::schema::check::duplicate;
use crate::query::schema::rule::{Additional, Allowed, Check, Dependency, Named, Rule, Schema};

impl Schema {
    /// Returns what a document breaks.
    pub fn explain_document(&self, doc: Doc<'_>) -> Builder {
        let value = Value::Document(doc.bytes().into());
        self.described(Builder::new().string("operatorName", "$jsonSchema"))
            .array("schemaRulesNotSatisfied", self.explain(&value))
    }

    fn described(&self, mut details: Builder) -> Builder {
        if let Some(title) = &self.title {
            details = details.string("title", title);
        }
        match &self.description {
            Some(description) => details.with("description", description),
            None => details,
        }
    }

    fn explain(&self, value: &Value<'_>) -> ArrayBuilder {
        let mut broken = ArrayBuilder::default();
        for rule in self.rules.iter().filter(|rule| !rule.check.accepts(value)) {
            broken.push_built(rule.explain(value));
        }
        broken
    }
}

impl Rule {
    fn explain(&self, value: &Value<'_>) -> Builder {
        let head = Builder::new().string("operatorName", self.keyword);
        let doc = match value {
            Value::Document(bytes) | Value::Array(bytes) => Doc::new(bytes),
            _ => Doc::EMPTY,
        };
        match &self.check {
            Check::Type(_) => self
                .reason("type did not match")
                .with("consideredValue", value)
                .string("consideredType", value.kind().alias()),
            Check::AllOf(schemas) | Check::AnyOf(schemas) => {
                head.array("schemasNotSatisfied", not_satisfied(schemas, value))
            }
            Check::OneOf(schemas) => one_of(head, schemas, value),
            Check::Not(_) => head.string("reason", "child expression matched"),
            Check::Required(names) => {
                let missing = names.iter().filter(|name| doc.element(name).is_none());
                let missing = missing.map(|name| Value::from(name.as_str())).collect();
                self.specified(head).array("missingProperties", missing)
            }
            Check::Properties(properties) => {
                head.array("propertiesNotSatisfied", broken_properties(properties, doc))
            }
            Check::PatternProperties(patterns) => {
                head.array("details", broken_patterns(patterns, doc))
            }
            Check::AdditionalProperties(additional) => self.additional(head, additional, doc),
            Check::Dependencies(dependencies) => head.array(
                "failingDependencies",
                broken_dependencies(dependencies, doc),
            ),
            Check::MinProperties(_) | Check::MaxProperties(_) => self
                .reason("specified number of properties was not satisfied")
                .count("numberOfProperties", doc.len()),
            Check::Items(schema) => items(head, doc.values().map(|item| (&**schema, item))),
            Check::ItemsInOrder(schemas) => items(head, schemas.iter().zip(doc.values())),
            Check::AdditionalItems { after, allowed } => {
                self.additional_items(head, doc, *after, allowed)
            }
            Check::UniqueItems => {
                let found = self
                    .reason("found a duplicate item")
                    .with("consideredValue", value);
                match duplicate(doc) {
                    Some(item) => found.with("duplicatedValue", &item),
                    None => found,
                }
            }
            _ => self
                .reason(self.plain_reason())
                .with("consideredValue", value),
        }
    }

    fn plain_reason(&self) -> &'static str {
        match self.check {
            Check::Enum(_) => "value was not found in enum",
            Check::MultipleOf(_) => "considered value is not a multiple of the specified value",
            Check::MinLength(_) | Check::MaxLength(_) => {
                "specified string length was not satisfied"
            }
            Check::Pattern(_) => "regular expression did not match",
            Check::MinItems(_) | Check::MaxItems(_) => "array did not match specified length",
            _ => "comparison failed",
        }
    }

    fn specified(&self, details: Builder) -> Builder {
        let specified = Builder::new().with(self.keyword, &self.specified);
        details.document("specifiedAs", specified)
    }

    fn reason(&self, reason: &str) -> Builder {
        let head = Builder::new().string("operatorName", self.keyword);
        self.specified(head).string("reason", reason)
    }

    fn additional(&self, head: Builder, additional: &Additional, doc: Doc<'_>) -> Builder {
        match &additional.allowed {
            Allowed::No => {
                let others = doc.elements().map(Element::name);
                let others = others.filter(|name| additional.concerns(name));
                let others = others.map(Value::from).collect();
                self.specified(head).array("additionalProperties", others)
            }
            Allowed::If(schema) => {
                let name = additional.broken_by(doc).unwrap_or_default();
                let value = doc.get(&name).unwrap_or(Value::Null);
                head.string(
                    "reason",
                    "at least one additional property did not match the subschema",
                )
                .string("failingProperty", &name)
                .array("details", schema.explain(&value))
            }
        }
    }

    fn additional_items(
        &self,
        head: Builder,
        array: Doc<'_>,
        after: usize,
        allowed: &Allowed,
    ) -> Builder {
        let mut rest = array.values().enumerate().skip(after);
        match allowed {
            Allowed::No => {
                let rest = rest.map(|(_, item)| item).collect();
                self.reason("found additional items")
                    .array("additionalItems", rest)
            }
            Allowed::If(schema) => {
                let broken = rest.find(|(_, item)| !schema.accepts(item));
                let (index, item) = broken.unwrap_or((after, Value::Null));
                head.string(
                    "reason",
                    "At least one additional item did not match the sub-schema",
                )
                .count("itemIndex", index)
                .array("details", schema.explain(&item))
            }
        }
    }
}

fn not_satisfied(schemas: &[Schema], value: &Value<'_>) -> ArrayBuilder {
    let mut broken = ArrayBuilder::default();
    for (index, schema) in schemas.iter().enumerate() {
        if !schema.accepts(value) {
            let details = schema.described(Builder::new().count("index", index));
            broken.push_built(details.array("details", schema.explain(value)));
        }
    }
    broken
}

fn one_of(head: Builder, schemas: &[Schema], value: &Value<'_>) -> Builder {
    let matching: Vec<usize> = (0..schemas.len())
        .filter(|&index| schemas[index].accepts(value))
        .collect();
    if matching.is_empty() {
        return head.array("schemasNotSatisfied", not_satisfied(schemas, value));
    }
    let matching = matching.into_iter().map(crate::bson::builder::count_value);
    head.string("reason", "more than one subschema matched")
        .array("matchingSchemaIndexes", matching.collect())
}

fn broken_properties(properties: &[(String, Schema)], doc: Doc<'_>) -> ArrayBuilder {
    let mut broken = ArrayBuilder::default();
    for (name, schema) in properties {
        let Some(value) = doc.get(name).filter(|value| !schema.accepts(value)) else {
            continue;
        };
        let details = schema.described(Builder::new().string("propertyName", name));
        broken.push_built(details.array("details", schema.explain(&value)));
    }
    broken
}

fn broken_patterns(patterns: &[Named], doc: Doc<'_>) -> ArrayBuilder {
    let mut broken = ArrayBuilder::default();
    for named in patterns {
        for element in doc.elements() {
            let (name, value) = (element.name(), element.value());
            if named.pattern.is_match(name) && !named.schema.accepts(&value) {
                let details = Builder::new()
                    .string("propertyName", name)
                    .string("regexMatched", &named.text);
                broken.push_built(details.array("details", named.schema.explain(&value)));
            }
        }
    }
    broken
}

fn broken_dependencies(dependencies: &[(String, Dependency)], doc: Doc<'_>) -> ArrayBuilder {
    let mut broken = ArrayBuilder::default();
    for (name, dependency) in dependencies {
        if dependency.accepts(name, doc) {
            continue;
        }
        let details = Builder::new().string("conditionalProperty", name);
        broken.push_built(match dependency {
            Dependency::Properties(names) => {
                let missing = names.iter().filter(|name| doc.element(name).is_none());
                let missing = missing.map(|name| Value::from(name.as_str())).collect();
                details.array("missingProperties", missing)
            }
            Dependency::Schema(schema) => {
                let value = Value::Document(doc.bytes().into());
                details.array("details", schema.explain(&value))
            }
        });
    }
    broken
}

fn items<'s, 'v>(head: Builder, pairs: impl Iterator<Item = (&'s Schema, Value<'v>)>) -> Builder {
    let mut pairs = pairs.enumerate();
    let broken = pairs.find(|(_, (schema, item))| !schema.accepts(item));
    let head = head.string("reason", "At least one item did not match the sub-schema");
    match broken {
        Some((index, (schema, item))) => head
            .count("itemIndex", index)
            .array("details", schema.explain(&item)),
        None => head,
    }
}
