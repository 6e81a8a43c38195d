//! State of the registry: schemas, subjects and their versions, levels and modes. Pure.
//!
//! Every change is an [`Entry`]. The journal holds all of them, and replaying it restores the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::compatibility::Level;
use crate::schema::{Reference, Schema};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// A new schema with its id.
    Schema {
        id: u32,
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
    schemas: BTreeMap<u32, Arc<Schema>>,
    /// Ids by the identity of their schemas.
    ids: BTreeMap<String, u32>,
    last_id: u32,
    subjects: BTreeMap<String, BTreeMap<u32, Version>>,
    levels: BTreeMap<Option<String>, Level>,
    modes: BTreeMap<Option<String>, Mode>,
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

impl State {
    /// Applies a change.
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Schema { id, schema } => {
                self.last_id = self.last_id.max(id);
                self.ids.insert(identity(&schema), id);
                self.schemas.insert(id, Arc::new(schema));
            }
            Entry::Version {
                subject,
                version,
                id,
            } => {
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

    fn remove_unused_schemas(&mut self) {
        let versions = self.subjects.values().flat_map(BTreeMap::values);
        let used: BTreeSet<u32> = versions.map(|version| version.id).collect();
        self.schemas.retain(|id, _| used.contains(id));
        self.ids.retain(|_, id| used.contains(id));
    }

    /// Returns the id of the next new schema. Ids are never reused.
    pub(super) fn next_id(&self) -> u32 {
        self.last_id + 1
    }

    /// Returns a schema by its id.
    pub(super) fn schema(&self, id: u32) -> Option<&Schema> {
        self.schemas.get(&id).map(Arc::as_ref)
    }

    /// Returns the id of the schema with the same canonical text and references.
    pub(super) fn id_of(&self, schema: &Schema) -> Option<u32> {
        self.ids.get(&identity(schema)).copied()
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

    /// Returns the subjects and versions of a schema.
    pub(super) fn uses(&self, id: u32, visible: Visible) -> impl Iterator<Item = (&str, u32)> {
        self.subjects.keys().flat_map(move |subject| {
            self.versions(subject, visible)
                .filter(move |(_, version)| version.id == id)
                .map(move |(number, _)| (subject.as_str(), number))
        })
    }

    /// Returns the ids of the visible schemas that refer to a version.
    pub(super) fn referrers(&self, subject: &str, number: u32, visible: Visible) -> Vec<u32> {
        let refers =
            |reference: &Reference| reference.subject == subject && reference.version == number;
        self.schemas
            .iter()
            .filter(|(_, schema)| schema.references.iter().any(refers))
            .filter(|&(&id, _)| self.uses(id, visible).next().is_some())
            .map(|(&id, _)| id)
            .collect()
    }

    /// Returns the contexts: the default one, and those in the names of subjects.
    pub(super) fn contexts(&self) -> BTreeSet<&str> {
        let named = self.subjects.keys();
        let named = named.filter_map(|subject| subject.strip_prefix(':')?.split_once(':'));
        named.map(|(context, _)| context).chain(["."]).collect()
    }

    /// Returns the level that is set for a subject, or globally if `subject` is `None`.
    pub(super) fn own_level(&self, subject: Option<&str>) -> Option<Level> {
        self.levels.get(&subject.map(str::to_owned)).copied()
    }

    /// Returns the level that applies to a subject.
    pub(super) fn level(&self, subject: &str) -> Level {
        let own = self.own_level(Some(subject));
        own.or_else(|| self.own_level(None)).unwrap_or_default()
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
                self.own_mode(Some(subject)).unwrap_or(global)
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
            Entry::Schema { id, schema },
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
        assert_eq!(state.schema(1), None);
        assert_eq!(state.id_of(&Schema::json("{}".to_owned())), None);
        assert_eq!(state.next_id(), 2);
        assert_eq!(state.subjects(Visible::All).count(), 0);
    }

    #[test]
    fn blanks_are_ignored() {
        let mut state = State::default();
        for entry in registered("a", 1, 1, r#"{"type":"object","title":"x"}"#) {
            state.apply(entry);
        }
        let same = Schema::json(r#"{ "type": "object", "title": "x" }"#.to_owned());
        assert_eq!(state.id_of(&same), Some(1));
        let other = Schema {
            kind: crate::SchemaType::Avro,
            ..same
        };
        assert_eq!(state.id_of(&other), None);
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
