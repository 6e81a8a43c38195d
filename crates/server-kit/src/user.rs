//! Users of a server and their passwords.

use std::collections::BTreeMap;

use crate::Secret;

/// A user and the password to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, without restrictions.
    pub name: String,
    /// The password.
    pub password: Secret,
}

impl User {
    /// Returns a user.
    pub fn new(name: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
        }
    }
}

/// The users of a server, for mechanisms that send the password itself: SASL PLAIN, HTTP Basic.
///
/// ```
/// use convoy_server_kit::{User, Users};
///
/// let users = Users::new([User::new("ada", "analytical")]);
/// assert!(users.verify("ada", "analytical"));
/// assert!(!users.verify("ada", "engine"));
/// ```
#[derive(Debug, Default)]
pub struct Users {
    passwords: BTreeMap<String, Secret>,
    /// Compared for a name that no user has, so that the time taken is much the same.
    decoy: Secret,
}

impl Users {
    /// Returns the users; of two with the same name the last one counts.
    pub fn new(users: impl IntoIterator<Item = User>) -> Self {
        let users = users.into_iter().map(|user| (user.name, user.password));
        Self {
            passwords: users.collect(),
            decoy: Secret::new("decoy"),
        }
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    /// Whether this is the password of a user with this name.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let known = self.passwords.get(name);
        let same = known.unwrap_or(&self.decoy).matches(password.as_bytes());
        known.is_some() && same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_of_a_known_user_is_accepted() {
        let users = Users::new([User::new("driver", "old"), User::new("driver", "pass word")]);
        assert!(users.verify("driver", "pass word"));
        assert!(!users.verify("driver", "old"));
        assert!(!users.verify("driver", ""));
        assert!(!users.verify("boss", "pass word"));
        assert!(!users.verify("boss", ""));
    }

    #[test]
    fn debug_output_hides_passwords() {
        let users = Users::new([User::new("driver", "sentinel")]);
        let shown = format!("{users:?} {:?}", User::new("driver", "sentinel"));
        assert!(!shown.contains("sentinel"), "{shown}");
    }
}
