//! Command lines of the trials of `convoy sweep`: the common options, and those of one combination.

use std::ffi::OsString;

use crate::cli::args::{OWN_OPTIONS_OF_SWEEP, SweepArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::trial_line;
use crate::command::Command;
use crate::settings::{Combination, Sink, SweepSettings};
use crate::sweep::{Objective, combinations};

/// Most combinations.
const MOST: usize = 100;

/// Options that all trials share: those of the servers, and of what `sweep` prints and writes.
const SHARED: [&str; 34] = [
    "ui",
    "web",
    "again",
    "run-id",
    "junit",
    "events",
    "backend",
    "broker",
    "store",
    "data-dir",
    "broker-port",
    "store-port",
    "redpanda-image",
    "mongo-image",
    "start-timeout",
    "keep",
    "security-protocol",
    "sasl-mechanism",
    "ca-file",
    "encoding",
    "dataset",
    "topic",
    "sink",
    "seed",
    "output",
    "format",
    "progress",
    "quiet",
    "verbose",
    "scenario",
    "env-file",
    "no-env-file",
    "help",
    "version",
];

/// An option with one of its values.
type Setting = (String, String);

/// Resolves the settings of `convoy sweep` from its command line.
pub(super) fn sweep(
    args: &SweepArgs,
    arguments: &[OsString],
    environment: &mut Environment,
) -> Result<Command, Error> {
    let lists = args.sweep.over.iter().map(|text| varied(text));
    let lists: Vec<Vec<Setting>> = lists.collect::<Result<_, _>>()?;
    let number = lists
        .iter()
        .try_fold(1usize, |product, list| product.checked_mul(list.len()));
    if number.is_none_or(|number| number > MOST) {
        return Err(Error::TooManyCombinations { most: MOST });
    }
    let common = trial_line::common(arguments, "sweep", &OWN_OPTIONS_OF_SWEEP);
    let mut resolved = Vec::new();
    for varied in combinations(&lists) {
        let own = varied.iter();
        let own = own.map(|(name, value)| OsString::from(format!("--{name}={value}")));
        let simulate = trial_line::settings(common.iter().cloned().chain(own), environment)?;
        if simulate.sink == Sink::Null {
            return Err(Error::NotForSweep {
                option: "--sink null".to_owned(),
            });
        }
        if simulate.consumer.is_external() {
            return Err(Error::NotForSweep {
                option: "--consumer external".to_owned(),
            });
        }
        resolved.push(Combination { varied, simulate });
    }
    let unlimited = resolved
        .iter()
        .any(|combination| combination.simulate.load.target_rate().is_none());
    let objectives = match (args.sweep.objective.as_slice(), unlimited) {
        ([], true) => vec![Objective::Throughput, Objective::CpuPerRecord],
        ([], false) => vec![Objective::EndToEndP99, Objective::CpuPerRecord],
        (named, _) => named.to_vec(),
    };
    Ok(Command::Sweep(Box::new(SweepSettings {
        combinations: resolved,
        repeats: args.sweep.repeats,
        budget: args.sweep.budget,
        objectives,
    })))
}

/// Reads `linger=1ms,5ms` as the option with each of its values.
fn varied(text: &str) -> Result<Vec<Setting>, Error> {
    let wrong = || Error::NotForSweep {
        option: text.to_owned(),
    };
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let name = name.trim().trim_start_matches("--").replace('_', "-");
    let reserved = SHARED.contains(&&*name) || OWN_OPTIONS_OF_SWEEP.contains(&&*name);
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    if name.is_empty() || reserved || values.iter().any(|value| value.is_empty()) {
        return Err(wrong());
    }
    let mut settings: Vec<Setting> = Vec::new();
    for value in values {
        let setting = (name.clone(), value.to_owned());
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_is_read_with_each_value_once() {
        let settings = |values: &[&str]| -> Vec<Setting> {
            let values = values.iter();
            values
                .map(|value| ("batch-records".to_owned(), (*value).to_owned()))
                .collect()
        };
        assert_eq!(
            varied("batch_records=10, 20,10").unwrap(),
            settings(&["10", "20"])
        );
        for wrong in [
            "linger",
            "=1",
            "linger=",
            "linger=1,,2",
            "store=a",
            "over=b=1",
            "seed=1",
        ] {
            assert!(varied(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn common_options_are_those_that_sweep_does_not_have() {
        let words =
            |text: &str| -> Vec<OsString> { text.split_whitespace().map(OsString::from).collect() };
        for (typed, common) in [
            ("convoy sweep --over linger=1ms,2ms -n 5", "-n 5"),
            (
                "convoy -q sweep --budget=1m --vehicles=7 --repeats 2",
                "-q --vehicles=7",
            ),
            (
                "convoy sweep --objective throughput --topic sweep",
                "--topic sweep",
            ),
        ] {
            let found = trial_line::common(&words(typed), "sweep", &OWN_OPTIONS_OF_SWEEP);
            assert_eq!(found, words(common), "{typed}");
        }
    }
}
