//! The server's side of SCRAM: proof that the client knows the password without sending it.
//!
//! ```text
//!  client  n,,n=user,r=<nonce>
//!  server                       r=<nonce><more>,s=<salt>,i=4096
//!  client  c=biws,r=<nonce><more>,p=<proof>
//!  server                       v=<signature>
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::auth::{Error, Users, same};

/// Rounds of key derivation: the least that RFC 7677 allows, and Kafka's default.
const ITERATIONS: u32 = 4_096;

/// A hash that SCRAM is used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 32 bytes.
    Sha256,
    /// 64 bytes.
    Sha512,
}

/// What the server keeps instead of a password.
#[derive(Clone)]
pub struct Keys {
    salt: [u8; 16],
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A challenge that a client has to answer.
#[derive(Debug)]
pub struct Challenge {
    algorithm: Algorithm,
    keys: Keys,
    /// What came before the client's own part, binding and authorized name.
    header: String,
    client_first: String,
    server_first: String,
    nonce: String,
}

impl Keys {
    /// Derives the keys of a password with a fresh salt.
    pub fn derive(algorithm: Algorithm, password: &str) -> Self {
        let salt: [u8; 16] = rand::random();
        let salted = algorithm.stretch(password.as_bytes(), &salt);
        let client = algorithm.hmac(&salted, b"Client Key");
        Self {
            salt,
            stored: algorithm.hash(&client),
            server: algorithm.hmac(&salted, b"Server Key"),
        }
    }
}

impl Challenge {
    /// Answers the client's first message with a challenge.
    pub fn begin(
        algorithm: Algorithm,
        token: &[u8],
        users: &Users,
    ) -> Result<(Self, Vec<u8>), Error> {
        let text = std::str::from_utf8(token).map_err(|_| Error::Token)?;
        let (header, rest) = split_header(text).ok_or(Error::Token)?;
        // `p` would bind to a TLS channel, which was not offered.
        if !header.starts_with(['n', 'y']) {
            return Err(Error::Token);
        }
        let user = unescape(attribute(rest, "n=")?);
        let client_nonce = attribute(rest, "r=")?;
        let keys = users.keys(&user, algorithm)?.clone();
        let own_nonce: [u8; 18] = rand::random();
        let nonce = format!("{client_nonce}{}", STANDARD.encode(own_nonce));
        let salt = STANDARD.encode(keys.salt);
        let server_first = format!("r={nonce},s={salt},i={ITERATIONS}");
        let answer = server_first.clone().into_bytes();
        let challenge = Self {
            algorithm,
            keys,
            header: header.to_owned(),
            client_first: rest.to_owned(),
            server_first,
            nonce,
        };
        Ok((challenge, answer))
    }

    /// Checks the client's proof and answers with the server's.
    pub fn finish(self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let text = std::str::from_utf8(token).map_err(|_| Error::Token)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Error::Token)?;
        let proof = STANDARD.decode(proof).map_err(|_| Error::Token)?;
        let header = STANDARD.encode(&self.header);
        let same_header = attribute(without_proof, "c=")? == header;
        if !same_header || attribute(without_proof, "r=")? != self.nonce {
            return Err(Error::Token);
        }
        let (client_first, server_first) = (&self.client_first, &self.server_first);
        let signed = format!("{client_first},{server_first},{without_proof}");
        let signature = self.algorithm.hmac(&self.keys.stored, signed.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let known = same(&self.algorithm.hash(&client_key), &self.keys.stored);
        if proof.len() != signature.len() || !known {
            return Err(Error::Credentials);
        }
        let own = self.algorithm.hmac(&self.keys.server, signed.as_bytes());
        Ok(format!("v={}", STANDARD.encode(own)).into_bytes())
    }
}

impl Algorithm {
    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .expect("HMAC takes a key of any length")
                .chain_update(data)
                .finalize()
                .into_bytes()
                .to_vec(),
            Self::Sha512 => Hmac::<Sha512>::new_from_slice(key)
                .expect("HMAC takes a key of any length")
                .chain_update(data)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    fn stretch(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut key = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ITERATIONS, &mut key);
                key
            }
            Self::Sha512 => {
                let mut key = vec![0; 64];
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, ITERATIONS, &mut key);
                key
            }
        }
    }
}

/// Splits `binding,authorized,rest` into what comes before the rest, commas included, and that.
fn split_header(text: &str) -> Option<(&str, &str)> {
    let (position, _) = text.match_indices(',').nth(1)?;
    Some(text.split_at(position + 1))
}

fn attribute<'a>(text: &'a str, name: &str) -> Result<&'a str, Error> {
    let mut attributes = text.split(',');
    attributes
        .find_map(|attribute| attribute.strip_prefix(name))
        .filter(|value| !value.is_empty())
        .ok_or(Error::Token)
}

fn unescape(name: &str) -> String {
    name.replace("=2C", ",").replace("=3D", "=")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use convoy_server_kit::Secret;
    use proptest::prelude::*;

    use super::*;
    use crate::auth::User;

    fn users() -> Users {
        Users::new(vec![User {
            name: "dri,ver".to_owned(),
            password: Secret::new("pencil"),
        }])
    }

    /// Plays the client's side with a password and returns what the server says at last.
    fn authenticate(algorithm: Algorithm, password: &str) -> Result<(), Error> {
        let users = users();
        let first = "n=dri=2Cver,r=fresh";
        let token = format!("n,,{first}");
        let (challenge, answer) = Challenge::begin(algorithm, token.as_bytes(), &users)?;
        let server_first = String::from_utf8(answer).unwrap();
        let nonce = attribute(&server_first, "r=").unwrap().to_owned();
        assert!(nonce.starts_with("fresh") && nonce.len() > 20);
        let salt = STANDARD
            .decode(attribute(&server_first, "s=").unwrap())
            .unwrap();
        let salted = algorithm.stretch(password.as_bytes(), &salt);
        let client_key = algorithm.hmac(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{first},{server_first},{without_proof}");
        let signature = algorithm.hmac(&algorithm.hash(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        let answer = challenge.finish(last.as_bytes())?;
        let server_key = algorithm.hmac(&salted, b"Server Key");
        let expected = STANDARD.encode(algorithm.hmac(&server_key, signed.as_bytes()));
        assert_eq!(String::from_utf8(answer).unwrap(), format!("v={expected}"));
        Ok(())
    }

    #[test]
    fn the_right_password_convinces_both_sides() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            assert_eq!(authenticate(algorithm, "pencil"), Ok(()));
            assert_eq!(authenticate(algorithm, "pen"), Err(Error::Credentials));
        }
    }

    /// The example of RFC 7677.
    #[test]
    fn the_derivation_is_that_of_the_rfc() {
        let algorithm = Algorithm::Sha256;
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = algorithm.stretch(b"pencil", &salt);
        let client_key = algorithm.hmac(&salted, b"Client Key");
        let signed = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = algorithm.hmac(&algorithm.hash(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(
            STANDARD.encode(proof),
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
    }

    #[test]
    fn a_nonce_of_another_conversation_is_refused() {
        let (challenge, _) =
            Challenge::begin(Algorithm::Sha256, b"n,,n=dri=2Cver,r=a", &users()).unwrap();
        let last = format!("c=biws,r=b,p={}", STANDARD.encode([0; 32]));
        assert_eq!(challenge.finish(last.as_bytes()), Err(Error::Token));
    }

    /// Serves all cases below: keys are slow to derive.
    static SHARED: LazyLock<Users> = LazyLock::new(users);

    proptest! {
        #[test]
        fn arbitrary_tokens_never_panic(first: Vec<u8>, last: Vec<u8>) {
            let _outcome = Challenge::begin(Algorithm::Sha256, &first, &SHARED);
            let begun = Challenge::begin(Algorithm::Sha256, b"n,,n=dri=2Cver,r=a", &SHARED);
            prop_assert!(begun.unwrap().0.finish(&last).is_err());
        }
    }
}
