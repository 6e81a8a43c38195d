//! Error responses: HTTP status, error code and message, as Confluent's registry sends them.

use std::io;

/// A request that the registry refuses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("HTTP 404 Not Found")]
    NoSuchPath,
    #[error("HTTP 405 Method Not Allowed")]
    MethodNotAllowed,
    #[error("Invalid request body: {reason}")]
    Body { reason: String },
    #[error("Subject '{subject}' not found.")]
    NoSuchSubject { subject: String },
    #[error("Version {version} not found.")]
    NoSuchVersion { version: String },
    #[error("Schema not found")]
    NoSuchSchema,
    #[error("Schema {id} not found")]
    NoSuchId { id: u32 },
    #[error("Subject '{subject}' was soft deleted.Set permanent=true to delete permanently")]
    SubjectSoftDeleted { subject: String },
    #[error("Subject '{subject}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted { subject: String },
    #[error(
        "Subject '{subject}' Version {version} was soft deleted.Set permanent=true to delete \
         permanently"
    )]
    VersionSoftDeleted { subject: String, version: u32 },
    #[error(
        "Subject '{subject}' Version {version} was not deleted first before being permanently \
         deleted"
    )]
    VersionNotSoftDeleted { subject: String, version: u32 },
    #[error("Subject '{subject}' does not have subject-level compatibility configured")]
    NoLevel { subject: String },
    #[error("Subject '{subject}' does not have subject-level mode configured")]
    NoMode { subject: String },
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \
         \"{subject}\", details: [{}]", incompatibilities.join(", ")
    )]
    Incompatible {
        subject: String,
        incompatibilities: Vec<String>,
    },
    #[error("Invalid schema: {reason}")]
    InvalidSchema { reason: String },
    #[error(
        "The specified version '{version}' is not a valid version id. Allowed values are between \
         [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion { version: String },
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, \
         backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    #[error("Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT")]
    InvalidMode,
    #[error("Subject {subject} is in read-only mode")]
    ReadOnly { subject: String },
    #[error("Subject {subject} is not in import mode")]
    NotImporting { subject: String },
    #[error("Subject {subject} is not in read-write mode")]
    Importing { subject: String },
    #[error("Cannot import since found existing subjects")]
    NotEmpty,
    #[error("Overwrite new schema with id {id} is not permitted.")]
    IdInUse { id: u32 },
    #[error("The specified subject '{subject}' is not a valid subject.")]
    InvalidSubject { subject: String },
    #[error("One or more references exist to the schema {{subject={subject},version={version}}}.")]
    Referenced { subject: String, version: u32 },
    #[error("Operation timed out: too many schemas are being checked at the same time")]
    Busy,
    #[error("Error while writing to the journal: {source}")]
    Store { source: io::Error },
}

impl Refusal {
    /// Returns the HTTP status and the error code.
    pub(super) fn codes(&self) -> (u16, u32) {
        match self {
            Self::NoSuchPath => (404, 404),
            Self::MethodNotAllowed => (405, 405),
            Self::Body { .. } => (400, 400),
            Self::NoSuchSubject { .. } => (404, 40_401),
            Self::NoSuchVersion { .. } => (404, 40_402),
            Self::NoSuchSchema | Self::NoSuchId { .. } => (404, 40_403),
            Self::SubjectSoftDeleted { .. } => (404, 40_404),
            Self::SubjectNotSoftDeleted { .. } => (404, 40_405),
            Self::VersionSoftDeleted { .. } => (404, 40_406),
            Self::VersionNotSoftDeleted { .. } => (404, 40_407),
            Self::NoLevel { .. } => (404, 40_408),
            Self::NoMode { .. } => (404, 40_409),
            Self::Incompatible { .. } => (409, 409),
            Self::InvalidSchema { .. } => (422, 42_201),
            Self::InvalidVersion { .. } => (422, 42_202),
            Self::InvalidLevel => (422, 42_203),
            Self::InvalidMode => (422, 42_204),
            Self::ReadOnly { .. }
            | Self::NotImporting { .. }
            | Self::Importing { .. }
            | Self::NotEmpty
            | Self::IdInUse { .. } => (422, 42_205),
            Self::InvalidSubject { .. } => (422, 42_208),
            Self::Referenced { .. } => (422, 42_206),
            Self::Store { .. } => (500, 50_001),
            Self::Busy => (500, 50_002),
        }
    }
}
