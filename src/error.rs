//! How the process ends, and the sum of the rooms' errors with what each says about itself.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::{containers, dataset, faults, pipeline, registry, report};

/// How the process ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything went as asked.
    Success,
    /// The run finished, but its verdict or a threshold failed.
    Failed,
    /// The command line, the scenario or the environment variables are wrong.
    Usage,
    /// The environment failed: broker, store, file, engine.
    Environment,
    /// A bug in convoy.
    Bug,
    /// Interrupted by the user.
    Interrupted,
}

impl ExitStatus {
    /// Returns the number the operating system gets.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Bug => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command could not do what it was asked. Each room's error speaks for itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server could not be started.
    #[error(transparent)]
    Net(#[from] convoy_server_kit::server::Error),
    /// TLS cannot be spoken.
    #[error("failed to set up TLS for the embedded servers")]
    Tls(#[from] convoy_server_kit::tls::Error),
    /// A container did not do what it is for.
    #[error(transparent)]
    Container(containers::container::Error),
    /// The user interrupted the start.
    #[error("interrupted before anything was emitted")]
    Interrupted,
    /// The container engine cannot be used.
    #[error(transparent)]
    Engine(#[from] containers::engine::Error),
    /// The report could not be written to its directory.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// Reports cannot be joined.
    #[error(transparent)]
    Merge(#[from] report::MergeError),
    /// There is a store to audit, but no producer says what was emitted.
    #[error("none of the reports is of a producer, so nobody knows what to look for in the store")]
    NothingToAudit,
    /// The dataset cannot be replayed.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The embedded broker failed.
    #[error(transparent)]
    Broker(#[from] convoy_kafka_server::Error),
    /// The embedded store failed.
    #[error(transparent)]
    Store(#[from] convoy_mongodb_server::Error),
    /// The Schema Registry failed.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The embedded registry failed.
    #[error(transparent)]
    RegistryServer(#[from] convoy_registry_server::Error),
    /// A server cannot have its port.
    #[error("cannot serve at the port that `--{flag}` names")]
    Port {
        /// Name of the option.
        flag: &'static str,
        /// What the server says.
        #[source]
        source: Box<Self>,
    },
    /// The pipeline failed.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// One topic cannot hold several datasets.
    #[error("topic `{topic}` cannot take the rows of {datasets} topic folders")]
    OneTopic {
        /// The topic.
        topic: String,
        /// Number of datasets.
        datasets: usize,
    },
    /// Something is to go wrong with a server that cannot be made to.
    #[error("`{fault}` cannot be done to this {server}")]
    FaultOutOfReach {
        /// Name of the fault.
        fault: String,
        /// The server.
        server: faults::Target,
    },
    /// A run of this name was emitted from here before, and its documents have its name.
    #[error("a run `{run_id}` was emitted before: `{}` exists", path.display())]
    RunTaken {
        /// Name of the run.
        run_id: String,
        /// Its report.
        path: PathBuf,
    },
    /// The threads of a runtime could not be started.
    #[error("failed to start the threads of a runtime")]
    Runtime(#[source] std::io::Error),
    /// Something happened that cannot.
    #[error("{0}")]
    Bug(&'static str),
    /// There is no place for the data of embedded servers.
    #[error("cannot make a directory for the run's data in `{}`", path.display())]
    Scratch {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The password that was drawn for a data directory cannot be kept in it.
    #[error("failed to keep the password in `{}`", path.display())]
    KeepPassword {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file that was asked for could not be made.
    #[error("failed to write `{}`", path.display())]
    WriteFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The report could not be written to stdout.
    #[error("failed to write to stdout")]
    Stdout(#[source] std::io::Error),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Net(error) => Some(error.hint()),
            Self::Tls(error) => Some(error.hint().to_owned()),
            Self::Engine(error) => Some(error.hint()),
            Self::Container(_) => {
                Some("see the log of the run, or use `--backend embedded`".to_owned())
            }
            Self::Report(error) => Some(error.hint()),
            Self::Dataset(error) => Some(error.hint().to_owned()),
            Self::Broker(error) => Some(error.hint()),
            Self::Store(error) => Some(error.hint()),
            Self::Registry(error) => Some(error.hint()),
            Self::RegistryServer(error) => Some(error.hint()),
            Self::Port { flag, .. } => Some(format!(
                "stop what holds the port, or name another one: `--{flag} 0` takes a free one"
            )),
            Self::Pipeline(error) => error.hint(),
            Self::OneTopic { .. } => {
                Some("leave `--topic` out, or name one topic folder with `--dataset`".to_owned())
            }
            Self::FaultOutOfReach { server, .. } => Some(format!(
                "use `--{server} embedded`, which can have every fault; the table in the README says what others can"
            )),
            Self::RunTaken { .. } => Some(
                "name another run by `--run-id`, or move the report away if its documents are gone"
                    .to_owned(),
            ),
            Self::Merge(error) => Some(error.hint().to_owned()),
            Self::NothingToAudit => {
                Some("name the reports of `convoy produce` too, or leave out `--store`".to_owned())
            }
            Self::Bug(_) => Some("please report this with the log of the run".to_owned()),
            Self::WriteFile { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
                Some("the file exists: remove it, or name another one".to_owned())
            }
            Self::Scratch { .. } => Some(
                "set `TMPDIR` to a directory that can be written, or use `--data-dir DIR`"
                    .to_owned(),
            ),
            Self::KeepPassword { .. } => Some(
                "name a data directory that belongs to you, or set `CONVOY_PASSWORD`".to_owned(),
            ),
            Self::Interrupted | Self::WriteFile { .. } | Self::Runtime(_) | Self::Stdout(_) => None,
        }
    }

    /// Returns how the process ends because of it.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::OneTopic { .. }
            | Self::RunTaken { .. }
            | Self::FaultOutOfReach { .. }
            | Self::Merge(_)
            | Self::NothingToAudit => ExitStatus::Usage,
            Self::Pipeline(error) if error.is_bug() => ExitStatus::Bug,
            Self::Pipeline(error) if error.is_loss() => ExitStatus::Failed,
            Self::Bug(_) => ExitStatus::Bug,
            Self::Interrupted => ExitStatus::Interrupted,
            Self::Net(_)
            | Self::Tls(_)
            | Self::Container(_)
            | Self::Engine(_)
            | Self::Report(_)
            | Self::Dataset(_)
            | Self::Broker(_)
            | Self::Store(_)
            | Self::Registry(_)
            | Self::RegistryServer(_)
            | Self::Port { .. }
            | Self::Pipeline(_)
            | Self::Runtime(_)
            | Self::Scratch { .. }
            | Self::KeepPassword { .. }
            | Self::WriteFile { .. }
            | Self::Stdout(_) => ExitStatus::Environment,
        }
    }
}
