//! Compatibility levels and modes, global and of one subject.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::refusal::Refusal;
use crate::api::reply::{Change, Reply};
use crate::api::request::{Query, parse};
use crate::api::view::View;
use crate::compatibility::Level;
use crate::context;
use crate::state::{Entry, Mode, Visible};

#[derive(Deserialize)]
struct LevelBody {
    compatibility: Option<Value>,
    /// Some clients send the field of the response back.
    #[serde(rename = "compatibilityLevel")]
    compatibility_level: Option<Value>,
}

#[derive(Deserialize)]
struct ModeBody {
    mode: Option<Value>,
}

impl View<'_> {
    pub(super) fn level(&self, subject: Option<&str>, query: Query<'_>) -> Result<Reply, Refusal> {
        let level = match subject {
            Some(subject) if query.flag("defaultToGlobal") => self.state.level(subject),
            _ => self.own_level(subject)?,
        };
        Reply::ok(&json!({ "compatibilityLevel": level }))
    }

    pub(super) fn reset_level(&self, subject: Option<&str>) -> Result<Change, Refusal> {
        let level = self.own_level(subject).map_err(no_subject)?;
        let entry = Entry::Level {
            subject: subject.map(str::to_owned),
            level: None,
        };
        Change::new(vec![entry], &json!({ "compatibilityLevel": level }))
    }

    pub(super) fn mode(&self, subject: Option<&str>, query: Query<'_>) -> Result<Reply, Refusal> {
        let mode = match subject {
            Some(subject) if query.flag("defaultToGlobal") => self.state.mode(subject),
            _ => self.own_mode(subject)?,
        };
        Reply::ok(&json!({ "mode": mode }))
    }

    pub(super) fn set_mode(
        &self,
        subject: Option<&str>,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Change, Refusal> {
        let body: ModeBody = parse(body)?;
        let mode: Option<Mode> = body.mode.as_ref().and_then(uppercase);
        let mode = mode.ok_or(Refusal::InvalidMode)?;
        let entries = self.mode_entries(subject, mode, query)?;
        Change::new(entries, &json!({ "mode": mode }))
    }

    pub(super) fn reset_mode(&self, subject: Option<&str>) -> Result<Change, Refusal> {
        let mode = self.own_mode(subject).map_err(no_subject)?;
        let entry = Entry::Mode {
            subject: subject.map(str::to_owned),
            mode: None,
        };
        Change::new(vec![entry], &json!({ "mode": mode }))
    }

    /// Returns the level of a subject without the global one, or the global one.
    fn own_level(&self, subject: Option<&str>) -> Result<Level, Refusal> {
        match (self.state.own_level(subject), subject) {
            (Some(level), _) => Ok(level),
            (None, None) => Ok(Level::default()),
            (None, Some(subject)) => Err(Refusal::NoLevel {
                subject: subject.to_owned(),
            }),
        }
    }

    /// Returns the entries that turn a mode on. Schemas are imported only where there are none, so
    /// that their ids and versions are free; softly deleted versions are removed for good.
    fn mode_entries(
        &self,
        subject: Option<&str>,
        mode: Mode,
        query: Query<'_>,
    ) -> Result<Vec<Entry>, Refusal> {
        let set = Entry::Mode {
            subject: subject.map(str::to_owned),
            mode: Some(mode),
        };
        let already = match subject {
            Some(subject) => self.state.mode(subject),
            None => self.state.own_mode(None).unwrap_or_default(),
        };
        if mode != Mode::Import || already == Mode::Import || query.flag("force") {
            return Ok(vec![set]);
        }
        let mut entries = Vec::new();
        let named = |name: &&str| {
            subject.is_none_or(|subject| match context::split(subject) {
                (context, "") => context::of(name) == context,
                _ => subject == *name,
            })
        };
        for name in self.state.subjects(Visible::All).filter(named) {
            if self.state.versions(name, Visible::Live).next().is_some() {
                return Err(Refusal::NotEmpty);
            }
            let versions: Vec<u32> = self.numbers(name, Visible::All);
            entries.push(self.deleted(name, &versions, true)?);
        }
        entries.push(set);
        Ok(entries)
    }

    /// Returns the mode of a subject without the global one, or the global one.
    fn own_mode(&self, subject: Option<&str>) -> Result<Mode, Refusal> {
        match (self.state.own_mode(subject), subject) {
            (Some(mode), _) => Ok(mode),
            (None, None) => Ok(Mode::default()),
            (None, Some(subject)) => Err(Refusal::NoMode {
                subject: subject.to_owned(),
            }),
        }
    }
}

pub(super) fn set_level(subject: Option<&str>, body: &[u8]) -> Result<Change, Refusal> {
    let body: LevelBody = parse(body)?;
    let level = body.compatibility.or(body.compatibility_level);
    let level: Option<Level> = level.as_ref().and_then(uppercase);
    let level = level.ok_or(Refusal::InvalidLevel)?;
    let entry = Entry::Level {
        subject: subject.map(str::to_owned),
        level: Some(level),
    };
    Change::new(vec![entry], &json!({ "compatibility": level }))
}

/// What is reset must be there: as in Confluent's registry, the refusal names the subject.
fn no_subject(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NoLevel { subject } | Refusal::NoMode { subject } => {
            Refusal::NoSuchSubject { subject }
        }
        other => other,
    }
}

/// Parses a name in upper or lower case.
fn uppercase<T: DeserializeOwned>(name: &Value) -> Option<T> {
    let name = name.as_str()?.to_ascii_uppercase();
    serde_json::from_value(Value::String(name)).ok()
}
