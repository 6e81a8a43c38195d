//! Brokers, stores and registries that a command uses.

use std::fmt;
use std::path::PathBuf;

use convoy_server_kit::{SecretUri, User};

use crate::broker::{Mechanism, SecurityProtocol};

/// Which option or variable chose each server, in a few words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerOrigins {
    pub broker: String,
    pub store: String,
}

/// The broker of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// Redpanda in a container if possible, else embedded.
    Auto,
    Embedded,
    /// Redpanda in a container.
    Container,
    External(ExternalBroker),
}

/// An existing broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// Addresses, `HOST:PORT`.
    pub bootstrap: Vec<String>,
    /// SASL credentials; `None` connects anonymously.
    pub credentials: Option<User>,
    pub security_protocol: SecurityProtocol,
    pub sasl_mechanism: Mechanism,
    /// PEM file with the CA certificates to trust; `None` trusts the bundled Mozilla roots.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Display for BrokerChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Embedded => formatter.write_str("embedded"),
            Self::Container => formatter.write_str("container"),
            Self::External(broker) => formatter.write_str(&broker.bootstrap.join(",")),
        }
    }
}

/// The store of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// MongoDB in a container if possible, else embedded.
    Auto,
    Embedded,
    /// MongoDB in a container.
    Container,
    External(SecretUri),
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Embedded => formatter.write_str("embedded"),
            Self::Container => formatter.write_str("container"),
            Self::External(uri) => fmt::Display::fmt(uri, formatter),
        }
    }
}

/// An existing Schema Registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRegistry {
    pub url: SecretUri,
    /// Credentials of HTTP basic authentication.
    pub credentials: Option<User>,
}
