//! The login of one connection.

use convoy_server_kit::scram::{CredentialStore, Exchange};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;

use crate::auth::credentials::Credentials;
use crate::auth::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// Mechanisms by the names that clients choose from.
const MECHANISMS: &[(&str, Mechanism)] = &[
    ("PLAIN", Mechanism::Plain),
    ("SCRAM-SHA-256", Mechanism::ScramSha256),
    ("SCRAM-SHA-512", Mechanism::ScramSha512),
];

/// The authentication state of one connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    /// The server has no users: every client has access.
    open: bool,
    /// Tokens come without a request header: the client sent version 0 of the handshake.
    bare_tokens: bool,
}

#[derive(Debug)]
enum State {
    Fresh,
    Chosen(Mechanism),
    Challenged(Box<Exchange>),
    Authenticated,
}

impl Session {
    /// Returns the state of a new connection.
    pub fn new(credentials: &Credentials) -> Self {
        let open = credentials.is_empty();
        let state = if open {
            State::Authenticated
        } else {
            State::Fresh
        };
        Self {
            state,
            open,
            bare_tokens: false,
        }
    }

    /// Whether the client may send every request.
    pub fn authenticated(&self) -> bool {
        self.open || matches!(self.state, State::Authenticated)
    }

    /// Whether the client may send a request of this API now.
    pub fn permits(&self, api: ApiKey) -> bool {
        self.authenticated()
            || matches!(
                api,
                ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate
            )
    }

    /// Whether the next frame is a token without a request header.
    pub fn expects_bare_token(&self) -> bool {
        self.bare_tokens && matches!(self.state, State::Chosen(_) | State::Challenged(_))
    }

    /// Sets the mechanism that the client chose.
    pub fn choose(&mut self, mechanism: &str, bare_tokens: bool) -> Result<(), ResponseError> {
        let mut offered = self.offered();
        let chosen = offered.find(|(name, _)| *name == mechanism);
        let (_, mechanism) = *chosen.ok_or(ResponseError::UnsupportedSaslMechanism)?;
        self.bare_tokens = bare_tokens;
        // Also on a connection that is logged in: it has access again after this login.
        self.state = State::Chosen(mechanism);
        Ok(())
    }

    /// Returns the names of the mechanisms on offer.
    pub fn mechanisms(&self) -> impl Iterator<Item = &'static str> {
        self.offered().map(|(name, _)| *name)
    }

    fn offered(&self) -> impl Iterator<Item = &'static (&'static str, Mechanism)> + use<> {
        let open = self.open;
        let offered = move |mechanism| !open || mechanism == Mechanism::Plain;
        MECHANISMS
            .iter()
            .filter(move |(_, mechanism)| offered(*mechanism))
    }

    /// Processes a token of the client and returns the token to answer with.
    pub fn step(&mut self, token: &[u8], credentials: &Credentials) -> Result<Vec<u8>, Error> {
        match std::mem::replace(&mut self.state, State::Fresh) {
            State::Fresh | State::Authenticated => Err(Error::Sequence),
            State::Chosen(Mechanism::Plain) => {
                if !self.open {
                    check_plain(token, credentials)?;
                }
                self.state = State::Authenticated;
                Ok(Vec::new())
            }
            State::Chosen(Mechanism::ScramSha256) => self.challenge(credentials.sha_256(), token),
            State::Chosen(Mechanism::ScramSha512) => self.challenge(credentials.sha_512(), token),
            State::Challenged(exchange) => {
                let authenticated = exchange.finish(token)?;
                self.state = State::Authenticated;
                Ok(authenticated.answer.into_bytes())
            }
        }
    }

    fn challenge(&mut self, store: &CredentialStore, token: &[u8]) -> Result<Vec<u8>, Error> {
        let (exchange, challenge) = Exchange::begin(store, token)?;
        self.state = State::Challenged(Box::new(exchange));
        Ok(challenge.into_bytes())
    }
}

/// Checks a token `authorized NUL user NUL password`.
fn check_plain(token: &[u8], credentials: &Credentials) -> Result<(), Error> {
    let text = std::str::from_utf8(token).map_err(|_| Error::Token)?;
    let mut fields = text.split('\0');
    let (Some(authorized), Some(user), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Error::Token);
    };
    if !authorized.is_empty() && authorized != user {
        return Err(Error::Rejected);
    }
    if credentials.verify(user, password) {
        Ok(())
    } else {
        Err(Error::Rejected)
    }
}

#[cfg(test)]
mod tests {
    use convoy_server_kit::User;

    use super::*;

    fn users() -> Credentials {
        Credentials::new(&[User::new("driver", "pass word")])
    }

    #[test]
    fn plain_accepts_only_the_password_of_a_known_user() {
        let users = users();
        let attempt = |token: &[u8]| {
            let mut session = Session::new(&users);
            session.choose("PLAIN", false).unwrap();
            session.step(token, &users)
        };
        assert_eq!(attempt(b"\0driver\0pass word"), Ok(Vec::new()));
        assert_eq!(attempt(b"driver\0driver\0pass word"), Ok(Vec::new()));
        assert_eq!(attempt(b"\0driver\0wrong"), Err(Error::Rejected));
        assert_eq!(attempt(b"\0nobody\0pass word"), Err(Error::Rejected));
        assert_eq!(attempt(b"boss\0driver\0pass word"), Err(Error::Rejected));
        assert_eq!(attempt(b"driver"), Err(Error::Token));
        assert_eq!(attempt(b"\0a\0b\0c"), Err(Error::Token));
    }

    #[test]
    fn only_authentication_is_permitted_before_login() {
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
    fn login_of_a_connection_that_is_logged_in_is_a_real_login() {
        let users = users();
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let mut session = Session::new(&users);
            session.choose("PLAIN", false).unwrap();
            session.step(b"\0driver\0pass word", &users).unwrap();
            session.choose(mechanism, false).unwrap();
            assert!(!session.permits(ApiKey::Metadata));
            assert!(session.step(b"\0driver\0wrong", &users).is_err());
            assert!(!session.permits(ApiKey::Metadata));
        }
    }

    #[test]
    fn server_without_users_permits_every_request() {
        let session = Session::new(&Credentials::new(&[]));
        assert!(session.permits(ApiKey::Metadata));
    }

    #[test]
    fn server_without_users_accepts_any_password_by_plain() {
        let none = Credentials::new(&[]);
        for bare_tokens in [false, true] {
            let mut session = Session::new(&none);
            assert_eq!(session.mechanisms().collect::<Vec<_>>(), ["PLAIN"]);
            let refused = session.choose("SCRAM-SHA-256", bare_tokens);
            assert_eq!(refused, Err(ResponseError::UnsupportedSaslMechanism));
            session.choose("PLAIN", bare_tokens).unwrap();
            assert_eq!(session.expects_bare_token(), bare_tokens);
            assert_eq!(session.step(b"\0any\0one", &none), Ok(Vec::new()));
            assert!(!session.expects_bare_token());
            assert!(session.permits(ApiKey::Metadata));
        }
    }

    #[test]
    fn unknown_mechanism_is_rejected() {
        let mut session = Session::new(&users());
        assert_eq!(
            session.choose("GSSAPI", false),
            Err(ResponseError::UnsupportedSaslMechanism)
        );
    }

    #[test]
    fn debug_output_hides_passwords() {
        let shown = format!("{:?}", users());
        assert!(!shown.contains("pass word"), "{shown}");
    }

    #[test]
    fn scram_takes_an_unknown_user_for_a_wrong_password() {
        let users = users();
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let mut session = Session::new(&users);
            session.choose(mechanism, false).unwrap();
            let challenge = session.step(b"n,,n=unknown,r=abc", &users).unwrap();
            let challenge = String::from_utf8(challenge).unwrap();
            let nonce = challenge.split(',').next().unwrap();
            let bytes = if mechanism.ends_with("256") { 32 } else { 64 };
            let proof = "A".repeat(bytes / 3 * 4) + if bytes == 32 { "AAA=" } else { "AA==" };
            let last = format!("c=biws,{nonce},p={proof}");
            assert_eq!(session.step(last.as_bytes(), &users), Err(Error::Rejected));
            assert!(!session.authenticated());
        }
    }
}
