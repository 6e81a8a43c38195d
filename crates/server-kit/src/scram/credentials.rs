//! What a server keeps of its users' passwords: enough to check a proof, not to make one.

use std::collections::BTreeMap;
use std::fmt;

use crate::User;
use crate::scram::{Hash, Scheme};

/// What a server keeps of all its users' passwords under one scheme.
///
/// Debug output shows nothing of it.
pub struct CredentialStore {
    scheme: Scheme,
    by_name: BTreeMap<String, Credentials>,
    /// Keys that no password leads to: they stand in for those of unknown users.
    decoy_keys: Keys,
    /// Unknown users' salts follow from it and the name.
    decoy_secret: [u8; 32],
}

/// What is kept of one user's password.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) salt: Vec<u8>,
    pub(super) keys: Keys,
}

#[derive(Clone)]
pub(super) struct Keys {
    /// The client's proof is checked against it.
    pub(super) stored: Vec<u8>,
    /// Signs the server's own proof.
    pub(super) server: Vec<u8>,
}

impl CredentialStore {
    /// Derives the keys of all users, each with a new salt; of two with the same name the last one
    /// counts. Takes milliseconds per user: that is what the iterations are for.
    pub fn new<'a>(scheme: Scheme, users: impl IntoIterator<Item = &'a User>) -> Self {
        let derive = |user: &User| {
            let mut salt = vec![0; scheme.salt_bytes()];
            rand::fill(&mut salt[..]);
            (user.name.clone(), Credentials::derive(scheme, user, salt))
        };
        let random_key = || {
            let mut key = vec![0; scheme.hash().size()];
            rand::fill(&mut key[..]);
            key
        };
        Self {
            scheme,
            by_name: users.into_iter().map(derive).collect(),
            decoy_keys: Keys {
                stored: random_key(),
                server: random_key(),
            },
            decoy_secret: rand::random(),
        }
    }

    /// Returns a store with one user and a known salt, to check the examples of the standards.
    #[cfg(test)]
    pub(super) fn with_salt(scheme: Scheme, user: &User, salt: Vec<u8>) -> Self {
        let mut store = Self::new(scheme, []);
        let credentials = Credentials::derive(scheme, user, salt);
        store.by_name.insert(user.name.clone(), credentials);
        store
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the credentials of a user, or some that no password fits.
    ///
    /// Does the same work in both cases, so that its duration does not tell which it was.
    pub(super) fn credentials(&self, name: &str) -> Credentials {
        let mut salt = vec![0; self.scheme.salt_bytes()];
        Hash::Sha256.stretch(&self.decoy_secret, name.as_bytes(), 1, &mut salt);
        let decoy = Credentials {
            salt,
            keys: self.decoy_keys.clone(),
        };
        self.by_name.get(name).unwrap_or(&decoy).clone()
    }
}

impl Credentials {
    fn derive(scheme: Scheme, user: &User, salt: Vec<u8>) -> Self {
        let hash = scheme.hash();
        let mut salted = vec![0; hash.size()];
        let password = user.password.reveal().as_bytes();
        hash.stretch(password, &salt, scheme.iterations(), &mut salted);
        let client_key = hash.hmac(&salted, b"Client Key");
        Self {
            salt,
            keys: Keys {
                stored: hash.digest(&client_key),
                server: hash.hmac(&salted, b"Server Key"),
            },
        }
    }
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CredentialStore")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}
