//! `convoy report merge`: merges the reports of one run's processes, and audits the run.

use std::path::PathBuf;

use convoy_server_kit::SecretUri;

use crate::audit::Verdict;
use crate::command::report::case::build_case;
use crate::dataset::Dataset;
use crate::error::{Error, ExitStatus};
use crate::host::roles::Runtimes;
use crate::pipeline::{self, Case, Workload, dead_letter_collection, verdict};
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
        let rows = || rows(settings, producers[0], &report.dataset.hash);
        let audited = audit(settings, store, &case, &report, rows)?;
        add_audit(&mut report, audited);
    }
    let name = format!("{}-merged", report.run.id);
    let directory = RunDirectory::create(&settings.report.output, &name)?;
    present_report(&report, &directory, None, settings.report.format, terminal)?;
    Ok(exit_status(&report))
}

/// Reads the reports. If several are given, as by `runs/*`, skips the directories of killed
/// processes, which have no report, and merged reports.
fn read(reports: &[PathBuf], terminal: &Terminal) -> Result<Vec<SavedReport>, Error> {
    let mut saved = Vec::new();
    for path in reports {
        if reports.len() > 1 && path.is_dir() && !path.join("report.json").exists() {
            let path = path.display();
            terminal.say(format_args!("skipped `{path}`: it contains no report"));
            continue;
        }
        let (_, report) = read_report(path)?;
        if reports.len() > 1 && report.merged.is_some() {
            let path = path.display();
            terminal.say(format_args!("skipped `{path}`: it is a merged report"));
            continue;
        }
        saved.push(SavedReport::read(path)?);
    }
    if saved.is_empty() {
        return Err(Error::NothingToAudit);
    }
    Ok(saved)
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
        verdict(case, &documents, &letters, hashes, None).await
    });
    Ok(Audited {
        verdict: audited?,
        examined_rows,
        unexamined,
    })
}

/// Opens the emitted dataset; the error says why it is not available.
fn rows(settings: &MergeSettings, produced: &Produced, hash: &str) -> Result<Workload, String> {
    let reported = || PathBuf::from(&produced.schedule.dataset);
    let path = settings.dataset.clone().unwrap_or_else(reported);
    let workload = Dataset::open(&path, &settings.read)
        .map(Workload::new)
        .map_err(|error| error.to_string())?;
    let found = describe_dataset(Some(&workload)).hash;
    if found != hash || workload.rows() != produced.schedule.rows {
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
    report.verdict = verdict;
    if let Some(merged) = &mut report.merged {
        merged.audited = true;
        merged.examined_rows = examined_rows;
    }
    if let Some(reason) = unexamined {
        let warning = Warning::RowsNotExamined { reason };
        report.warnings.push(warning.notice());
    }
}
