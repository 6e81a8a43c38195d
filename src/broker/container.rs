//! Redpanda in a container.

/// Image that is started unless the user names another.
pub const IMAGE: &str = "redpandadata/redpanda:v25.1.1";
