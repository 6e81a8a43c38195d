//! Checks of a schema against those registered.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::refusal::Refusal;
use crate::api::subjects::is_latest;
use crate::api::{Answer, Query, Reply, View};
use crate::compatibility::Compared;
use crate::parse::References;
use crate::schema::{Reference, Schema};
use crate::state::{Version, Visible};

/// Schemas that refer to others that refer to others: how far that may go.
const MAX_REFERENCE_DEPTH: u32 = 16;

impl View<'_> {
    pub(super) fn compatible_with_all(
        &self,
        subject: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Answer {
        let schema = self.parse_schema(body)?;
        let complaints = self.complaints(subject, &schema)?;
        verdict(&complaints, query)
    }

    pub(super) fn compatible_with_one(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Answer {
        let schema = self.parse_schema(body)?;
        let complaints = match self.find_version(subject, version, Visible::Live) {
            Ok((_, version)) => self.complaints_of_version(subject, &schema, version)?,
            // Whatever comes first is compatible: tools check before a subject exists.
            Err(Refusal::NoSuchSubject { .. } | Refusal::NoSuchVersion { .. })
                if is_latest(version) =>
            {
                Vec::new()
            }
            Err(refusal) => return Err(refusal),
        };
        verdict(&complaints, query)
    }

    /// Returns why a schema may not become the next version of a subject; nothing if it may.
    pub(super) fn complaints(&self, subject: &str, new: &Schema) -> Result<Vec<String>, Refusal> {
        let mut versions: Vec<_> = self.state.versions(subject, Visible::Live).collect();
        if !self.state.level(subject).transitive() {
            versions.drain(..versions.len().saturating_sub(1));
        }
        for (number, version) in versions.into_iter().rev() {
            let complaints = self.complaints_of_version(subject, new, version)?;
            if !complaints.is_empty() {
                let of_version = |text| format!("version {number}: {text}");
                return Ok(complaints.into_iter().map(of_version).collect());
            }
        }
        Ok(Vec::new())
    }

    fn complaints_of_version(
        &self,
        subject: &str,
        new: &Schema,
        old: Version,
    ) -> Result<Vec<String>, Refusal> {
        let old = self.state.schema(old.id).ok_or(Refusal::NoSuchSchema)?;
        let (new, old) = (self.compared(new)?, self.compared(old)?);
        let level = self.state.level(subject);
        let judged = self.judge.decide(move || level.complaints(&new, &old));
        Ok(judged.unwrap_or_else(|abstained| vec![abstained.to_string()]))
    }

    fn compared(&self, schema: &Schema) -> Result<Compared, Refusal> {
        Ok(Compared {
            kind: schema.kind,
            text: schema.text.clone(),
            references: self.resolve(schema)?,
        })
    }

    /// Returns the documents that a schema refers to, directly or not.
    pub(super) fn resolve(&self, schema: &Schema) -> Result<References, Refusal> {
        let mut found = BTreeMap::new();
        self.collect(&schema.references, MAX_REFERENCE_DEPTH, &mut found)?;
        Ok(References(found))
    }

    fn collect(
        &self,
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
            let schema = self
                .state
                .version(subject, *version)
                .and_then(|version| self.state.schema(version.id))
                .ok_or_else(|| {
                    invalid(format!(
                        "no reference \"{name}\": {subject} version {version}"
                    ))
                })?;
            let document = serde_json::from_str(&schema.text);
            let document = document.map_err(|wrong| invalid(wrong.to_string()))?;
            found.insert(name.clone(), document);
            self.collect(&schema.references, depth, found)?;
        }
        Ok(())
    }
}

fn verdict(complaints: &[String], query: Query<'_>) -> Answer {
    let compatible = complaints.is_empty();
    if query.flag("verbose") {
        Reply::of(&json!({ "is_compatible": compatible, "messages": complaints }))
    } else {
        Reply::of(&json!({ "is_compatible": compatible }))
    }
}
