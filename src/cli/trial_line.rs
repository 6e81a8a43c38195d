//! The command line of a trial of `ab` or `sweep`: that of the command, without its own options.

use std::ffi::OsString;

use crate::cli::args::CommandArgs;
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::resolve;
use crate::cli::sources::{self, Stop};
use crate::settings::SimulateSettings;

/// Returns the arguments of a command without the executable, the name of the command, and these
/// options of its own.
pub(super) fn common(arguments: &[OsString], command: &str, own: &[&str]) -> Vec<OsString> {
    let mut rest = arguments.iter().skip(1).cloned().collect::<Vec<_>>();
    if let Some(name) = rest.iter().position(|argument| argument == command) {
        rest.remove(name);
    }
    without(&rest, own)
}

/// Returns arguments without these options and their values.
pub(super) fn without(arguments: &[OsString], options: &[&str]) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let option = text.strip_prefix("--").unwrap_or_default();
        let (name, has_value) = match option.split_once('=') {
            Some((name, _value)) => (name, true),
            None => (option, false),
        };
        if !options.contains(&name) {
            left.push(argument.clone());
        } else if !has_value {
            arguments.next();
        }
    }
    left
}

/// Resolves the settings of a trial from the options of `simulate`.
pub(super) fn settings(
    options: impl IntoIterator<Item = OsString>,
    environment: &mut Environment,
) -> Result<SimulateSettings, Error> {
    let mut arguments: Vec<OsString> = vec!["convoy".into(), "simulate".into()];
    arguments.extend(options);
    let (args, origins, _options) = match sources::parse(&arguments, environment) {
        Ok(parsed) => parsed,
        Err(Stop::Error(error)) => return Err(error.without_secrets_of(&arguments)),
        Err(Stop::Help) => unreachable!("help ends the command before its trials are parsed"),
    };
    let CommandArgs::Simulate(args) = args.command else {
        unreachable!("the command is named");
    };
    resolve::simulate(*args, &origins, environment)
}
