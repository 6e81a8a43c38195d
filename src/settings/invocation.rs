//! How a command was called.

use crate::containers::engine::DockerEnv;

/// How the command was called.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The command line, secrets replaced.
    pub line: String,
    /// The same without `--faults`, to which a plan can be added to repeat the run's.
    pub line_without_faults: String,
    /// What the log file gets, in the syntax of `tracing`; none for the default.
    pub log_filter: Option<String>,
    /// Where container engines may be.
    pub docker_env: DockerEnv,
}
