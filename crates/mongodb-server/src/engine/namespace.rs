//! Names of collections.

use std::fmt;

use crate::error::{Code, CommandError};

/// Bytes of the longest database name.
const MAX_DATABASE_BYTES: usize = 63;

/// A collection's full name: `database.collection`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// The part before the first dot.
    pub database: String,
    /// The part after the first dot.
    pub collection: String,
}

impl Namespace {
    /// Bytes of the longest name, database included.
    pub const MAX_BYTES: usize = 255;

    /// Returns a name if it is valid.
    pub fn new(database: &str, collection: &str) -> Result<Self, CommandError> {
        let namespace = Self {
            database: database.to_owned(),
            collection: collection.to_owned(),
        };
        check_database(database)?;
        let long = database.len() + collection.len() + 1 > Self::MAX_BYTES;
        let malformed = collection.is_empty()
            || collection.starts_with('.')
            || collection.contains('\0')
            || collection.contains('$');
        if long || malformed {
            return Err(CommandError::new(
                Code::INVALID_NAMESPACE,
                format!("Invalid namespace specified '{namespace}'"),
            ));
        }
        Ok(namespace)
    }

    /// Returns whether the name is reserved for the server.
    pub fn is_system(&self) -> bool {
        self.collection.starts_with("system.")
    }

    /// Returns the name of the oplog.
    pub fn oplog() -> Self {
        Self {
            database: "local".to_owned(),
            collection: "oplog.rs".to_owned(),
        }
    }

    /// Splits a full name if it is valid.
    pub fn parse(full: &str) -> Result<Self, CommandError> {
        let (database, collection) = full.split_once('.').unwrap_or((full, ""));
        Self::new(database, collection)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.database, self.collection)
    }
}

/// Checks the name of a database.
pub fn check_database(database: &str) -> Result<(), CommandError> {
    let allowed = |letter: char| !matches!(letter, '/' | '\\' | '.' | ' ' | '"' | '$' | '\0');
    if database.is_empty() || database.len() > MAX_DATABASE_BYTES || !database.chars().all(allowed)
    {
        return Err(CommandError::new(
            Code::INVALID_NAMESPACE,
            format!("Invalid database name: '{database}'"),
        ));
    }
    Ok(())
}
