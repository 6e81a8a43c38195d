//! How passwords are stretched.

use crate::scram::Hash;

/// Bytes of a salt unless the scheme says otherwise.
const SALT_BYTES: usize = 16;

/// How a server derives keys from passwords: what both sides must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    hash: Hash,
    iterations: u32,
    salt_bytes: usize,
}

impl Scheme {
    /// Returns a scheme with salts of 16 bytes. RFC 7677 asks for at least 4,096 iterations.
    pub const fn new(hash: Hash, iterations: u32) -> Self {
        Self {
            hash,
            iterations,
            salt_bytes: SALT_BYTES,
        }
    }

    /// Sets the number of bytes of each user's salt.
    #[must_use]
    pub const fn with_salt_bytes(self, salt_bytes: usize) -> Self {
        Self { salt_bytes, ..self }
    }

    pub(super) fn hash(self) -> Hash {
        self.hash
    }

    pub(super) fn iterations(self) -> u32 {
        self.iterations
    }

    pub(super) fn salt_bytes(self) -> usize {
        self.salt_bytes
    }
}
