//! Error codes of Kafka's protocol, with their names and what they mean to a user.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_error_codes>

use std::fmt;

use kafka_protocol::error::ResponseError;

use crate::cause::Trouble;

/// An error code in a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(ResponseError);

impl ErrorCode {
    /// Returns the error that a number stands for; zero is none.
    pub fn check(number: i16) -> Result<(), Self> {
        ResponseError::try_from_code(number).map_or(Ok(()), |error| Err(Self(error)))
    }

    /// Returns the number.
    pub fn number(self) -> i16 {
        self.0.code()
    }

    /// Returns the error by name.
    pub fn error(self) -> ResponseError {
        self.0
    }

    /// Returns the kind of the failure, if a user can mend it.
    pub fn trouble(self) -> Option<Trouble> {
        Some(match self.0 {
            ResponseError::InvalidReplicationFactor => Trouble::Replication,
            ResponseError::InvalidPartitions => Trouble::Partitions,
            ResponseError::InvalidTopicException => Trouble::TopicName,
            ResponseError::PolicyViolation => Trouble::Policy,
            ResponseError::TopicAuthorizationFailed
            | ResponseError::GroupAuthorizationFailed
            | ResponseError::ClusterAuthorizationFailed
            | ResponseError::TransactionalIdAuthorizationFailed => Trouble::Forbidden,
            ResponseError::UnsupportedSaslMechanism => Trouble::Mechanism,
            ResponseError::SaslAuthenticationFailed => Trouble::Credentials,
            ResponseError::IllegalSaslState => Trouble::AuthenticationMissing,
            ResponseError::UnsupportedVersion => Trouble::Version,
            ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId => {
                Trouble::UnknownTopic
            }
            ResponseError::RequestTimedOut => Trouble::Silent,
            _ => return None,
        })
    }
}

impl From<ResponseError> for ErrorCode {
    fn from(error: ResponseError) -> Self {
        Self(error)
    }
}

impl PartialEq<ResponseError> for ErrorCode {
    fn eq(&self, other: &ResponseError) -> bool {
        self.0 == *other
    }
}

/// Kafka's name and the number: `NOT_LEADER_OR_FOLLOWER (6)`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ResponseError::Unknown(number) = self.0 {
            return write!(formatter, "error code {number}");
        }
        let mut name = String::new();
        for symbol in self.0.to_string().chars() {
            if symbol.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(symbol.to_ascii_uppercase());
        }
        write!(formatter, "{name} ({})", self.number())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_that_kafka_documents() {
        for (number, name) in [
            (-1, "UNKNOWN_SERVER_ERROR (-1)"),
            (3, "UNKNOWN_TOPIC_OR_PARTITION (3)"),
            (10, "MESSAGE_TOO_LARGE (10)"),
            (17, "INVALID_TOPIC_EXCEPTION (17)"),
            (58, "SASL_AUTHENTICATION_FAILED (58)"),
            (9_999, "error code 9999"),
        ] {
            let code = ErrorCode::check(number).unwrap_err();
            assert_eq!(code.to_string(), name);
            assert_eq!(code.number(), number);
        }
        assert_eq!(ErrorCode::check(0), Ok(()));
    }
}
