//! Routes, and the locks around the state and the journal.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hyper::Method;
use serde_json::{Value, json};

use crate::api::config;
use crate::api::path::Target;
use crate::api::refusal::Refusal;
use crate::api::reply::{Change, Reply};
use crate::api::request::{Query, Request};
use crate::api::view::View;
use crate::checker::Checker;
use crate::error::Error;
use crate::journal::Journal;
use crate::state::{Entry, State};

/// How often a change is decided without a lock.
const ATTEMPTS_WITHOUT_LOCK: usize = 3;

/// Handles requests: changes one at a time, reads concurrently.
#[derive(Debug)]
pub(crate) struct Service {
    /// Replaced by each change, so that a request that checks a schema for seconds blocks no other.
    state: RwLock<Arc<State>>,
    journal: Mutex<Journal>,
    checker: Checker,
}

impl Service {
    /// Replays the entries of the journal.
    pub(crate) fn new(journal: Journal, entries: Vec<Entry>) -> Self {
        let mut state = State::default();
        for entry in entries {
            state.apply(entry);
        }
        Self {
            state: RwLock::new(Arc::new(state)),
            journal: Mutex::new(journal),
            checker: Checker::new(),
        }
    }

    /// Handles a request. Blocks on the disk and on checks of schemas.
    pub(crate) fn reply(&self, request: &Request) -> Reply {
        let target = Target::new(&request.path, &request.query);
        let replied = target.and_then(|target| self.reply_at(&target, request));
        replied.unwrap_or_else(Reply::from)
    }

    fn reply_at(&self, target: &Target, request: &Request) -> Result<Reply, Refusal> {
        let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
        let query = Query(&target.query);
        match (&request.method, segments.as_slice()) {
            (&Method::GET, path) => self.view(|view| view.get(path, query)),
            (&Method::POST, path @ (["subjects", _] | ["compatibility", ..])) => {
                self.view(|view| view.post(path, query, &request.body))
            }
            (method, path) => self.change(|view| view.change(method, path, query, &request.body)),
        }
    }

    /// Closes the journal; changes fail from now on.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.close()
    }

    // Entries are applied only after they are in the journal, all at once. A panic therefore leaves
    // a consistent state, and a poisoned lock can still be used.

    fn snapshot(&self) -> Arc<State> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    fn view<T>(&self, read: impl FnOnce(View<'_>) -> T) -> T {
        self.view_of(&self.snapshot(), read)
    }

    fn view_of<T>(&self, state: &State, read: impl FnOnce(View<'_>) -> T) -> T {
        read(View {
            state,
            checker: &self.checker,
        })
    }

    /// Decides without a lock, because that can take seconds, and again if another change came in
    /// between; the last attempt holds the lock.
    fn change(
        &self,
        decide: impl Fn(View<'_>) -> Result<Change, Refusal>,
    ) -> Result<Reply, Refusal> {
        for _ in 0..ATTEMPTS_WITHOUT_LOCK {
            let seen = self.snapshot();
            let change = self.view_of(&seen, &decide)?;
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&seen, &self.snapshot()) {
                drop(seen);
                return self.apply(&mut journal, change);
            }
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let change = self.view(decide)?;
        self.apply(&mut journal, change)
    }

    /// Applies a change; the journal's lock is held since the change was found to be still right.
    fn apply(&self, journal: &mut Journal, change: Change) -> Result<Reply, Refusal> {
        let Change { entries, reply } = change;
        if entries.is_empty() {
            return Ok(reply);
        }
        let written = journal.append(&entries);
        written.map_err(|source| Refusal::Store { source })?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Copied only while a request still reads the state before.
        let state = Arc::make_mut(&mut state);
        for entry in entries {
            state.apply(entry);
        }
        Ok(reply)
    }
}

impl View<'_> {
    fn get(&self, path: &[&str], query: Query<'_>) -> Result<Reply, Refusal> {
        match *path {
            [""] => Reply::ok(&json!({})),
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
            ["schemas", "types"] => Reply::ok(&schema_types()),
            ["schemas", "ids", id] => self.schema_by_id(id, query),
            ["schemas", "ids", id, "schema"] => self.text_by_id(id, query),
            ["schemas", "ids", id, "subjects"] => self.subjects_by_id(id, query),
            ["schemas", "ids", id, "versions"] => self.versions_by_id(id, query),
            ["contexts"] => Reply::ok(&query.page(self.state.contexts().into_iter())),
            ["config"] => self.level(None, query),
            ["config", subject] => self.level(Some(subject), query),
            ["mode"] => self.mode(None, query),
            ["mode", subject] => self.mode(Some(subject), query),
            ["v1", "metadata", "id"] => Reply::ok(&json!({
                "scope": { "path": [], "clusters": { "schema-registry-cluster": "convoy" } },
            })),
            ["v1", "metadata", "version"] => {
                Reply::ok(&json!({ "version": env!("CARGO_PKG_VERSION"), "commitId": "" }))
            }
            ["subjects", _] | ["compatibility", ..] => Err(Refusal::MethodNotAllowed),
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn post(&self, path: &[&str], query: Query<'_>, body: &[u8]) -> Result<Reply, Refusal> {
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

    fn change(
        &self,
        method: &Method,
        path: &[&str],
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Change, Refusal> {
        match (method, path) {
            (&Method::POST, ["subjects", subject, "versions"]) => {
                self.register(subject, query, body)
            }
            (&Method::PUT, ["config"]) => config::set_level(None, body),
            (&Method::PUT, ["config", subject]) => config::set_level(Some(subject), body),
            (&Method::PUT, ["mode"]) => self.set_mode(None, query, body),
            (&Method::PUT, ["mode", subject]) => self.set_mode(Some(subject), query, body),
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

/// Returns the types of schemas that this build supports.
fn schema_types() -> Value {
    let json = cfg!(feature = "json-schema").then_some("JSON");
    let protobuf = cfg!(feature = "protobuf").then_some("PROTOBUF");
    let types: Vec<&str> = json.into_iter().chain(protobuf).chain(["AVRO"]).collect();
    json!(types)
}
