//! What can be wrong with what the user said.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;

use crate::broker::SecurityProtocol;
use crate::cli::layers::Origin;
use crate::fleet::Key;

/// The command line, the scenario or the environment variables are wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// clap's own words about a flag, its value or its company.
    #[error("{message}")]
    Usage {
        /// Without the label `error:`.
        message: String,
    },
    /// The scenario is not there.
    #[error("cannot read the scenario `{}`", path.display())]
    ReadScenario {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The scenario is not TOML.
    /// The parser's own error shows the line, which may hold a secret.
    #[error("the scenario `{}` is not valid TOML at line {line}: {reason}", path.display())]
    ParseScenario {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The scenario has a key that no option has.
    #[error("unknown key `{key}` in the scenario `{}`", path.display())]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The option with the most similar name.
        suggestion: Option<String>,
    },
    /// The scenario gives an option a list or a table.
    #[error("`{key}` in the scenario `{}` is not a single value", path.display())]
    NotAValue {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// The broker is to ask who we are, and nobody said.
    #[error("`--security-protocol {security_protocol}` needs a user and a password")]
    MissingCredentials {
        /// The protocol.
        security_protocol: SecurityProtocol,
    },
    /// The file `.env` is not there although its name is.
    #[error("cannot read `{}`", path.display())]
    ReadEnvironmentFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line of `.env` is no assignment. The line is not shown, because it may hold a secret.
    #[error("assignment {number} in `{}` is not `NAME=value`", path.display())]
    ParseEnvironmentFile {
        /// Which file.
        path: PathBuf,
        /// Which assignment, from 1; empty lines and comments not counted.
        number: usize,
    },
    /// An option's value outside the command line is wrong.
    #[error("invalid value `{value}` for `--{option}` from {origin}: {reason}")]
    Value {
        /// Name of the option.
        option: String,
        /// What was given, secrets replaced.
        value: String,
        /// By whom.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// Both an address and a kind of server that convoy starts itself were asked for.
    #[error("`--{option} {value}` contradicts `--backend {backend}`")]
    AddressWithBackend {
        /// `broker` or `store`.
        option: &'static str,
        /// The address, secrets replaced.
        value: String,
        /// The kind.
        backend: String,
    },
    /// Existing servers are to be used, but nothing says which.
    #[error("`--backend external` needs the address of the {option}")]
    MissingAddress {
        /// `broker` or `store`.
        option: &'static str,
    },
    /// Half of the pipeline is to run, but nothing says where its servers are.
    #[error("the address of the {option} is missing")]
    MissingEndpoint {
        /// `broker` or `store`.
        option: &'static str,
    },
    /// Living members would be taken for dead between two signs of life.
    #[error("`--dead-after {}` is shorter than two signs of life, {} apart", humantime::format_duration(*dead_after), humantime::format_duration(*beat))]
    HastyBurial {
        /// Between two signs of life.
        beat: Duration,
        /// When a member is taken for dead.
        dead_after: Duration,
    },
    /// An option of the embedded servers has none to act on.
    #[error("`--{option}` is for an embedded {server}, but the {server} is `{choice}`")]
    NotEmbedded {
        /// Name of the option.
        option: &'static str,
        /// `broker` or `store`.
        server: &'static str,
        /// What is used instead.
        choice: String,
    },
    /// More consumers than partitions to share.
    #[error("{consumers} consumers cannot share {partitions} partitions")]
    IdleConsumers {
        /// What was asked for.
        consumers: u32,
        /// What there is to share.
        partitions: u32,
    },
    /// The encoding needs a Schema Registry and none is known.
    #[error("`--encoding confluent` needs a Schema Registry beside the existing broker")]
    MissingRegistry,
    /// Readings are to be sent out of an order that they do not have.
    #[error("`out-of-order` needs vehicles whose readings have an order, but `--key` is `{key}`")]
    NoOrder {
        /// The key.
        key: Key,
    },
    /// Something is to go wrong where nothing is sent.
    #[error("`--faults` needs a pipeline, but `--sink` is `null`")]
    FaultsWithoutPipeline,
    /// A value that cannot be passed on in one line.
    #[error("`{variable}` has a control character in it")]
    ControlCharacter {
        /// The variable.
        variable: &'static str,
    },
    /// Half of a pair of credentials.
    #[error("`{present}` is set, but `{absent}` is not")]
    HalfCredentials {
        /// The variable that is set.
        present: &'static str,
        /// The variable that is not.
        absent: &'static str,
    },
}

impl Error {
    /// Takes clap's message without its label.
    pub(super) fn usage(error: &clap::Error) -> Self {
        let message = match error.kind() {
            // Then clap's message is the help alone.
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                format!("a command is missing\n\n{error}")
            }
            _ => error.to_string(),
        };
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        Self::Usage {
            message: message.trim_end().to_owned(),
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            // clap's message ends with a hint of its own.
            Self::Usage { .. } => return None,
            Self::ReadScenario { .. } => "name a readable file by `--scenario FILE`".to_owned(),
            Self::ParseScenario { .. } => {
                "a scenario is a list of options, such as `vehicles = 50` and `duration = \"10s\"`"
                    .to_owned()
            }
            Self::UnknownKey {
                suggestion: Some(suggestion),
                ..
            } => format!("did you mean `{suggestion}`?"),
            Self::UnknownKey { .. } => {
                "keys are the options of `convoy simulate --help` without their dashes".to_owned()
            }
            Self::MissingCredentials { .. } => {
                "set CONVOY_BROKER_USERNAME and CONVOY_BROKER_PASSWORD, in the environment or in `.env`"
                    .to_owned()
            }
            Self::NotAValue { .. } => "write it as text, a number or a boolean".to_owned(),
            Self::ReadEnvironmentFile { .. } => {
                "make it readable, or start convoy from another directory".to_owned()
            }
            Self::ParseEnvironmentFile { .. } => {
                "put values with spaces or `#` between quotes".to_owned()
            }
            Self::Value { origin, option, .. } => {
                format!("correct {origin}, or overrule it by `--{option}`")
            }
            Self::AddressWithBackend { option, .. } => format!(
                "leave out the address, or use `--backend external`, or mix kinds by `--{option} embedded`"
            ),
            Self::MissingAddress { option: "broker" }
            | Self::MissingEndpoint { option: "broker" } => {
                "give `--broker HOST:PORT`, or set `BOOTSTRAP_SERVER`".to_owned()
            }
            Self::MissingAddress { .. } | Self::MissingEndpoint { .. } => {
                "give `--store mongodb://HOST:PORT`, or set `MONGO_DB_URL`".to_owned()
            }
            Self::HastyBurial { .. } => "raise `--dead-after`".to_owned(),
            Self::NotEmbedded { server, .. } => {
                format!("leave it out, or use `--{server} embedded`")
            }
            Self::IdleConsumers { partitions, .. } => format!(
                "a partition has one consumer: use `--consumers {partitions}`, or raise `--partitions`"
            ),
            Self::MissingRegistry => {
                "set `ENDPOINT_SCHEMA_URL`, or use `--encoding json`".to_owned()
            }
            Self::NoOrder { .. } => "leave it out, or use `--key vehicle`".to_owned(),
            Self::FaultsWithoutPipeline => "leave out one of the two".to_owned(),
            Self::ControlCharacter { .. } => "use letters, digits and symbols".to_owned(),
            Self::HalfCredentials { absent, .. } => format!("set `{absent}` too"),
        };
        Some(hint)
    }
}
