//! A user of the server.

use convoy_server_kit::Secret;

/// A user and their password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User name.
    pub name: String,
    /// Password; never printed.
    pub password: Secret,
}
