//! How the process ends, and the sum of the rooms' errors with what each says about itself.

use crate::{net, report};

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
    Net(#[from] net::Error),
    /// The report could not be written to its directory.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// The report could not be written to stdout.
    #[error("failed to write to stdout")]
    Stdout(#[source] std::io::Error),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Net(error) => Some(error.hint()),
            Self::Report(error) => Some(error.hint()),
            Self::Stdout(_) => None,
        }
    }

    /// Returns how the process ends because of it.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Net(_) | Self::Report(_) | Self::Stdout(_) => ExitStatus::Environment,
        }
    }
}
