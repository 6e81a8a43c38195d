//! The REST API: a request to its reply. Pure but for the journal.

mod compatibility;
mod refusal;
mod schemas;
mod settings;
mod subjects;

use std::sync::{Mutex, PoisonError, RwLock};

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::refusal::Refusal;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::state::{Entry, State, Visible};

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

/// Answers requests: those that change something one at a time, the others beside them.
#[derive(Debug)]
pub(super) struct Service {
    state: RwLock<State>,
    /// Whoever changes the state holds it from the first look at the state to the change.
    journal: Mutex<Journal>,
    judge: Judge,
}

/// What is known while a request is answered.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    state: &'a State,
    judge: &'a Judge,
}

/// A reply, to be given once its changes are made.
struct Change {
    entries: Vec<Entry>,
    reply: Reply,
}

type Answer = Result<Reply, Refusal>;

impl Service {
    /// Starts with what the journal holds.
    pub(super) fn new(journal: Journal, entries: Vec<Entry>) -> Self {
        let mut state = State::default();
        for entry in entries {
            state.apply(entry);
        }
        Self {
            state: RwLock::new(state),
            journal: Mutex::new(journal),
            judge: Judge::new(),
        }
    }

    /// Answers a request. May take as long as a disk or a judgement does.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let path = request.path.trim_matches('/').split('/');
        let segments: Vec<String> = path.map(percent_decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let answered = match (&request.method, segments.as_slice()) {
            (&Method::GET, path) => self.view(|view| view.get(path, Query(&request.query))),
            (&Method::POST, path @ (["subjects", _] | ["compatibility", ..])) => {
                self.view(|view| view.ask(path, request))
            }
            (_, path) => self.change(|view| view.change(path, request)),
        };
        answered.unwrap_or_else(Refusal::reply)
    }

    // Changes are applied in one go after they are journaled, so that what a panic leaves behind is
    // consistent and its lock can be used on.

    fn view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        look(View {
            state: &state,
            judge: &self.judge,
        })
    }

    fn change(&self, decide: impl FnOnce(View<'_>) -> Result<Change, Refusal>) -> Answer {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Change { entries, reply } = self.view(decide)?;
        let written = journal.append(&entries);
        written.map_err(|source| Refusal::Store { source })?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            state.apply(entry);
        }
        Ok(reply)
    }
}

impl View<'_> {
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
                self.referenced_by(subject, version, query)
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

    fn ask(&self, path: &[&str], request: &Request) -> Answer {
        let (query, body) = (Query(&request.query), request.body.as_slice());
        match *path {
            ["subjects", subject] => self.lookup(subject, query, body),
            ["compatibility", "subjects", subject, "versions"] => {
                self.compatible_with_all(subject, query, body)
            }
            ["compatibility", "subjects", subject, "versions", version] => {
                self.compatible_with_one(subject, version, query, body)
            }
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn change(&self, path: &[&str], request: &Request) -> Result<Change, Refusal> {
        let (query, body) = (Query(&request.query), request.body.as_slice());
        match (&request.method, path) {
            (&Method::POST, ["subjects", subject, "versions"]) => self.register(subject, body),
            (&Method::PUT, ["config"]) => settings::set_level(None, body),
            (&Method::PUT, ["config", subject]) => settings::set_level(Some(subject), body),
            (&Method::PUT, ["mode"]) => settings::set_mode(None, body),
            (&Method::PUT, ["mode", subject]) => settings::set_mode(Some(subject), body),
            (&Method::DELETE, ["config"]) => self.reset_level(None),
            (&Method::DELETE, ["config", subject]) => self.reset_level(Some(subject)),
            (&Method::DELETE, ["mode"]) => self.reset_mode(None),
            (&Method::DELETE, ["mode", subject]) => self.reset_mode(Some(subject)),
            (&Method::DELETE, ["subjects", subject]) => self.delete_subject(subject, query),
            (&Method::DELETE, ["subjects", subject, "versions", version]) => {
                self.delete_version(subject, version, query)
            }
            (
                _,
                [
                    "subjects" | "schemas" | "compatibility" | "config" | "mode" | "contexts",
                    ..,
                ],
            ) => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NoSuchPath),
        }
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

impl Change {
    fn of(entries: Vec<Entry>, body: &impl Serialize) -> Result<Self, Refusal> {
        let reply = Reply::of(body)?;
        Ok(Self { entries, reply })
    }
}

/// Reads the body of a request.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|wrong| Refusal::Body {
        reason: wrong.to_string(),
    })
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name);
        values.next().map(|(_, value)| percent_decoded(value))
    }

    /// Returns the part of a list that is asked for by `offset` and `limit`.
    fn page<T>(self, all: impl Iterator<Item = T>) -> Vec<T> {
        let number = |name| self.get(name)?.parse::<usize>().ok();
        // A negative limit, which is no number here, stands for none.
        all.skip(number("offset").unwrap_or(0))
            .take(number("limit").unwrap_or(usize::MAX))
            .collect()
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

/// Decodes `%XX`; an invalid escape stays as it is.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
