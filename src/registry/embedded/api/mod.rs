//! The REST API: a request to its reply. Pure but for the journal.

mod compatibility;
mod refusal;
mod schemas;
mod settings;
mod subjects;

use std::sync::{Mutex, PoisonError};

use hyper::Method;
use serde::Serialize;
use serde_json::json;

use crate::registry::embedded::api::refusal::Refusal;
use crate::registry::embedded::journal::Journal;
use crate::registry::embedded::state::{Entry, State, Visible};
use crate::registry::percent;

/// What a client asks.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// As in the request line, escapes included.
    pub(super) path: String,
    /// What follows the question mark.
    pub(super) query: String,
    pub(super) body: Vec<u8>,
}

/// What it gets.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// JSON.
    pub(super) body: Vec<u8>,
}

/// Answers requests, one at a time.
#[derive(Debug)]
pub(super) struct Service {
    core: Mutex<Core>,
}

/// What is known, and where changes go first.
#[derive(Debug)]
struct Core {
    state: State,
    journal: Journal,
}

type Answer = Result<Reply, Refusal>;

impl Service {
    /// Starts with what the journal holds.
    pub(super) fn new(journal: Journal, entries: Vec<Entry>) -> Self {
        let mut state = State::default();
        for entry in entries {
            state.apply(entry);
        }
        let core = Mutex::new(Core { state, journal });
        Self { core }
    }

    /// Answers a request. May take as long as a disk does.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        // Every change is applied after it is journaled and in one go, so that what a panic leaves
        // behind is consistent.
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        core.answer(request).unwrap_or_else(Refusal::reply)
    }
}

impl Core {
    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path.trim_matches('/').split('/');
        let segments: Vec<String> = path.map(percent::decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query = Query(&request.query);
        let body = request.body.as_slice();
        match request.method {
            Method::GET => self.get(&segments, query),
            Method::POST => self.post(&segments, query, body),
            Method::PUT => self.put(&segments, body),
            Method::DELETE => self.remove(&segments, query),
            _ => Err(Refusal::MethodNotAllowed),
        }
    }

    fn get(&self, path: &[&str], query: Query<'_>) -> Answer {
        match *path {
            [""] => Reply::of(&json!({})),
            ["subjects"] => self.list_subjects(query),
            ["subjects", subject, "versions"] => self.list_versions(subject, query),
            ["subjects", subject, "versions", version] => self.version(subject, version, query),
            ["subjects", subject, "versions", version, "schema"] => {
                self.version_text(subject, version, query)
            }
            ["subjects", subject, "versions", version, "referencedby"] => {
                self.referenced_by(subject, version)
            }
            ["schemas"] => self.list_schemas(query),
            ["schemas", "types"] => Reply::of(&json!(["JSON", "AVRO"])),
            ["schemas", "ids", id] => self.schema_by_id(id),
            ["schemas", "ids", id, "schema"] => self.text_by_id(id),
            ["schemas", "ids", id, "subjects"] => self.subjects_by_id(id, query),
            ["schemas", "ids", id, "versions"] => self.versions_by_id(id, query),
            ["contexts"] => Reply::of(&json!(["."])),
            ["config"] => self.level(None, query),
            ["config", subject] => self.level(Some(subject), query),
            ["mode"] => self.mode(None, query),
            ["mode", subject] => self.mode(Some(subject), query),
            ["v1", "metadata", "id"] => Reply::of(&json!({
                "scope": { "path": [], "clusters": { "schema-registry-cluster": "convoy" } },
            })),
            ["v1", "metadata", "version"] => {
                Reply::of(&json!({ "version": env!("CARGO_PKG_VERSION"), "commitId": "" }))
            }
            ["subjects", _] | ["compatibility", ..] => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn post(&mut self, path: &[&str], query: Query<'_>, body: &[u8]) -> Answer {
        match *path {
            ["subjects", subject] => self.lookup(subject, query, body),
            ["subjects", subject, "versions"] => self.register(subject, body),
            ["compatibility", "subjects", subject, "versions"] => {
                self.compatible_with_all(subject, query, body)
            }
            ["compatibility", "subjects", subject, "versions", version] => {
                self.compatible_with_one(subject, version, query, body)
            }
            ["subjects" | "schemas" | "config" | "mode" | "contexts", ..] => {
                Err(Refusal::MethodNotAllowed)
            }
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn put(&mut self, path: &[&str], body: &[u8]) -> Answer {
        match *path {
            ["config"] => self.set_level(None, body),
            ["config", subject] => self.set_level(Some(subject), body),
            ["mode"] => self.set_mode(None, body),
            ["mode", subject] => self.set_mode(Some(subject), body),
            ["subjects" | "schemas" | "compatibility" | "contexts", ..] => {
                Err(Refusal::MethodNotAllowed)
            }
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn remove(&mut self, path: &[&str], query: Query<'_>) -> Answer {
        match *path {
            ["subjects", subject] => self.delete_subject(subject, query),
            ["subjects", subject, "versions", version] => {
                self.delete_version(subject, version, query)
            }
            ["config"] => self.reset_level(None),
            ["config", subject] => self.reset_level(Some(subject)),
            ["mode"] => self.reset_mode(None),
            ["mode", subject] => self.reset_mode(Some(subject)),
            ["subjects" | "schemas" | "compatibility" | "contexts", ..] => {
                Err(Refusal::MethodNotAllowed)
            }
            _ => Err(Refusal::NoSuchPath),
        }
    }

    /// Makes changes durable and then visible.
    fn commit(&mut self, entries: Vec<Entry>) -> Result<(), Refusal> {
        let written = self.journal.append(&entries);
        written.map_err(|source| Refusal::Store { source })?;
        for entry in entries {
            self.state.apply(entry);
        }
        Ok(())
    }
}

impl Reply {
    fn of(body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).map_err(|wrong| Refusal::Store {
            source: wrong.into(),
        })?;
        Ok(Self { status: 200, body })
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name);
        values.next().map(|(_, value)| percent::decode(value))
    }

    /// Clients write booleans in their own languages' way, such as `True`.
    fn flag(self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns which versions are asked for by `deleted` and `deletedOnly`.
    fn visible(self) -> Visible {
        if self.flag("deletedOnly") {
            Visible::Deleted
        } else if self.flag("deleted") {
            Visible::All
        } else {
            Visible::Live
        }
    }
}
