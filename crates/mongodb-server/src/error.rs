//! Errors of commands: MongoDB's code, its name and a message.

use crate::bson::{Builder, Doc};

/// Appended to errors about names that MongoDB has, so that users do not look for a misspelling.
pub const UNSUPPORTED_HERE: &str = " (convoy's document store does not support it)";

/// An error code of MongoDB, with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    number: i32,
    name: Option<&'static str>,
}

impl Code {
    pub const INTERNAL_ERROR: Self = Self::new(1, "InternalError");
    pub const BAD_VALUE: Self = Self::new(2, "BadValue");
    pub const FAILED_TO_PARSE: Self = Self::new(9, "FailedToParse");
    pub const UNAUTHORIZED: Self = Self::new(13, "Unauthorized");
    pub const TYPE_MISMATCH: Self = Self::new(14, "TypeMismatch");
    pub const OVERFLOW: Self = Self::new(15, "Overflow");
    pub const INVALID_LENGTH: Self = Self::new(16, "InvalidLength");
    pub const PROTOCOL_ERROR: Self = Self::new(17, "ProtocolError");
    pub const AUTHENTICATION_FAILED: Self = Self::new(18, "AuthenticationFailed");
    pub const NO_SUCH_KEY: Self = Self::new(4, "NoSuchKey");
    pub const ILLEGAL_OPERATION: Self = Self::new(20, "IllegalOperation");
    pub const INVALID_BSON: Self = Self::new(22, "InvalidBSON");
    pub const NAMESPACE_NOT_FOUND: Self = Self::new(26, "NamespaceNotFound");
    pub const INDEX_NOT_FOUND: Self = Self::new(27, "IndexNotFound");
    pub const PATH_NOT_VIABLE: Self = Self::new(28, "PathNotViable");
    pub const ALREADY_INITIALIZED: Self = Self::new(23, "AlreadyInitialized");
    pub const LOCK_TIMEOUT: Self = Self::new(24, "LockTimeout");
    pub const CONFLICTING_UPDATE_OPERATORS: Self = Self::new(40, "ConflictingUpdateOperators");
    pub const CURSOR_NOT_FOUND: Self = Self::new(43, "CursorNotFound");
    pub const NAMESPACE_EXISTS: Self = Self::new(48, "NamespaceExists");
    pub const MAX_TIME_EXPIRED: Self = Self::new(50, "MaxTimeMSExpired");
    pub const DOLLAR_PREFIXED_FIELD: Self = Self::new(52, "DollarPrefixedFieldName");
    pub const INVALID_ID_FIELD: Self = Self::new(53, "InvalidIdField");
    pub const EMPTY_FIELD_NAME: Self = Self::new(56, "EmptyFieldName");
    pub const COMMAND_NOT_FOUND: Self = Self::new(59, "CommandNotFound");
    pub const IMMUTABLE_FIELD: Self = Self::new(66, "ImmutableField");
    pub const CANNOT_CREATE_INDEX: Self = Self::new(67, "CannotCreateIndex");
    pub const INVALID_OPTIONS: Self = Self::new(72, "InvalidOptions");
    pub const INVALID_NAMESPACE: Self = Self::new(73, "InvalidNamespace");
    pub const NO_REPLICATION_ENABLED: Self = Self::new(76, "NoReplicationEnabled");
    pub const UNKNOWN_REPL_WRITE_CONCERN: Self = Self::new(79, "UnknownReplWriteConcern");
    pub const INDEX_OPTIONS_CONFLICT: Self = Self::new(85, "IndexOptionsConflict");
    pub const INDEX_KEY_SPECS_CONFLICT: Self = Self::new(86, "IndexKeySpecsConflict");
    pub const NOT_A_REPLICA_SET: Self = Self::new(123, "NotAReplicaSet");
    pub const CANNOT_INDEX_PARALLEL_ARRAYS: Self = Self::new(171, "CannotIndexParallelArrays");
    pub const QUERY_PLAN_KILLED: Self = Self::new(175, "QueryPlanKilled");
    pub const INVALID_PIPELINE_OPERATOR: Self = Self::new(168, "InvalidPipelineOperator");
    pub const INCOMPLETE_TRANSACTION_HISTORY: Self = Self::new(217, "IncompleteTransactionHistory");
    pub const TRANSACTION_TOO_OLD: Self = Self::new(225, "TransactionTooOld");
    pub const AMBIGUOUS_INDEX_KEY_PATTERN: Self = Self::new(181, "AmbiguousIndexKeyPattern");
    pub const QUERY_FEATURE_NOT_ALLOWED: Self = Self::new(224, "QueryFeatureNotAllowed");
    pub const EXCEEDED_TIME_LIMIT: Self = Self::new(262, "ExceededTimeLimit");
    pub const TOO_MANY_SESSIONS: Self = Self::new(261, "TooManyLogicalSessions");
    pub const INVALID_RESUME_TOKEN: Self = Self::new(260, "InvalidResumeToken");
    pub const CAPPED_POSITION_LOST: Self = Self::new(136, "CappedPositionLost");
    pub const DOCUMENT_VALIDATION_FAILURE: Self = Self::new(121, "DocumentValidationFailure");
    pub const CANNOT_CONVERT_TO_UNIQUE: Self = Self::new(359, "CannotConvertIndexToUnique");
    pub const NOT_IN_TRANSACTION: Self = Self::new(263, "OperationNotSupportedInTransaction");
    pub const CHANGE_STREAM_FATAL: Self = Self::new(280, "ChangeStreamFatalError");
    pub const CHANGE_STREAM_HISTORY_LOST: Self = Self::new(286, "ChangeStreamHistoryLost");
    pub const NO_MATCHING_DOCUMENT: Self = Self::new(47, "NoMatchingDocument");
    pub const UNSATISFIABLE_WRITE_CONCERN: Self = Self::new(100, "UnsatisfiableWriteConcern");
    pub const INVALID_INDEX_SPECIFICATION: Self = Self::new(197, "InvalidIndexSpecificationOption");
    pub const NO_QUERY_EXECUTION_PLANS: Self = Self::new(291, "NoQueryExecutionPlans");
    pub const CONVERSION_FAILURE: Self = Self::new(241, "ConversionFailure");
    pub const NOT_IMPLEMENTED: Self = Self::new(238, "NotImplemented");
    pub const API_VERSION: Self = Self::new(322, "APIVersionError");
    pub const API_STRICT: Self = Self::new(323, "APIStrictError");
    pub const MECHANISM_UNAVAILABLE: Self = Self::new(334, "MechanismUnavailable");
    pub const CURSOR_IN_USE: Self = Self::new(12051, "CursorInUse");
    /// A pipeline's stage does not have one field.
    pub const NO_STAGE: Self = Self::location(40_323);
    pub const UNKNOWN_STAGE: Self = Self::location(40_324);
    pub const EXCEEDED_MEMORY: Self = Self::new(146, "ExceededMemoryLimit");
    pub const QUERY_EXCEEDED_MEMORY: Self =
        Self::new(292, "QueryExceededMemoryLimitNoDiskUseAllowed");
    pub const UNSUPPORTED_OP_QUERY: Self = Self::new(352, "UnsupportedOpQueryCommand");
    pub const BSON_OBJECT_TOO_LARGE: Self = Self::new(10334, "BSONObjectTooLarge");
    pub const DUPLICATE_KEY: Self = Self::new(11000, "DuplicateKey");
    pub const OPTION_NOT_SUPPORTED_ON_VIEW: Self = Self::new(167, "OptionNotSupportedOnView");
    pub const COMMAND_NOT_SUPPORTED: Self = Self::new(115, "CommandNotSupported");
    pub const INVALID_UUID: Self = Self::new(207, "InvalidUUID");
    pub const COMMAND_NOT_SUPPORTED_ON_VIEW: Self = Self::new(166, "CommandNotSupportedOnView");
    pub const VIEW_DEPTH_LIMIT_EXCEEDED: Self = Self::new(165, "ViewDepthLimitExceeded");
    pub const VIEW_PIPELINE_TOO_LARGE: Self = Self::new(195, "ViewPipelineMaxSizeExceeded");
    pub const COLLECTION_UUID_MISMATCH: Self = Self::new(361, "CollectionUUIDMismatch");
    pub const GRAPH_CONTAINS_CYCLE: Self = Self::new(5, "GraphContainsCycle");
    pub const MAX_SUB_PIPELINE_DEPTH_EXCEEDED: Self = Self::new(232, "MaxSubPipelineDepthExceeded");
    pub const MERGE_NO_MATCHING_DOCUMENT: Self = Self::new(13_113, "MergeStageNoMatchingDocument");
    pub const CLIENT_DISCONNECT: Self = Self::new(279, "ClientDisconnect");
    pub const INTERRUPTED: Self = Self::new(11601, "Interrupted");
    pub const INTERRUPTED_AT_SHUTDOWN: Self = Self::new(11600, "InterruptedAtShutdown");
    pub const OUT_OF_DISK_SPACE: Self = Self::new(14031, "OutOfDiskSpace");

    const fn new(number: i32, name: &'static str) -> Self {
        Self {
            number,
            name: Some(name),
        }
    }

    /// Returns a code without a name.
    pub const fn location(number: i32) -> Self {
        Self { number, name: None }
    }

    /// Returns the name; `Location` and the number if there is none.
    pub fn name(self) -> String {
        self.name
            .map_or_else(|| format!("Location{}", self.number), str::to_owned)
    }
}

/// The error of a command, or of one of its writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    code: Code,
    message: String,
    /// A document whose fields are added to the reply, such as `keyPattern`.
    details: Option<Vec<u8>>,
}

impl CommandError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
        }
    }

    /// Returns an error with a code that has no name.
    pub fn location(number: i32, message: impl Into<String>) -> Self {
        Self::new(Code::location(number), message)
    }

    /// Adds fields to the reply.
    #[must_use]
    pub fn with_details(mut self, details: Vec<u8>) -> Self {
        self.details = Some(details);
        self
    }

    /// Puts the work that failed in front of the message, as MongoDB does.
    #[must_use]
    pub fn within(mut self, work: &str) -> Self {
        self.message = format!("{work} :: caused by :: {}", self.message);
        self
    }

    /// Adds a label, by which drivers decide what to do.
    #[must_use]
    pub fn labelled(self, label: &str) -> Self {
        let details = Builder::new().extended(self.details());
        let details = details.strings("errorLabels", &[label]).finish();
        self.with_details(details)
    }

    /// Returns whether a driver retries a numbered write after the error.
    pub fn is_retryable(&self) -> bool {
        // Network errors, stepping down, shutting down, and time limits.
        const RETRYABLE: &[i32] = &[
            6, 7, 89, 91, 134, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436,
        ];
        RETRYABLE.contains(&self.code.number)
    }

    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the reply of a failed command.
    pub fn reply(&self) -> Builder {
        let reply = Builder::new()
            .double("ok", 0.0)
            .string("errmsg", &self.message)
            .int32("code", self.code.number)
            .string("codeName", &self.code.name());
        reply.extended(self.details())
    }

    /// Returns the entry of `writeErrors` for the write at `index` of a batch.
    pub fn write_error(&self, index: usize) -> Builder {
        Builder::new()
            .count("index", index)
            .int32("code", self.code.number)
            .extended(self.details())
            .string("errmsg", &self.message)
    }

    /// Returns the result of an operation of `bulkWrite`.
    pub fn bulk_error(&self, index: usize) -> Builder {
        Builder::new()
            .double("ok", 0.0)
            .count("idx", index)
            .int32("code", self.code.number)
            .string("errmsg", &self.message)
            .extended(self.details())
    }

    /// Returns a reply's `writeConcernError`.
    pub fn write_concern_error(&self) -> Builder {
        Builder::new()
            .int32("code", self.code.number)
            .string("codeName", &self.code.name())
            .string("errmsg", &self.message)
    }

    fn details(&self) -> Doc<'_> {
        self.details.as_deref().map_or(Doc::EMPTY, Doc::new)
    }
}

impl CommandError {
    /// Returns the error for an invalid value.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(Code::BAD_VALUE, message)
    }

    /// Returns the error for an argument that cannot be parsed.
    pub fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(Code::FAILED_TO_PARSE, message)
    }

    /// Returns the error for an argument of the wrong type.
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(Code::TYPE_MISMATCH, message)
    }

    /// Returns the error for a value that cannot be converted.
    pub fn conversion_failure(message: impl Into<String>) -> Self {
        Self::new(Code::CONVERSION_FAILURE, message)
    }

    /// Returns the error for a feature that MongoDB has and this server does not.
    pub fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(
            Code::NOT_IMPLEMENTED,
            format!("convoy's document store does not support {what}"),
        )
    }
}
