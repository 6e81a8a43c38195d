//! One login: two messages of the client, each answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::scram::CredentialStore;
use crate::scram::compare::constant_time_eq;
use crate::scram::credentials::Keys;
use crate::scram::hash::Hash;

/// Bytes of randomness in the server's part of the nonce.
const NONCE_BYTES: usize = 18;

/// A client failed to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message does not follow RFC 5802, or belongs to another exchange.
    #[error("the message does not follow SCRAM")]
    Malformed,
    /// The user does not exist or the password is wrong; the error does not say which.
    #[error("user name or password is wrong")]
    Rejected,
}

/// A login that waits for the client's proof.
#[derive(Debug)]
pub struct Exchange {
    hash: Hash,
    user: String,
    keys: Keys,
    /// The client's header, base64: flag of channel binding and authorized name.
    header: String,
    nonce: String,
    /// What both sides sign: the first messages, without the client's header.
    messages: String,
}

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Name of the user.
    pub user: String,
    /// The server's last message: proof to the client that the server knows the password.
    pub answer: String,
}

impl Exchange {
    /// Reads the client's first message; returns the login and the challenge to answer with.
    pub fn begin(store: &CredentialStore, message: &[u8]) -> Result<(Self, String), Error> {
        let random: [u8; NONCE_BYTES] = rand::random();
        Self::begin_with(store, message, &STANDARD.encode(random))
    }

    fn begin_with(
        store: &CredentialStore,
        message: &[u8],
        server_nonce: &str,
    ) -> Result<(Self, String), Error> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Error::Malformed)?;
        let first = ClientFirst::parse(message).ok_or(Error::Malformed)?;
        if first.authorized.is_some_and(|name| name != first.user) {
            return Err(Error::Rejected);
        }
        let credentials = store.credentials(&first.user);
        let nonce = format!("{}{server_nonce}", first.nonce);
        let salt = STANDARD.encode(&credentials.salt);
        let iterations = store.scheme().iterations();
        let answer = format!("r={nonce},s={salt},i={iterations}");
        let exchange = Self {
            hash: store.scheme().hash(),
            keys: credentials.keys,
            header: STANDARD.encode(first.header),
            messages: format!("{},{answer}", first.bare),
            user: first.user,
            nonce,
        };
        Ok((exchange, answer))
    }

    /// Checks the client's proof; returns the user and the server's own proof.
    pub fn finish(self, message: &[u8]) -> Result<Authenticated, Error> {
        let message = std::str::from_utf8(message).map_err(|_invalid| Error::Malformed)?;
        let (unsigned, proof) = message.rsplit_once(",p=").ok_or(Error::Malformed)?;
        let mut attributes = unsigned.split(',');
        let header = attributes.next().and_then(|text| text.strip_prefix("c="));
        let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
        if header != Some(&self.header) || nonce != Some(&self.nonce) {
            return Err(Error::Malformed);
        }
        let proof = STANDARD.decode(proof);
        let proof = proof.map_err(|_invalid| Error::Malformed)?;
        if proof.len() != self.hash.size() {
            return Err(Error::Malformed);
        }
        let signed = format!("{},{unsigned}", self.messages);
        let signature = self.hash.hmac(&self.keys.stored, signed.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if !constant_time_eq(&self.hash.digest(&client_key), &self.keys.stored) {
            return Err(Error::Rejected);
        }
        let own = self.hash.hmac(&self.keys.server, signed.as_bytes());
        Ok(Authenticated {
            user: self.user,
            answer: format!("v={}", STANDARD.encode(own)),
        })
    }
}

/// The client's first message: `header`, then `bare`.
struct ClientFirst<'a> {
    header: &'a str,
    bare: &'a str,
    authorized: Option<String>,
    user: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// Returns `None` if the message does not follow the grammar of RFC 5802, section 7.
    fn parse(message: &'a str) -> Option<Self> {
        let (second_comma, _) = message.match_indices(',').nth(1)?;
        let (header, bare) = message.split_at(second_comma + 1);
        let mut parts = header.split(',');
        // `p` would bind to a TLS channel, which is not offered.
        if !matches!(parts.next(), Some("n" | "y")) {
            return None;
        }
        let authorized = match parts.next()? {
            "" => None,
            name => Some(unescape(name.strip_prefix("a=")?)?),
        };
        let mut attributes = bare.split(',');
        let user = unescape(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        (!nonce.is_empty()).then_some(Self {
            header,
            bare,
            authorized,
            user,
            nonce,
        })
    }
}

/// Restores `,` and `=`, which names hold as `=2C` and `=3D`.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut restored = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        restored.push(character);
        restored.push_str(rest);
    }
    Some(restored)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::scram::{ClientExchange, Scheme};
    use crate::{Secret, User};

    const SHA_256: Scheme = Scheme::new(Hash::Sha256, 4_096);
    const SHA_512: Scheme = Scheme::new(Hash::Sha512, 4_096).with_salt_bytes(28);

    /// The example of RFC 7677.
    fn example() -> (Exchange, String) {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let user = User::new("user", "pencil");
        let store = CredentialStore::with_salt(SHA_256, &user, salt);
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        Exchange::begin_with(&store, first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap()
    }

    fn store(scheme: Scheme) -> CredentialStore {
        CredentialStore::new(scheme, [&User::new("dri,ver", "pencil")])
    }

    fn log_in(
        store: &CredentialStore,
        header: &'static str,
        password: &str,
    ) -> Result<String, Error> {
        let hash = store.scheme().hash();
        let (password, nonce) = (Secret::new(password), "abc".to_owned());
        let (client, first) = ClientExchange::begin_with(hash, "dri,ver", &password, header, nonce);
        let (exchange, challenge) = Exchange::begin(store, first.as_bytes())?;
        let (proof, last) = client.prove(challenge.as_bytes()).unwrap();
        let authenticated = exchange.finish(last.as_bytes())?;
        proof.verify(authenticated.answer.as_bytes()).unwrap();
        Ok(authenticated.user)
    }

    #[test]
    fn example_of_rfc_7677_succeeds() {
        let (exchange, challenge) = example();
        assert_eq!(
            challenge,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let message = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let authenticated = exchange.finish(message.as_bytes()).unwrap();
        assert_eq!(authenticated.user, "user");
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(authenticated.answer, signature);
    }

    #[test]
    fn right_password_convinces_both_sides() {
        for scheme in [SHA_256, SHA_512] {
            let store = store(scheme);
            for header in ["n,,", "y,,", "n,a=dri=2Cver,"] {
                let user = log_in(&store, header, "pencil");
                assert_eq!(user.as_deref(), Ok("dri,ver"), "{header}");
            }
            assert_eq!(log_in(&store, "n,,", "pen"), Err(Error::Rejected));
        }
    }

    #[test]
    fn acting_for_another_user_is_rejected() {
        let outcome = log_in(&store(SHA_256), "n,a=boss,", "pencil");
        assert_eq!(outcome, Err(Error::Rejected));
    }

    #[test]
    fn malformed_messages_are_rejected() {
        let store = CredentialStore::new(SHA_256, []);
        for first in [
            "",
            "n,,n=user",
            "n,,n=user,r=",
            "n,,r=x,n=user",
            "n,,m=extension,n=user,r=x",
            "n,,n=us=2cer,r=x",
            "n,,n=us=er,r=x",
            "n,boss,n=user,r=x",
            "p=tls-unique,,n=user,r=x",
        ] {
            let begun = Exchange::begin(&store, first.as_bytes());
            assert_eq!(begun.unwrap_err(), Error::Malformed, "{first}");
        }
        let nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        for last in [
            String::new(),
            proof.to_owned(),
            format!("c=biws,r=other,{proof}"),
            format!("c=eSws,{nonce},{proof}"),
            format!("c=biws,{nonce},p=AAAA"),
            format!("c=biws,{nonce},p=?"),
        ] {
            let outcome = example().0.finish(last.as_bytes());
            assert_eq!(outcome, Err(Error::Malformed), "{last}");
        }
        let wrong = format!("c=biws,{nonce},p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let outcome = example().0.finish(wrong.as_bytes());
        assert_eq!(outcome, Err(Error::Rejected));
    }

    #[test]
    fn unknown_user_gets_a_steady_challenge_like_any_other() {
        let store = store(SHA_512);
        let salt = |name: &str| {
            let first = format!("n,,n={name},r=abc");
            let (_, challenge) = Exchange::begin(&store, first.as_bytes()).unwrap();
            challenge.split(',').nth(1).unwrap().to_owned()
        };
        let (known, one, other) = (salt("dri=2Cver"), salt("one"), salt("other"));
        assert_eq!(known.len(), one.len());
        assert_eq!(one, salt("one"));
        assert_ne!(one, other);
        let nobody = CredentialStore::new(SHA_512, []);
        assert_eq!(log_in(&nobody, "n,,", "pencil"), Err(Error::Rejected));
    }

    #[test]
    fn debug_output_hides_keys() {
        let store = store(SHA_256);
        let (exchange, _) = Exchange::begin(&store, b"n,,n=dri=2Cver,r=abc").unwrap();
        assert!(format!("{exchange:?}").contains("keys: ***"));
        assert!(!format!("{store:?}").contains("stored"));
    }

    /// Deriving keys is slow: one store for all cases.
    static STORE: LazyLock<CredentialStore> = LazyLock::new(|| store(SHA_256));

    proptest! {
        #[test]
        fn arbitrary_messages_do_not_panic(first: Vec<u8>, last: Vec<u8>) {
            let _outcome = Exchange::begin(&STORE, &first);
            let (exchange, _) = Exchange::begin(&STORE, b"n,,n=dri=2Cver,r=abc").unwrap();
            prop_assert!(exchange.finish(&last).is_err());
        }
    }
}
