//! Commands that MongoDB has and this server does not.

use crate::error::{Code, CommandError, UNSUPPORTED_HERE};

/// Their names, so that the error tells them from misspelled ones.
const MISSING: &[&str] = &[
    "applyOps",
    "autoCompact",
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
    "getClusterParameter",
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
    "planCacheClearFilters",
    "planCacheListFilters",
    "planCacheSetFilter",
    "profile",
    "reIndex",
    "replSetReconfig",
    "replSetStepDown",
    "revokeRolesFromUser",
    "setClusterParameter",
    "setDefaultRWConcern",
    "setIndexCommitQuorum",
    "setProfilingLevel",
    "shutdown",
    "updateSearchIndex",
    "updateUser",
    "usersInfo",
    "validateDBMetadata",
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
