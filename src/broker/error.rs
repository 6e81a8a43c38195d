//! Errors of the Kafka client.

use crate::broker::remedy::{self, GroupStep, Remedy};
use crate::broker::wire::{self, ErrorCode};
use crate::cause::{Cause, Trouble};

/// A request to the broker failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    /// No broker responded.
    #[error("failed to connect to the broker at `{bootstrap}`")]
    Connect {
        /// The bootstrap addresses.
        bootstrap: String,
        /// How convoy connects.
        protocol: Protocol,
        #[source]
        source: Cause,
    },
    #[error("failed to create topic `{topic}`")]
    CreateTopic {
        topic: String,
        #[source]
        source: Cause,
    },
    #[error("failed to delete topic `{topic}`")]
    DeleteTopic {
        topic: String,
        #[source]
        source: Cause,
    },
    #[error("failed to list the topics of the broker")]
    ListTopics {
        #[source]
        source: Cause,
    },
    #[error("failed to fetch from `{topic}`/{partition} at offset {offset}")]
    Fetch {
        topic: String,
        partition: i32,
        offset: i64,
        #[source]
        source: Cause,
    },
    /// The log does not hold the requested offset, or no longer.
    #[error(
        "offset {offset} of `{topic}`/{partition} is out of range: records were lost or removed"
    )]
    OffsetOutOfRange {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// The log of a new leader does not have what was read: records were lost, and others may have
    /// their offsets now.
    #[error(
        "the log of `{topic}`/{partition} was cut at offset {end}, before the position {offset}: records were lost"
    )]
    LogTruncated {
        topic: String,
        partition: i32,
        offset: i64,
        end: i64,
    },
    #[error("topic `{topic}` was deleted and created again")]
    TopicRecreated { topic: String },
    #[error("failed to list the offsets of `{topic}`/{partition}")]
    ListOffsets {
        topic: String,
        partition: i32,
        #[source]
        source: Cause,
    },
    /// A request to the coordinator of a group failed.
    #[error("failed to {step} group `{group}`")]
    Group {
        group: String,
        step: GroupStep,
        /// The broker's error code, if it refused.
        code: Option<ErrorCode>,
        #[source]
        source: Cause,
    },
    /// The CA file cannot be used.
    #[error("cannot use the CA certificates in `{file}`")]
    Tls {
        file: String,
        #[source]
        source: Cause,
    },
}

/// Parts of Kafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Whether connections use TLS.
    pub encrypts: bool,
    /// Whether connections use SASL.
    pub authenticates: bool,
}

impl Error {
    /// The coordinator of a group did not do what was asked for.
    pub(in crate::broker) fn of_group(group: &str, step: GroupStep, error: wire::Error) -> Self {
        Self::Group {
            group: group.to_owned(),
            step,
            code: error.code(),
            source: error.into_cause(),
        }
    }

    /// Returns the broker's error code, if it refused a request about a group.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Group { code, .. } => *code,
            _ => None,
        }
    }

    /// Returns how a member of a group goes on after this error.
    pub fn remedy(&self) -> Remedy {
        let (code, trouble) = match self {
            Self::Group { code, source, .. } => (*code, source.trouble()),
            Self::Connect { source, .. } => (None, source.trouble()),
            _ => return Remedy::Retry,
        };
        remedy::after(code, trouble)
    }

    /// Returns the kind of the failure, if it is known.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Connect { source, .. }
            | Self::CreateTopic { source, .. }
            | Self::DeleteTopic { source, .. }
            | Self::ListTopics { source }
            | Self::Fetch { source, .. }
            | Self::ListOffsets { source, .. }
            | Self::Group { source, .. }
            | Self::Tls { source, .. } => source.trouble(),
            Self::OffsetOutOfRange { .. }
            | Self::LogTruncated { .. }
            | Self::TopicRecreated { .. } => None,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Connect {
                protocol, source, ..
            } => Some(
                source
                    .trouble()
                    .map_or(CONNECT, |it| connect_hint(it, *protocol)),
            ),
            Self::CreateTopic { source, .. } => Some(topic_hint(source.trouble())),
            Self::OffsetOutOfRange { .. } => Some(
                "the broker no longer has these records: pass `--from earliest` to continue at the oldest record that it has, or `--from latest` to skip all that it has; check the topic's retention",
            ),
            Self::LogTruncated { .. } | Self::TopicRecreated { .. } => Some(
                "start `convoy consume` again: it continues with the records that the log has now",
            ),
            Self::Group { code, source, .. } => {
                remedy::hint(*code).or_else(|| source.trouble().and_then(request_hint))
            }
            Self::Tls { .. } => Some("pass a PEM file with at least one certificate"),
            Self::DeleteTopic { .. } => {
                Some("allow the user to delete topics, or delete the topic yourself")
            }
            Self::ListTopics { source }
            | Self::Fetch { source, .. }
            | Self::ListOffsets { source, .. } => source.trouble().and_then(request_hint),
        }
    }
}

/// Hint for a connection that failed for an unknown reason.
const CONNECT: &str = "check that a Kafka broker runs at the address of `--broker`; or use the built-in broker with `--backend embedded`";

/// Hint for a user without a right.
const FORBIDDEN: &str =
    "give the user the rights to describe, read and write the topic in the cluster's ACLs";

fn connect_hint(trouble: Trouble, protocol: Protocol) -> &'static str {
    match trouble {
        Trouble::UnknownHost => {
            "correct the host name in `--broker`, or the name server of this machine; it may also be a name that the broker advertises"
        }
        Trouble::Refused => {
            "start the broker, or correct the port in `--broker`: no program listens there; or use the built-in broker with `--backend embedded`"
        }
        Trouble::NoRoute | Trouble::Silent => {
            "check that this machine can reach the address of `--broker` and those that the broker advertises (firewall, VPN), and that the broker is not stuck"
        }
        Trouble::Closed | Trouble::TlsMismatch | Trouble::OtherProtocol => {
            mismatch_hint(trouble, protocol)
        }
        Trouble::Certificate => {
            "pass the broker's CA certificates with `--ca-file`, and a host name that its certificate contains"
        }
        Trouble::Version => "use a broker that speaks the protocol of Apache Kafka 2.1 or later",
        Trouble::Credentials => {
            "check user and password (`API_KEY`, `API_SECRET_KEY`) and `--sasl-mechanism`"
        }
        Trouble::Mechanism => "pass a `--sasl-mechanism` that the broker has enabled",
        Trouble::AuthenticationMissing => {
            "set user and password (`API_KEY`, `API_SECRET_KEY`): the broker requires them"
        }
        Trouble::Forbidden => FORBIDDEN,
        Trouble::UnknownTopic => {
            "check that the topic exists: it may have been deleted; start again to create it"
        }
        _ => CONNECT,
    }
}

/// Returns the hint for two ends that do not use the same security protocol.
fn mismatch_hint(trouble: Trouble, protocol: Protocol) -> &'static str {
    match (protocol.encrypts, protocol.authenticates) {
        (true, true) => {
            "pass `--security-protocol sasl_plaintext` if the broker does not use TLS at this port: `sasl_ssl` is the default with a user"
        }
        (true, false) => {
            "pass `--security-protocol plaintext` if the broker does not use TLS at this port"
        }
        (false, true) => {
            "check `--security-protocol`: pass `sasl_ssl` if the broker uses TLS at this port, or `plaintext` and no user if it does not authenticate"
        }
        (false, false) if trouble == Trouble::OtherProtocol => {
            "check the port in `--broker`; if the broker uses TLS there, pass `--security-protocol ssl`, or a user and a password for `sasl_ssl`"
        }
        (false, false) => {
            "set user and password (`API_KEY`, `API_SECRET_KEY`) if the broker requires them, or pass `--security-protocol ssl` if it requires TLS: it closed the connection"
        }
    }
}

fn topic_hint(trouble: Option<Trouble>) -> &'static str {
    match trouble {
        Some(Trouble::Replication) => {
            "pass a `--replication-factor` of at most the number of the cluster's brokers"
        }
        Some(Trouble::Partitions) => {
            "pass other `--partitions`: the cluster does not allow this number"
        }
        Some(Trouble::TopicName) => {
            "pass another `--topic`: at most 249 letters, digits, `.`, `_` and `-`"
        }
        Some(Trouble::Policy) => {
            "create the topic as the cluster's policy requires, and pass it with `--topic`"
        }
        Some(Trouble::Silent) => {
            "check that all brokers of the cluster run, or raise `--request-timeout`"
        }
        // The list of topics did not have it.
        Some(Trouble::ExistingTopic) => {
            "allow the user the operation Describe on the topic in the cluster's ACLs: the broker does not show it to this user"
        }
        Some(Trouble::Forbidden) => {
            "allow the user the operation Describe on the topic if it exists, or Create if it does not, in the cluster's ACLs"
        }
        _ => "pass an existing topic with `--topic`, or allow the user to create topics",
    }
}

/// Returns the hint for a request that failed after the connection was made.
pub fn request_hint(trouble: Trouble) -> Option<&'static str> {
    Some(match trouble {
        Trouble::Forbidden => FORBIDDEN,
        Trouble::UnknownTopic => "check that the topic exists: it may have been deleted",
        Trouble::Silent => {
            "check whether the broker is stuck or overloaded, or raise `--request-timeout`"
        }
        Trouble::AuthenticationMissing => {
            "set user and password (`API_KEY`, `API_SECRET_KEY`): the broker requires them"
        }
        Trouble::Closed => {
            "set user and password (`API_KEY`, `API_SECRET_KEY`) if the broker requires them: it closed the connection"
        }
        Trouble::Refused | Trouble::NoRoute | Trouble::UnknownHost => {
            "check that the broker runs at the address that it advertises"
        }
        Trouble::Version => "use a broker that speaks the protocol of Apache Kafka 2.1 or later",
        _ => CONNECT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(trouble: Trouble, encrypts: bool, authenticates: bool) -> &'static str {
        let error = Error::Connect {
            bootstrap: "h:1".to_owned(),
            protocol: Protocol {
                encrypts,
                authenticates,
            },
            source: Cause::new("cause", Some(trouble)),
        };
        error.hint().unwrap()
    }

    #[test]
    fn each_mismatch_of_protocols_names_the_other_protocol() {
        for trouble in [Trouble::Closed, Trouble::TlsMismatch] {
            assert!(connect(trouble, true, true).contains("sasl_plaintext"));
            assert!(connect(trouble, true, false).contains("`--security-protocol plaintext`"));
            assert!(connect(trouble, false, true).contains("sasl_ssl"));
            assert!(connect(trouble, false, false).contains("API_KEY"));
        }
        assert!(connect(Trouble::OtherProtocol, false, false).contains("port"));
    }

    #[test]
    fn each_refused_topic_has_its_own_hint() {
        let hint = |trouble| {
            let error = Error::CreateTopic {
                topic: "t".to_owned(),
                source: Cause::new("refused", trouble),
            };
            error.hint().unwrap()
        };
        assert!(hint(Some(Trouble::Replication)).contains("--replication-factor"));
        assert!(hint(Some(Trouble::ExistingTopic)).contains("Describe"));
        assert!(hint(Some(Trouble::Forbidden)).contains("Create"));
        assert!(hint(Some(Trouble::Partitions)).contains("--partitions"));
        assert!(hint(Some(Trouble::TopicName)).contains("249"));
        assert!(hint(Some(Trouble::Forbidden)).contains("allow the user"));
        assert!(hint(None).contains("existing topic"));
    }

    #[test]
    fn lost_offset_names_both_ways_on() {
        let error = Error::OffsetOutOfRange {
            topic: "t".to_owned(),
            partition: 0,
            offset: 9,
        };
        let hint = error.hint().unwrap();
        assert!(hint.contains("--from earliest") && hint.contains("--from latest"));
    }
}
