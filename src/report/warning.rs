//! What limits the meaning of a run's numbers, each with what to do about it.
//!
//! Errors end a run; warnings travel in its report.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::Interval;
use crate::measure::Stage;
use crate::report::machine::BuildProfile;
use crate::report::quantity;
use crate::report::value::{BackendKind, Report};

/// Below this share of the target rate a schedule was not sustained.
const SUSTAINED_SHARE: f64 = 0.98;

/// From here on p99 is a value of its own and not the maximum.
const SAMPLES_FOR_P99: u64 = 100;

/// A backlog that grew by less than this many records is noise.
const BACKLOG_NOISE_RECORDS: f64 = 100.0;

/// A backlog that grew by less than this share of what was stored is noise.
const BACKLOG_NOISE_SHARE: f64 = 0.05;

/// A publish delay below this cannot dominate anything a user feels.
const PUBLISH_DELAY_BOUND_US: u64 = 5_000;

/// Above this share of all cores the process is bound by them.
const CPU_BOUND_SHARE: f64 = 0.9;

/// Above this share the hypervisor, not the pipeline, decides the tail.
const STEAL_BOUND_SHARE: f64 = 0.05;

/// Something that a reader of the numbers must know.
#[derive(Debug, Clone, PartialEq)]
pub enum Warning {
    /// convoy was compiled without optimisation.
    DebugBuild,
    /// The target rate was not reached. Both in records per second.
    RateNotSustained {
        /// What was asked for.
        target: f64,
        /// What was stored.
        achieved: f64,
    },
    /// More was emitted than stored, second after second.
    BacklogGrew {
        /// Records by which it grew each second.
        records_per_second: f64,
    },
    /// Samples above one hour were recorded as one hour.
    HistogramSaturated {
        /// Whose samples.
        stage: Stage,
        /// How many.
        samples: u64,
    },
    /// Too few samples for a p99.
    FewSamples {
        /// How many.
        samples: u64,
    },
    /// The publish delay makes most of the end-to-end latency.
    GeneratorLimited {
        /// Its 99th percentile.
        publish_delay_p99_us: u64,
    },
    /// This process used nearly all of the machine's cores.
    ClientCpuBound {
        /// Share of all cores, 0 to 1.
        share: f64,
    },
    /// Writers waited for a connection to MongoDB.
    MongoPoolSaturated,
    /// The hypervisor gave CPU time to others.
    CpuStolen {
        /// Share of CPU time, 0 to 1.
        share: f64,
    },
    /// Things went wrong on purpose.
    FaultsInjected,
    /// A server ran inside this process.
    EmbeddedBackend {
        /// Whether the broker did.
        broker: bool,
        /// Whether the store did.
        store: bool,
    },
}

/// What only the run itself knows, beyond its report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Records per second asked for; none at an unlimited rate.
    pub target_rate: Option<f64>,
    /// CPU time of this process ÷ (wall time × cores), 0 to 1.
    pub client_cpu_share: Option<f64>,
    /// Whether writers waited for a connection to MongoDB.
    pub mongo_pool_saturated: bool,
}

/// A warning as the report carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable name for programs.
    pub code: String,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

impl Warning {
    /// Finds everything to warn about, most severe first.
    pub fn find(report: &Report, facts: &Facts) -> Vec<Self> {
        let mut found = Vec::new();
        if report.environment.build_profile == BuildProfile::Debug {
            found.push(Self::DebugBuild);
        }
        if report.faults.is_some() {
            found.push(Self::FaultsInjected);
        }
        found.extend(rate_not_sustained(report, facts));
        found.extend(backlog_grew(&report.intervals));
        found.extend(generator_limited(report));
        found.extend(
            facts
                .client_cpu_share
                .filter(|share| *share > CPU_BOUND_SHARE)
                .map(|share| Self::ClientCpuBound { share }),
        );
        if facts.mongo_pool_saturated {
            found.push(Self::MongoPoolSaturated);
        }
        found.extend(
            report
                .environment
                .steal_share
                .filter(|share| *share > STEAL_BOUND_SHARE)
                .map(|share| Self::CpuStolen { share }),
        );
        found.extend(histograms(report));
        found.extend(embedded(report));
        found
    }

    /// Returns a stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DebugBuild => "debug_build",
            Self::RateNotSustained { .. } => "rate_not_sustained",
            Self::BacklogGrew { .. } => "backlog_grew",
            Self::HistogramSaturated { .. } => "histogram_saturated",
            Self::FewSamples { .. } => "few_samples",
            Self::GeneratorLimited { .. } => "generator_limited",
            Self::ClientCpuBound { .. } => "client_cpu_bound",
            Self::MongoPoolSaturated => "mongo_pool_saturated",
            Self::CpuStolen { .. } => "cpu_stolen",
            Self::FaultsInjected => "faults_injected",
            Self::EmbeddedBackend { .. } => "embedded_backend",
        }
    }

    /// Returns what to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::DebugBuild => "build with `cargo build --release` before reading any number",
            Self::RateNotSustained { .. } => {
                "the stage with the largest latency is the bottleneck; lower `--rate` or `--vehicles`, or give that stage more room"
            }
            Self::BacklogGrew { .. } => {
                "latency grows with the length of such a run; lower the rate, or raise `--consumers` and `--partitions`"
            }
            Self::HistogramSaturated { .. } => {
                "percentiles at one hour are lower bounds; the maximum is unknown"
            }
            Self::FewSamples { .. } => "raise `--duration`, `--rate` or `--vehicles`",
            Self::GeneratorLimited { .. } => {
                "end-to-end latency includes waiting before the send; lower the rate, free cores, or spread the load over several hosts"
            }
            Self::ClientCpuBound { .. } => {
                "the pipeline competes with its own measurement; use a machine with more cores, or external servers"
            }
            Self::MongoPoolSaturated => {
                "raise `--batch-records`, or `maxPoolSize` in the store's address"
            }
            Self::CpuStolen { .. } => "repeat the run on a quieter host before reading its tail",
            Self::FaultsInjected => {
                "its numbers show how the pipeline bears them; compare it with runs of the same plan and seed alone"
            }
            Self::EmbeddedBackend { .. } => {
                "it measures this pipeline, not Redpanda or MongoDB; use `--backend containers` or `--backend external` to measure those"
            }
        }
    }

    /// Returns the form that the report carries.
    pub fn notice(&self) -> Notice {
        Notice {
            code: self.code().to_owned(),
            message: self.to_string(),
            advice: self.advice().to_owned(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DebugBuild => formatter.write_str("debug build: its numbers mean nothing"),
            Self::RateNotSustained { target, achieved } => write!(
                formatter,
                "rate not sustained: {} records/s of {}",
                quantity::rate(*achieved),
                quantity::rate(*target)
            ),
            Self::BacklogGrew { records_per_second } => write!(
                formatter,
                "backlog grew by {} records each second",
                quantity::rate(*records_per_second)
            ),
            Self::HistogramSaturated { stage, samples } => write!(
                formatter,
                "{} samples of {stage} above one hour",
                quantity::count(*samples)
            ),
            Self::FewSamples { samples } => write!(
                formatter,
                "too few samples: {samples}, of which p99 is the maximum"
            ),
            Self::GeneratorLimited {
                publish_delay_p99_us,
            } => write!(
                formatter,
                "generator-limited: publish delay p99 of {} dominates",
                quantity::duration(*publish_delay_p99_us)
            ),
            Self::ClientCpuBound { share } => write!(
                formatter,
                "client CPU-bound: {} % of all cores used by this process",
                quantity::significant(share * 100.0)
            ),
            Self::MongoPoolSaturated => {
                formatter.write_str("MongoDB pool saturated: writers waited for a connection")
            }
            Self::CpuStolen { share } => write!(
                formatter,
                "{} % of CPU time went to other guests of this host",
                quantity::significant(share * 100.0)
            ),
            Self::FaultsInjected => formatter.write_str("faults on purpose: this is no normal run"),
            Self::EmbeddedBackend { broker, store } => write!(
                formatter,
                "pipeline self-test: {} in the process that produced the load",
                match (broker, store) {
                    (true, true) => "broker and store ran",
                    (true, false) => "the broker ran",
                    _ => "the store ran",
                }
            ),
        }
    }
}

fn rate_not_sustained(report: &Report, facts: &Facts) -> Option<Warning> {
    let target = facts.target_rate?;
    let achieved = report.summary.throughput_records_per_second;
    let stored_anything = report.topology.broker != BackendKind::None;
    (stored_anything && achieved < target * SUSTAINED_SHARE)
        .then_some(Warning::RateNotSustained { target, achieved })
}

/// Fits a line through the backlogs, because a single pause at the end is not growth.
fn backlog_grew(intervals: &[Interval]) -> Option<Warning> {
    let emitting: Vec<&Interval> = intervals
        .iter()
        .filter(|interval| interval.emitted > 0)
        .collect();
    if emitting.len() < 3 {
        return None;
    }
    let number = emitting.len() as f64;
    let mean_time = emitting.iter().map(|at| at.start_s).sum::<f64>() / number;
    let mean_backlog = emitting.iter().map(|at| at.backlog as f64).sum::<f64>() / number;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for interval in &emitting {
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
    (records_per_second * number > noise).then_some(Warning::BacklogGrew { records_per_second })
}

fn generator_limited(report: &Report) -> Option<Warning> {
    let stages = &report.summary.stages;
    let delay = stages.publish_delay.p99_us;
    let dominates = delay.saturating_mul(2) > stages.end_to_end_latency.p99_us;
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
    if samples < SAMPLES_FOR_P99 {
        found.push(Warning::FewSamples { samples });
    }
    found
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

    #[test]
    fn a_run_on_schedule_only_says_that_it_is_a_self_test() {
        let facts = Facts {
            target_rate: Some(50.0),
            client_cpu_share: Some(0.1),
            mongo_pool_saturated: false,
        };
        assert_eq!(codes(&sample::report(), &facts), ["embedded_backend"]);
    }

    #[test]
    fn everything_wrong_is_named_the_most_severe_first() {
        let mut report = sample::report();
        report.environment.build_profile = BuildProfile::Debug;
        report.environment.steal_share = Some(0.2);
        report.summary.stages.publish_delay.p99_us = 20_000;
        report.summary.stages.end_to_end_latency.saturated = 3;
        report.summary.stages.end_to_end_latency.count = 40;
        report.summary.stages.publish_delay.count = 40;
        report.intervals = backlogs(&[0, 1_000, 2_000, 3_000]);
        let facts = Facts {
            target_rate: Some(2_000.0),
            client_cpu_share: Some(0.97),
            mongo_pool_saturated: true,
        };
        assert_eq!(
            codes(&report, &facts),
            [
                "debug_build",
                "rate_not_sustained",
                "backlog_grew",
                "generator_limited",
                "client_cpu_bound",
                "mongo_pool_saturated",
                "cpu_stolen",
                "histogram_saturated",
                "few_samples",
                "embedded_backend",
            ]
        );
    }

    #[test]
    fn a_steady_backlog_and_a_pause_are_not_growth() {
        assert_eq!(backlog_grew(&backlogs(&[5_000; 10])), None);
        assert_eq!(
            backlog_grew(&backlogs(&[50, 40, 900, 50, 60, 40, 50, 60])),
            None
        );
        assert!(backlog_grew(&backlogs(&[0, 200, 400, 600, 800])).is_some());
    }
}
