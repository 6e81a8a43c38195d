//! Which source decides each option: flags, then the scenario, then the environment, then defaults.
//!
//! An option that excludes another, such as `--records` and `--duration`, also silences it in the
//! sources below its own; within one source both together are an error.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use convoy_server_kit::secret::redact_uri;

use crate::cli::args::{ConsumeArgs, ProduceArgs, SimulateArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::scenario;

/// Pairs of options that mean the same thing in two ways.
const EXCLUSIVE: [(&str, &str); 2] = [("rate", "total-rate"), ("duration", "records")];

/// Values of `--backend` that silence addresses in the sources below.
const PROVISIONED: [&str; 2] = ["embedded", "containers"];

/// Who decided an option. Later ones are overruled by earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The scenario, with its path.
    Scenario(PathBuf),
    /// An environment variable, with its name.
    Variable(String),
}

impl Origin {
    /// Returns whether both are the same source; two variables are.
    pub(super) fn same_source(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("the command line"),
            Self::Scenario(path) => write!(formatter, "the scenario `{}`", path.display()),
            Self::Variable(name) => write!(formatter, "the environment variable `{name}`"),
        }
    }
}

/// Options with every source weighed.
pub(super) struct Layered<A> {
    /// The options.
    pub(super) args: A,
    /// Who decided them.
    pub(super) origins: Origins,
}

/// Who decided each option.
#[derive(Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Returns who decided an option; none means its default.
    pub(super) fn of(&self, option: &str) -> Option<&Origin> {
        self.0.get(option)
    }
}

/// Options of a command that a scenario may set as well.
pub(super) trait Options: Args {
    /// Returns the scenario that was named.
    fn scenario(&self) -> Option<&Path>;
}

impl Options for SimulateArgs {
    fn scenario(&self) -> Option<&Path> {
        self.talk.scenario.as_deref()
    }
}

impl Options for ProduceArgs {
    fn scenario(&self) -> Option<&Path> {
        self.talk.scenario.as_deref()
    }
}

impl Options for ConsumeArgs {
    fn scenario(&self) -> Option<&Path> {
        self.talk.scenario.as_deref()
    }
}

/// Joins what was typed with the scenario it names and the environment.
pub(super) fn weigh<A: Options>(
    typed: &A,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Layered<A>, Error> {
    let options = options::<A>();
    let mut chosen = Chosen::default();
    chosen.layer(flags(&options, matches));
    if let Some(path) = typed.scenario() {
        let values = scenario::read(path, &options)?;
        chosen.layer(
            values
                .into_iter()
                .map(|(option, value)| (option, value.into(), Origin::Scenario(path.to_owned())))
                .collect(),
        );
    }
    chosen.layer(variables(&options, environment));
    chosen.parse()
}

/// What was decided so far.
#[derive(Default)]
struct Chosen {
    options: BTreeMap<String, (OsString, Origin)>,
}

impl Chosen {
    /// Adds a source: it decides what the sources above it left open.
    fn layer(&mut self, values: Vec<(String, OsString, Origin)>) {
        let open: Vec<_> = values
            .into_iter()
            .filter(|(option, _, _)| !self.decided(option))
            .collect();
        for (option, value, origin) in open {
            self.options.insert(option, (value, origin));
        }
    }

    fn decided(&self, option: &str) -> bool {
        let excluded = EXCLUSIVE.iter().any(|(one, other)| {
            (option == *one && self.options.contains_key(*other))
                || (option == *other && self.options.contains_key(*one))
        });
        let silenced = ["broker", "store"].contains(&option)
            && self
                .options
                .get("backend")
                .is_some_and(|(backend, _)| PROVISIONED.iter().any(|kind| backend == *kind));
        excluded || silenced || self.options.contains_key(option)
    }

    fn parse<A: Options>(self) -> Result<Layered<A>, Error> {
        let mut arguments = Vec::new();
        for (option, (value, origin)) in &self.options {
            let argument = argument(option, value);
            if *origin != Origin::Flag {
                check::<A>(option, value, &argument, origin)?;
            }
            arguments.push(argument);
        }
        let args = command::<A>()
            .try_get_matches_from(arguments)
            .and_then(|matches| A::from_arg_matches(&matches))
            .map_err(|error| Error::usage(&error))?;
        let origins = self
            .options
            .into_iter()
            .map(|(option, (_, origin))| (option, origin))
            .collect();
        Ok(Layered {
            args,
            origins: Origins(origins),
        })
    }
}

fn command<A: Args>() -> clap::Command {
    A::augment_args(clap::Command::new("convoy")).no_binary_name(true)
}

/// Names of the options that every source may set.
pub(super) fn options<A: Args>() -> Vec<String> {
    command::<A>()
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .filter(|long| *long != "scenario")
        .map(str::to_owned)
        .collect()
}

fn argument(option: &str, value: &OsString) -> OsString {
    let mut argument = OsString::from(format!("--{option}="));
    argument.push(value);
    argument
}

/// Parses one option alone, so that what is wrong with it is told of its source.
fn check<A: Args>(
    option: &str,
    value: &OsString,
    argument: &OsString,
    origin: &Origin,
) -> Result<(), Error> {
    match command::<A>().try_get_matches_from([argument]) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Value {
            option: option.to_owned(),
            value: redact_uri(&value.to_string_lossy()),
            origin: origin.clone(),
            reason: std::error::Error::source(&error).map_or_else(
                || "not a value of this option".to_owned(),
                ToString::to_string,
            ),
        }),
    }
}

fn flags(options: &[String], matches: &ArgMatches) -> Vec<(String, OsString, Origin)> {
    options
        .iter()
        .filter_map(|option| {
            let id = option.replace('-', "_");
            let typed = matches.value_source(&id)? == ValueSource::CommandLine;
            let value = matches.get_raw(&id)?.next()?.to_owned();
            typed.then(|| (option.clone(), value, Origin::Flag))
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
