//! Compatibility levels and modes, of all subjects and of one.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::refusal::Refusal;
use crate::api::{Answer, Change, Query, Reply, View, parse};
use crate::compatibility::Level;
use crate::state::{Entry, Mode};

#[derive(Deserialize)]
struct LevelBody {
    compatibility: Option<Value>,
    /// Some clients send back what they got.
    #[serde(rename = "compatibilityLevel")]
    compatibility_level: Option<Value>,
}

#[derive(Deserialize)]
struct ModeBody {
    mode: Option<Value>,
}

impl View<'_> {
    pub(super) fn level(&self, subject: Option<&str>, query: Query<'_>) -> Answer {
        let level = match subject {
            Some(subject) if query.flag("defaultToGlobal") => self.state.level(subject),
            _ => self.own_level(subject)?,
        };
        Reply::of(&json!({ "compatibilityLevel": level }))
    }

    pub(super) fn reset_level(&self, subject: Option<&str>) -> Result<Change, Refusal> {
        let level = self.own_level(subject)?;
        let entry = Entry::Level {
            subject: subject.map(str::to_owned),
            level: None,
        };
        Change::of(vec![entry], &json!({ "compatibilityLevel": level }))
    }

    pub(super) fn mode(&self, subject: Option<&str>, query: Query<'_>) -> Answer {
        let mode = match subject {
            Some(subject) if query.flag("defaultToGlobal") => self.state.mode(subject),
            _ => self.own_mode(subject)?,
        };
        Reply::of(&json!({ "mode": mode }))
    }

    pub(super) fn reset_mode(&self, subject: Option<&str>) -> Result<Change, Refusal> {
        let mode = self.own_mode(subject)?;
        let entry = Entry::Mode {
            subject: subject.map(str::to_owned),
            mode: None,
        };
        Change::of(vec![entry], &json!({ "mode": mode }))
    }

    /// Returns what is set for a subject itself, or for all.
    fn own_level(&self, subject: Option<&str>) -> Result<Level, Refusal> {
        match (self.state.own_level(subject), subject) {
            (Some(level), _) => Ok(level),
            (None, None) => Ok(Level::default()),
            (None, Some(subject)) => Err(Refusal::NoLevel {
                subject: subject.to_owned(),
            }),
        }
    }

    /// Returns what is set for a subject itself, or for all.
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
    Change::of(vec![entry], &json!({ "compatibility": level }))
}

pub(super) fn set_mode(subject: Option<&str>, body: &[u8]) -> Result<Change, Refusal> {
    let body: ModeBody = parse(body)?;
    let mode: Option<Mode> = body.mode.as_ref().and_then(uppercase);
    let mode = mode.ok_or(Refusal::InvalidMode)?;
    let entry = Entry::Mode {
        subject: subject.map(str::to_owned),
        mode: Some(mode),
    };
    Change::of(vec![entry], &json!({ "mode": mode }))
}

/// Reads a name regardless of its case.
fn uppercase<T: DeserializeOwned>(name: &Value) -> Option<T> {
    let name = name.as_str()?.to_ascii_uppercase();
    serde_json::from_value(Value::String(name)).ok()
}
