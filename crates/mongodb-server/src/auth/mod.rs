//! Who may use the store: users with passwords, proved by SCRAM-SHA-256.
//!
//! Without users everyone on the machine may.

pub mod scram;

use std::collections::BTreeMap;
use std::fmt;

pub use scram::{Conversation, Credential};

/// A user as configured.
#[derive(Clone)]
pub struct User {
    name: String,
    password: String,
}

impl User {
    /// Names a user and the password.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is kept of all users: enough to check a password, not to know it.
#[derive(Debug, Default)]
pub struct Users {
    credentials: BTreeMap<String, Credential>,
    /// Stands in for users that do not exist, so that nobody learns who does.
    decoy: Credential,
}

impl Users {
    /// Derives what to keep; slow on purpose.
    pub fn new(users: &[User]) -> Self {
        let derive = |user: &User| (user.name.clone(), Credential::derive(&user.password));
        Self {
            credentials: users.iter().map(derive).collect(),
            decoy: Credential::random(),
        }
    }

    /// Returns whether nobody needs to prove anything.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Returns what to check a user against; what nobody can pass if there is no such user.
    pub fn credential(&self, name: &str) -> &Credential {
        self.credentials.get(name).unwrap_or(&self.decoy)
    }
}
