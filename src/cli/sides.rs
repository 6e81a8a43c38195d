//! Command lines of the trials of `convoy ab`: the common options, and those of one side.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::{AbArgs, CommandArgs, OWN_OPTIONS_OF_AB};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::resolve;
use crate::cli::sources::{self, Stop};
use crate::command::Command;
use crate::load::Bound;
use crate::settings::{AbSettings, Program, Side, SimulateSettings};

/// Time that a trial of another executable may take beyond its load: starting and stopping servers,
/// draining and auditing.
const SURPLUS: Duration = Duration::from_secs(600);

/// Time that a trial without a duration may take.
const UNBOUNDED: Duration = Duration::from_secs(3_600);

/// Options that show a process. Trials in this process have no display.
const OF_PROCESSES: [&str; 2] = ["ui", "web"];

/// Options of a trial that `ab` sets itself.
const SET: [&str; 5] = ["seed", "run-id", "again", "junit", "events"];

/// Resolves the settings of `convoy ab` from its command line.
pub(super) fn ab(
    args: &AbArgs,
    arguments: &[OsString],
    environment: &mut Environment,
) -> Result<Command, Error> {
    let common = without_own(arguments, &OWN_OPTIONS_OF_AB);
    let mut settings = |name: &'static str, texts: &[String]| {
        let own = options_of(name, texts)?;
        simulate(&common, &own, environment)
            .map(|settings| (settings, own))
            .map_err(|source| Error::Side {
                side: name,
                source: Box::new(source),
            })
    };
    let (a, a_options) = settings("a", &args.sides.a)?;
    let (b, b_options) = settings("b", &args.sides.b)?;
    let of_processes = a_options.iter().chain(&b_options).any(is_of_process);
    // Trials in this process measure convoy's own consumer.
    let external = a.consumer.is_external() || b.consumer.is_external();
    let given = args.sides.a_exe.is_some() || args.sides.b_exe.is_some();
    let programs = given || of_processes || external;
    let (seed, interrupt_timeout) = (args.load.seed, args.timeouts.interrupt_timeout);
    let side =
        |settings: SimulateSettings, options, path: &Option<PathBuf>| -> Result<Side, Error> {
            if !programs {
                return Ok(Side::Here(Box::new(settings)));
            }
            let path = match path {
                Some(path) => path.clone(),
                None => std::env::current_exe().map_err(Error::OwnExecutable)?,
            };
            let deadline = deadline(&settings);
            let arguments = program_arguments(&common, options);
            Ok(Side::Program(Program {
                path,
                arguments,
                deadline,
            }))
        };
    Ok(Command::Ab(Box::new(AbSettings {
        a: side(a, a_options, &args.sides.a_exe)?,
        b: side(b, b_options, &args.sides.b_exe)?,
        rounds: args.sides.rounds,
        confirm: args.sides.confirm,
        seed,
        judge: resolve::judge(&args.judge),
        output: args.sides.output.clone(),
        interrupt_timeout,
    })))
}

/// Returns whether an option acts on a process, not on a trial.
fn is_of_process(option: &OsString) -> bool {
    let text = option.to_string_lossy();
    let name = text.trim_start_matches("--").split('=').next();
    name.is_some_and(|name| OF_PROCESSES.contains(&name))
}

/// Returns the time after which a trial must have ended.
fn deadline(settings: &SimulateSettings) -> Duration {
    match settings.load.bound {
        Bound::Duration(duration) => settings.load.warmup + duration + SURPLUS,
        Bound::Records(_) | Bound::Rows => UNBOUNDED,
    }
}

/// Returns the arguments after the subcommand, without these options and their values.
fn without_own(arguments: &[OsString], own: &[&str]) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut named = false;
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if !named && text == "ab" {
            named = true;
            continue;
        }
        let Some(option) = text.strip_prefix("--") else {
            left.push(argument.clone());
            continue;
        };
        match option.split_once('=') {
            Some((name, _value)) if own.contains(&name) => {}
            None if own.contains(&option) => {
                arguments.next();
            }
            _ => left.push(argument.clone()),
        }
    }
    left
}

/// Returns the options of a side: `linger=5ms` becomes `--linger=5ms`.
fn options_of(side: &'static str, texts: &[String]) -> Result<Vec<OsString>, Error> {
    let settings = texts.iter().flat_map(|text| text.split_whitespace());
    settings
        .map(|setting| {
            let (name, value) = match setting.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (setting, None),
            };
            let name = name.trim_start_matches("--").replace('_', "-");
            let reserved = OWN_OPTIONS_OF_AB.contains(&name.as_str()) || SET.contains(&&*name);
            if reserved || name.is_empty() {
                return Err(Error::NotOfASide {
                    side,
                    setting: setting.to_owned(),
                });
            }
            Ok(match value {
                Some(value) => format!("--{name}={value}"),
                None => format!("--{name}"),
            }
            .into())
        })
        .collect()
}

/// Resolves the settings of the trials of one side.
fn simulate(
    common: &[OsString],
    own: &[OsString],
    environment: &mut Environment,
) -> Result<SimulateSettings, Error> {
    let mut arguments: Vec<OsString> = ["convoy", "simulate", "--format=text"]
        .map(OsString::from)
        .to_vec();
    arguments.extend(common.iter().cloned());
    arguments.extend(own.iter().cloned());
    let (args, origins, _options) = match sources::parse(&arguments, environment) {
        Ok(parsed) => parsed,
        Err(Stop::Error(error)) => return Err(error.without_secrets_of(&arguments)),
        Err(Stop::Help) => unreachable!("help ends the command before its sides are parsed"),
    };
    let CommandArgs::Simulate(args) = args.command else {
        unreachable!("the command is named");
    };
    resolve::simulate(*args, &origins, environment)
}

/// Returns the arguments of a trial of another executable.
fn program_arguments(common: &[OsString], own: Vec<OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["simulate".into(), "--format=json".into()];
    let shows = |option: &OsString| option.to_string_lossy().starts_with("--ui");
    if !own.iter().any(shows) {
        // The name of `--ui=plain` that earlier versions know, too.
        arguments.push("--progress=never".into());
    }
    arguments.extend(without_own(
        &[&["".into()], common].concat(),
        &["seed", "progress", "ui", "format"],
    ));
    arguments.extend(own);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn common_options_are_those_that_ab_does_not_have() {
        for (typed, common) in [
            ("convoy ab", ""),
            (
                "convoy ab --a linger=1ms --b=linger=2ms --rounds 3 -n 5",
                "-n 5",
            ),
            (
                "convoy -q ab --vehicles=7 --a-exe x --b-exe=y",
                "-q --vehicles=7",
            ),
            ("convoy ab --fail-on slower --topic ab", "--topic ab"),
            ("convoy ab --format json --output=d --seed 3", "--seed 3"),
        ] {
            assert_eq!(
                without_own(&words(typed), &OWN_OPTIONS_OF_AB),
                words(common),
                "{typed}"
            );
        }
    }

    #[test]
    fn settings_of_a_side_become_options() {
        let options = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            options_of("a", &texts)
        };
        let found = options(&[
            "linger=5ms batch_records=10",
            "",
            "--faults=slow-store=20ms@0s+9s,chaos",
            "keep",
        ]);
        let expected =
            words("--linger=5ms --batch-records=10 --faults=slow-store=20ms@0s+9s,chaos --keep");
        assert_eq!(found.unwrap(), expected);
        for refused in ["rounds=3", "seed=1", "run_id=x", "output=x", "=5", "a=b"] {
            assert!(options(&[refused]).is_err(), "{refused}");
        }
    }

    #[test]
    fn trials_of_programs_have_no_seed_of_their_own() {
        let arguments = program_arguments(
            &words("--seed 4 -n 2 --progress=auto"),
            words("--linger=1ms"),
        );
        assert_eq!(
            arguments,
            words("simulate --format=json --progress=never -n 2 --linger=1ms")
        );
    }
}
