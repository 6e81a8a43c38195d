//! The client's side of one login: proves that it knows the password, and checks that the server does.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Secret;
use crate::scram::Hash;
use crate::scram::compare::constant_time_eq;

/// Bytes of randomness in the client's part of the nonce.
const NONCE_BYTES: usize = 18;

/// Fewest iterations of RFC 7677: fewer would make the proof easy to guess from.
const MIN_ITERATIONS: u32 = 4_096;

/// Most iterations: a server must not keep a client busy. Kafka and MongoDB use up to 16,384.
const MAX_ITERATIONS: u32 = 200_000;

/// The client's header: no channel binding, and no other user to act for.
const HEADER: &str = "n,,";

/// A login failed on the client's side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A message of the server does not follow RFC 5802, or belongs to another exchange.
    #[error("the server's message does not follow SCRAM")]
    Malformed,
    /// The number of iterations is outside the limits.
    #[error("{0} iterations are not between {MIN_ITERATIONS} and {MAX_ITERATIONS}")]
    Iterations(u32),
    /// The server rejected the proof.
    #[error("the server rejected the proof: {0}")]
    Rejected(String),
    /// The server did not prove that it knows the password.
    #[error("the server did not prove that it knows the password")]
    Imposter,
}

/// A login that waits for the server's challenge.
pub struct ClientExchange {
    hash: Hash,
    password: Secret,
    header: &'static str,
    nonce: String,
    /// The first message without the header.
    bare: String,
}

/// A login that waits for the server's proof.
pub struct ServerProof {
    expected: Vec<u8>,
}

impl ClientExchange {
    /// Starts a login; returns the client's first message.
    pub fn begin(hash: Hash, user: &str, password: &Secret) -> (Self, String) {
        let random: [u8; NONCE_BYTES] = rand::random();
        let nonce = STANDARD.encode(random);
        Self::begin_with(hash, user, password, HEADER, nonce)
    }

    pub(super) fn begin_with(
        hash: Hash,
        user: &str,
        password: &Secret,
        header: &'static str,
        nonce: String,
    ) -> (Self, String) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        let first = format!("{header}{bare}");
        let exchange = Self {
            hash,
            password: password.clone(),
            header,
            nonce,
            bare,
        };
        (exchange, first)
    }

    /// Reads the server's challenge; returns the client's proof.
    pub fn prove(self, challenge: &[u8]) -> Result<(ServerProof, String), ClientError> {
        let challenge = text(challenge)?;
        let Challenge {
            nonce,
            salt,
            iterations,
        } = Challenge::parse(challenge).ok_or(ClientError::Malformed)?;
        let extends = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        if !extends {
            return Err(ClientError::Malformed);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(ClientError::Iterations(iterations));
        }
        let hash = self.hash;
        let mut salted = vec![0; hash.size()];
        let password = self.password.reveal().as_bytes();
        hash.stretch(password, &salt, iterations, &mut salted);
        let client_key = hash.hmac(&salted, b"Client Key");
        let server_key = hash.hmac(&salted, b"Server Key");
        let unsigned = format!("c={},r={nonce}", STANDARD.encode(self.header));
        let signed = format!("{},{challenge},{unsigned}", self.bare);
        let signature = hash.hmac(&hash.digest(&client_key), signed.as_bytes());
        let pairs = client_key.iter().zip(&signature);
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();
        let expected = hash.hmac(&server_key, signed.as_bytes());
        let last = format!("{unsigned},p={}", STANDARD.encode(proof));
        Ok((ServerProof { expected }, last))
    }
}

impl ServerProof {
    /// Checks the server's last message.
    pub fn verify(self, message: &[u8]) -> Result<(), ClientError> {
        let message = text(message)?;
        let first = message.split(',').next().unwrap_or_default();
        if let Some(reason) = first.strip_prefix("e=") {
            return Err(ClientError::Rejected(reason.to_owned()));
        }
        let proof = first.strip_prefix("v=").ok_or(ClientError::Malformed)?;
        let proof = STANDARD
            .decode(proof)
            .map_err(|_invalid| ClientError::Malformed)?;
        if constant_time_eq(&proof, &self.expected) {
            Ok(())
        } else {
            Err(ClientError::Imposter)
        }
    }
}

impl fmt::Debug for ClientExchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientExchange")
    }
}

impl fmt::Debug for ServerProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerProof")
    }
}

/// The server's first message.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> Challenge<'a> {
    /// Returns `None` if the message does not follow the grammar of RFC 5802, section 7.
    fn parse(message: &'a str) -> Option<Self> {
        let mut attributes = message.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = attributes.next()?.strip_prefix("s=")?;
        let iterations = attributes.next()?.strip_prefix("i=")?;
        Some(Self {
            nonce,
            salt: STANDARD.decode(salt).ok()?,
            iterations: iterations.parse().ok()?,
        })
    }
}

fn text(message: &[u8]) -> Result<&str, ClientError> {
    std::str::from_utf8(message).map_err(|_invalid| ClientError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677.
    fn example() -> (ClientExchange, String) {
        let password = Secret::new("pencil");
        ClientExchange::begin_with(Hash::Sha256, "user", &password, HEADER, NONCE.to_owned())
    }

    #[test]
    fn example_of_rfc_7677_is_proved_and_verified() {
        let (exchange, first) = example();
        assert_eq!(first, format!("n,,n=user,r={NONCE}"));
        let (proof, last) = exchange.prove(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let answer = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proof.verify(answer), Ok(()));
    }

    #[test]
    fn server_that_does_not_know_the_password_is_detected() {
        for (answer, expected) in [
            ("v=AAAA", ClientError::Imposter),
            ("v=?", ClientError::Malformed),
            ("", ClientError::Malformed),
            (
                "e=invalid-proof",
                ClientError::Rejected("invalid-proof".to_owned()),
            ),
        ] {
            let (proof, _last) = example().0.prove(CHALLENGE.as_bytes()).unwrap();
            assert_eq!(proof.verify(answer.as_bytes()), Err(expected), "{answer}");
        }
    }

    #[test]
    fn challenges_of_other_exchanges_and_odd_iterations_are_rejected() {
        let prove = |challenge: &str| example().0.prove(challenge.as_bytes()).unwrap_err();
        for challenge in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=AAAA,i=many",
        ] {
            assert_eq!(prove(challenge), ClientError::Malformed, "{challenge}");
        }
        for iterations in [0, 4_095, 200_001, u32::MAX] {
            let challenge = format!("r=rOprNGfwEbeRWgbNEkqOmore,s=AAAA,i={iterations}");
            assert_eq!(prove(&challenge), ClientError::Iterations(iterations));
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let (exchange, _first) = example();
        assert!(!format!("{exchange:?}").contains("pencil"));
    }

    proptest! {
        #[test]
        fn arbitrary_messages_do_not_panic(challenge: Vec<u8>, answer: Vec<u8>) {
            prop_assert!(example().0.prove(&challenge).is_err());
            let proof = ServerProof { expected: vec![1; 32] };
            prop_assert!(proof.verify(&answer).is_err());
        }
    }
}
