//! The command line: what was typed becomes settings.
//!
//! ```text
//!  flags ────────┐
//!  scenario ─────┤ layers: the first that names an option decides it
//!  environment ──┤         (environment = process variables, then `.env`)
//!  defaults ─────┘
//!        ▼
//!  SimulateArgs ─▶ resolve: addresses, derived defaults, cross-checks ─▶ SimulateSettings
//! ```
//!
//! Every source speaks in flags: a scenario's key and an environment variable are parsed by the
//! definition of the flag they are named after. clap is known here and nowhere else.

mod args;
pub mod environment;
mod error;
mod halves;
mod layers;
mod parse;
mod resolve;
mod scenario;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use crate::command::Command;
use crate::dataset::SchemaForm;
use crate::settings::Access;
use crate::settings::Invocation;
use crate::settings::{
    CleanSettings, DoctorSettings, GenerateSettings, InspectSettings, SchemaSettings, ShowSettings,
    UpSettings,
};
use crate::terminal::ProgressMode;
use convoy_server_kit::secret::redact_uri;

use args::{CliArgs, CommandArgs, DatasetArgs, DoctorArgs, ReportCommandArgs, UpArgs};
pub use environment::Environment;
pub use error::Error;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A command to run.
    Run {
        /// The command with its settings.
        command: Command,
        /// How it was called.
        invocation: Box<Invocation>,
        /// How to show progress.
        progress: ProgressMode,
    },
    /// Help or version, to be shown on stdout.
    Show(String),
}

/// Turns a command line, program name first, into settings.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Request, Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = match CliArgs::command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Request::Show(error.to_string())),
        Err(error) => return Err(Error::usage(&error)),
    };
    let typed = CliArgs::from_arg_matches(&matches).map_err(|error| Error::usage(&error))?;
    let (_, matches) = matches
        .subcommand()
        .expect("clap requires a command of the line");
    let (command, progress) = match typed.command {
        CommandArgs::Simulate(typed) => {
            let layered = layers::weigh(&*typed, matches, environment)?;
            let progress = layered.args.talk.progress;
            let settings = resolve::simulate(layered, environment)?;
            (Command::Simulate(Box::new(settings)), progress)
        }
        CommandArgs::Produce(typed) => {
            let layered = layers::weigh(&*typed, matches, environment)?;
            let progress = layered.args.talk.progress;
            let settings = halves::produce(layered, environment)?;
            (Command::Produce(Box::new(settings)), progress)
        }
        CommandArgs::Consume(typed) => {
            let layered = layers::weigh(&*typed, matches, environment)?;
            let progress = layered.args.talk.progress;
            let settings = halves::consume(layered, environment)?;
            (Command::Consume(Box::new(settings)), progress)
        }
        CommandArgs::Report(args) => (report(args, environment)?, ProgressMode::Never),
        CommandArgs::Up(args) => (up(args, environment)?, ProgressMode::Never),
        CommandArgs::Dataset(args) => (dataset(args), ProgressMode::Never),
        CommandArgs::Doctor(args) => (doctor(args), ProgressMode::Never),
        CommandArgs::Clean { dry_run } => {
            let settings = CleanSettings { dry_run };
            (Command::Clean(settings), ProgressMode::Never)
        }
    };
    let invocation = Box::new(Invocation {
        line: line(&arguments),
        line_without_faults: line(&without_faults(&arguments)),
        log_filter: environment.log_filter().map(str::to_owned),
        surroundings: environment.surroundings(),
    });
    Ok(Request::Run {
        command,
        invocation,
        progress,
    })
}

fn report(args: ReportCommandArgs, environment: &Environment) -> Result<Command, Error> {
    Ok(match args {
        ReportCommandArgs::Merge(args) => {
            Command::MergeReports(Box::new(halves::merge(*args, environment)?))
        }
        ReportCommandArgs::Show { report } => Command::ShowReport(ShowSettings { report }),
    })
}

fn up(args: UpArgs, environment: &Environment) -> Result<Command, Error> {
    Ok(Command::Up(UpSettings {
        broker_port: args.broker_port,
        registry_port: args.registry_port,
        store_port: args.store_port,
        data_dir: args.data_dir,
        access: if args.anonymous {
            Access::Anyone
        } else {
            Access::User {
                name: args.user,
                password: environment.password()?,
            }
        },
        tls: args.tls,
    }))
}

fn doctor(args: DoctorArgs) -> Command {
    Command::Doctor(DoctorSettings {
        backend: args.backend,
        dataset: args.dataset,
        output: args.output,
        redpanda_image: args.redpanda_image,
        mongo_image: args.mongo_image,
        format: args.format,
    })
}

fn dataset(args: DatasetArgs) -> Command {
    match args {
        DatasetArgs::Inspect { path } => Command::InspectDataset(InspectSettings { path }),
        DatasetArgs::Schema { path, all_strings } => {
            let form = if all_strings {
                SchemaForm::AllStrings
            } else {
                SchemaForm::Typed
            };
            Command::DatasetSchema(SchemaSettings { path, form })
        }
        DatasetArgs::Generate { rows, seed, output } => {
            Command::GenerateDataset(GenerateSettings { rows, seed, output })
        }
    }
}

/// The arguments but for `--faults` and its value.
fn without_faults(arguments: &[OsString]) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--faults" {
            arguments.next();
        } else if !argument.to_string_lossy().starts_with("--faults=") {
            left.push(argument.clone());
        }
    }
    left
}

/// The command line as it can be typed again, secrets replaced.
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
