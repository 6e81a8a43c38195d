//! Checks of a schema against the registered ones.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::refusal::Refusal;
use crate::api::reply::Reply;
use crate::api::request::{Query, VersionId};
use crate::api::view::View;
use crate::checker::CheckError;
use crate::compatibility::Compared;
use crate::context;
use crate::protobuf;
use crate::references::References;
use crate::schema::{Reference, Schema, SchemaType};
use crate::state::{Version, Visible};

/// Maximum length of a chain of references.
const MAX_REFERENCE_DEPTH: u32 = 16;

impl View<'_> {
    pub(super) fn compatible_with_all(
        &self,
        subject: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let schema = match self.parse_schema(subject, query, body) {
            Ok(schema) => schema,
            Err(refusal) => return invalid(refusal, query),
        };
        let incompatibilities = self.incompatibilities(subject, &schema)?;
        verdict(&incompatibilities, query)
    }

    pub(super) fn compatible_with_one(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let found = match self.find_version(subject, version, Visible::Live) {
            Ok((number, version)) => Some((number, version)),
            // A first version is always compatible: tools check before the subject exists.
            Err(Refusal::NoSuchSubject { .. } | Refusal::NoSuchVersion { .. }) => {
                if VersionId::parse(version)? != VersionId::Latest {
                    let version = version.to_owned();
                    return Err(Refusal::NoSuchVersion { version });
                }
                None
            }
            Err(refusal) => return Err(refusal),
        };
        let schema = match self.parse_schema(subject, query, body) {
            Ok(schema) => schema,
            Err(refusal) => return invalid(refusal, query),
        };
        let incompatibilities = match found {
            Some(version) => self.incompatibilities_with(subject, &schema, &[version])?,
            None => Vec::new(),
        };
        verdict(&incompatibilities, query)
    }

    /// Returns the reasons why a schema cannot become the next version of a subject, if any.
    pub(super) fn incompatibilities(
        &self,
        subject: &str,
        new: &Schema,
    ) -> Result<Vec<String>, Refusal> {
        let mut versions: Vec<_> = self.state.versions(subject, Visible::Live).collect();
        if !self.state.level(subject).transitive() {
            versions.drain(..versions.len().saturating_sub(1));
        }
        versions.reverse();
        self.incompatibilities_with(subject, new, &versions)
    }

    /// Compares a schema with versions until one is not compatible. One deadline holds for all.
    fn incompatibilities_with(
        &self,
        subject: &str,
        new: &Schema,
        versions: &[(u32, Version)],
    ) -> Result<Vec<String>, Refusal> {
        let level = self.state.level(subject);
        let context = context::of(subject);
        let new = self.compared(context, new)?;
        let mut others = Vec::new();
        for (number, Version { id, .. }) in versions {
            let schema = self.state.schema(context, *id);
            let schema = schema.ok_or(Refusal::NoSuchSchema)?;
            others.push((*number, self.compared(context, schema)?));
        }
        let compared = self.checker.run(move |deadline| {
            let found = others.iter().find_map(|(number, old)| {
                let mut found = level.incompatibilities(&new, old, deadline);
                if found.is_empty() {
                    return None;
                }
                found.extend([
                    format!("{{oldSchemaVersion: {number}}}"),
                    format!("{{oldSchema: '{}'}}", old.text),
                    format!("{{compatibility: '{}'}}", level.name()),
                ]);
                Some(found)
            });
            found.unwrap_or_default()
        });
        compared.or_else(|error| match error {
            CheckError::Busy => Err(Refusal::Busy),
            CheckError::Timeout | CheckError::Failed => Ok(vec![error.to_string()]),
        })
    }

    fn compared(&self, context: &str, schema: &Schema) -> Result<Compared, Refusal> {
        Ok(Compared {
            kind: schema.kind,
            text: schema.text.clone(),
            references: self.resolve(context, schema)?,
        })
    }

    /// Returns the documents that a schema of a context refers to, directly or through others.
    pub(super) fn resolve(&self, context: &str, schema: &Schema) -> Result<References, Refusal> {
        let mut found = BTreeMap::new();
        self.collect(context, &schema.references, MAX_REFERENCE_DEPTH, &mut found)?;
        Ok(References(found))
    }

    fn collect(
        &self,
        context: &str,
        references: &[Reference],
        depth: u32,
        found: &mut BTreeMap<String, serde_json::Value>,
    ) -> Result<(), Refusal> {
        for Reference {
            name,
            subject,
            version,
        } in references
        {
            if found.contains_key(name) {
                continue;
            }
            let invalid = |reason| Refusal::InvalidSchema { reason };
            let depth = depth.checked_sub(1);
            let depth =
                depth.ok_or_else(|| invalid("references are nested too deeply".to_owned()))?;
            let subject = context::referred(context, subject);
            let context = context::of(&subject);
            let schema = self
                .state
                .version(&subject, *version)
                .and_then(|version| self.state.schema(context, version.id))
                .ok_or_else(|| {
                    invalid(format!(
                        "reference \"{name}\" not found: subject {subject}, version {version}"
                    ))
                })?;
            let document = match schema.kind {
                SchemaType::Protobuf => protobuf::document(&schema.text),
                SchemaType::Avro | SchemaType::Json => serde_json::from_str(&schema.text)
                    .map_err(|error| invalid(error.to_string()))?,
            };
            found.insert(name.clone(), document);
            self.collect(context, &schema.references, depth, found)?;
        }
        Ok(())
    }
}

/// Returns the verdict on a schema that is invalid.
fn invalid(refusal: Refusal, query: Query<'_>) -> Result<Reply, Refusal> {
    match refusal {
        Refusal::InvalidSchema { .. } if query.flag("verbose") => {
            verdict(&[refusal.to_string()], query)
        }
        other => Err(other),
    }
}

fn verdict(incompatibilities: &[String], query: Query<'_>) -> Result<Reply, Refusal> {
    let compatible = incompatibilities.is_empty();
    if query.flag("verbose") {
        Reply::ok(&json!({ "is_compatible": compatible, "messages": incompatibilities }))
    } else {
        Reply::ok(&json!({ "is_compatible": compatible }))
    }
}
