//! The command line: arguments, environment variables and scenario → settings.
//!
//! ```text
//!  arguments ─────────────┐
//!  environment variables ─┼─▶ sources ─▶ CommandArgs ─▶ resolve ─▶ Command with its settings
//!  scenario ──────────────┘   precedence               addresses, dependent defaults, checks
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `args/` | the options, and their help |
//! | `sources.rs` | precedence: flags, environment variables, scenario, defaults |
//! | `environment/` | the variables of the process and of `.env` |
//! | `remote.rs` | servers that are used only if they are named |
//! | `combinations.rs` | the command lines of the trials of `sweep` |
//! | `sides.rs` | the command lines of the trials of `ab` |
//! | `trial_line.rs` | what both share |
//! | `again.rs` | options of an earlier run |
//! | `scenario.rs` | reading a scenario |
//! | `origin.rs` | the source of each option, for errors |
//! | `resolve/` | options → settings |
//! | `parse.rs` | parsers of values |
//! | `help.rs`, `version.rs` | help, manual pages, completion scripts, version |
//!
//! Only this module uses clap.

mod again;
mod args;
mod combinations;
mod environment;
mod error;
mod help;
mod origin;
mod parse;
mod remote;
mod resolve;
mod scenario;
mod sides;
mod sources;
mod trial_line;
mod version;

use std::ffi::OsString;

use convoy_server_kit::redact_uri;

use crate::command::Command;
use crate::settings::Invocation;
use crate::terminal::{Ui, Verbosity};
use args::{CommandArgs, VerbosityArgs};
use resolve::{Resolved, View};
use sources::Stop;

pub use environment::Environment;
pub use error::Error;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Run a command.
    Run {
        command: Command,
        invocation: Box<Invocation>,
        ui: Ui,
        verbosity: Verbosity,
    },
    /// Print a completion script or a manual page on stdout.
    Show(String),
    /// Print help or the version on stdout.
    Help(String),
}

/// Parses a command line, program name first, and returns notes about the environment, which may
/// explain an error.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    mut environment: Environment,
) -> (Result<Request, Error>, Vec<String>) {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let request = request(&arguments, &mut environment);
    let request = request.map_err(|error| error.without_secrets_of(&arguments));
    (request, environment.take_notes())
}

fn request(arguments: &[OsString], environment: &mut Environment) -> Result<Request, Error> {
    let (args, origins, options) = match sources::parse(arguments, environment) {
        Ok(parsed) => parsed,
        Err(Stop::Help) => return Ok(Request::Help(help::requested(arguments))),
        Err(Stop::Error(error)) => return Err(error),
    };
    let resolved = match args.command {
        CommandArgs::Sweep(mut sweep) => {
            let command = combinations::sweep(&sweep, arguments, environment)?;
            Resolved::Run(command, View::of(&mut sweep.simulate.output))
        }
        CommandArgs::Ab(ab) => {
            let command = sides::ab(&ab, arguments, environment)?;
            let (ui, web) = (ab.output.ui, None);
            Resolved::Run(command, View { ui, web })
        }
        other => resolve::command(other, &origins, environment)?,
    };
    let (command, view) = match resolved {
        Resolved::Run(command, view) => (command, view),
        Resolved::Show(text) => return Ok(Request::Show(text)),
    };
    let invocation = Box::new(Invocation {
        line: line(arguments),
        line_without_faults: line(&without_faults(arguments)),
        options,
        log_filter: environment.log_filter().map(str::to_owned),
        docker_env: environment.docker_env(),
        web: view.web,
    });
    Ok(Request::Run {
        command,
        invocation,
        ui: view.ui,
        verbosity: verbosity(&args.verbosity),
    })
}

fn verbosity(args: &VerbosityArgs) -> Verbosity {
    match args {
        VerbosityArgs { quiet: true, .. } => Verbosity::Errors,
        VerbosityArgs { verbose: 0, .. } => Verbosity::Warnings,
        VerbosityArgs { verbose: 1, .. } => Verbosity::Debug,
        VerbosityArgs { .. } => Verbosity::Trace,
    }
}

/// Returns the arguments without `--faults` and `--run-id`, which a repeated run replaces.
fn without_faults(arguments: &[OsString]) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let replaced = ["--faults", "--run-id"];
        let text = argument.to_string_lossy();
        let is_set = |option: &&str| {
            text.strip_prefix(*option)
                .is_some_and(|rest| rest.starts_with('='))
        };
        if replaced.contains(&&*text) {
            arguments.next();
        } else if !replaced.iter().any(is_set) {
            left.push(argument.clone());
        }
    }
    left
}

/// Returns the command line quoted for a shell, without secrets.
fn line(arguments: &[OsString]) -> String {
    let typed = arguments.iter().skip(1).map(|argument| {
        let text = redact_uri(&argument.to_string_lossy());
        let plain = |symbol: char| symbol.is_alphanumeric() || "-_./:=,@+%".contains(symbol);
        if !text.is_empty() && text.chars().all(plain) {
            text
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    });
    std::iter::once("convoy".to_owned())
        .chain(typed)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
