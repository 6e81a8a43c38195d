//! The configured users and what SCRAM derives from their passwords.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use convoy_server_kit::Secret;

use crate::auth::scram::{Algorithm, Keys};
use crate::auth::{Error, same};

/// Someone who may use the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// All who may use the broker.
#[derive(Debug)]
pub struct Users {
    by_name: BTreeMap<String, Credentials>,
}

#[derive(Debug)]
struct Credentials {
    password: Secret,
    sha_256: OnceLock<Keys>,
    sha_512: OnceLock<Keys>,
}

impl Users {
    /// Returns the users; the last one counts where a name comes twice.
    pub fn new(users: Vec<User>) -> Self {
        let credentials = users.into_iter().map(|user| {
            let credentials = Credentials {
                password: user.password,
                sha_256: OnceLock::new(),
                sha_512: OnceLock::new(),
            };
            (user.name, credentials)
        });
        Self {
            by_name: credentials.collect(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Checks a password.
    pub(super) fn check(&self, name: &str, password: &str) -> Result<(), Error> {
        let credentials = self.by_name.get(name).ok_or(Error::Credentials)?;
        let known = credentials.password.reveal();
        if same(known.as_bytes(), password.as_bytes()) {
            Ok(())
        } else {
            Err(Error::Credentials)
        }
    }

    /// Returns the keys of a user, derived once: that takes milliseconds on purpose.
    pub(super) fn keys(&self, name: &str, algorithm: Algorithm) -> Result<&Keys, Error> {
        let credentials = self.by_name.get(name).ok_or(Error::Credentials)?;
        let keys = match algorithm {
            Algorithm::Sha256 => &credentials.sha_256,
            Algorithm::Sha512 => &credentials.sha_512,
        };
        Ok(keys.get_or_init(|| Keys::derive(algorithm, credentials.password.reveal())))
    }
}
