//! State of the registry: schemas, subjects and their versions, levels and modes. Pure.
//!
//! Every change is an [`Entry`]. The journal holds all of them, and replaying it restores the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::compatibility::Level;
use crate::context;
use crate::schema::{Reference, Schema};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// A new schema with its id.
    Schema {
        id: u32,
        /// Absent for the default context.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        #[serde(flatten)]
        schema: Schema,
    },
    /// A new version of a subject.
    Version {
        subject: String,
        version: u32,
        id: u32,
    },
    /// Versions of a subject were deleted, softly or permanently.
    Deleted {
        subject: String,
        versions: Vec<u32>,
        permanently: bool,
    },
    /// The level of a subject, or the global one, was set or reset.
    Level {
        subject: Option<String>,
        level: Option<Level>,
    },
    /// The mode of a subject, or the global one, was set or reset.
    Mode {
        subject: Option<String>,
        mode: Option<Mode>,
    },
}

/// Mode of a subject: can schemas be registered and deleted?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    #[default]
    #[serde(rename = "READWRITE")]
    Writable,
    #[serde(rename = "READONLY")]
    ReadOnly,
    /// Like `ReadOnly`, and overrides the modes of subjects.
    #[serde(rename = "READONLY_OVERRIDE")]
    ReadOnlyOverride,
    /// Schemas are registered with the ids and versions that they have elsewhere.
    #[serde(rename = "IMPORT")]
    Import,
}

/// State of the registry.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    contexts: BTreeMap<String, Context>,
    subjects: BTreeMap<String, BTreeMap<u32, Version>>,
    levels: BTreeMap<Option<String>, Level>,
    modes: BTreeMap<Option<String>, Mode>,
}

/// Schemas and ids of a context.
#[derive(Debug, Clone, Default)]
struct Context {
    schemas: BTreeMap<u32, Arc<Schema>>,
    /// Ids by the identity of their schemas.
    ids: BTreeMap<String, u32>,
    last_id: u32,
}

/// A version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: u32,
    /// Softly deleted.
    pub(super) deleted: bool,
}

/// Filter of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    /// Not deleted.
    Live,
    /// Live and softly deleted.
    All,
    /// Softly deleted only.
    Deleted,
}

impl Visible {
    fn shows(self, version: Version) -> bool {
        match self {
            Self::Live => !version.deleted,
            Self::All => true,
            Self::Deleted => version.deleted,
        }
    }
}

impl Context {
    fn add(&mut self, id: u32, schema: Arc<Schema>) {
        self.last_id = self.last_id.max(id);
        self.ids.insert(identity(&schema), id);
        self.schemas.insert(id, schema);
    }
}

impl State {
    /// Applies a change.
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Schema {
                id,
                context,
                schema,
            } => {
                let context = context.unwrap_or_else(|| context::DEFAULT.to_owned());
                let context = self.contexts.entry(context).or_default();
                context.add(id, Arc::new(schema));
            }
            Entry::Version {
                subject,
                version,
                id,
            } => {
                self.adopt(&subject, id);
                let deleted = false;
                let versions = self.subjects.entry(subject).or_default();
                versions.insert(version, Version { id, deleted });
            }
            Entry::Deleted {
                subject,
                versions,
                permanently,
            } => self.delete(&subject, &versions, permanently),
            Entry::Level { subject, level } => set(&mut self.levels, subject, level),
            Entry::Mode { subject, mode } => set(&mut self.modes, subject, mode),
        }
    }

    fn delete(&mut self, subject: &str, deleted: &[u32], permanently: bool) {
        let Some(versions) = self.subjects.get_mut(subject) else {
            return;
        };
        for number in deleted {
            if permanently {
                versions.remove(number);
            } else if let Some(version) = versions.get_mut(number) {
                version.deleted = true;
            }
        }
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        if permanently {
            self.remove_unused_schemas();
        }
    }

    /// Gives a context the schema of a version if it lacks it: journals of earlier builds have all
    /// schemas in the default context.
    fn adopt(&mut self, subject: &str, id: u32) {
        let name = context::of(subject);
        if name == context::DEFAULT || self.schema(name, id).is_some() {
            return;
        }
        let default = self.contexts.get(context::DEFAULT);
        if let Some(schema) = default.and_then(|context| context.schemas.get(&id)) {
            let schema = Arc::clone(schema);
            let context = self.contexts.entry(name.to_owned()).or_default();
            context.add(id, schema);
        }
    }

    fn remove_unused_schemas(&mut self) {
        let mut used: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for (subject, versions) in &self.subjects {
            let ids = versions.values().map(|version| version.id);
            used.entry(context::of(subject)).or_default().extend(ids);
        }
        for (name, context) in &mut self.contexts {
            let used = used.remove(name.as_str()).unwrap_or_default();
            context.schemas.retain(|id, _| used.contains(id));
            context.ids.retain(|_, id| used.contains(id));
        }
    }

    /// Returns the id of the next new schema of a context. Ids are never reused.
    pub(super) fn next_id(&self, context: &str) -> u32 {
        self.contexts.get(context).map_or(0, |it| it.last_id) + 1
    }

    /// Returns a schema of a context by its id.
    pub(super) fn schema(&self, context: &str, id: u32) -> Option<&Schema> {
        let schemas = &self.contexts.get(context)?.schemas;
        schemas.get(&id).map(Arc::as_ref)
    }

    /// Returns the id of the schema of a context with the same canonical text and references.
    pub(super) fn id_of(&self, context: &str, schema: &Schema) -> Option<u32> {
        let ids = &self.contexts.get(context)?.ids;
        ids.get(&identity(schema)).copied()
    }

    /// Returns the subjects with a visible version.
    pub(super) fn subjects(&self, visible: Visible) -> impl Iterator<Item = &str> {
        self.subjects
            .iter()
            .filter(move |(_, versions)| {
                // A subject is deleted when all of its versions are.
                let mut versions = versions.values();
                match visible {
                    Visible::Deleted => versions.all(|&version| visible.shows(version)),
                    Visible::Live | Visible::All => versions.any(|&version| visible.shows(version)),
                }
            })
            .map(|(subject, _)| subject.as_str())
    }

    /// Returns the versions of a subject, ascending.
    pub(super) fn versions(
        &self,
        subject: &str,
        visible: Visible,
    ) -> impl DoubleEndedIterator<Item = (u32, Version)> + '_ {
        let versions = self.subjects.get(subject).into_iter().flatten();
        versions
            .map(|(&number, &version)| (number, version))
            .filter(move |&(_, version)| visible.shows(version))
    }

    /// Returns a version of a subject.
    pub(super) fn version(&self, subject: &str, number: u32) -> Option<Version> {
        self.subjects.get(subject)?.get(&number).copied()
    }

    /// Returns the subjects and versions of a schema of a context.
    pub(super) fn uses(
        &self,
        context: &str,
        id: u32,
        visible: Visible,
    ) -> impl Iterator<Item = (&str, u32)> {
        let subjects = self.subjects.keys();
        let subjects = subjects.filter(move |subject| context::of(subject) == context);
        subjects.flat_map(move |subject| {
            self.versions(subject, visible)
                .filter(move |(_, version)| version.id == id)
                .map(move |(number, _)| (subject.as_str(), number))
        })
    }

    /// Returns the ids of the visible schemas that refer to a version.
    pub(super) fn referrers(&self, subject: &str, number: u32, visible: Visible) -> Vec<u32> {
        let referrers = self.contexts.iter().flat_map(|(name, context)| {
            let refers = |reference: &Reference| {
                reference.version == number
                    && context::referred(name, &reference.subject) == subject
            };
            let schemas = context.schemas.iter();
            schemas
                .filter(move |(_, schema)| schema.references.iter().any(refers))
                .filter(move |&(&id, _)| self.uses(name, id, visible).next().is_some())
                .map(|(&id, _)| id)
        });
        referrers.collect()
    }

    /// Returns the contexts: the default one, and those of subjects.
    pub(super) fn contexts(&self) -> BTreeSet<&str> {
        let named = self.subjects.keys().map(|subject| context::of(subject));
        named.chain([context::DEFAULT]).collect()
    }

    /// Returns the name that a subject has in the settings of its context.
    fn in_context(subject: &str) -> Option<String> {
        match context::split(subject) {
            (context::DEFAULT, _) => None,
            (name, _) => Some(context::qualified(name, "")),
        }
    }

    /// Returns the level that is set for a subject, or globally if `subject` is `None`.
    pub(super) fn own_level(&self, subject: Option<&str>) -> Option<Level> {
        self.levels.get(&subject.map(str::to_owned)).copied()
    }

    /// Returns the level that applies to a subject.
    pub(super) fn level(&self, subject: &str) -> Level {
        let context = Self::in_context(subject);
        self.own_level(Some(subject))
            .or_else(|| self.own_level(context.as_deref()))
            .or_else(|| self.own_level(None))
            .unwrap_or_default()
    }

    /// Returns the mode that is set for a subject, or globally if `subject` is `None`.
    pub(super) fn own_mode(&self, subject: Option<&str>) -> Option<Mode> {
        self.modes.get(&subject.map(str::to_owned)).copied()
    }

    /// Returns the mode that applies to a subject.
    pub(super) fn mode(&self, subject: &str) -> Mode {
        let global = self.own_mode(None).unwrap_or_default();
        match global {
            Mode::ReadOnlyOverride => global,
            Mode::Writable | Mode::ReadOnly | Mode::Import => {
                let context = Self::in_context(subject);
                self.own_mode(Some(subject))
                    .or_else(|| self.own_mode(context.as_deref()))
                    .unwrap_or(global)
            }
        }
    }
}

fn set<T>(all: &mut BTreeMap<Option<String>, T>, subject: Option<String>, value: Option<T>) {
    match value {
        Some(value) => drop(all.insert(subject, value)),
        None => drop(all.remove(&subject)),
    }
}

/// Key that equal schemas share.
fn identity(schema: &Schema) -> String {
    // A journal may hold texts that are not canonical.
    let text = canonical::text(schema.kind, &schema.text, false);
    let references = serde_json::to_string(&schema.references).unwrap_or_default();
    [schema.kind.name(), text.as_str(), references.as_str()].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(subject: &str, version: u32, id: u32, text: &str) -> [Entry; 2] {
        let schema = Schema::json(text.to_owned());
        let subject = subject.to_owned();
        [
            Entry::Schema {
                id,
                context: None,
                schema,
            },
            Entry::Version {
                subject,
                version,
                id,
            },
        ]
    }

    #[test]
    fn ids_are_not_reused_after_a_permanent_deletion() {
        let mut state = State::default();
        for entry in registered("a", 1, 1, "{}") {
            state.apply(entry);
        }
        state.apply(Entry::Deleted {
            subject: "a".to_owned(),
            versions: vec![1],
            permanently: true,
        });
        assert_eq!(state.schema(".", 1), None);
        assert_eq!(state.id_of(".", &Schema::json("{}".to_owned())), None);
        assert_eq!(state.next_id("."), 2);
        assert_eq!(state.subjects(Visible::All).count(), 0);
    }

    #[test]
    fn schemas_of_an_earlier_journal_belong_to_the_contexts_of_their_subjects() {
        let mut state = State::default();
        for entry in registered(":.test:a", 1, 4, "{}") {
            state.apply(entry);
        }
        assert!(state.schema(".test", 4).is_some());
        assert_eq!((state.next_id(".test"), state.next_id(".")), (5, 5));
        let written = serde_json::to_string(&registered("a", 1, 1, "{}")).unwrap();
        assert!(!written.contains("context"), "{written}");
    }

    #[test]
    fn blanks_are_ignored() {
        let mut state = State::default();
        for entry in registered("a", 1, 1, r#"{"type":"object","title":"x"}"#) {
            state.apply(entry);
        }
        let same = Schema::json(r#"{ "type": "object", "title": "x" }"#.to_owned());
        assert_eq!(state.id_of(".", &same), Some(1));
        let other = Schema {
            kind: crate::SchemaType::Avro,
            ..same
        };
        assert_eq!(state.id_of(".", &other), None);
    }

    #[test]
    fn override_replaces_the_mode_of_a_subject() {
        let mut state = State::default();
        let mode = |subject: Option<&str>, mode| Entry::Mode {
            subject: subject.map(str::to_owned),
            mode: Some(mode),
        };
        state.apply(mode(None, Mode::ReadOnly));
        state.apply(mode(Some("a"), Mode::Writable));
        assert_eq!(state.mode("a"), Mode::Writable);
        assert_eq!(state.mode("b"), Mode::ReadOnly);
        state.apply(mode(None, Mode::ReadOnlyOverride));
        assert_eq!(state.mode("a"), Mode::ReadOnlyOverride);
    }
}
