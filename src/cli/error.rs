//! Errors in the command line, the scenario and the environment variables.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use convoy_server_kit::redact_uri;

use crate::broker::SecurityProtocol;
use crate::cli::origin::Origin;
use crate::fleet::Key;
use crate::report;

/// A mistake in the command line, the scenario or an environment variable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of clap about a flag or its value.
    #[error("{message}")]
    Usage {
        /// Without the label `error:`.
        message: String,
    },
    /// The scenario cannot be read.
    #[error("cannot read the scenario `{}`", path.display())]
    ReadScenario {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The report that `--again` names cannot be read.
    #[error("cannot repeat the run `{}`", path.display())]
    ReadAgain {
        path: PathBuf,
        #[source]
        source: Box<report::Error>,
    },
    /// The report that `--again` names does not say how to repeat its run.
    #[error("cannot repeat the run `{}`: {reason}", path.display())]
    Again { path: PathBuf, reason: String },
    /// The scenario is not TOML. The parser's own error shows the line, which may hold a secret.
    #[error("the scenario `{}` is not valid TOML at line {line}: {reason}", path.display())]
    ParseScenario {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        reason: String,
    },
    /// The scenario has a key that is not an option.
    #[error("unknown key `{key}` in the scenario `{}`", path.display())]
    UnknownKey {
        path: PathBuf,
        key: String,
        /// The option with the most similar name.
        suggestion: Option<String>,
    },
    /// The scenario sets an option to a list or a table.
    #[error("`{key}` in the scenario `{}` is not a {}", path.display(), if *takes_list { "value or a list of values" } else { "single value" })]
    NotAValue {
        path: PathBuf,
        key: String,
        /// Whether a list of values is possible.
        takes_list: bool,
    },
    /// The security protocol needs credentials.
    #[error("`--security-protocol {security_protocol}` needs a user and a password")]
    MissingCredentials { security_protocol: SecurityProtocol },
    /// The file of variables that the user names cannot be read.
    #[error("cannot read `{}`", path.display())]
    ReadEnvironmentFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A value from the scenario or a variable is invalid, or an address.
    #[error("invalid value `{value}` for `--{option}` from {origin}: {reason}")]
    Value {
        option: String,
        /// Without secrets.
        value: String,
        origin: Box<Origin>,
        reason: String,
        /// A better hint than to correct the source.
        advice: Option<String>,
    },
    /// The scenario or the variables set two options that exclude each other.
    #[error("`--{option}` from {origin} cannot be used with `--{other}` from the same source")]
    Exclusive {
        option: String,
        other: String,
        origin: Box<Origin>,
    },
    /// An address is set, and a kind of servers that convoy starts.
    #[error("`--{option} {value}` contradicts `--backend {backend}`")]
    AddressWithBackend {
        /// `broker` or `store`.
        option: &'static str,
        /// The address without secrets.
        value: String,
        backend: String,
    },
    /// Existing servers need an address.
    #[error("`--backend external` needs the address of the {option}")]
    MissingAddress {
        /// `broker` or `store`.
        option: &'static str,
    },
    /// `produce` and `consume` need the addresses of their servers.
    #[error("the address of the {option} is missing")]
    MissingEndpoint {
        /// `broker` or `store`.
        option: &'static str,
    },
    /// Running members would be evicted between two heartbeats.
    #[error("`--session-timeout` ({}) must be at least twice `--heartbeat-interval` ({})", humantime::format_duration(*session_timeout), humantime::format_duration(*heartbeat))]
    SessionTimeoutTooShort {
        heartbeat: Duration,
        session_timeout: Duration,
    },
    /// An option of embedded servers, but the server is not embedded.
    #[error("`--{option}` needs an embedded {server}, but the {server} is `{choice}`")]
    NotEmbedded {
        option: &'static str,
        /// `broker` or `store`.
        server: &'static str,
        choice: String,
    },
    /// More consumers than partitions.
    #[error("{consumers} consumers cannot share {partitions} partitions")]
    IdleConsumers { consumers: u32, partitions: u32 },
    /// The encoding needs a Schema Registry.
    #[error("`--encoding confluent` with an existing broker needs a Schema Registry")]
    MissingRegistry,
    /// Out-of-order readings need an order.
    #[error("the fault `out-of-order` needs `--key vehicle`, but `--key` is `{key}`")]
    NoOrder { key: Key },
    /// Faults need servers.
    #[error("`--faults` cannot be used with `--sink null`")]
    FaultsWithoutPipeline,
    /// `capacity` varies the load itself.
    #[error("`{option}` cannot be used with `capacity`: {reason}")]
    NotForCapacity {
        option: &'static str,
        reason: &'static str,
    },
    /// A setting that `sweep` cannot vary.
    #[error("`{option}` cannot be varied")]
    NotForSweep { option: String },
    /// A sweep would take too long.
    #[error("more than {most} combinations")]
    TooManyCombinations { most: usize },
    /// A fault that the consumer of the run cannot have.
    #[error("the fault `{fault}` cannot be injected: {because}")]
    FaultOfConsumer {
        fault: String,
        because: &'static str,
    },
    /// An option that another one excludes.
    #[error("`--{option}` cannot be used: {because}")]
    Unfitting {
        option: &'static str,
        because: &'static str,
    },
    /// A value that does not fit into one line.
    #[error("`{variable}` contains a control character")]
    ControlCharacter { variable: &'static str },
    /// A user without a password, or the reverse.
    #[error("{origin} is set, but `{absent}` is not")]
    HalfCredentials {
        /// The variable that is set.
        origin: Box<Origin>,
        absent: &'static str,
    },
    /// A side of `convoy ab` has wrong settings.
    #[error("invalid settings of `--{side}`")]
    Side {
        side: &'static str,
        #[source]
        source: Box<Self>,
    },
    /// A setting that sides cannot have.
    #[error("`--{side}` cannot set `{setting}`")]
    NotOfASide { side: &'static str, setting: String },
    /// The path of this executable is unknown.
    #[error("cannot find the executable of this process")]
    OwnExecutable(#[source] io::Error),
    /// A manual page could not be rendered.
    #[error("failed to render a manual page")]
    ManualPage(#[source] io::Error),
}

impl Error {
    /// Takes clap's message without its label.
    pub(super) fn usage(error: &clap::Error) -> Self {
        let message = match error.kind() {
            // The message is the help alone.
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

    /// Replaces secrets of misplaced arguments, which clap's message may quote.
    pub(super) fn without_secrets_of(self, arguments: &[OsString]) -> Self {
        let Self::Usage { mut message } = self else {
            return self;
        };
        for argument in arguments.iter().map(|it| it.to_string_lossy()) {
            let value = argument.split_once('=').map_or("", |(_, value)| value);
            for text in [&argument, value] {
                let shown = redact_uri(text);
                if shown != text {
                    message = message.replace(text, &shown);
                }
            }
        }
        Self::Usage { message }
    }

    /// Returns a hint about the sides of `convoy ab`.
    fn hint_about_sides(&self) -> Option<String> {
        match self {
            Self::Side { source, .. } => source.hint(),
            Self::NotOfASide { .. } => Some(
                "pass `option=value` with an option of `simulate`, such as `linger=5ms`".to_owned(),
            ),
            _ => Some("pass both `--a-exe` and `--b-exe`".to_owned()),
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Side { .. } | Self::NotOfASide { .. } | Self::OwnExecutable(_) => {
                return self.hint_about_sides();
            }
            // clap's message ends with its own hint.
            Self::Usage { .. } | Self::ManualPage(_) => return None,
            Self::ReadScenario { .. } => "pass a readable file: `--scenario FILE`".to_owned(),
            Self::ReadAgain { .. } | Self::Again { .. } => {
                "pass the directory of a run of `convoy simulate`: `--again runs/ID`".to_owned()
            }
            Self::ParseScenario { .. } => {
                "write one option per line, such as `vehicles = 50` or `duration = \"10s\"`"
                    .to_owned()
            }
            Self::UnknownKey {
                suggestion: Some(suggestion),
                ..
            } => format!("did you mean `{suggestion}`?"),
            Self::UnknownKey { .. } => {
                "write options of `convoy simulate --help` without the leading `--`".to_owned()
            }
            Self::NotAValue { .. } => "write a text, a number or a boolean".to_owned(),
            Self::ReadEnvironmentFile { .. } => {
                "pass a readable file: `--env-file FILE`, or none: `--no-env-file`".to_owned()
            }
            Self::Value {
                advice: Some(advice),
                ..
            } => advice.clone(),
            Self::Value { origin, option, .. } if **origin == Origin::Flag => {
                format!("correct `--{option}`")
            }
            Self::Value { origin, option, .. } => {
                format!("correct {origin}, or override it with `--{option}`")
            }
            Self::Exclusive { option, other, .. } => {
                format!("remove `{option}` or `{other}`")
            }
            Self::AddressWithBackend { option, .. } => format!(
                "remove the address, pass `--backend external`, or pass `--{option} embedded` for this server alone"
            ),
            Self::MissingCredentials { .. }
            | Self::MissingAddress { .. }
            | Self::MissingEndpoint { .. }
            | Self::MissingRegistry => self.missing_hint().to_owned(),
            Self::SessionTimeoutTooShort { .. } => "increase `--session-timeout`".to_owned(),
            Self::NotEmbedded { option, server, .. } => {
                format!("remove `--{option}`, or pass `--{server} embedded`")
            }
            Self::IdleConsumers { partitions, .. } => format!(
                "each consumer needs a partition: pass `--consumers {partitions}`, or increase `--partitions`"
            ),
            Self::NoOrder { .. } => "remove the fault, or pass `--key vehicle`".to_owned(),
            Self::NotForCapacity { .. }
            | Self::NotForSweep { .. }
            | Self::TooManyCombinations { .. } => self.search_hint().to_owned(),
            Self::FaultsWithoutPipeline => "remove one of the two options".to_owned(),
            Self::FaultOfConsumer { .. } => "remove the fault from `--faults`".to_owned(),
            Self::Unfitting { option, .. } => format!("remove `--{option}`"),
            Self::ControlCharacter { variable } => {
                format!("set `{variable}` to letters, digits and symbols")
            }
            Self::HalfCredentials { absent, .. } => format!("set `{absent}` too"),
        };
        Some(hint)
    }

    /// Returns the hint of an error about a server of which something is missing.
    fn missing_hint(&self) -> &'static str {
        match self {
            Self::MissingCredentials { .. } => {
                "set `CONVOY_BROKER_USERNAME` and `CONVOY_BROKER_PASSWORD`, in the environment or in `.env`"
            }
            Self::MissingRegistry => {
                "set `CONVOY_REGISTRY_URL` or `ENDPOINT_SCHEMA_URL`, or pass `--encoding json`"
            }
            Self::MissingAddress { option: "broker" }
            | Self::MissingEndpoint { option: "broker" } => {
                "pass `--broker HOST:PORT`, or set `CONVOY_BROKER` or `BOOTSTRAP_SERVER`"
            }
            _ => "pass `--store mongodb://HOST:PORT`, or set `CONVOY_STORE` or `MONGO_DB_URL`",
        }
    }

    /// Returns the hint of an error of `capacity` or `sweep`.
    fn search_hint(&self) -> &'static str {
        match self {
            Self::NotForCapacity {
                option: "--max-vehicles",
                ..
            } => "pass a larger `--max-vehicles`, or a smaller `--vehicles`",
            Self::NotForSweep { .. } => {
                "pass an option of the load or the pipeline and its values: `--over linger=1ms,5ms`"
            }
            Self::TooManyCombinations { .. } => "pass fewer values, or make several sweeps",
            _ => "remove it, and set the rate of one vehicle: `--rate 1`",
        }
    }
}
