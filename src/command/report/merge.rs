//! `convoy report merge`: joins the reports of one run's processes, and audits what they did.

use std::path::{Path, PathBuf};

use convoy_server_kit::SecretUri;

use crate::audit::Verdict;
use crate::command::report::case;
use crate::command::simulate;
use crate::dataset::Dataset;
use crate::error::{Error, ExitStatus};
use crate::host::roles::Runtimes;
use crate::pipeline::{self, Case, Workload, dead_letter_collection, verdict};
use crate::report::merge::{join, producers};
use crate::report::{Notice, Produced, Report, RunDirectory, Status, Stored, read_report};
use crate::settings::Invocation;
use crate::settings::MergeSettings;
use crate::store::Connection;
use crate::summary::simulate::dataset_of;
use crate::terminal::Terminal;

/// Connections to the store: one scans.
const CONNECTIONS: u32 = 1;

/// Joins reports, and looks at every document of the run where a store is named.
pub fn merge(
    settings: &MergeSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let stored = read(&settings.reports, terminal)?;
    let producers = producers(&stored)?;
    let mut report = join(&stored, invocation.line.clone());
    report.settings = serde_json::to_value(settings).unwrap_or_default();
    if let Some(store) = &settings.store {
        let case = match producers.as_slice() {
            [] => return Err(Error::NothingToAudit),
            producers => case::of(&report.run.id, producers)?,
        };
        let rows = || rows(settings, producers[0], &report.dataset.hash);
        let audited = audit(settings, store, &case, &report, rows)?;
        add(&mut report, audited);
    }
    let name = format!("{}-merged", report.run.id);
    let directory = RunDirectory::create(&settings.report.output, &name)?;
    simulate::present(&report, &directory, None, settings.report.format, terminal)?;
    Ok(simulate::status(&report))
}

/// Reads the reports but those that `runs/*` names in vain: of processes that were killed, which
/// have none, and of earlier joins.
fn read(reports: &[PathBuf], terminal: &Terminal) -> Result<Vec<Stored>, Error> {
    let mut stored = Vec::new();
    for path in reports {
        if reports.len() > 1 && path.is_dir() && !path.join("report.json").exists() {
            let path = path.display();
            terminal.say(format_args!("left out `{path}`: it holds no report"));
            continue;
        }
        let (_, report) = read_report(path)?;
        if reports.len() > 1 && report.merged.is_some() {
            let path = path.display();
            terminal.say(format_args!("left out `{path}`: it was joined itself"));
            continue;
        }
        stored.push(Stored::read(path)?);
    }
    if stored.is_empty() {
        return Err(Error::NothingToAudit);
    }
    Ok(stored)
}

/// What an audit gave.
struct Audited {
    verdict: Verdict,
    /// Whether a second look had the rows at hand, if there was one.
    examined_rows: Option<bool>,
    /// Why the rows were not at hand.
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

/// Opens the rows that were emitted; the error says why that cannot be done.
fn rows(settings: &MergeSettings, produced: &Produced, hash: &str) -> Result<Workload, String> {
    let reported = || PathBuf::from(&produced.schedule.dataset);
    let path = settings.dataset.clone().unwrap_or_else(reported);
    let workload = open(&path).map_err(|error| error.to_string())?;
    let found = dataset_of(&workload).hash;
    if found != hash || workload.rows() != produced.schedule.rows {
        return Err(format!(
            "`{}` has other rows than were emitted",
            path.display()
        ));
    }
    Ok(workload)
}

fn open(path: &Path) -> Result<Workload, Error> {
    Ok(Workload::new(Dataset::open(path)?))
}

/// Puts the outcome of the audit into the report.
fn add(report: &mut Report, audited: Audited) {
    let Audited {
        mut verdict,
        examined_rows,
        unexamined,
    } = audited;
    let count = |name: &str| report.counters.get(name).copied().unwrap_or_default();
    verdict.replayed = count("replayed");
    verdict.producer_duplicated = count("producer_duplicated");
    verdict.corrupt += count("conflicting");
    report.status = Status::of(&verdict, report.status == Status::Interrupted);
    let reported = count("stored");
    if verdict.stored > reported {
        report.warnings.push(Notice {
            code: "unreported_consumer".to_owned(),
            message: format!(
                "{} of {} documents were stored by processes without a report here",
                verdict.stored - reported,
                verdict.stored
            ),
            advice: "their latency is in none of the stages: name every consumer's report; one that was killed has none".to_owned(),
        });
    }
    report.verdict = verdict;
    if let Some(merged) = &mut report.merged {
        merged.audited = true;
        merged.examined_rows = examined_rows;
    }
    if let Some(reason) = unexamined {
        report.warnings.push(Notice {
            code: "rows_not_examined".to_owned(),
            message: format!("documents were not compared with the rows: {reason}"),
            advice: "name the rows that were emitted by `--dataset PATH`".to_owned(),
        });
    }
}
