//! SCRAM-SHA-256, the server's side.
//!
//! ```text
//! client ─▶ n,,n=<user>,r=<nonce>
//! server ◀─ r=<nonce><more>,s=<salt>,i=<iterations>
//! client ─▶ c=biws,r=<both nonces>,p=<proof>
//! server ◀─ v=<signature>
//! ```
//!
//! # References
//!
//! RFC 5802, RFC 7677,
//! <https://github.com/mongodb/specifications/blob/master/source/auth/auth.md>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// How often the password is hashed: what MongoDB does by default.
const ITERATIONS: u32 = 15_000;

/// Bytes of the salt: what MongoDB uses with this hash.
const SALT_BYTES: usize = 28;

type Hash = [u8; 32];

/// Why a client could not prove who it is. Deliberately says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Authentication failed.")]
pub struct Refused;

/// What is kept of a password.
#[derive(Clone)]
pub struct Credential {
    salt: Vec<u8>,
    stored_key: Hash,
    server_key: Hash,
}

impl Credential {
    /// Derives what is kept of a password, with a new salt.
    pub fn derive(password: &str) -> Self {
        let salt: [u8; SALT_BYTES] = rand::random();
        Self::derive_with(password, salt.to_vec(), ITERATIONS)
    }

    /// Returns a credential that no password fits.
    pub fn random() -> Self {
        Self {
            salt: rand::random::<[u8; SALT_BYTES]>().to_vec(),
            stored_key: rand::random(),
            server_key: rand::random(),
        }
    }

    fn derive_with(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let mut salted = Hash::default();
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        Self {
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }
}

impl Default for Credential {
    fn default() -> Self {
        Self::random()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// A conversation that waits for the client's proof.
#[derive(Debug)]
pub struct Conversation {
    user: String,
    credential: Credential,
    nonce: String,
    /// What both sides sign: the first messages, without the client's header.
    messages: String,
}

impl Conversation {
    /// Reads the client's first message; returns the conversation and the answer.
    pub fn start<'c>(
        message: &[u8],
        find: impl FnOnce(&str) -> &'c Credential,
    ) -> Result<(Self, String), Refused> {
        Self::start_with(
            message,
            find,
            &STANDARD.encode(rand::random::<[u8; 24]>()),
            ITERATIONS,
        )
    }

    fn start_with<'c>(
        message: &[u8],
        find: impl FnOnce(&str) -> &'c Credential,
        server_nonce: &str,
        iterations: u32,
    ) -> Result<(Self, String), Refused> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Refused)?;
        // No channel binding, and nobody speaks for somebody else.
        let bare = message.strip_prefix("n,,").ok_or(Refused)?;
        let user = attribute(bare, 'n')?
            .replace("=2C", ",")
            .replace("=3D", "=");
        let nonce = attribute(bare, 'r')?;
        if nonce.is_empty() {
            return Err(Refused);
        }
        let credential = find(&user).clone();
        let nonce = format!("{nonce}{server_nonce}");
        let salt = STANDARD.encode(&credential.salt);
        let answer = format!("r={nonce},s={salt},i={iterations}");
        let conversation = Self {
            messages: format!("{bare},{answer}"),
            user,
            credential,
            nonce,
        };
        Ok((conversation, answer))
    }

    /// Checks the client's proof; returns the user and the server's own proof.
    pub fn finish(self, message: &[u8]) -> Result<(String, String), Refused> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Refused)?;
        let (unsigned, proof) = message.rsplit_once(",p=").ok_or(Refused)?;
        if attribute(unsigned, 'c')? != "biws" || attribute(unsigned, 'r')? != self.nonce {
            return Err(Refused);
        }
        let proof = STANDARD.decode(proof).map_err(|_invalid| Refused)?;
        let proof = Hash::try_from(proof).map_err(|_length| Refused)?;
        let signed = format!("{},{unsigned}", self.messages);
        let signature = hmac(&self.credential.stored_key, signed.as_bytes());
        let mut client_key = proof;
        for (key, mask) in client_key.iter_mut().zip(signature) {
            *key ^= mask;
        }
        // The hash is compared, so that the time this takes tells nothing about the key.
        if Hash::from(Sha256::digest(client_key)) != self.credential.stored_key {
            return Err(Refused);
        }
        let server_signature = hmac(&self.credential.server_key, signed.as_bytes());
        Ok((
            self.user,
            format!("v={}", STANDARD.encode(server_signature)),
        ))
    }
}

/// Returns the value of `name=value` in a list.
fn attribute(message: &str, name: char) -> Result<&str, Refused> {
    let mut parts = message.split(',');
    let found = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or(Refused)
}

fn hmac(key: &[u8], message: &[u8]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677.
    fn example() -> (Conversation, String) {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let credential = Credential::derive_with("pencil", salt, 4_096);
        Conversation::start_with(
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            |_| &credential,
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            4_096,
        )
        .expect("a first message")
    }

    #[test]
    fn the_example_of_the_standard_is_followed() {
        let (conversation, answer) = example();
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let message = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let finished = conversation.finish(message.as_bytes());
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(finished, Ok(("user".to_owned(), signature.to_owned())));
    }

    #[test]
    fn anything_else_is_refused() {
        for message in [
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
            "",
            "p=",
        ] {
            let (conversation, _) = example();
            assert_eq!(
                conversation.finish(message.as_bytes()),
                Err(Refused),
                "{message}"
            );
        }
        for message in ["", "n,,n=user", "y,,n=user,r=x", "n,,n=user,r="] {
            let credential = Credential::random();
            let started = Conversation::start(message.as_bytes(), |_| &credential);
            assert!(started.is_err(), "{message}");
        }
    }
}
