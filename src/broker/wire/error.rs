//! Why a connection or a request failed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use convoy_kafka_server::protocol::{FieldError, FrameError};
use convoy_server_kit::scram::ClientError;
use kafka_protocol::messages::ApiKey;

use crate::broker::wire::code::ErrorCode;
use crate::cause::{Cause, Trouble};

/// A connection or a request to a broker failed.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
enum Inner {
    /// One broker.
    Broker { address: String, reason: Reason },
    /// Every bootstrap server.
    Bootstrap(Vec<Error>),
}

/// What went wrong at one broker.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("invalid address (expected HOST:PORT)")]
    Address,
    #[error("{0}")]
    Io(io::Error),
    #[error("the SOCKS5 proxy at {proxy} failed: {text}")]
    Proxy { proxy: SocketAddr, text: String },
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("no {step} within {}", humantime::format_duration(*.deadline))]
    Timeout { step: Step, deadline: Duration },
    #[error("the broker closed the connection before it responded to {0:?}")]
    Closed(ApiKey),
    /// The first bytes of a response are not Kafka's protocol.
    #[error("the server does not speak Kafka's protocol here: {0}")]
    OtherProtocol(Other),
    #[error("the response to {api:?} is not valid: {source}")]
    Fields { api: ApiKey, source: FieldError },
    #[error("the response to {api:?} has correlation id {received} (expected {expected})")]
    Correlation {
        api: ApiKey,
        expected: i32,
        received: i32,
    },
    #[error("the broker has no version of {api:?} from {} to {}{}", ours.start(), ours.end(), available(*theirs))]
    Version {
        api: ApiKey,
        ours: RangeInclusive<i16>,
        theirs: Option<(i16, i16)>,
    },
    #[error("{}", refusal(*.code, .message.as_deref()))]
    Refused {
        code: ErrorCode,
        message: Option<String>,
    },
    #[error("SCRAM failed: {0}")]
    Scram(ClientError),
    #[error("{api:?} cannot be encoded: {text}")]
    Unencodable { api: ApiKey, text: String },
    #[error("the connection is not usable after an earlier failure")]
    Unusable,
    #[error("the metadata lacks {0}")]
    Metadata(&'static str),
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Connecting,
    Proxy,
    Handshake,
    Response(ApiKey),
}

/// What a server spoke instead of Kafka's protocol.
#[derive(Debug)]
pub enum Other {
    Tls,
    Http,
    Frame(FrameError),
}

impl Error {
    pub(super) fn new(address: &str, reason: Reason) -> Self {
        Self(Box::new(Inner::Broker {
            address: address.to_owned(),
            reason,
        }))
    }

    /// The failures of all bootstrap servers; the order is that of the list.
    pub(super) fn bootstrap(mut failures: Vec<Self>) -> Self {
        match failures.pop() {
            Some(only) if failures.is_empty() => only,
            Some(last) => {
                failures.push(last);
                Self(Box::new(Inner::Bootstrap(failures)))
            }
            None => Self::new("", Reason::Address),
        }
    }

    /// The broker refused a request with a code inside its response.
    pub fn refused(address: &str, code: ErrorCode, message: Option<&str>) -> Self {
        let message = message.filter(|text| !text.trim().is_empty());
        let message = message.map(str::to_owned);
        Self::new(address, Reason::Refused { code, message })
    }

    /// Returns the broker's error code, if it refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match &*self.0 {
            Inner::Broker {
                reason: Reason::Refused { code, .. },
                ..
            } => Some(*code),
            Inner::Broker { .. } => None,
            Inner::Bootstrap(failures) => failures.iter().find_map(Self::code),
        }
    }

    /// Returns the kind of the failure, if a user can mend it.
    pub fn trouble(&self) -> Option<Trouble> {
        match &*self.0 {
            Inner::Broker { reason, .. } => reason.trouble(),
            Inner::Bootstrap(failures) => failures.iter().find_map(Self::trouble),
        }
    }

    /// Converts into the cause of an error that names the purpose of the request.
    pub fn into_cause(self) -> Cause {
        Cause::new(&self.to_string(), self.trouble())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Broker { address, reason } => write!(formatter, "`{address}`: {reason}"),
            Inner::Bootstrap(failures) => {
                for (index, failure) in failures.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(formatter, "{separator}{failure}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}

impl Reason {
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Some(Trouble::Refused),
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    Some(Trouble::NoRoute)
                }
                _ => Trouble::of_transport(&error.to_string()),
            },
            // A broker without TLS closes the connection, or sends what is not TLS.
            Self::Tls(error) => {
                Trouble::of_transport(&error.to_string()).or(Some(Trouble::TlsMismatch))
            }
            Self::Proxy { text, .. } => Trouble::of_transport(text),
            Self::Timeout { .. } => Some(Trouble::Silent),
            Self::Closed(_) => Some(Trouble::Closed),
            Self::OtherProtocol(_) | Self::Correlation { .. } => Some(Trouble::OtherProtocol),
            Self::Version { .. } => Some(Trouble::Version),
            Self::Refused { code, .. } => code.trouble(),
            Self::Scram(ClientError::Rejected(_) | ClientError::Imposter) => {
                Some(Trouble::Credentials)
            }
            Self::Address
            | Self::Fields { .. }
            | Self::Scram(_)
            | Self::Unencodable { .. }
            | Self::Unusable
            | Self::Metadata(_) => None,
        }
    }
}

impl Other {
    /// Recognizes a protocol by the bytes that were read as the length of a response.
    pub fn of(error: FrameError) -> Self {
        let FrameError::Length { length, .. } = error;
        match length.to_be_bytes() {
            // An alert or a handshake of TLS.
            [0x15 | 0x16, 3, _, _] => Self::Tls,
            [b'H', b'T', b'T', b'P'] => Self::Http,
            _ => Self::Frame(error),
        }
    }
}

impl fmt::Display for Other {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => formatter.write_str("it responded with TLS"),
            Self::Http => formatter.write_str("it responded with HTTP"),
            Self::Frame(error) => write!(formatter, "{error}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => formatter.write_str("connection"),
            Self::Proxy => formatter.write_str("connection through the SOCKS5 proxy"),
            Self::Handshake => formatter.write_str("TLS handshake"),
            Self::Response(api) => write!(formatter, "response to {api:?}"),
        }
    }
}

fn available(versions: Option<(i16, i16)>) -> String {
    versions.map_or(String::new(), |(first, last)| {
        format!(", only from {first} to {last}")
    })
}

fn refusal(code: ErrorCode, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{message}: {code}"),
        None => format!("the broker responded {code}"),
    }
}
