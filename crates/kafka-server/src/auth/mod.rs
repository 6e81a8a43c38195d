//! Who may use the broker: SASL PLAIN and SCRAM against configured users.
//!
//! ```text
//!  Fresh ── handshake(mechanism) ──▶ Chosen ── token ──▶ (Challenged ── token ──▶) Authenticated
//! ```
//!
//! Without configured users every connection may do everything. A client that logs in all the same
//! is let in with any name and password by PLAIN; SCRAM is not offered, because a server can only
//! prove itself to the client by a password that it knows.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#sasl_handshake>
//! - RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM)

mod scram;
mod users;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;

use self::scram::{Algorithm, Challenge};
pub use self::users::{User, Users};

/// A way to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Scram(Algorithm),
}

/// Names of the mechanisms, as clients choose them.
const MECHANISMS: &[(&str, Mechanism)] = &[
    ("PLAIN", Mechanism::Plain),
    ("SCRAM-SHA-256", Mechanism::Scram(Algorithm::Sha256)),
    ("SCRAM-SHA-512", Mechanism::Scram(Algorithm::Sha512)),
];

/// A client is not who it says, or does not say it properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user is unknown or the password wrong; which one is not told.
    #[error("user name or password is wrong")]
    Credentials,
    /// A token does not follow its mechanism.
    #[error("the token does not follow the mechanism")]
    Token,
    /// A token came where none was expected.
    #[error("no mechanism was chosen")]
    Sequence,
}

/// How far one connection has come.
#[derive(Debug)]
pub struct Session {
    state: State,
    /// There are no users to be.
    anyone: bool,
    /// Tokens come without request headers: the client chose with version 0 of the handshake.
    bare_tokens: bool,
}

#[derive(Debug)]
enum State {
    Fresh,
    Chosen(Mechanism),
    Challenged(Box<Challenge>),
    /// A user, or anyone where there are no users.
    Authenticated,
}

impl Session {
    /// Returns the state of a new connection.
    pub fn new(users: &Users) -> Self {
        let anyone = users.is_empty();
        let state = if anyone {
            State::Authenticated
        } else {
            State::Fresh
        };
        Self {
            state,
            anyone,
            bare_tokens: false,
        }
    }

    /// Whether everything is permitted.
    pub fn authenticated(&self) -> bool {
        self.anyone || matches!(self.state, State::Authenticated)
    }

    /// Whether a request may be answered already.
    pub fn permits(&self, api: ApiKey) -> bool {
        self.authenticated()
            || matches!(
                api,
                ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate
            )
    }

    /// Whether the next frame is a token and nothing else.
    pub fn expects_bare_token(&self) -> bool {
        self.bare_tokens && matches!(self.state, State::Chosen(_) | State::Challenged(_))
    }

    /// Notes the mechanism that the client chooses.
    pub fn choose(&mut self, mechanism: &str, bare_tokens: bool) -> Result<(), ResponseError> {
        let mut offered = self.offered();
        let chosen = offered.find(|(name, _)| *name == mechanism);
        let (_, mechanism) = *chosen.ok_or(ResponseError::UnsupportedSaslMechanism)?;
        self.bare_tokens = bare_tokens;
        if self.anyone || !self.authenticated() {
            self.state = State::Chosen(mechanism);
        }
        Ok(())
    }

    /// Returns the names of the mechanisms there are to choose from.
    pub fn mechanisms(&self) -> impl Iterator<Item = &'static str> {
        self.offered().map(|(name, _)| *name)
    }

    fn offered(&self) -> impl Iterator<Item = &'static (&'static str, Mechanism)> + use<> {
        let anyone = self.anyone;
        let offered = move |mechanism| !anyone || mechanism == Mechanism::Plain;
        MECHANISMS
            .iter()
            .filter(move |(_, mechanism)| offered(*mechanism))
    }

    /// Takes a token of the client and returns the one to answer with.
    pub fn step(&mut self, token: &[u8], users: &Users) -> Result<Vec<u8>, Error> {
        match std::mem::replace(&mut self.state, State::Fresh) {
            State::Fresh => Err(Error::Sequence),
            State::Authenticated => {
                self.state = State::Authenticated;
                Ok(Vec::new())
            }
            State::Chosen(Mechanism::Plain) => {
                if !self.anyone {
                    check_plain(token, users)?;
                }
                self.state = State::Authenticated;
                Ok(Vec::new())
            }
            State::Chosen(Mechanism::Scram(algorithm)) => {
                let (challenge, answer) = Challenge::begin(algorithm, token, users)?;
                self.state = State::Challenged(Box::new(challenge));
                Ok(answer)
            }
            State::Challenged(challenge) => {
                let answer = challenge.finish(token)?;
                self.state = State::Authenticated;
                Ok(answer)
            }
        }
    }
}

/// Checks a token `authorized NUL user NUL password`.
fn check_plain(token: &[u8], users: &Users) -> Result<(), Error> {
    let text = std::str::from_utf8(token).map_err(|_| Error::Token)?;
    let mut fields = text.split('\0');
    let (Some(authorized), Some(user), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Error::Token);
    };
    if !authorized.is_empty() && authorized != user {
        return Err(Error::Credentials);
    }
    users.check(user, password)
}

/// Compares without telling by the time it takes where the first difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    left.len() == right.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use convoy_server_kit::Secret;

    use super::*;

    fn users() -> Users {
        Users::new(vec![User {
            name: "driver".to_owned(),
            password: Secret::new("pass word"),
        }])
    }

    #[test]
    fn plain_needs_the_right_password_of_a_known_user() {
        let users = users();
        let attempt = |token: &[u8]| {
            let mut session = Session::new(&users);
            session.choose("PLAIN", false).unwrap();
            session.step(token, &users)
        };
        assert_eq!(attempt(b"\0driver\0pass word"), Ok(Vec::new()));
        assert_eq!(attempt(b"driver\0driver\0pass word"), Ok(Vec::new()));
        assert_eq!(attempt(b"\0driver\0wrong"), Err(Error::Credentials));
        assert_eq!(attempt(b"\0nobody\0pass word"), Err(Error::Credentials));
        assert_eq!(attempt(b"boss\0driver\0pass word"), Err(Error::Credentials));
        assert_eq!(attempt(b"driver"), Err(Error::Token));
        assert_eq!(attempt(b"\0a\0b\0c"), Err(Error::Token));
    }

    #[test]
    fn nothing_but_authentication_is_permitted_before_it() {
        let users = users();
        let mut session = Session::new(&users);
        assert!(session.permits(ApiKey::ApiVersions));
        assert!(!session.permits(ApiKey::Metadata));
        assert_eq!(session.step(b"", &users), Err(Error::Sequence));
        session.choose("PLAIN", false).unwrap();
        assert!(!session.permits(ApiKey::Metadata));
        session.step(b"\0driver\0pass word", &users).unwrap();
        assert!(session.permits(ApiKey::Metadata));
    }

    #[test]
    fn everything_is_permitted_where_there_are_no_users() {
        let session = Session::new(&Users::new(Vec::new()));
        assert!(session.permits(ApiKey::Metadata));
    }

    #[test]
    fn where_there_are_no_users_anyone_may_log_in_by_plain() {
        let nobody = Users::new(Vec::new());
        for bare_tokens in [false, true] {
            let mut session = Session::new(&nobody);
            assert_eq!(session.mechanisms().collect::<Vec<_>>(), ["PLAIN"]);
            let refused = session.choose("SCRAM-SHA-256", bare_tokens);
            assert_eq!(refused, Err(ResponseError::UnsupportedSaslMechanism));
            session.choose("PLAIN", bare_tokens).unwrap();
            assert_eq!(session.expects_bare_token(), bare_tokens);
            assert_eq!(session.step(b"\0any\0one", &nobody), Ok(Vec::new()));
            assert!(!session.expects_bare_token());
            assert!(session.permits(ApiKey::Metadata));
        }
    }

    #[test]
    fn unknown_mechanisms_are_refused() {
        let mut session = Session::new(&users());
        assert_eq!(
            session.choose("GSSAPI", false),
            Err(ResponseError::UnsupportedSaslMechanism)
        );
    }

    #[test]
    fn passwords_are_never_shown() {
        let shown = format!("{:?}", users());
        assert!(!shown.contains("pass word"), "{shown}");
    }
}
