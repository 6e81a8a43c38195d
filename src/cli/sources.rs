//! Precedence of the sources of options: flags, then environment variables, then the scenario,
//! then defaults.
//!
//! A value from a variable or the scenario replaces the option's default in clap. So one parser
//! and one set of checks serve all sources.
//!
//! ```text
//!  arguments ─▶ clap ─▶ flags ─┐
//!  environment variables ──────┼─▶ Chosen ─▶ defaults of clap's options ─▶ clap ─▶ CliArgs, Origins
//!  scenario ───────────────────┘
//! ```
//!
//! An option that excludes another, such as `--records` and `--duration`, also overrides the other
//! one in sources of lower precedence. Both in one source are an error.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use convoy_server_kit::redact_uri;

use crate::cli::args::CliArgs;
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::{Origin, Origins};
use crate::cli::scenario;

/// Values of `--backend` that override addresses in sources of lower precedence.
const PROVISIONED: [&str; 2] = ["embedded", "containers"];

/// Why there are no options to run a command with.
pub(super) enum Stop {
    /// The user asked for help or the version.
    Help,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Parses arguments and fills in what the environment and the scenario set.
pub(super) fn parse(
    arguments: &[OsString],
    environment: &Environment,
) -> Result<(CliArgs, Origins), Stop> {
    let mut command = CliArgs::command();
    // A built command takes new defaults without checking them, so that clap's error about a wrong
    // one can name its origin.
    command.build();
    let typed = command
        .clone()
        .try_get_matches_from(arguments)
        .map_err(|error| {
            if error.use_stderr() {
                Stop::Error(Error::usage(&error))
            } else {
                Stop::Help
            }
        })?;
    let chosen = choose(&command, &typed, environment)?;
    let args = chosen
        .apply(command)
        .try_get_matches_from(arguments)
        .and_then(|matches| CliArgs::from_arg_matches(&matches))
        .map_err(|error| chosen.explain(&error))?;
    Ok((args, chosen.origins()))
}

/// Collects the options of all sources for the subcommand that was typed.
fn choose(
    command: &Command,
    typed: &ArgMatches,
    environment: &Environment,
) -> Result<Chosen, Error> {
    let (mut command, mut matches) = (command, typed);
    while let Some((name, inner)) = matches.subcommand() {
        let Some(subcommand) = command.find_subcommand(name) else {
            break;
        };
        (command, matches) = (subcommand, inner);
    }
    let mut chosen = Chosen {
        exclusive: exclusive(command),
        options: BTreeMap::new(),
    };
    let names: Vec<String> = options(command).collect();
    chosen.add(flags(command, matches))?;
    chosen.add(variables(&names, environment))?;
    if let Some(path) = chosen.get("scenario").map(PathBuf::from) {
        let keys: Vec<String> = names
            .into_iter()
            .filter(|name| name != "scenario")
            .collect();
        let values = scenario::read(&path, &keys)?;
        chosen.add(
            values
                .into_iter()
                .map(|(option, value)| (option, value.into(), Origin::Scenario(path.clone())))
                .collect(),
        )?;
    }
    Ok(chosen)
}

/// Returns the names of the options that an environment variable can set.
pub(super) fn options(command: &Command) -> impl Iterator<Item = String> + '_ {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_env_set())
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
        .filter_map(|arg| arg.get_long().map(str::to_owned))
}

/// Returns the pairs of options that exclude each other.
fn exclusive(command: &Command) -> Vec<[String; 2]> {
    let long = |arg: &clap::Arg| arg.get_long().unwrap_or_default().to_owned();
    command
        .get_arguments()
        .flat_map(|arg| {
            let others = command.get_arg_conflicts_with(arg).into_iter();
            others.map(move |other| [long(arg), long(other)])
        })
        .collect()
}

fn flags(command: &Command, matches: &ArgMatches) -> Vec<(String, OsString, Origin)> {
    command
        .get_arguments()
        .filter_map(|arg| {
            let id = arg.get_id().as_str();
            let typed = matches.value_source(id)? == ValueSource::CommandLine;
            let value = matches.get_raw(id)?.next().unwrap_or_default().to_owned();
            typed.then(|| (arg.get_long().unwrap_or(id).to_owned(), value, Origin::Flag))
        })
        .collect()
}

fn variables(options: &[String], environment: &Environment) -> Vec<(String, OsString, Origin)> {
    options
        .iter()
        .filter_map(|option| {
            let (name, value) = environment.option(option)?;
            Some((option.clone(), value.into(), Origin::Variable(name)))
        })
        .collect()
}

/// The options that no source of higher precedence set.
struct Chosen {
    exclusive: Vec<[String; 2]>,
    options: BTreeMap<String, (OsString, Origin)>,
}

impl Chosen {
    /// Adds a source of lower precedence than those before it.
    fn add(&mut self, source: Vec<(String, OsString, Origin)>) -> Result<(), Error> {
        let open: Vec<_> = source
            .into_iter()
            .filter(|(option, _, _)| !self.is_overridden(option))
            .collect();
        for (option, value, origin) in open {
            if origin != Origin::Flag
                && let Some(other) = self.excluded_by(&option)
            {
                return Err(Error::Exclusive {
                    other: other.to_owned(),
                    option,
                    origin,
                });
            }
            self.options.insert(option, (value, origin));
        }
        self.drop_foreign_addresses();
        Ok(())
    }

    fn get(&self, option: &str) -> Option<&OsString> {
        self.options.get(option).map(|(value, _)| value)
    }

    fn excluded_by(&self, option: &str) -> Option<&str> {
        self.exclusive
            .iter()
            .filter_map(|[one, other]| match option {
                option if option == one => Some(other.as_str()),
                option if option == other => Some(one.as_str()),
                _ => None,
            })
            .find(|other| self.options.contains_key(*other))
    }

    fn is_overridden(&self, option: &str) -> bool {
        let address = ["broker", "store"].contains(&option);
        (address && self.is_provisioned())
            || self.excluded_by(option).is_some()
            || self.options.contains_key(option)
    }

    /// Returns whether convoy is to start the servers itself.
    fn is_provisioned(&self) -> bool {
        self.get("backend")
            .is_some_and(|backend| PROVISIONED.iter().any(|kind| backend == *kind))
    }

    /// Drops addresses in variables of other programs if any source asks for servers that convoy
    /// starts: a scenario must not send its load to the cluster of a `.env` that lies beside it.
    fn drop_foreign_addresses(&mut self) {
        if self.is_provisioned() {
            self.options.retain(|_, (_, origin)| match origin {
                Origin::Variable(name) => name.starts_with("CONVOY_"),
                Origin::Flag | Origin::Scenario(_) => true,
            });
        }
    }

    /// Replaces the defaults of the options that a variable or the scenario sets.
    fn apply(&self, command: Command) -> Command {
        command
            .mut_args(|arg| {
                let name = arg.get_long().unwrap_or_default();
                match self.options.get(name) {
                    Some((value, origin)) if *origin != Origin::Flag => arg.default_value(value),
                    _ => arg,
                }
            })
            .mut_subcommands(|subcommand| self.apply(subcommand))
    }

    /// Names the origin of a wrong value.
    fn explain(&self, error: &clap::Error) -> Error {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let option = context(ContextKind::InvalidArg)
            .trim_start_matches("--")
            .split([' ', '[', '='])
            .next()
            .unwrap_or_default();
        let invalid = [ErrorKind::ValueValidation, ErrorKind::InvalidValue].contains(&error.kind());
        match self.options.get(option) {
            Some((value, origin)) if invalid && *origin != Origin::Flag => Error::Value {
                option: option.to_owned(),
                value: redact_uri(&value.to_string_lossy()),
                origin: origin.clone(),
                reason: std::error::Error::source(error).map_or_else(
                    || "expected `true` or `false`".to_owned(),
                    ToString::to_string,
                ),
            },
            _ => Error::usage(error),
        }
    }

    fn origins(self) -> Origins {
        let options = self.options.into_iter();
        options
            .map(|(option, (_, origin))| (option, origin))
            .collect()
    }
}
