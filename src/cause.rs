//! Why a request to a server failed.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// Why a request failed: a timeout, or what the client library says.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// No response came in time.
    #[error("no response within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// A failure with a known kind.
    #[error("{text}")]
    Known {
        /// What is known, on one line.
        text: String,
        /// Kind of the failure.
        trouble: Trouble,
    },
    /// The client library's message.
    #[error("{0}")]
    Other(String),
}

impl Cause {
    /// Creates a cause from what a client library says about its innermost failure.
    pub fn new(text: &str, trouble: Option<Trouble>) -> Self {
        let text = one_line(text);
        match trouble {
            Some(trouble) => Self::Known { text, trouble },
            None => Self::Other(text),
        }
    }

    /// Returns the kind of the failure, if it is known.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Timeout(_) => Some(Trouble::Silent),
            Self::Known { trouble, .. } => Some(*trouble),
            Self::Other(_) => None,
        }
    }
}

/// Kinds of failures that a user mends in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host name has no address.
    UnknownHost,
    /// The host refused the connection: nothing listens at the port.
    Refused,
    /// There is no route to the host.
    NoRoute,
    /// The server did not respond in time.
    Silent,
    /// The server closed the connection before it responded.
    Closed,
    /// Only one end uses TLS.
    TlsMismatch,
    /// The server's certificate is not trusted, or is for another name.
    Certificate,
    /// The server speaks another protocol.
    OtherProtocol,
    /// The server does not have the versions that convoy needs.
    Version,
    /// User or password is wrong.
    Credentials,
    /// The server does not have the requested SASL mechanism.
    Mechanism,
    /// The server wants a user.
    AuthenticationMissing,
    /// The user lacks a right.
    Forbidden,
    /// There are fewer brokers than replicas.
    Replication,
    /// The number of partitions is not allowed.
    Partitions,
    /// The topic's name is not allowed.
    TopicName,
    /// A policy of the cluster forbids it.
    Policy,
    /// The topic or the partition does not exist.
    UnknownTopic,
    /// The topic exists already.
    ExistingTopic,
}

impl Trouble {
    /// Returns the kind of a failure of the network or of TLS by the words of the operating system and
    /// of the TLS library, which the client libraries pass on as text only.
    pub fn of_transport(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let known: &[(&[&str], Self)] = &[
            (
                &["invalid peer certificate", "unknownca", "unknown ca"],
                Self::Certificate,
            ),
            (
                &[
                    "tls handshake eof",
                    "invalidcontenttype",
                    "corrupt message of type",
                    "received fatal alert",
                    "peer is incompatible",
                ],
                Self::TlsMismatch,
            ),
            (
                &[
                    "failed to lookup address",
                    "name or service not known",
                    "no such host",
                    "name resolution",
                    "no record found",
                    "dns resolution",
                ],
                Self::UnknownHost,
            ),
            (&["connection refused"], Self::Refused),
            (
                &[
                    "no route to host",
                    "network is unreachable",
                    "host is unreachable",
                ],
                Self::NoRoute,
            ),
            (&["timed out", "timeout"], Self::Silent),
            (
                &[
                    "connection reset",
                    "broken pipe",
                    "unexpected end of file",
                    "early eof",
                ],
                Self::Closed,
            ),
        ];
        let found = known
            .iter()
            .find(|(words, _)| words.iter().any(|word| text.contains(word)));
        found.map(|(_, trouble)| *trouble)
    }
}

/// Waits for a response until a deadline.
pub async fn within<T>(deadline: Duration, response: impl Future<Output = T>) -> Result<T, Cause> {
    tokio::time::timeout(deadline, response)
        .await
        .map_err(|_elapsed| Cause::Timeout(deadline))
}

/// Returns an error with its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    one_line(&text)
}

/// Returns a text with each line break and the blanks around it replaced by one space.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_of_several_lines_is_shown_on_one() {
        for text in ["a\nb", "a\r\n\t b\n", "\n a \n\n b \n"] {
            assert_eq!(Cause::new(text, None).to_string(), "a b", "{text:?}");
            assert_eq!(chain(&Cause::Other(text.to_owned())), "a b", "{text:?}");
        }
    }

    #[test]
    fn failures_of_the_network_are_told_apart() {
        let failures = [
            ("Connection refused (os error 111)", Trouble::Refused),
            ("No route to host (os error 113)", Trouble::NoRoute),
            ("Network is unreachable (os error 101)", Trouble::NoRoute),
            ("Connection timed out (os error 110)", Trouble::Silent),
            ("Connection reset by peer (os error 104)", Trouble::Closed),
            (
                "failed to lookup address information: Name or service not known",
                Trouble::UnknownHost,
            ),
            ("tls handshake eof", Trouble::TlsMismatch),
            (
                "received corrupt message of type InvalidContentType",
                Trouble::TlsMismatch,
            ),
            (
                "invalid peer certificate: UnknownIssuer",
                Trouble::Certificate,
            ),
        ];
        for (text, trouble) in failures {
            assert_eq!(Trouble::of_transport(text), Some(trouble), "{text}");
        }
        assert_eq!(Trouble::of_transport("something else"), None);
    }
}
