//! The argument of `$changeStream`.

use crate::bson::{Doc, Element, Value};
use crate::change_stream::token::{Token, TokenKind};
use crate::engine::{Namespace, Oplog};
use crate::error::{Code, CommandError};

/// Label of errors after which a driver does not resume a stream.
pub const NOT_RESUMABLE: &str = "NonResumableChangeStreamError";

/// The collections that a stream watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    Collection(Namespace),
    Database(String),
    Cluster,
}

/// Which document an event of a change has as `fullDocument` or `fullDocumentBeforeChange`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    None,
    /// The document as it is when the event is read.
    Lookup,
    /// The document as it was kept with the change, or null.
    WhenAvailable,
    /// The document as it was kept with the change.
    Required,
}

/// The options of a stream.
#[derive(Debug, Clone)]
pub struct Options {
    pub watched: Watched,
    pub full_document: Wanted,
    pub before: Wanted,
    /// Whether the stream has events of collections and indexes that are created or changed.
    pub expanded: bool,
    start: Option<Start>,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// `resumeAfter`
    Resume(Token),
    /// `startAfter`
    After(Token),
    /// `startAtOperationTime`
    Time(u64),
}

impl Options {
    /// Reads the options of a stream.
    pub fn parse(spec: Doc<'_>, watched: Watched) -> Result<Self, CommandError> {
        let mut options = Self {
            watched,
            full_document: Wanted::None,
            before: Wanted::None,
            expanded: false,
            start: None,
        };
        let mut all_changes = false;
        for option in spec.elements() {
            let value = option.value();
            match option.name() {
                "allChangesForCluster" => all_changes = flag(option)?,
                "showExpandedEvents" => options.expanded = flag(option)?,
                "fullDocument" => {
                    options.full_document = match value.as_str() {
                        Some("default") => Wanted::None,
                        Some("updateLookup") => Wanted::Lookup,
                        _ => wanted(option)?,
                    }
                }
                "fullDocumentBeforeChange" => {
                    options.before = match value.as_str() {
                        Some("off") => Wanted::None,
                        _ => wanted(option)?,
                    }
                }
                "resumeAfter" => options.begin(Start::Resume(token(option)?))?,
                "startAfter" => options.begin(Start::After(token(option)?))?,
                "startAtOperationTime" => match value {
                    Value::Timestamp(time) => options.begin(Start::Time(time))?,
                    _ => return Err(wrong_type(option, "timestamp")),
                },
                "showMigrationEvents" | "showSystemEvents" | "showRawUpdateDescription"
                    if !value.is_truthy() => {}
                name
                @ ("showMigrationEvents" | "showSystemEvents" | "showRawUpdateDescription") => {
                    let what = format!("the option {name} of $changeStream");
                    return Err(CommandError::unsupported(what));
                }
                name => {
                    let message = format!("BSON field '$changeStream.{name}' is an unknown field.");
                    return Err(CommandError::location(40_415, message));
                }
            }
        }
        options.check_watched(all_changes)?;
        Ok(options)
    }

    fn begin(&mut self, start: Start) -> Result<(), CommandError> {
        if self.start.is_some() {
            return Err(CommandError::location(
                40_674,
                "Only one type of resume option is allowed, but multiple were found.",
            ));
        }
        self.start = Some(start);
        Ok(())
    }

    /// Checks that the stream may watch what the command names.
    fn check_watched(&mut self, all_changes: bool) -> Result<(), CommandError> {
        let database = match &self.watched {
            Watched::Collection(namespace) => &namespace.database,
            Watched::Database(database) => database,
            Watched::Cluster => "admin",
        };
        if all_changes {
            if self.watched != Watched::Database("admin".to_owned()) {
                return Err(CommandError::new(
                    Code::INVALID_OPTIONS,
                    "A $changeStream with 'allChangesForCluster:true' may only be opened on the \
                     'admin' database, and with no collection name",
                ));
            }
            self.watched = Watched::Cluster;
            return Ok(());
        }
        let internal = |what: &str, name: &str| {
            let message = format!("$changeStream may not be opened on the internal {name} {what}");
            Err(CommandError::new(Code::INVALID_NAMESPACE, message))
        };
        if is_internal(database) {
            return internal("database", database);
        }
        match &self.watched {
            Watched::Collection(namespace) if namespace.collection.starts_with("system.") => {
                internal("collection", &namespace.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Returns the timestamp after which the stream begins.
    pub fn start(&self, oplog: &Oplog) -> Result<u64, CommandError> {
        let stamp = match self.start {
            None => return Ok(oplog.last()),
            Some(Start::Time(time)) => time.saturating_sub(1),
            Some(Start::Resume(token)) if token.kind == TokenKind::Invalidate => {
                return Err(CommandError::new(
                    Code::INVALID_RESUME_TOKEN,
                    "Attempting to resume a change stream using 'resumeAfter' is not allowed from \
                     an invalidate notification.",
                ));
            }
            Some(Start::Resume(token) | Start::After(token)) => {
                let known = token.kind == TokenKind::Mark || oplog.has(token.stamp);
                if !known && oplog.covers(token.stamp) {
                    let message = "cannot resume stream; the resume token was not found.";
                    let error = CommandError::new(Code::CHANGE_STREAM_FATAL, message);
                    return Err(error.labelled(NOT_RESUMABLE));
                }
                token.stamp
            }
        };
        if oplog.covers(stamp) {
            Ok(stamp)
        } else {
            Err(history_lost())
        }
    }
}

impl Options {
    /// Returns the event after which the stream begins, if its entry may have another event.
    pub fn resumed_event(&self) -> Option<Token> {
        match self.start {
            Some(Start::Resume(token) | Start::After(token)) => {
                (token.kind == TokenKind::Event).then_some(token)
            }
            _ => None,
        }
    }
}

/// Returns the error of a point that is no longer in the oplog.
pub fn history_lost() -> CommandError {
    CommandError::new(
        Code::CHANGE_STREAM_HISTORY_LOST,
        "Resume of change stream was not possible, as the resume point may no longer be in the \
         oplog.",
    )
    .labelled(NOT_RESUMABLE)
}

/// Returns whether a database is the server's own.
pub fn is_internal(database: &str) -> bool {
    matches!(database, "admin" | "config" | "local")
}

fn flag(option: Element<'_>) -> Result<bool, CommandError> {
    match option.value() {
        Value::Bool(flag) => Ok(flag),
        value if value.is_number() => Ok(value.is_truthy()),
        _ => Err(wrong_type(option, "bool")),
    }
}

fn token(option: Element<'_>) -> Result<Token, CommandError> {
    match option.value() {
        Value::Document(token) => Token::parse(Doc::new(&token)),
        _ => Err(wrong_type(option, "object")),
    }
}

fn wanted(option: Element<'_>) -> Result<Wanted, CommandError> {
    match option.value() {
        Value::String(text) => match &*text {
            "whenAvailable" => Ok(Wanted::WhenAvailable),
            "required" => Ok(Wanted::Required),
            _ => Err(CommandError::bad_value(format!(
                "Enumeration value '{text}' for field '$changeStream.{}' is not a valid value.",
                option.name()
            ))),
        },
        _ => Err(wrong_type(option, "string")),
    }
}

fn wrong_type(option: Element<'_>, expected: &str) -> CommandError {
    CommandError::type_mismatch(format!(
        "BSON field '$changeStream.{}' is the wrong type '{}', expected type '{expected}'",
        option.name(),
        option.kind().alias()
    ))
}
