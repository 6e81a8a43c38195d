//! The configured users, and the keys that SCRAM derives from their passwords.

use std::sync::OnceLock;

use convoy_server_kit::scram::{CredentialStore, Hash, Scheme};
use convoy_server_kit::{User, Users};

/// Iterations of key derivation: Kafka's default.
pub const ITERATIONS: u32 = 4_096;

/// All users, for every mechanism.
#[derive(Debug)]
pub struct Credentials {
    configured: Vec<User>,
    passwords: Users,
    sha_256: OnceLock<CredentialStore>,
    sha_512: OnceLock<CredentialStore>,
}

impl Credentials {
    /// Returns the credentials of users; of two with the same name the last one counts.
    pub fn new(users: &[User]) -> Self {
        Self {
            configured: users.to_vec(),
            passwords: Users::new(users.iter().cloned()),
            sha_256: OnceLock::new(),
            sha_512: OnceLock::new(),
        }
    }

    /// Whether there are no users: every client has access.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    /// Whether this is the password of a user with this name.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        self.passwords.verify(name, password)
    }

    /// Returns the SCRAM credentials for SHA-256, derived at the first login.
    pub fn sha_256(&self) -> &CredentialStore {
        let scheme = Scheme::new(Hash::Sha256, ITERATIONS);
        let derive = || CredentialStore::new(scheme, &self.configured);
        self.sha_256.get_or_init(derive)
    }

    /// Returns the SCRAM credentials for SHA-512, derived at the first login.
    pub fn sha_512(&self) -> &CredentialStore {
        let scheme = Scheme::new(Hash::Sha512, ITERATIONS);
        let derive = || CredentialStore::new(scheme, &self.configured);
        self.sha_512.get_or_init(derive)
    }
}
