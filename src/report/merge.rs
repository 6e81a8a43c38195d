//! Merging of the reports of one run's processes: adds histograms and counts, never percentiles.

use std::collections::{BTreeMap, BTreeSet};

use crate::measure::{Counts, Histogram, PartitionLoad, Stages};
use crate::record::HASHES_CONTENT;
use crate::report::notice::Notice;
use crate::report::processes::{Merged, Produced};
use crate::report::saved::SavedReport;
use crate::report::summary::{CpuPerRecord, Summary};
use crate::report::topology::{BackendKind, Durability, Topology};
use crate::report::value::{FORMAT_VERSION, Report, Run, Status};
use crate::report::warning::Warning;

/// Reports that cannot be merged.
#[expect(missing_docs, reason = "each message shows what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A report covers a whole run.
    #[error("`{path}` is the report of a whole run, not of a single process")]
    Whole { path: String },
    /// Producer reports of several runs.
    #[error("`{path}` belongs to run `{run}`, the others to run `{others}`")]
    OtherRun {
        path: String,
        run: String,
        others: String,
    },
    /// Producers with different schedules.
    #[error("the schedule of `{path}` differs from that of the other producer reports")]
    OtherSchedule { path: String },
    /// Two reports of one shard.
    #[error("`{path}` is a second report of shard {shard}/{shards}")]
    DuplicateShard {
        path: String,
        /// Number of the shard, from 1.
        shard: u32,
        shards: u32,
    },
    /// A producer report has an impossible value.
    #[error("invalid producer report: `{key}` is `{value}`")]
    Damaged { key: &'static str, value: String },
    /// No report of a shard.
    #[error("the report of shard {shard}/{shards} is missing")]
    MissingShard {
        /// Number of the shard, from 1.
        shard: u32,
        shards: u32,
    },
}

impl MergeError {
    /// Returns a hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Whole { .. } => "pass only reports of `convoy produce` and `convoy consume`",
            Self::OtherRun { .. } => "merge one run at a time; its producers share a `--run-id`",
            Self::OtherSchedule { .. } => {
                "run every shard with the same dataset and the same options except `--shard`"
            }
            Self::Damaged { .. } => "pass the original `report.json` of `convoy produce`",
            Self::DuplicateShard { .. } => "pass each report once",
            Self::MissingShard { .. } => {
                "pass the report of every shard; a killed producer wrote none, so its run cannot be audited"
            }
        }
    }
}

/// Returns the accounts of the producers among the reports, one of every shard of the run.
pub fn producers(saved: &[SavedReport]) -> Result<Vec<&Produced>, MergeError> {
    let mut first: Option<(&SavedReport, &Produced)> = None;
    let mut shards = BTreeMap::new();
    for saved in saved {
        let path = || saved.path.display().to_string();
        let report = &saved.report;
        let Some(produced) = &report.produced else {
            if report.consumed.is_none() {
                return Err(MergeError::Whole { path: path() });
            }
            continue;
        };
        let (others, like) = *first.get_or_insert((saved, produced));
        if report.run.id != others.report.run.id {
            return Err(MergeError::OtherRun {
                path: path(),
                run: report.run.id.clone(),
                others: others.report.run.id.clone(),
            });
        }
        let same = (produced.shards, &produced.topics) == (like.shards, &like.topics)
            && produced.schedule.same_as(&like.schedule)
            && hash(report) == hash(&others.report);
        if !same {
            return Err(MergeError::OtherSchedule { path: path() });
        }
        if shards.insert(produced.shard, produced).is_some() {
            return Err(MergeError::DuplicateShard {
                path: path(),
                shard: produced.shard + 1,
                shards: produced.shards,
            });
        }
    }
    let count = first.map_or(0, |(_, produced)| produced.shards);
    if let Some(missing) = (0..count).find(|shard| !shards.contains_key(shard)) {
        return Err(MergeError::MissingShard {
            shard: missing + 1,
            shards: count,
        });
    }
    Ok(shards.into_values().collect())
}

/// Returns the hash of the dataset that was replayed.
fn hash(report: &Report) -> Option<&str> {
    report.dataset.as_ref().map(|dataset| dataset.hash.as_str())
}

/// Merges at least one report into one without a verdict.
pub fn merge(saved: &[SavedReport], command: String) -> Report {
    let reports: Vec<&Report> = saved.iter().map(|saved| &saved.report).collect();
    let producing = reports.iter().find(|report| report.produced.is_some());
    let consuming = reports.iter().find(|report| report.consumed.is_some());
    let first = producing.or(consuming).unwrap_or(&reports[0]);
    let mut stages: Stages<Histogram> = Stages::default();
    for saved in saved {
        stages.merge(&saved.stages);
    }
    let count = |has: fn(&&&Report) -> bool| u32::try_from(reports.iter().filter(has).count());
    let consumers = count(|report| report.consumed.is_some()).unwrap_or(u32::MAX);
    Report {
        format_version: FORMAT_VERSION,
        status: status(&reports),
        run: Run {
            command,
            ..first.run.clone()
        },
        settings: serde_json::Value::Object(serde_json::Map::new()),
        machine: first.machine.clone(),
        durability: Durability {
            broker: first.durability.broker.clone(),
            store: consuming.map_or_else(String::new, |report| report.durability.store.clone()),
        },
        topology: topology(&reports, first, consumers),
        dataset: first.dataset.clone(),
        summary: summary(&reports, &stages),
        counters: counters(&reports),
        cpu: CpuPerRecord::default(),
        verdict: None,
        faults: None,
        findings: Vec::new(),
        thresholds: Vec::new(),
        warnings: warnings(&reports),
        outages: Vec::new(),
        partitions: PartitionLoad::sum(reports.iter().flat_map(|report| &report.partitions)),
        tail: None,
        intervals: Vec::new(),
        produced: None,
        consumed: None,
        external_consumer: None,
        merged: Some(Merged {
            reports: saved
                .iter()
                .map(|saved| saved.path.display().to_string())
                .collect(),
            producers: count(|report| report.produced.is_some()).unwrap_or(u32::MAX),
            consumers,
            audited: false,
            examined_rows: None,
        }),
    }
}

/// An interrupted producer makes a run incomplete; interrupting a consumer is the usual way to stop
/// it.
fn status(reports: &[&Report]) -> Status {
    let interrupted =
        |report: &&Report| report.produced.is_some() && report.status == Status::Interrupted;
    if reports.iter().any(interrupted) {
        Status::Interrupted
    } else {
        Status::Complete
    }
}

fn topology(reports: &[&Report], first: &Report, consumers: u32) -> Topology {
    let named = |name: fn(&Topology) -> &String| {
        let mut names = reports.iter().map(|report| name(&report.topology));
        names
            .find(|name| !name.is_empty())
            .cloned()
            .unwrap_or_default()
    };
    let stored_in = |part: fn(&Topology) -> &Option<String>| {
        let mut parts = reports.iter().map(|report| part(&report.topology));
        parts.find_map(Clone::clone)
    };
    let topics: BTreeSet<&String> = reports
        .iter()
        .flat_map(|report| &report.topology.topics)
        .collect();
    let partitions = reports.iter().map(|report| report.topology.partitions);
    Topology {
        store: BackendKind::External,
        topics: topics.into_iter().cloned().collect(),
        partitions: partitions.max().unwrap_or_default(),
        consumers,
        database: named(|topology| &topology.database),
        collection: named(|topology| &topology.collection),
        tls: reports.iter().all(|report| report.topology.tls),
        store_address: stored_in(|topology| &topology.store_address),
        store_origin: stored_in(|topology| &topology.store_origin),
        ..first.topology.clone()
    }
}

fn summary(reports: &[&Report], stages: &Stages<Histogram>) -> Summary {
    let sum = |of: fn(&Summary) -> u64| reports.iter().map(|report| of(&report.summary)).sum();
    let records_stored: u64 = sum(|summary| summary.records_stored);
    let bytes_of = |summary: &Summary| {
        let duration = summary.duration_s?;
        Some(summary.throughput_bytes_per_second? * duration)
    };
    let bytes: f64 = reports
        .iter()
        .filter_map(|report| bytes_of(&report.summary))
        .sum();
    let consumed = || reports.iter().filter_map(|report| report.consumed.as_ref());
    let first = consumed()
        .filter_map(|consumed| consumed.first_intended_unix_ms)
        .min();
    let last = consumed()
        .filter_map(|consumed| consumed.last_stored_unix_ms)
        .max();
    let duration_s = first
        .zip(last)
        .map(|(first, last)| last.saturating_sub(first) as f64 / 1e3);
    let per_second = |amount: f64| {
        let duration = duration_s.filter(|duration| *duration > 0.0)?;
        Some(amount / duration)
    };
    Summary {
        readings_emitted: sum(|summary| summary.readings_emitted),
        records_stored,
        throughput_records_per_second: per_second(records_stored as f64),
        throughput_bytes_per_second: per_second(bytes),
        duration_s,
        startup_to_first_stored_ms: None,
        peak_resident_bytes: None,
        stages: stages.summary(),
    }
}

fn counters(reports: &[&Report]) -> Counts {
    let mut counters = Counts::default();
    for report in reports {
        counters += report.counters;
    }
    counters
}

fn warnings(reports: &[&Report]) -> Vec<Notice> {
    let this_build = (!HASHES_CONTENT).then(|| Warning::UnauditedBuild.notice());
    let mut warnings: Vec<Notice> = this_build.into_iter().collect();
    for warning in reports.iter().flat_map(|report| &report.warnings) {
        // Few samples per report may be enough together.
        if warning.code != "few_samples" && !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::report::sample::{consumer, producer};

    fn saved(name: &str, report: Report, latencies_us: &[u64]) -> SavedReport {
        let mut stages: Stages<Histogram> = Stages::default();
        for latency in latencies_us {
            stages.end_to_end_latency.record(0, latency * 1_000);
        }
        SavedReport {
            path: PathBuf::from(name),
            report,
            stages,
        }
    }

    fn rejected(reports: Vec<Report>) -> String {
        let saved: Vec<SavedReport> = (1..)
            .zip(reports)
            .map(|(number, report)| saved(&format!("r{number}"), report, &[]))
            .collect();
        producers(&saved).unwrap_err().to_string()
    }

    #[test]
    fn percentiles_come_from_all_samples_and_counts_are_summed() {
        let (mut early, mut late) = (consumer(), consumer());
        early.summary.records_stored = 2;
        late.summary.records_stored = 1;
        for (report, first, last) in [(&mut early, 1_000, 2_000), (&mut late, 1_500, 4_000)] {
            let consumed = report.consumed.as_mut().unwrap();
            consumed.first_intended_unix_ms = Some(first);
            consumed.last_stored_unix_ms = Some(last);
        }
        let merged = merge(
            &[
                saved("p", producer(0, 1), &[]),
                saved("a", early, &[10, 20]),
                saved("b", late, &[9_000]),
            ],
            "convoy report merge p a b".to_owned(),
        );
        let latency = &merged.summary.stages.end_to_end_latency;
        assert_eq!((latency.count, latency.p50_us), (3, Some(20)));
        assert!(latency.max_us >= Some(9_000));
        assert_eq!(merged.summary.records_stored, 3);
        assert!((merged.summary.duration_s.unwrap() - 3.0).abs() < 1e-9);
        let throughput = merged.summary.throughput_records_per_second.unwrap();
        assert!((throughput - 1.0).abs() < 1e-9);
        assert_eq!(merged.counters.stored, 2 * consumer().counters.stored);
        assert_eq!(merged.run.id, "night");
        assert!(!merged.has_verdict() && merged.passed());
        let origin = merged.merged.unwrap();
        assert_eq!((origin.producers, origin.consumers), (1, 2));
    }

    #[test]
    fn only_all_shards_of_one_run_can_be_merged() {
        let mut other_run = producer(1, 2);
        other_run.run.id = "day".to_owned();
        let mut other_seed = producer(1, 2);
        other_seed.produced.as_mut().unwrap().schedule.seed = 7;
        let whole = crate::report::sample::report();
        let errors = [
            rejected(vec![producer(0, 2), consumer()]),
            rejected(vec![producer(0, 2), producer(0, 2)]),
            rejected(vec![producer(0, 2), other_run]),
            rejected(vec![producer(0, 2), other_seed]),
            rejected(vec![producer(0, 1), whole]),
        ];
        insta::assert_snapshot!(errors.join("\n"), @"
        the report of shard 2/2 is missing
        `r2` is a second report of shard 1/2
        `r2` belongs to run `day`, the others to run `night`
        the schedule of `r2` differs from that of the other producer reports
        `r2` is the report of a whole run, not of a single process
        ");
        let reports = [producer(1, 2), producer(0, 2)].map(|report| saved("r", report, &[]));
        let shards = |saved: &[SavedReport]| {
            let producers = producers(saved).unwrap();
            producers.iter().map(|it| it.shard).collect::<Vec<_>>()
        };
        assert_eq!(shards(&reports), [0, 1]);
        assert_eq!(shards(&[saved("c", consumer(), &[])]), [0_u32; 0]);
    }
}
