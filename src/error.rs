//! Exit statuses, and the errors of all commands with their hints.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::{containers, dataset, faults, pipeline, registry, report, web};

/// How the process ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Success,
    /// The run finished, but its verdict failed.
    Failed,
    /// The command line, the scenario or an environment variable is wrong.
    Usage,
    /// The environment failed: broker, store, file, container engine.
    Environment,
    /// A bug in convoy.
    Bug,
    /// The verdict holds, but a latency or a throughput missed its threshold.
    ThresholdMissed,
    /// Interrupted by the user.
    Interrupted,
    /// Exit code of the command that convoy ran.
    Command(u8),
}

impl ExitStatus {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Bug => 4,
            Self::ThresholdMissed => 5,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }

    /// Returns `Interrupted` instead of success if the user has interrupted the command.
    #[must_use]
    pub fn or_interrupted(self, interrupted: bool) -> Self {
        match self {
            Self::Success if interrupted => Self::Interrupted,
            status => status,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server could not listen.
    #[error(transparent)]
    Net(#[from] convoy_server_kit::Error),
    #[error("failed to set up TLS for the embedded servers")]
    Tls(#[from] convoy_server_kit::tls::Error),
    #[error(transparent)]
    Container(containers::container::Error),
    /// The user interrupted the start of the servers.
    #[error("interrupted before the first reading was emitted: nothing was measured")]
    Interrupted,
    #[error(transparent)]
    Engine(#[from] containers::engine::Error),
    #[error(transparent)]
    Report(#[from] report::Error),
    #[error(transparent)]
    Merge(#[from] report::MergeError),
    /// A store is to be audited, but no report says what was emitted.
    #[error("cannot audit: none of the given reports comes from a producer")]
    NothingToAudit,
    /// The limit on open files is too low for embedded servers.
    #[error(
        "this process may open only {limit} files at once (hard limit), and embedded servers need at least {needed}"
    )]
    OpenFiles { limit: u64, needed: u64 },
    /// A trial of another executable failed.
    #[error("a trial of `{}` failed: {reason}", program.display())]
    Trial { program: PathBuf, reason: String },
    /// A comparison would compare a run with itself.
    #[error("`{}` is given twice", path.display())]
    ComparedTwice { path: PathBuf },
    /// A side of a comparison has too many runs.
    #[error("cannot compare {runs} runs of one side (at most {limit})")]
    TooManyRuns { runs: usize, limit: usize },
    /// No given report is that of a producer or a consumer.
    #[error("cannot merge: no given report comes from a producer or a consumer")]
    NothingToMerge,
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    #[error(transparent)]
    Broker(#[from] convoy_kafka_server::Error),
    /// A topic cannot be created in the embedded broker.
    #[error(transparent)]
    BrokerData(#[from] convoy_kafka_server::DataError),
    #[error(transparent)]
    Store(#[from] convoy_mongodb_server::Error),
    /// The client of the Schema Registry failed.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The embedded Schema Registry failed.
    #[error(transparent)]
    RegistryServer(#[from] convoy_registry_server::Error),
    /// A server cannot use its port.
    #[error("cannot listen on the port given by `--{flag}`")]
    Port {
        flag: &'static str,
        #[source]
        source: Box<Self>,
    },
    /// The live page cannot be served.
    #[error(transparent)]
    Web(#[from] web::Error),
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// One topic cannot hold several datasets.
    #[error("topic `{topic}` cannot take the rows of {datasets} topic folders")]
    OneTopic { topic: String, datasets: usize },
    /// convoy cannot inject a fault into this kind of server.
    #[error("cannot inject `{fault}` into this {server}")]
    FaultOutOfReach {
        /// Name of the fault.
        fault: String,
        server: faults::Target,
    },
    /// A run of this name was emitted before, and its documents have its name.
    #[error("run `{run_id}` already exists: `{}`", path.display())]
    RunTaken { run_id: String, path: PathBuf },
    /// The command of `convoy up` cannot be started.
    #[error("cannot run `{command}`")]
    StartCommand {
        command: String,
        #[source]
        source: std::io::Error,
    },
    /// The file of another program would be overwritten.
    #[error("`{}` exists, and convoy did not write it", path.display())]
    Occupied { path: PathBuf },
    /// Documents of a file cannot be stored.
    #[error("cannot load `{}`: {reason}", path.display())]
    Load { path: PathBuf, reason: String },
    /// A topic of the data directory has another number of partitions than requested.
    #[error("topic `{topic}` exists with {found} partitions, not {wanted}")]
    TopicExists {
        topic: String,
        found: u32,
        wanted: u32,
    },
    #[error("failed to start threads")]
    Runtime(#[source] std::io::Error),
    #[error("{0}")]
    Bug(&'static str),
    /// The data of embedded servers has no directory.
    #[error("cannot create a temporary directory in `{}`", path.display())]
    Scratch {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The random password of a data directory cannot be stored in it.
    #[error("failed to store the password in `{}`", path.display())]
    KeepPassword {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Files of a data directory are damaged or missing.
    #[error(transparent)]
    Data(#[from] convoy_server_kit::disk::Error),
    #[error("failed to write `{}`", path.display())]
    WriteFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
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
                Some("read the log of the run, or pass `--backend embedded`".to_owned())
            }
            Self::Report(error) => Some(error.hint()),
            Self::Dataset(error) => Some(error.hint().to_owned()),
            Self::Broker(error) => Some(error.hint()),
            Self::BrokerData(error) => Some(error.hint().to_owned()),
            Self::Store(error) => Some(error.hint()),
            Self::Registry(error) => Some(error.hint()),
            Self::RegistryServer(error) => Some(error.hint()),
            Self::Port { flag, .. } => Some(format!(
                "stop the program that uses the port, or pass another port: `--{flag} 0` uses a free one"
            )),
            Self::Web(error) => Some(error.hint()),
            Self::Pipeline(error) => error.hint(),
            Self::OneTopic { .. } => {
                Some("remove `--topic`, or pass one topic folder: `--dataset PATH`".to_owned())
            }
            Self::FaultOutOfReach { server, .. } => Some(format!(
                "pass `--{server} embedded`, which supports every fault; `docs/faults.md` lists the faults of other servers"
            )),
            Self::Merge(error) => Some(error.hint().to_owned()),
            Self::StartCommand { .. } => {
                Some("check the name of the command after `--`, and `PATH`".to_owned())
            }
            Self::Occupied { .. } => {
                Some("pass the name of another file, or overwrite this one with `--force`".to_owned())
            }
            Self::Load { .. } => Some(
                "pass a file with a JSON array of objects, or with one object per line: `--load FILE:DATABASE.COLLECTION`"
                    .to_owned(),
            ),
            Self::TopicExists { topic, found, .. } => Some(format!(
                "pass `--topic {topic}:{found}`, or another `--data-dir`"
            )),
            Self::OpenFiles { .. } => Some(
                "raise the limit with `ulimit -n 1024`, or in the settings of the service or the container"
                    .to_owned(),
            ),
            Self::Trial { .. }
            | Self::ComparedTwice { .. }
            | Self::TooManyRuns { .. }
            | Self::RunTaken { .. }
            | Self::NothingToAudit
            | Self::NothingToMerge => {
                Some(self.hint_about_runs().to_owned())
            }
            Self::Bug(_) => Some("report this bug with the log of the run".to_owned()),
            Self::WriteFile { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
                Some("remove the existing file, or pass another name".to_owned())
            }
            Self::Scratch { .. } => {
                Some("set `TMPDIR` to a writable directory, or pass `--data-dir DIR`".to_owned())
            }
            Self::Data(error) => Some(error.hint().to_owned()),
            Self::KeepPassword { .. } => {
                Some("pass a writable `--data-dir`, or set `CONVOY_PASSWORD`".to_owned())
            }
            Self::Runtime(_) => Some(
                "raise the limits on processes (`ulimit -u`, pids of a container) and memory"
                    .to_owned(),
            ),
            Self::Interrupted | Self::WriteFile { .. } | Self::Stdout(_) => None,
        }
    }

    /// Returns a hint about the runs that are named or compared.
    fn hint_about_runs(&self) -> &'static str {
        match self {
            Self::ComparedTwice { .. } => "pass each run once, on one side",
            Self::RunTaken { .. } => {
                "pass another `--run-id`, or move the report away if its documents no longer exist"
            }
            Self::TooManyRuns { .. } => "pass the latest runs only",
            Self::NothingToAudit => "add the reports of `convoy produce`, or remove `--store`",
            Self::NothingToMerge => "pass reports of `convoy produce` and `convoy consume`",
            _ => "run `convoy simulate` with the same options to see why",
        }
    }

    /// Returns the exit status of a process that fails with this error.
    pub fn exit_status(&self) -> ExitStatus {
        /// Exit codes of shells for a command that does not exist, and for one that cannot be run.
        const NOT_FOUND: u8 = 127;
        const NOT_EXECUTABLE: u8 = 126;
        match self {
            Self::StartCommand { source, .. } => ExitStatus::Command(match source.kind() {
                ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_EXECUTABLE,
            }),
            Self::OneTopic { .. }
            | Self::RunTaken { .. }
            | Self::FaultOutOfReach { .. }
            | Self::Merge(_)
            | Self::NothingToAudit
            | Self::Occupied { .. }
            | Self::TopicExists { .. }
            | Self::ComparedTwice { .. }
            | Self::TooManyRuns { .. }
            | Self::NothingToMerge => ExitStatus::Usage,
            Self::Pipeline(error) if error.is_bug() => ExitStatus::Bug,
            Self::Pipeline(error) if error.is_loss() => ExitStatus::Failed,
            Self::Bug(_) => ExitStatus::Bug,
            Self::Interrupted | Self::Pipeline(pipeline::Error::Interrupted) => {
                ExitStatus::Interrupted
            }
            Self::Net(_)
            | Self::Tls(_)
            | Self::Container(_)
            | Self::Engine(_)
            | Self::Report(_)
            | Self::Dataset(_)
            | Self::Broker(_)
            | Self::BrokerData(_)
            | Self::Store(_)
            | Self::Registry(_)
            | Self::RegistryServer(_)
            | Self::Port { .. }
            | Self::Pipeline(_)
            | Self::Runtime(_)
            | Self::Scratch { .. }
            | Self::KeepPassword { .. }
            | Self::Data(_)
            | Self::WriteFile { .. }
            | Self::OpenFiles { .. }
            | Self::Trial { .. }
            | Self::Load { .. }
            | Self::Web(_)
            | Self::Stdout(_) => ExitStatus::Environment,
        }
    }
}
