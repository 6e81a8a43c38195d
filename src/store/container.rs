//! MongoDB in a container, as a replica set of one.

/// Image that is started unless the user names another.
pub const IMAGE: &str = "mongo:8.0.4";
