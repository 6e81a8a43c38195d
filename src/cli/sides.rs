//! Command lines of the trials of `convoy ab`: the common options, and those of one side.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::{AbArgs, OWN_OPTIONS_OF_AB};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::resolve;
use crate::cli::trial_line;
use crate::command::Command;
use crate::faults::begins_with_fault;
use crate::load::Bound;
use crate::settings::{AbSettings, Program, Side, SimulateSettings};

/// Time that a trial of another executable may take beyond its load: starting and stopping servers,
/// draining and auditing.
const SURPLUS: Duration = Duration::from_secs(600);

/// Times as many rounds are run if they do not tell, unless the user says how many.
const TIMES_ROUNDS: u32 = 4;

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
    let common = trial_line::common(arguments, "ab", &OWN_OPTIONS_OF_AB);
    let mut settings = |name: &'static str, texts: &[String]| {
        let own = options_of(name, texts)?;
        let format = OsString::from("--format=text");
        let options = [format]
            .into_iter()
            .chain(common.clone())
            .chain(own.clone());
        trial_line::settings(options, environment)
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
        max_rounds: (args.sides.max_rounds)
            .unwrap_or(args.sides.rounds.saturating_mul(TIMES_ROUNDS))
            .max(args.sides.rounds),
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

/// Returns the options of a side: `linger=5ms` becomes `--linger=5ms`, and `slow-store=20ms`
/// `--faults=slow-store=20ms`. Options as on a command line are taken, too: `--linger 5ms`.
fn options_of(side: &'static str, texts: &[String]) -> Result<Vec<OsString>, Error> {
    let mut settings = texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .peekable();
    let mut options = Vec::new();
    while let Some(setting) = settings.next() {
        if begins_with_fault(setting) {
            options.push(format!("--faults={setting}").into());
            continue;
        }
        let (name, value) = match setting.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if setting.starts_with("--") => {
                let value = settings.next_if(|next| is_value(next, setting));
                (setting, value)
            }
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
        let option = match value {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        };
        options.push(option.into());
    }
    Ok(options)
}

/// Returns whether a word after an option without `=` is its value, and not the next setting.
fn is_value(word: &str, option: &str) -> bool {
    let fault = option == "--faults" && begins_with_fault(word);
    fault || !(word.starts_with("--") || word.contains('='))
}

/// Returns the arguments of a trial of another executable.
fn program_arguments(common: &[OsString], own: Vec<OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["simulate".into(), "--format=json".into()];
    let shows = |option: &OsString| option.to_string_lossy().starts_with("--ui");
    if !own.iter().any(shows) {
        // The name of `--ui=plain` that earlier versions know, too.
        arguments.push("--progress=never".into());
    }
    let replaced = ["seed", "progress", "ui", "format"];
    arguments.extend(trial_line::without(common, &replaced));
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
                trial_line::common(&words(typed), "ab", &OWN_OPTIONS_OF_AB),
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
        for (text, expected) in [
            ("slow-store=20ms", "--faults=slow-store=20ms"),
            ("--linger 5ms --keep", "--linger=5ms --keep"),
            ("--keep linger=5ms", "--keep --linger=5ms"),
            ("--faults store-hang@1s+1s", "--faults=store-hang@1s+1s"),
        ] {
            assert_eq!(options(&[text]).unwrap(), words(expected), "{text}");
        }
        for refused in ["rounds=3", "seed=1", "run_id=x", "output=x", "=5", "a=b"] {
            assert!(options(&[refused]).is_err(), "{refused}");
        }
    }

    #[test]
    fn trials_of_programs_have_no_seed_of_their_own() {
        let arguments = program_arguments(
            &words("--seed 4 -n 2 --progress=auto --topic ab"),
            words("--linger=1ms"),
        );
        assert_eq!(
            arguments,
            words("simulate --format=json --progress=never -n 2 --topic ab --linger=1ms")
        );
    }
}
