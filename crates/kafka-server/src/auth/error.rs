//! Failed authentication.

use convoy_server_kit::scram;

/// A client failed to authenticate. The client reads the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user does not exist or the password is wrong; the error does not say which.
    #[error("user name or password is wrong")]
    Rejected,
    /// A token does not follow its mechanism.
    #[error("the token does not follow the SASL mechanism")]
    Token,
    /// A token came before a handshake.
    #[error("no SASL mechanism was chosen")]
    Sequence,
}

impl From<scram::Error> for Error {
    fn from(error: scram::Error) -> Self {
        match error {
            scram::Error::Rejected => Self::Rejected,
            _ => Self::Token,
        }
    }
}
