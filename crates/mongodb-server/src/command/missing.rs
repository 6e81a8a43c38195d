//! Commands that MongoDB has and this server does not.

use crate::error::{Code, CommandError, UNSUPPORTED_HERE};

/// Their names, so that the error tells them from misspelled ones.
const MISSING: &[&str] = &[
    "applyOps",
    "bulkWrite",
    "commitTransaction",
    "abortTransaction",
    "compact",
    "createRole",
    "createSearchIndexes",
    "createUser",
    "dbHash",
    "dropAllUsersFromDatabase",
    "dropConnections",
    "dropRole",
    "dropSearchIndex",
    "dropUser",
    "filemd5",
    "fsync",
    "fsyncUnlock",
    "getDefaultRWConcern",
    "grantPrivilegesToRole",
    "grantRolesToUser",
    "listCommands",
    "listSearchIndexes",
    "lockInfo",
    "logRotate",
    "mapReduce",
    "mapreduce",
    "planCacheClear",
    "profile",
    "reIndex",
    "replSetReconfig",
    "replSetStepDown",
    "revokeRolesFromUser",
    "setDefaultRWConcern",
    "setFeatureCompatibilityVersion",
    "setIndexCommitQuorum",
    "setParameter",
    "setProfilingLevel",
    "shutdown",
    "updateSearchIndex",
    "updateUser",
    "usersInfo",
];

/// Returns the error for an unknown command.
pub fn refuse(name: &str) -> CommandError {
    let note = if MISSING.contains(&name) {
        UNSUPPORTED_HERE
    } else {
        ""
    };
    let message = format!("no such command: '{name}'{note}");
    CommandError::new(Code::COMMAND_NOT_FOUND, message)
}
