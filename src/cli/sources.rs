//! Precedence of the sources of options: flags, then the run that `--again` names, then environment
//! variables, then the scenario, then defaults.
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
//! Addresses of existing servers in `.env` or in variables of other programs are special: see
//! `remote.rs`.
//!
//! An option that excludes another, such as `--records` and `--duration`, also overrides the other
//! one in sources of lower precedence. Both in one source are an error.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use convoy_server_kit::redact_uri;

use crate::cli::again;
use crate::cli::args::CliArgs;
use crate::cli::environment::{Environment, FileChoice};
use crate::cli::error::Error;
use crate::cli::origin::{Origin, Origins};
use crate::cli::remote::{self, Remote};
use crate::cli::scenario::{self, Key};

/// Options that choose the file of variables; the file itself and the scenario cannot set them.
const FILE_OPTIONS: [&str; 2] = ["env-file", "no-env-file"];

/// Values of `--backend` that override addresses in sources of lower precedence.
const PROVISIONED: [&str; 2] = ["embedded", "containers"];

/// Options of a connection to the broker. In a file they are about the broker that it names.
const CONNECTION: [&str; 3] = ["security-protocol", "sasl-mechanism", "ca-file"];

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

/// Values of the options that a report keeps, without secrets.
type KeptOptions = BTreeMap<String, Vec<String>>;

/// Values of an option in a source.
type Values = (String, Vec<OsString>, Origin);

/// Parses arguments and fills in what the environment and the scenario set. Reads the file of
/// variables if the command takes options from one.
pub(super) fn parse(
    arguments: &[OsString],
    environment: &mut Environment,
) -> Result<(CliArgs, Origins, KeptOptions), Stop> {
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
    let kept = chosen.kept();
    Ok((args, chosen.origins(), kept))
}

/// Collects the options of all sources for the subcommand that was typed.
fn choose(
    command: &Command,
    typed: &ArgMatches,
    environment: &mut Environment,
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
    let again = names.iter().any(|name| name == "again").then(|| {
        let flag = chosen.get("again");
        flag.or_else(|| environment.in_process("again"))
    });
    if let Some(run) = again.flatten().map(PathBuf::from) {
        let options = again::read(&run, &names, |option| chosen.is_overridden(option))?;
        let options = options.into_iter().map(|(option, values)| {
            let values = values.into_iter().map(OsString::from).collect();
            (option, values, Origin::Again(run.clone()))
        });
        chosen.add(options.collect())?;
    }
    environment.read(&file_choice(&names, &chosen, environment))?;
    environment.note_misspelt();
    let remote = Remote::find(command, environment);
    chosen.add(variables(command, environment, &remote)?)?;
    if let Some(path) = chosen.get("scenario").map(PathBuf::from) {
        let values = scenario::read(&path, &keys(command))?.into_iter();
        let values = values.map(|(option, values)| {
            let values = values.into_iter().map(OsString::from).collect();
            (option, values, Origin::Scenario(path.clone()))
        });
        chosen.add(values.collect())?;
    }
    if chosen
        .get("backend")
        .is_some_and(|backend| backend == "external")
    {
        chosen.add(remote.addresses())?;
    }
    remote.note(|option| chosen.get(option), environment);
    chosen.drop_connection_of_another_broker(environment);
    Ok(chosen)
}

/// Returns the names of the options that an environment variable can set.
pub(super) fn options(command: &Command) -> impl Iterator<Item = String> + '_ {
    settable(command).filter_map(|arg| arg.get_long().map(str::to_owned))
}

fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_env_set() && arg.get_long().is_some())
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
}

/// Returns whether an option takes several values.
pub(super) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Returns the options that a scenario may set.
fn keys(command: &Command) -> Vec<Key> {
    let keys = settable(command).map(|arg| Key {
        name: arg.get_long().unwrap_or_default().to_owned(),
        is_list: is_list(arg),
    });
    let elsewhere = ["again", "scenario"];
    keys.filter(|key| {
        !elsewhere.contains(&key.name.as_str()) && !FILE_OPTIONS.contains(&key.name.as_str())
    })
    .collect()
}

/// Returns the file of variables that the command reads.
fn file_choice(names: &[String], chosen: &Chosen, environment: &Environment) -> FileChoice {
    if !names.iter().any(|name| name == "env-file") {
        return FileChoice::None;
    }
    let variable = |option| environment.in_process(option);
    let flag = |option| chosen.get(option);
    match (flag("no-env-file"), flag("env-file")) {
        (Some(_), _) => FileChoice::None,
        (None, Some(path)) => FileChoice::Named(path.into()),
        (None, None) => match (variable("no-env-file"), variable("env-file")) {
            (Some(no), _) if no == "true" => FileChoice::None,
            (_, Some(path)) => FileChoice::Named(path.into()),
            _ => FileChoice::Default,
        },
    }
}

/// Returns the pairs of options that exclude each other.
fn exclusive(command: &Command) -> Vec<[String; 2]> {
    let long = |arg: &Arg| arg.get_long().unwrap_or_default().to_owned();
    command
        .get_arguments()
        .flat_map(|arg| {
            let others = command.get_arg_conflicts_with(arg).into_iter();
            others.map(move |other| [long(arg), long(other)])
        })
        .collect()
}

fn flags(command: &Command, matches: &ArgMatches) -> Vec<Values> {
    command
        .get_arguments()
        .filter_map(|arg| {
            let id = arg.get_id().as_str();
            let typed = matches.value_source(id)? == ValueSource::CommandLine;
            let values = matches.get_raw(id)?.map(OsStr::to_owned).collect();
            typed.then(|| {
                (
                    arg.get_long().unwrap_or(id).to_owned(),
                    values,
                    Origin::Flag,
                )
            })
        })
        .collect()
}

fn variables(
    command: &Command,
    environment: &Environment,
    remote: &Remote,
) -> Result<Vec<Values>, Error> {
    let mut found = Vec::new();
    for arg in settable(command) {
        let option = arg.get_long().unwrap_or_default();
        let candidates = environment.candidates(option).into_iter();
        let mut candidates = candidates.filter(|it| {
            let from_file = matches!(it.origin, Origin::File { .. });
            !(remote.holds_back(option, &it.origin) || from_file && FILE_OPTIONS.contains(&option))
        });
        let Some(candidate) = candidates.next() else {
            continue;
        };
        let is_path = arg.get_value_parser().type_id() == ValueParser::path_buf().type_id();
        if candidate.value.to_str().is_none() && !is_path {
            return Err(Error::Value {
                option: option.to_owned(),
                value: "…".to_owned(),
                origin: Box::new(candidate.origin),
                reason: "it is not valid UTF-8".to_owned(),
                advice: None,
            });
        }
        found.push((option.to_owned(), vec![candidate.value], candidate.origin));
    }
    Ok(found)
}

/// The options that no source of higher precedence set.
struct Chosen {
    exclusive: Vec<[String; 2]>,
    options: BTreeMap<String, (Vec<OsString>, Origin)>,
}

impl Chosen {
    /// Adds a source of lower precedence than those before it.
    fn add(&mut self, source: Vec<Values>) -> Result<(), Error> {
        let open: Vec<_> = source
            .into_iter()
            .filter(|(option, _, _)| !self.is_overridden(option))
            .collect();
        for (option, values, origin) in open {
            if origin != Origin::Flag
                && let Some(other) = self.excluded_by(&option)
            {
                return Err(Error::Exclusive {
                    other: other.to_owned(),
                    option,
                    origin: Box::new(origin),
                });
            }
            self.options.insert(option, (values, origin));
        }
        Ok(())
    }

    /// Returns the value of an option, or its first one.
    fn get(&self, option: &str) -> Option<&OsStr> {
        let (values, _origin) = self.options.get(option)?;
        values.first().map(OsString::as_os_str)
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

    /// Drops options of the connection in a file that names another broker.
    fn drop_connection_of_another_broker(&mut self, environment: &Environment) {
        let Some((values, _origin)) = self.options.get("broker") else {
            return;
        };
        let addresses: Vec<_> = values.iter().map(|it| it.to_string_lossy()).collect();
        if remote::is_address(OsStr::new(&*addresses[0]))
            && !environment.file_is_about(&addresses.join(","))
        {
            self.options.retain(|option, (_values, origin)| {
                !(CONNECTION.contains(&option.as_str()) && matches!(origin, Origin::File { .. }))
            });
        }
    }

    /// Replaces the defaults of the options that a variable or the scenario sets.
    fn apply(&self, command: Command) -> Command {
        command
            .mut_args(|arg| {
                let name = arg.get_long().unwrap_or_default();
                match self.options.get(name) {
                    Some((values, origin)) if *origin != Origin::Flag => arg.default_values(values),
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
            Some((values, origin)) if invalid && *origin != Origin::Flag => {
                let given = context(ContextKind::InvalidValue);
                let value = match values.as_slice() {
                    _ if !given.is_empty() => given.to_owned(),
                    [value, ..] => value.to_string_lossy().into_owned(),
                    [] => String::new(),
                };
                let reason = std::error::Error::source(error).map_or_else(
                    || "expected `true` or `false`".to_owned(),
                    ToString::to_string,
                );
                let shown = redact_uri(&value);
                Error::Value {
                    option: option.to_owned(),
                    reason: reason.replace(&value, &shown),
                    value: shown,
                    origin: Box::new(origin.clone()),
                    advice: None,
                }
            }
            _ => Error::usage(error),
        }
    }

    /// Returns what a report keeps of the options.
    fn kept(&self) -> KeptOptions {
        let options = self.options.iter();
        let options = options
            .filter(|(option, _)| !again::NOT_KEPT.contains(&option.as_str()))
            .map(|(option, (values, _origin))| {
                let values = values
                    .iter()
                    .map(|value| redact_uri(&value.to_string_lossy()));
                (option.clone(), values.collect())
            });
        options.collect()
    }

    fn origins(self) -> Origins {
        let options = self.options.into_iter();
        options
            .map(|(option, (_, origin))| (option, origin))
            .collect()
    }
}
