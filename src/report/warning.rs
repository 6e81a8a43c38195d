//! Warnings about the meaning of a run's numbers, each with a recommended action.
//!
//! Errors end a run; warnings are part of its report.

use std::fmt::Write as _;

use crate::measure::{InFlight, Interval, Outage, Server, Stage};
use crate::report::littles_law::{self, Disagreement};
use crate::report::machine::BuildProfile;
use crate::report::notice::{Notice, UNAUDITED_BUILD, UNLIMITED_RATE};
use crate::report::quantity;
use crate::report::topology::BackendKind;
use crate::report::value::Report;

/// A throughput below this share of the scheduled one is not sustained.
const SUSTAINED_SHARE: f64 = 0.98;

/// Lateness of the last record that is jitter: records are published and stored in batches.
const JITTER_S: f64 = 0.25;

/// With fewer samples than this, p99 is the maximum.
const SAMPLES_FOR_P99: u64 = 100;

/// A backlog that grew by less than this many records is noise.
const BACKLOG_NOISE_RECORDS: f64 = 100.0;

/// A backlog that grew by less than this share of what was stored is noise.
const BACKLOG_NOISE_SHARE: f64 = 0.05;

/// A publish delay below this is not significant.
const PUBLISH_DELAY_BOUND_US: u64 = 5_000;

/// Above this share of all cores the process is CPU-bound.
const CPU_BOUND_SHARE: f64 = 0.9;

/// Above this share of stolen CPU time, the hypervisor dominates the tail latencies.
const STEAL_BOUND_SHARE: f64 = 0.05;

/// A restriction on the meaning of the numbers.
#[expect(missing_docs, reason = "each message shows what its fields are")]
#[derive(Debug, Clone, PartialEq)]
pub enum Warning {
    /// convoy was compiled without optimisation.
    DebugBuild,
    /// convoy was compiled without the hashes of the audit, so that changed content goes unnoticed.
    UnauditedBuild,
    /// Records were stored more slowly than scheduled. Rates in records per second.
    RateNotSustained { scheduled: f64, achieved: f64 },
    /// The load had no schedule.
    UnlimitedRate,
    /// Records waited for a server and none passed it.
    Outage(Outage),
    /// Other programs used the cores when the run started.
    BusyMachine { load_average: f64, cores: u32 },
    /// More readings were emitted than stored, second after second.
    BacklogGrew {
        /// Growth per second.
        records_per_second: f64,
    },
    /// Samples above one hour were recorded as one hour.
    HistogramSaturated { stage: Stage, samples: u64 },
    /// Too few samples for a p99.
    FewSamples { samples: u64 },
    /// The publish delay is most of the end-to-end latency.
    GeneratorLimited { publish_delay_p99_us: u64 },
    /// This process used nearly all cores of the machine.
    ClientCpuBound {
        /// Share of all cores, 0 to 1.
        share: f64,
    },
    /// Commands waited for a connection to MongoDB.
    MongoPoolSaturated {
        /// Share of commands, 0 to 1.
        share: f64,
    },
    /// The hypervisor gave CPU time to other guests.
    CpuStolen {
        /// Share of CPU time, 0 to 1.
        share: f64,
    },
    /// Faults were injected.
    FaultsInjected,
    /// A server ran inside this process.
    EmbeddedBackend { broker: bool, store: bool },
    /// Documents were stored by consumers whose reports were not merged.
    UnreportedConsumer {
        /// Documents without a report.
        unreported: u64,
        /// All documents of the run.
        stored: u64,
    },
    /// A consumer ended before it had stored every record of its partitions.
    UnreadRecords {
        /// Records; `None` if the broker did not respond.
        records: Option<u64>,
    },
    /// The number of records in a stage is not what its latency and the rate make of it.
    StagesDisagree(Disagreement),
    /// The audit could not compare documents with the rows of the dataset.
    RowsNotExamined { reason: String },
}

/// Facts that warnings depend on and the report does not contain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Whether the load had no schedule.
    pub unlimited_rate: bool,
    /// How the stored records compare with the schedule; `None` without a schedule.
    pub pace: Option<Pace>,
    /// CPU time of this process ÷ (wall time × cores), 0 to 1.
    pub client_cpu_share: Option<f64>,
    /// Share of MongoDB commands that waited for a connection, 0 to 1, if significant.
    pub mongo_pool_wait_share: Option<f64>,
    /// Whether this build does not hash payloads and documents.
    pub unaudited: bool,
    /// Records in each stage.
    pub in_flight: InFlight,
}

/// The measured records, as scheduled and as stored.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Records that were stored.
    pub records: u64,
    /// Time from the first to the last of their intended instants, in seconds.
    pub scheduled_s: f64,
    /// Time from the first to the last of their durable writes, in seconds.
    pub stored_s: f64,
}

impl Warning {
    /// Returns all warnings for a report, most severe first.
    pub fn find(report: &Report, facts: &Facts) -> Vec<Self> {
        let mut found = Vec::new();
        if report.machine.build_profile == BuildProfile::Debug {
            found.push(Self::DebugBuild);
        }
        if facts.unaudited {
            found.push(Self::UnauditedBuild);
        }
        if report.faults.is_some() {
            found.push(Self::FaultsInjected);
        }
        if facts.unlimited_rate {
            found.push(Self::UnlimitedRate);
        }
        found.extend(report.outages.iter().copied().map(Self::Outage));
        // Latencies of a load without a schedule, and of an outage, have another cause than these.
        if !facts.unlimited_rate && report.outages.is_empty() {
            found.extend(facts.pace.and_then(rate_not_sustained));
            found.extend(backlog_grew(&report.intervals));
            found.extend(generator_limited(report));
        }
        found.extend(
            facts
                .client_cpu_share
                .filter(|share| *share > CPU_BOUND_SHARE)
                .map(|share| Self::ClientCpuBound { share }),
        );
        found.extend(
            facts
                .mongo_pool_wait_share
                .map(|share| Self::MongoPoolSaturated { share }),
        );
        found.extend(busy_machine(report));
        found.extend(
            report
                .machine
                .steal_share
                .filter(|share| *share > STEAL_BOUND_SHARE)
                .map(|share| Self::CpuStolen { share }),
        );
        found.extend(histograms(report));
        if !facts.unlimited_rate && backlog_grew(&report.intervals).is_none() {
            let disagreement = littles_law::disagreement(report, &facts.in_flight);
            found.extend(disagreement.map(Self::StagesDisagree));
        }
        found.extend(embedded(report));
        found.extend(unread_records(report));
        found
    }

    /// Returns a stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DebugBuild => "debug_build",
            Self::UnauditedBuild => UNAUDITED_BUILD,
            Self::RateNotSustained { .. } => "rate_not_sustained",
            Self::UnlimitedRate => UNLIMITED_RATE,
            Self::Outage(_) => "outage",
            Self::BusyMachine { .. } => "busy_machine",
            Self::BacklogGrew { .. } => "backlog_grew",
            Self::HistogramSaturated { .. } => "histogram_saturated",
            Self::FewSamples { .. } => "few_samples",
            Self::GeneratorLimited { .. } => "generator_limited",
            Self::ClientCpuBound { .. } => "client_cpu_bound",
            Self::MongoPoolSaturated { .. } => "mongo_pool_saturated",
            Self::CpuStolen { .. } => "cpu_stolen",
            Self::FaultsInjected => "faults_injected",
            Self::EmbeddedBackend { .. } => "embedded_backend",
            Self::UnreportedConsumer { .. } => "unreported_consumer",
            Self::UnreadRecords { .. } => "unread_records",
            Self::StagesDisagree(_) => "stages_disagree",
            Self::RowsNotExamined { .. } => "rows_not_examined",
        }
    }

    /// Returns the observation.
    pub fn message(&self) -> String {
        let percent = |share: f64| quantity::significant(share * 100.0);
        match self {
            Self::DebugBuild => "debug build: its measurements are meaningless".to_owned(),
            Self::UnauditedBuild => {
                "unaudited build: the audit counted documents and did not compare their content"
                    .to_owned()
            }
            Self::RateNotSustained {
                scheduled,
                achieved,
            } => rate_message(*scheduled, *achieved),
            Self::UnlimitedRate => {
                "latencies of this run mean nothing: at `--rate max` records queue by design"
                    .to_owned()
            }
            Self::Outage(outage) => outage_message(outage),
            Self::BusyMachine {
                load_average,
                cores,
            } => busy_message(*load_average, *cores),
            Self::BacklogGrew { records_per_second } => {
                let rate = quantity::rate(*records_per_second);
                format!("backlog grew by {rate} records/s")
            }
            Self::HistogramSaturated { stage, samples } => {
                let samples = quantity::count(*samples);
                format!("{stage}: {samples} samples above one hour")
            }
            Self::FewSamples { samples } => {
                format!("too few samples: p99 of {samples} samples is the maximum")
            }
            Self::GeneratorLimited {
                publish_delay_p99_us,
            } => {
                let p99 = quantity::duration(*publish_delay_p99_us);
                format!(
                    "generator-limited: publish delay p99 of {p99} dominates the end-to-end latency"
                )
            }
            Self::ClientCpuBound { share } => {
                format!(
                    "CPU-bound: this process used {} % of all cores",
                    percent(*share)
                )
            }
            Self::MongoPoolSaturated { share } => {
                let waited = percent(*share);
                format!(
                    "MongoDB connection pool saturated: {waited} % of commands waited for a connection"
                )
            }
            Self::CpuStolen { share } => format!(
                "CPU stolen: {} % of CPU time went to other guests of this host",
                percent(*share)
            ),
            Self::FaultsInjected => "faults injected: this is not a normal run".to_owned(),
            Self::EmbeddedBackend { broker, store } => self_test_message(*broker, *store),
            Self::UnreportedConsumer { unreported, stored } => format!(
                "{} of {} documents were stored by processes without a merged report",
                quantity::count(*unreported),
                quantity::count(*stored)
            ),
            Self::UnreadRecords { records } => unread_message(*records),
            Self::StagesDisagree(found) => found.to_string(),
            Self::RowsNotExamined { reason } => {
                format!("documents were not compared with the dataset: {reason}")
            }
        }
    }

    /// Returns the recommended action.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::DebugBuild => "measure with a release build: `cargo build --release`",
            Self::UnauditedBuild => {
                "this build only measures the cost of the audit; build without `--cfg convoy_unaudited`"
            }
            Self::RateNotSustained { .. } => {
                "the stage with the highest latency is the bottleneck; lower `--rate` or `--vehicles`, or give that stage more resources"
            }
            Self::UnlimitedRate => {
                "its throughput is what counts; set a rate below it to measure latencies"
            }
            Self::Outage(outage) => match outage.server {
                Server::Broker => {
                    "latencies of that time include the wait; look for a restart, a full disk or a network failure of the broker"
                }
                Server::Store => {
                    "latencies of that time include the wait; look for a restart, a full disk or a network failure of the store"
                }
            },
            Self::BusyMachine { .. } => {
                "stop other programs, or repeat the run on an idle machine: tail latencies include their work"
            }
            Self::BacklogGrew { .. } => {
                "latency grows with the duration of such a run; lower the rate, or raise `--consumers` and `--partitions`"
            }
            Self::HistogramSaturated { .. } => {
                "percentiles of one hour are lower bounds, and the maximum is unknown"
            }
            Self::FewSamples { .. } => "raise `--duration`, `--rate` or `--vehicles`",
            Self::GeneratorLimited { .. } => {
                "end-to-end latency includes the delay before sending; lower the rate, free cores, or spread the load over several hosts"
            }
            Self::ClientCpuBound { .. } => {
                "the load generator competes with the pipeline for cores; use a larger machine or external servers"
            }
            Self::MongoPoolSaturated { .. } => {
                "raise `--batch-records` for fewer inserts, or `--consumers` of `convoy simulate` for more connections"
            }
            Self::CpuStolen { .. } => {
                "repeat the run on a quieter host before interpreting tail latencies"
            }
            Self::FaultsInjected => "compare its numbers only with runs of the same plan and seed",
            Self::EmbeddedBackend { .. } => {
                "it measures this pipeline, not Redpanda or MongoDB; use `--backend containers` or `--backend external` to measure those"
            }
            Self::UnreportedConsumer { .. } => {
                "the stages lack their latencies; pass the report of every consumer (a killed consumer wrote none)"
            }
            Self::UnreadRecords { .. } => {
                "start the consumer again with the same `--group`: it resumes at the last checkpoint"
            }
            Self::StagesDisagree(_) => {
                "counts or stamps of this run are wrong, and so may be its latencies: report it as a bug"
            }
            Self::RowsNotExamined { .. } => "pass the emitted dataset: `--dataset PATH`",
        }
    }

    /// Returns the form that the report carries.
    pub fn notice(&self) -> Notice {
        Notice {
            code: self.code().to_owned(),
            message: self.message(),
            advice: self.advice().to_owned(),
        }
    }
}

fn rate_message(scheduled: f64, achieved: f64) -> String {
    let (achieved, scheduled) = (quantity::rate(achieved), quantity::rate(scheduled));
    format!("rate not sustained: {achieved} of {scheduled} scheduled records/s")
}

fn self_test_message(broker: bool, store: bool) -> String {
    let servers = match (broker, store) {
        (true, true) => "broker and store ran",
        (true, false) => "the broker ran",
        _ => "the store ran",
    };
    format!("pipeline self-test: {servers} in the process that produced the load")
}

fn unread_message(records: Option<u64>) -> String {
    records.map_or_else(
        || "records may be unread: the broker did not say where the partitions end".to_owned(),
        |records| {
            let records = quantity::count(records);
            format!("{records} records of the owned partitions are not stored")
        },
    )
}

fn busy_message(load_average: f64, cores: u32) -> String {
    let load = quantity::significant(load_average);
    format!("busy machine: its load average was {load} on {cores} cores at the start")
}

fn outage_message(outage: &Outage) -> String {
    let (server, passed) = match outage.server {
        Server::Broker => ("broker", "acknowledged nothing and served nothing new"),
        Server::Store => ("store", "stored nothing"),
    };
    let mut text = format!(
        "outage: the {server} {passed} from {:.0} s to {:.0} s, while records waited",
        outage.from_s, outage.to_s
    );
    if outage.failed_requests > 0 {
        let failed = quantity::count(outage.failed_requests);
        let _ = write!(text, " ({failed} requests failed and were retried)");
    }
    text
}

fn busy_machine(report: &Report) -> Option<Warning> {
    let (load_average, cores) = (report.machine.load_average?, report.machine.cores);
    (load_average > f64::from(cores)).then_some(Warning::BusyMachine {
        load_average,
        cores,
    })
}

/// Compares the time over which records were stored with that over which they were scheduled: a
/// pipeline that keeps up needs as long, whatever the shape of the load and its latency.
fn rate_not_sustained(pace: Pace) -> Option<Warning> {
    let late = pace.stored_s - pace.scheduled_s;
    let allowed = JITTER_S.max(pace.scheduled_s / SUSTAINED_SHARE - pace.scheduled_s);
    let distances = pace.records.saturating_sub(1) as f64;
    (late > allowed && pace.scheduled_s > 0.0).then(|| Warning::RateNotSustained {
        scheduled: distances / pace.scheduled_s,
        achieved: distances / pace.stored_s,
    })
}

fn backlog_grew(intervals: &[Interval]) -> Option<Warning> {
    let records_per_second = backlog_growth(&emitting(intervals))?;
    Some(Warning::BacklogGrew { records_per_second })
}

/// Returns the seconds in which readings were emitted.
pub(super) fn emitting(intervals: &[Interval]) -> Vec<&Interval> {
    intervals.iter().filter(|it| it.emitted > 0).collect()
}

/// Returns by how many records per second the backlog grew in seconds with emitted readings; `None`
/// if it did not.
///
/// Fits a line through the backlogs, because a single stall at the end is not growth.
pub(super) fn backlog_growth(emitting: &[&Interval]) -> Option<f64> {
    if emitting.len() < 3 {
        return None;
    }
    let number = emitting.len() as f64;
    let mean_time = emitting.iter().map(|at| at.start_s).sum::<f64>() / number;
    let mean_backlog = emitting.iter().map(|at| at.backlog as f64).sum::<f64>() / number;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for interval in emitting {
        let time = interval.start_s - mean_time;
        covariance += time * (interval.backlog as f64 - mean_backlog);
        variance += time * time;
    }
    if variance <= 0.0 {
        return None;
    }
    let records_per_second = covariance / variance;
    let stored: u64 = emitting.iter().map(|interval| interval.stored).sum();
    let noise = BACKLOG_NOISE_RECORDS.max(stored as f64 * BACKLOG_NOISE_SHARE);
    (records_per_second * number > noise).then_some(records_per_second)
}

fn generator_limited(report: &Report) -> Option<Warning> {
    let stages = &report.summary.stages;
    let delay = stages.publish_delay.p99_us?;
    let end_to_end = stages.end_to_end_latency.p99_us.unwrap_or_default();
    let dominates = delay.saturating_mul(2) > end_to_end;
    (delay > PUBLISH_DELAY_BOUND_US && dominates).then_some(Warning::GeneratorLimited {
        publish_delay_p99_us: delay,
    })
}

fn histograms(report: &Report) -> Vec<Warning> {
    let stages = &report.summary.stages;
    let mut found: Vec<Warning> = Stage::ALL
        .into_iter()
        .filter(|stage| stages.get(*stage).saturated > 0)
        .map(|stage| Warning::HistogramSaturated {
            stage,
            samples: stages.get(stage).saturated,
        })
        .collect();
    let samples = stages
        .end_to_end_latency
        .count
        .max(stages.publish_delay.count);
    if (1..SAMPLES_FOR_P99).contains(&samples) {
        found.push(Warning::FewSamples { samples });
    }
    found
}

fn unread_records(report: &Report) -> Option<Warning> {
    let lag = report.consumed.as_ref()?.lag.as_ref()?;
    let records = lag.records;
    (records != Some(0)).then_some(Warning::UnreadRecords { records })
}

fn embedded(report: &Report) -> Option<Warning> {
    let embedded = |kind| kind == BackendKind::Embedded;
    let topology = &report.topology;
    topology
        .pipeline_self_test()
        .then_some(Warning::EmbeddedBackend {
            broker: embedded(topology.broker),
            store: embedded(topology.store),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn codes(report: &Report, facts: &Facts) -> Vec<&'static str> {
        Warning::find(report, facts)
            .iter()
            .map(Warning::code)
            .collect()
    }

    fn backlogs(backlogs: &[u64]) -> Vec<Interval> {
        backlogs
            .iter()
            .enumerate()
            .map(|(second, backlog)| Interval {
                start_s: second as f64,
                emitted: 1_000,
                stored: 1_000,
                backlog: *backlog,
                ..Interval::default()
            })
            .collect()
    }

    fn pace(records: u64, scheduled_s: f64, stored_s: f64) -> Pace {
        Pace {
            records,
            scheduled_s,
            stored_s,
        }
    }

    #[test]
    fn rate_is_compared_with_the_schedule_only() {
        let warned = |pace| rate_not_sustained(pace).is_some();
        // A ramp, whatever its mean rate; a dataset of four rows; a run with one record or none.
        assert!(!warned(pace(600, 6.0, 6.05)));
        assert!(!warned(pace(4, 0.06, 0.10)));
        assert!(!warned(pace(1, 0.0, 0.0)));
        assert!(!warned(Pace::default()));
        // A store that needs three seconds for the records of two.
        assert!(warned(pace(2_000, 20.0, 30.0)));
        assert!(warned(pace(6_000, 60.0, 62.0)));
        let warning = rate_not_sustained(pace(1_001, 10.0, 12.5)).unwrap();
        assert_eq!(
            warning.message(),
            "rate not sustained: 80.0 of 100 scheduled records/s"
        );
    }

    #[test]
    fn outage_is_named_with_its_window_and_nothing_else_is_blamed() {
        let mut report = sample::report();
        report.summary.stages.publish_delay.p99_us = Some(10_000_000);
        report.intervals = backlogs(&[0, 1_000, 2_000, 3_000]);
        report.outages = vec![Outage {
            server: Server::Broker,
            from_s: 12.0,
            to_s: 22.0,
            failed_requests: 3,
        }];
        let facts = Facts {
            pace: Some(pace(500, 10.0, 20.0)),
            ..Facts::default()
        };
        assert_eq!(codes(&report, &facts), ["outage", "embedded_backend"]);
        let message = Warning::find(&report, &facts)[0].message();
        assert!(
            message.contains("broker") && message.contains("from 12 s to 22 s"),
            "{message}"
        );
    }

    #[test]
    fn load_without_a_schedule_has_no_warnings_about_its_latencies() {
        let mut report = sample::report();
        report.summary.stages.publish_delay.p99_us = Some(10_000_000);
        report.intervals = backlogs(&[0, 1_000, 2_000, 3_000]);
        let facts = Facts {
            unlimited_rate: true,
            ..Facts::default()
        };
        assert_eq!(
            codes(&report, &facts),
            ["unlimited_rate", "embedded_backend"]
        );
    }

    #[test]
    fn load_above_the_cores_is_a_busy_machine() {
        let mut report = sample::report();
        for (load, busy) in [(Some(2.0), false), (Some(2.1), true), (None, false)] {
            report.machine.load_average = load;
            let found = codes(&report, &Facts::default()).contains(&"busy_machine");
            assert_eq!(found, busy, "{load:?}");
        }
    }

    #[test]
    fn nothing_measured_is_not_few_samples() {
        let mut report = sample::report();
        report.summary.stages = crate::measure::Stages::default();
        assert_eq!(codes(&report, &Facts::default()), ["embedded_backend"]);
    }

    #[test]
    fn run_on_schedule_has_only_the_self_test_warning() {
        let facts = Facts {
            pace: Some(pace(500, 10.0, 10.1)),
            unlimited_rate: false,
            client_cpu_share: Some(0.1),
            mongo_pool_wait_share: None,
            unaudited: false,
            in_flight: InFlight::default(),
        };
        assert_eq!(codes(&sample::report(), &facts), ["embedded_backend"]);
    }

    #[test]
    fn warnings_are_sorted_by_severity() {
        let mut report = sample::report();
        report.machine.build_profile = BuildProfile::Debug;
        report.machine.steal_share = Some(0.2);
        report.machine.load_average = Some(20.0);
        report.summary.stages.publish_delay.p99_us = Some(20_000);
        report.summary.stages.end_to_end_latency.saturated = 3;
        report.summary.stages.end_to_end_latency.count = 40;
        report.summary.stages.publish_delay.count = 40;
        report.intervals = backlogs(&[0, 1_000, 2_000, 3_000]);
        let facts = Facts {
            pace: Some(pace(500, 10.0, 11.0)),
            unlimited_rate: false,
            client_cpu_share: Some(0.97),
            mongo_pool_wait_share: Some(0.05),
            unaudited: true,
            in_flight: InFlight::default(),
        };
        assert_eq!(
            codes(&report, &facts),
            [
                "debug_build",
                "unaudited_build",
                "rate_not_sustained",
                "backlog_grew",
                "generator_limited",
                "client_cpu_bound",
                "mongo_pool_saturated",
                "busy_machine",
                "cpu_stolen",
                "histogram_saturated",
                "few_samples",
                "embedded_backend",
            ]
        );
    }

    #[test]
    fn steady_backlog_and_single_stall_are_not_growth() {
        assert_eq!(backlog_grew(&backlogs(&[5_000; 10])), None);
        assert_eq!(
            backlog_grew(&backlogs(&[50, 40, 900, 50, 60, 40, 50, 60])),
            None
        );
        assert!(backlog_grew(&backlogs(&[0, 200, 400, 600, 800])).is_some());
    }
}
