//! Reports of one run's processes joined: histograms and counts are added, percentiles never.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Verdict;
use crate::measure::{Histogram, Stages};
use crate::report::processes::{Merged, Produced};
use crate::report::stored::Stored;
use crate::report::value::{
    BackendKind, CpuPerRecord, Durability, FORMAT_VERSION, Report, Run, Status, Summary, Topology,
};
use crate::report::warning::Notice;

/// Reports that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One is about a whole run.
    #[error("`{path}` is the report of a whole run")]
    Whole {
        /// Which report.
        path: String,
    },
    /// Producers of several runs.
    #[error("`{path}` is about run `{run}`, the others are about `{others}`")]
    OtherRun {
        /// Which report.
        path: String,
        /// Its run.
        run: String,
        /// The first one's run.
        others: String,
    },
    /// Producers that did not follow one schedule.
    #[error("`{path}` follows another schedule than the other parts")]
    OtherSchedule {
        /// Which report.
        path: String,
    },
    /// A part twice.
    #[error("part {part} of {parts} is there twice: `{path}`")]
    PartTwice {
        /// Which report.
        path: String,
        /// Which part, from 1.
        part: u32,
        /// Of how many.
        parts: u32,
    },
    /// What a producer says of itself cannot be.
    #[error("the account of a producer is damaged: `{key}` is `{value}`")]
    Damaged {
        /// Key of the value.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// A part is missing.
    #[error("the report of part {part} of {parts} is missing")]
    MissingPart {
        /// Which part, from 1.
        part: u32,
        /// Of how many.
        parts: u32,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Whole { .. } => "join the reports of `convoy produce` and `convoy consume` alone",
            Self::OtherRun { .. } => "join one run at a time; parts share their `--run-id`",
            Self::OtherSchedule { .. } => {
                "give every part the same options but `--shard`, and the same rows"
            }
            Self::Damaged { .. } => "use the `report.json` as `convoy produce` wrote it",
            Self::PartTwice { .. } => "name each report once",
            Self::MissingPart { .. } => {
                "name the report of every part; a part that was killed has none, and a run without it cannot be audited"
            }
        }
    }
}

/// Returns what the producers among the reports say, every part of the run once.
pub fn producers(stored: &[Stored]) -> Result<Vec<&Produced>, Error> {
    let mut first: Option<(&Stored, &Produced)> = None;
    let mut parts = BTreeMap::new();
    for stored in stored {
        let path = || stored.path.display().to_string();
        let report = &stored.report;
        let Some(produced) = &report.produced else {
            if report.consumed.is_none() {
                return Err(Error::Whole { path: path() });
            }
            continue;
        };
        let (others, like) = *first.get_or_insert((stored, produced));
        if report.run.id != others.report.run.id {
            return Err(Error::OtherRun {
                path: path(),
                run: report.run.id.clone(),
                others: others.report.run.id.clone(),
            });
        }
        let same = (produced.shards, &produced.topics) == (like.shards, &like.topics)
            && produced.schedule.same_as(&like.schedule)
            && report.dataset.hash == others.report.dataset.hash;
        if !same {
            return Err(Error::OtherSchedule { path: path() });
        }
        if parts.insert(produced.shard, produced).is_some() {
            let (part, parts) = (produced.shard + 1, produced.shards);
            let path = path();
            return Err(Error::PartTwice { path, part, parts });
        }
    }
    let parts_of_run = first.map_or(0, |(_, produced)| produced.shards);
    if let Some(missing) = (0..parts_of_run).find(|part| !parts.contains_key(part)) {
        return Err(Error::MissingPart {
            part: missing + 1,
            parts: parts_of_run,
        });
    }
    Ok(parts.into_values().collect())
}

/// Joins reports, of which there is at least one, into one without a verdict.
pub fn join(stored: &[Stored], command: String) -> Report {
    let reports: Vec<&Report> = stored.iter().map(|stored| &stored.report).collect();
    let producing = reports.iter().find(|report| report.produced.is_some());
    let consuming = reports.iter().find(|report| report.consumed.is_some());
    let first = producing.or(consuming).unwrap_or(&reports[0]);
    let mut stages: Stages<Histogram> = Stages::default();
    for stored in stored {
        stages.merge(&stored.stages);
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
        environment: first.environment.clone(),
        durability: Durability {
            broker: first.durability.broker.clone(),
            store: consuming.map_or_else(String::new, |report| report.durability.store.clone()),
        },
        topology: topology(&reports, first, consumers),
        dataset: first.dataset.clone(),
        summary: summary(&reports, &stages),
        counters: counters(&reports),
        cpu: CpuPerRecord::default(),
        verdict: Verdict::default(),
        faults: None,
        thresholds: Vec::new(),
        warnings: warnings(&reports),
        intervals: Vec::new(),
        produced: None,
        consumed: None,
        merged: Some(Merged {
            reports: stored
                .iter()
                .map(|stored| stored.path.display().to_string())
                .collect(),
            producers: count(|report| report.produced.is_some()).unwrap_or(u32::MAX),
            consumers,
            audited: false,
            examined_rows: None,
        }),
    }
}

/// A standing consumer is ended by an interruption; a producer's leaves the run incomplete.
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
        ..first.topology.clone()
    }
}

fn summary(reports: &[&Report], stages: &Stages<Histogram>) -> Summary {
    let sum = |of: fn(&Summary) -> u64| reports.iter().map(|report| of(&report.summary)).sum();
    let records_stored: u64 = sum(|summary| summary.records_stored);
    let bytes: f64 = reports
        .iter()
        .map(|report| report.summary.throughput_bytes_per_second * report.summary.duration_s)
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
        .map_or(0.0, |(first, last)| last.saturating_sub(first) as f64 / 1e3);
    let per_second = |amount: f64| {
        if duration_s > 0.0 {
            amount / duration_s
        } else {
            0.0
        }
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

fn counters(reports: &[&Report]) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for (name, count) in reports.iter().flat_map(|report| &report.counters) {
        *counters.entry(name.clone()).or_default() += count;
    }
    counters
}

fn warnings(reports: &[&Report]) -> Vec<Notice> {
    let mut warnings: Vec<Notice> = Vec::new();
    for warning in reports.iter().flat_map(|report| &report.warnings) {
        // Of few samples in each there may be enough together.
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
    use crate::report::processes::sample::{consumer, producer};

    fn stored(name: &str, report: Report, latencies_us: &[u64]) -> Stored {
        let mut stages: Stages<Histogram> = Stages::default();
        for latency in latencies_us {
            stages.end_to_end_latency.record(0, latency * 1_000);
        }
        Stored {
            path: PathBuf::from(name),
            report,
            stages,
        }
    }

    fn refused(reports: Vec<Report>) -> String {
        let stored: Vec<Stored> = (1..)
            .zip(reports)
            .map(|(number, report)| stored(&format!("r{number}"), report, &[]))
            .collect();
        producers(&stored).unwrap_err().to_string()
    }

    #[test]
    fn percentiles_come_from_all_samples_and_counts_are_added() {
        let (mut early, mut late) = (consumer(), consumer());
        early.summary.records_stored = 2;
        late.summary.records_stored = 1;
        for (report, first, last) in [(&mut early, 1_000, 2_000), (&mut late, 1_500, 4_000)] {
            let consumed = report.consumed.as_mut().unwrap();
            consumed.first_intended_unix_ms = Some(first);
            consumed.last_stored_unix_ms = Some(last);
        }
        let joined = join(
            &[
                stored("p", producer(0, 1), &[]),
                stored("a", early, &[10, 20]),
                stored("b", late, &[9_000]),
            ],
            "convoy report merge p a b".to_owned(),
        );
        let latency = &joined.summary.stages.end_to_end_latency;
        assert_eq!((latency.count, latency.p50_us), (3, 20));
        assert!(latency.max_us >= 9_000);
        assert_eq!(joined.summary.records_stored, 3);
        assert!((joined.summary.duration_s - 3.0).abs() < 1e-9);
        assert!((joined.summary.throughput_records_per_second - 1.0).abs() < 1e-9);
        assert_eq!(joined.counters["stored"], 2 * consumer().counters["stored"]);
        assert_eq!(joined.run.id, "night");
        assert!(!joined.has_verdict() && joined.passed());
        let merged = joined.merged.unwrap();
        assert_eq!((merged.producers, merged.consumers), (1, 2));
    }

    #[test]
    fn only_the_whole_of_one_run_can_be_joined() {
        let mut other_run = producer(1, 2);
        other_run.run.id = "day".to_owned();
        let mut other_seed = producer(1, 2);
        other_seed.produced.as_mut().unwrap().schedule.seed = 7;
        let whole = crate::report::sample::report();
        let told = [
            refused(vec![producer(0, 2), consumer()]),
            refused(vec![producer(0, 2), producer(0, 2)]),
            refused(vec![producer(0, 2), other_run]),
            refused(vec![producer(0, 2), other_seed]),
            refused(vec![producer(0, 1), whole]),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        the report of part 2 of 2 is missing
        part 1 of 2 is there twice: `r2`
        `r2` is about run `day`, the others are about `night`
        `r2` follows another schedule than the other parts
        `r2` is the report of a whole run
        ");
        let parts = [producer(1, 2), producer(0, 2)].map(|report| stored("r", report, &[]));
        let shards = |stored: &[Stored]| {
            let producers = producers(stored).unwrap();
            producers.iter().map(|it| it.shard).collect::<Vec<_>>()
        };
        assert_eq!(shards(&parts), [0, 1]);
        assert_eq!(shards(&[stored("c", consumer(), &[])]), [0_u32; 0]);
    }
}
