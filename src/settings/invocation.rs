//! The command line, and what every command takes from the environment.

use std::collections::BTreeMap;

use crate::containers::engine::DockerEnv;
use crate::web::WebAddress;

/// How a command was called.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The command line without secrets.
    pub line: String,
    /// The same without `--faults`; with a fault plan added it repeats the run.
    pub line_without_faults: String,
    /// Values of the options that a source set, without secrets; those about output are left out.
    pub options: BTreeMap<String, Vec<String>>,
    /// Filter of the log file, in the syntax of `tracing`; `None` uses the default.
    pub log_filter: Option<String>,
    /// Variables about container engines.
    pub docker_env: DockerEnv,
    /// Where the live page is served; `None` serves none.
    pub web: Option<WebAddress>,
}
