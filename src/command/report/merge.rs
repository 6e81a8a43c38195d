//! `convoy report merge`: merges the reports of one run's processes, and audits the run.

use std::path::{Path, PathBuf};

use convoy_server_kit::SecretUri;

use crate::audit::Verdict;
use crate::command::report::case::build_case;
use crate::dataset::{Dataset, ReadOptions};
use crate::error::{Error, ExitStatus};
use crate::host::roles::Runtimes;
use crate::pipeline::{self, Case, Workload, dead_letter_collection, verdict};
use crate::report::HISTORY_FILE;
use crate::report::{
    self, Produced, Report, RunDirectory, SavedReport, Status, Warning, producers, read_report,
};
use crate::settings::{Invocation, MergeSettings};
use crate::store::Connection;
use crate::summary::{describe_dataset, exit_status, present_report};
use crate::terminal::Terminal;

/// Connections to the store. The audit needs one.
const CONNECTIONS: u32 = 1;

/// Merges reports, and audits the documents of the run if a store is given.
pub fn merge(
    settings: &MergeSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let saved = read(&settings.reports, terminal)?;
    let producers = producers(&saved)?;
    let mut report = report::merge(&saved, invocation.line.clone());
    report.settings = serde_json::to_value(settings).unwrap_or_default();
    if let Some(store) = &settings.store {
        let case = match producers.as_slice() {
            [] => return Err(Error::NothingToAudit),
            producers => build_case(&report.run.id, producers)?,
        };
        let read = read_options(settings, &saved);
        let rows = || rows(settings, &read, producers[0], report.dataset.as_ref());
        let audited = audit(settings, store, &case, &report, rows)?;
        add_audit(&mut report, audited);
    }
    let name = format!("{}-merged", report.run.id);
    let directory = RunDirectory::create(&settings.report.output, &name)?;
    present_report(&report, &directory, None, &settings.report, terminal)?;
    Ok(exit_status(&report))
}

/// Reads the reports. Of several, as by `runs/*`, those that cannot be merged are left out with a
/// note.
fn read(reports: &[PathBuf], terminal: &Terminal) -> Result<Vec<SavedReport>, Error> {
    if let [only] = reports {
        return Ok(vec![SavedReport::read(only)?]);
    }
    let skip = |path: &Path, reason: &str| {
        terminal.say(format_args!("skipped `{}`: {reason}", path.display()));
    };
    let mut found: Vec<(PathBuf, Report)> = Vec::new();
    for named in reports {
        if named.file_name().is_some_and(|name| name == HISTORY_FILE) {
            continue;
        }
        if named.is_dir() && !named.join("report.json").exists() {
            skip(named, "it contains no report");
            continue;
        }
        match read_report(named) {
            Ok((path, _)) if found.iter().any(|(other, _)| same_file(&path, other)) => {}
            Ok((_, report)) if report.merged.is_some() => skip(named, "it is a merged report"),
            Ok((_, report)) if report.produced.is_none() && report.consumed.is_none() => {
                skip(named, "it is the report of a whole run");
            }
            Ok(joinable) => found.push(joinable),
            Err(error @ (report::Error::NotAReport { .. } | report::Error::Version { .. })) => {
                skip(named, &error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let run = latest_run(found.iter().map(|(_, report)| report)).map(str::to_owned);
    let mut saved = Vec::new();
    for (path, report) in &found {
        match run.as_deref().and_then(|run| unrelated(report, run)) {
            Some(reason) => skip(path, &reason),
            None => saved.push(SavedReport::read(path)?),
        }
    }
    if saved.is_empty() {
        return Err(Error::NothingToMerge);
    }
    Ok(saved)
}

/// Returns the run of the producer that started last.
fn latest_run<'a>(reports: impl Iterator<Item = &'a Report>) -> Option<&'a str> {
    let producers = reports.filter(|report| report.produced.is_some());
    // RFC 3339 in UTC sorts by time.
    let latest = producers.max_by(|one, other| one.run.started_at.cmp(&other.run.started_at));
    latest.map(|report| report.run.id.as_str())
}

/// Returns why a report does not belong to a run; `None` if it may.
fn unrelated(report: &Report, run: &str) -> Option<String> {
    match &report.consumed {
        None if report.run.id != run => Some(format!(
            "it belongs to run `{}`, not to the latest, `{run}`; pass only its reports to merge them",
            report.run.id
        )),
        Some(consumed) if !consumed.runs.contains(run) => {
            let read_others = !consumed.runs.is_empty() || report.counters.stored > 0;
            read_others.then(|| format!("its consumer read nothing of run `{run}`"))
        }
        _ => None,
    }
}

/// Returns whether two paths lead to one file.
fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Outcome of an audit.
struct Audited {
    verdict: Verdict,
    /// Whether the second pass had the rows of the dataset; `None` without a second pass.
    examined_rows: Option<bool>,
    /// Why the rows were not available.
    unexamined: Option<String>,
}

fn audit(
    settings: &MergeSettings,
    store: &SecretUri,
    case: &Case,
    report: &Report,
    rows: impl FnOnce() -> Result<Workload, String>,
) -> Result<Audited, Error> {
    let topology = &report.topology;
    let named = |flag: &Option<String>, reported: &String, default: &str| match flag {
        Some(name) => name.clone(),
        None if reported.is_empty() => default.to_owned(),
        None => reported.clone(),
    };
    let database = named(&settings.database, &topology.database, "convoy");
    let collection = named(&settings.collection, &topology.collection, "sensor");
    let (mut examined_rows, mut unexamined) = (None, None);
    let hashes = || match rows() {
        Ok(workload) => {
            examined_rows = Some(true);
            workload.payload_hashes().map(Some)
        }
        Err(reason) => {
            (examined_rows, unexamined) = (Some(false), Some(reason));
            Ok(None)
        }
    };
    let runtimes = Runtimes::start(&[])?;
    let audited = runtimes.block_on(async {
        let connection = Connection::open(store, &database, CONNECTIONS).await;
        let connection = connection.map_err(pipeline::Error::Store)?;
        let documents = connection.documents(&collection);
        let letters = connection.documents(&dead_letter_collection(&collection));
        verdict(case, &documents, &letters, hashes, None, None).await
    });
    Ok(Audited {
        verdict: audited?,
        examined_rows,
        unexamined,
    })
}

/// Returns how to read the emitted dataset: as the user says, else as its producers read it.
fn read_options(settings: &MergeSettings, saved: &[SavedReport]) -> ReadOptions {
    if settings.read != ReadOptions::default() {
        return settings.read.clone();
    }
    let mut producing = saved.iter().filter(|it| it.report.produced.is_some());
    let options = producing.next().map(|it| it.report.settings.clone());
    options
        .and_then(|options| serde_json::from_value(options).ok())
        .unwrap_or_default()
}

/// Opens the emitted dataset; the error says why it is not available.
fn rows(
    settings: &MergeSettings,
    read: &ReadOptions,
    produced: &Produced,
    emitted: Option<&report::Dataset>,
) -> Result<Workload, String> {
    let reported = || PathBuf::from(&produced.schedule.dataset);
    let path = settings.dataset.clone().unwrap_or_else(reported);
    if path == Path::new("-") {
        return Err("the rows came from stdin".to_owned());
    }
    let workload = Dataset::open(&path, read)
        .map(Workload::new)
        .map_err(|error| error.to_string())?;
    let found = describe_dataset(&workload).hash;
    let same = emitted.is_some_and(|emitted| emitted.hash == found);
    if !same || workload.rows() != produced.schedule.rows {
        return Err(format!("`{}` is not the emitted dataset", path.display()));
    }
    Ok(workload)
}

/// Adds the outcome of the audit to the report.
fn add_audit(report: &mut Report, audited: Audited) {
    let Audited {
        mut verdict,
        examined_rows,
        unexamined,
    } = audited;
    let counters = report.counters;
    verdict.replayed = counters.replayed;
    verdict.producer_duplicated = counters.producer_duplicated;
    verdict.corrupt += counters.conflicting;
    report.status = Status::new(&verdict, report.status == Status::Interrupted);
    if verdict.stored > counters.stored {
        let warning = Warning::UnreportedConsumer {
            unreported: verdict.stored - counters.stored,
            stored: verdict.stored,
        };
        report.warnings.push(warning.notice());
    }
    report.verdict = Some(verdict);
    if let Some(merged) = &mut report.merged {
        merged.audited = true;
        merged.examined_rows = examined_rows;
    }
    if let Some(reason) = unexamined {
        let warning = Warning::RowsNotExamined { reason };
        report.warnings.push(warning.notice());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::report::{read_report, write_json};
    use crate::terminal::{Colors, Ui};

    /// Reports as `convoy produce`, `convoy consume` and `convoy simulate` write them.
    fn report(kind: &str, run: &str, started_at: &str) -> Report {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report.v1.json");
        let (_, mut report) = read_report(&golden).unwrap();
        report.run.id = run.to_owned();
        report.run.started_at = started_at.to_owned();
        match kind {
            "whole" => {}
            "producer" => {
                report.produced = serde_json::from_value(serde_json::json!({
                    "shard": 0, "shards": 1, "emitted": 1, "messages": 1, "fingerprints": "0",
                    "schedule": {
                        "vehicles": 1, "rate": "1", "total_rate": null, "arrival": "uniform",
                        "seed": 1, "warm_up_ns": 0, "duration_ns": null, "records": 1, "rows": 1,
                        "dataset": "rows.csv",
                    },
                    "labels": {}, "label_column": null, "not_acked": 0, "dead_lettered": 0,
                    "topics": {"rows": 1}, "epoch_unix_ms": 0, "start_ns": 0,
                }))
                .unwrap();
            }
            _ => {
                report.consumed = serde_json::from_value(serde_json::json!({
                    "group": "convoy", "runs": BTreeSet::from([run]), "stints": [],
                    "first_intended_unix_ms": null, "last_stored_unix_ms": null,
                }))
                .unwrap();
            }
        }
        report
    }

    fn merged(reports: &[(&str, &str, &str)]) -> Result<Vec<String>, Error> {
        let runs = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (number, (kind, run, started_at)) in reports.iter().enumerate() {
            let directory = runs.path().join(format!("{number}-{kind}-{run}"));
            fs::create_dir(&directory).unwrap();
            let file = directory.join("report.json");
            match *kind {
                "killed" => {}
                "other" => fs::write(&file, "{}").unwrap(),
                _ => {
                    let file = fs::File::create(&file).unwrap();
                    write_json(&report(kind, run, started_at), file).unwrap();
                    fs::write(directory.join("latency.hdr"), "").unwrap();
                }
            }
            paths.push(directory);
        }
        let terminal = Terminal::new(Ui::Plain, Colors::Never);
        let saved = read(&paths, &terminal)?;
        let name = |saved: &SavedReport| {
            let directory = saved.path.parent().unwrap();
            directory
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        Ok(saved.iter().map(name).collect())
    }

    #[test]
    fn reports_that_cannot_be_merged_are_left_out() {
        let found = merged(&[
            ("whole", "demo", "2026-11-23T01:00:00.000Z"),
            ("producer", "night", "2026-11-23T02:00:00.000Z"),
            ("killed", "night", ""),
            ("other", "json", ""),
            ("consumer", "night", "2026-11-23T02:00:00.000Z"),
            ("whole", "demo2", "2026-11-23T09:00:00.000Z"),
        ]);
        assert_eq!(found.unwrap(), ["1-producer-night", "4-consumer-night"]);
    }

    #[test]
    fn of_several_runs_the_latest_is_merged() {
        let found = merged(&[
            ("producer", "monday", "2026-11-23T02:00:00.000Z"),
            ("consumer", "monday", "2026-11-23T02:00:00.000Z"),
            ("producer", "tuesday", "2026-11-24T02:00:00.000Z"),
            ("consumer", "tuesday", "2026-11-24T02:00:00.000Z"),
        ]);
        assert_eq!(found.unwrap(), ["2-producer-tuesday", "3-consumer-tuesday"]);
    }

    #[test]
    fn nothing_to_merge_is_an_error() {
        let found = merged(&[("whole", "demo", ""), ("killed", "night", "")]);
        assert!(matches!(found, Err(Error::NothingToMerge)), "{found:?}");
    }
}
