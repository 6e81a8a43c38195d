//! What a trial says about its load.

use crate::capacity::probe::{Binding, Goal, LEAST_MISS, Probe, Purpose};
use crate::capacity::slope::slope;
use crate::cause::chain;
use crate::measure::{Interval, IntervalPhase};
use crate::report::{Finding, Report};
use crate::trial::{BacklogSample, Seen, TrialOutcome};

/// Share of the rate by which a backlog may grow.
const GROWTH: f64 = 0.001;

/// Share of the limit that the publish delay may take.
const PUBLISH_DELAY: f64 = 0.5;

/// Margin of a trial that stored nothing that was measured.
const NOTHING_MEASURED: f64 = 1.0;

/// Share of CPU time that the hypervisor may take from a trial that counts.
const STEAL: f64 = 0.05;

/// Seconds of emission before a trial can be hopeless.
const LEAST_SECONDS: usize = 4;

/// Start of a trial in which every backlog grows, in seconds.
const START_S: f64 = 1.0;

/// A median this many times its limit is hopeless whatever its slope.
const FAR_ABOVE: f64 = 3.0;

/// The limits of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Limit of the end-to-end p99, in microseconds.
    pub end_to_end_p99_us: f64,
}

/// Judges a trial. Its planned length and the time that it took are for the caller to fill in.
pub fn assess(outcome: &TrialOutcome, limits: Limits, vehicles: u32, purpose: Purpose) -> Probe {
    let report = &outcome.report;
    let stages = &report.summary.stages;
    let p99_us = stages.end_to_end_latency.p99_us;
    let filled_s = p99_us.unwrap_or_default() as f64 / 1e6;
    let growth = growth(&outcome.backlog, &report.intervals, filled_s);
    let missed = missed(outcome, limits, growth);
    let margin = p99_us.map_or(NOTHING_MEASURED, |p99| {
        (p99.max(1) as f64 / limits.end_to_end_p99_us).ln()
    });
    let steal = report.machine.steal_share.unwrap_or_default();
    Probe {
        vehicles,
        purpose,
        planned_s: 0.0,
        margin: if missed.is_some() {
            margin.max(LEAST_MISS)
        } else {
            margin
        },
        missed,
        failure: outcome.failure.as_ref().map(|error| chain(error)),
        stopped_early: outcome.stopped,
        counted: steal <= STEAL,
        throughput_records_per_second: report.summary.throughput_records_per_second,
        end_to_end_p50_us: stages.end_to_end_latency.p50_us,
        end_to_end_p99_us: p99_us,
        publish_delay_p99_us: stages.publish_delay.p99_us,
        backlog_slope_records_per_second: growth.map(|growth| growth.per_s),
        binding: binding(report),
        cpu_bound: warns_of(report, "client_cpu_bound"),
        took_s: 0.0,
    }
}

/// Returns the first goal that a trial missed.
fn missed(outcome: &TrialOutcome, limits: Limits, growth: Option<Growth>) -> Option<Goal> {
    let report = &outcome.report;
    let stages = &report.summary.stages;
    if outcome.failure.is_some() {
        return Some(Goal::Completion);
    }
    let lost = report.verdict.as_ref().is_some_and(|verdict| {
        // Readings that did not arrive within the drain timeout are not lost.
        verdict.missing > 0 || verdict.duplicated > 0 || verdict.corrupt > 0
    });
    if lost {
        return Some(Goal::Audit);
    }
    let delay = stages.publish_delay.p99_us.unwrap_or_default() as f64;
    if delay > PUBLISH_DELAY * limits.end_to_end_p99_us {
        return Some(Goal::PublishDelay);
    }
    if outcome.stopped || growth.is_some_and(|growth| growth.is_certain()) {
        return Some(Goal::Backlog);
    }
    match stages.end_to_end_latency.p99_us {
        Some(p99) if p99 as f64 <= limits.end_to_end_p99_us => {}
        _ => return Some(Goal::EndToEndP99),
    }
    (!report.passed()).then_some(Goal::Audit)
}

/// Growth of a backlog.
#[derive(Debug, Clone, Copy)]
struct Growth {
    per_s: f64,
    lower: f64,
    allowed: f64,
}

impl Growth {
    fn is_certain(&self) -> bool {
        self.lower > self.allowed
    }
}

/// Returns how the backlog grows while readings are emitted, after the start: until the pipeline is
/// filled, which takes as long as its latency, but at most in the first half.
fn growth(backlog: &[BacklogSample], intervals: &[Interval], filled_s: f64) -> Option<Growth> {
    let emitting = |it: &&Interval| it.phase != Some(IntervalPhase::Drain) && it.emitted > 0;
    let emitting: Vec<&Interval> = intervals.iter().filter(emitting).collect();
    let emitted: u64 = emitting.iter().map(|it| it.emitted).sum();
    let rate = emitted as f64 / emitting.len().max(1) as f64;
    let first = backlog.first()?.at_s;
    let end = first + emitting.len() as f64 - 0.5;
    let start_s = filled_s.min(emitting.len() as f64 / 2.0).max(START_S);
    let points: Vec<(f64, f64)> = backlog
        .iter()
        .filter(|sample| sample.at_s >= first + start_s && sample.at_s <= end)
        .map(|sample| (sample.at_s, sample.records as f64))
        .collect();
    let slope = slope(&points)?;
    Some(Growth {
        per_s: slope.per_s,
        lower: slope.lower,
        allowed: GROWTH * rate,
    })
}

/// Returns whether a trial cannot hold its limits any more: backlog and latency grow, or the latency
/// is far above its limit.
pub fn is_hopeless(seen: &Seen, limits: Limits) -> bool {
    let p50 = |it: &Interval| it.stages.end_to_end_latency.p50_us.map(|us| us as f64);
    let medians: Vec<(f64, f64)> = seen
        .intervals
        .iter()
        .filter_map(|it| Some((it.start_s, p50(it)?)))
        .collect();
    let recent = &medians[medians.len().saturating_sub(LEAST_SECONDS)..];
    if seen.intervals.len() < LEAST_SECONDS || recent.len() < LEAST_SECONDS - 1 {
        return is_stuck(seen);
    }
    let above = |factor: f64| {
        let mut last = recent.iter().rev().take(3);
        last.all(|(_, us)| *us > factor * limits.end_to_end_p99_us)
    };
    if above(FAR_ABOVE) {
        return true;
    }
    let grows =
        growth(&seen.backlog, &seen.intervals, 0.0).is_some_and(|growth| growth.is_certain());
    let slows = slope(recent).is_some_and(|slope| slope.lower > 0.0);
    grows && slows && above(1.0)
}

/// Returns whether readings have been emitted for long, and none was stored.
fn is_stuck(seen: &Seen) -> bool {
    let mut last = seen.intervals.iter().rev().take(2 * LEAST_SECONDS);
    last.len() == 2 * LEAST_SECONDS && last.all(|it| it.emitted > 0 && it.stored == 0)
}

/// Returns the first finding that names a stage, else the first.
fn binding(report: &Report) -> Option<Binding> {
    let named = |it: &&Finding| it.id != "falls_behind";
    let finding = report
        .findings
        .iter()
        .find(named)
        .or(report.findings.first())?;
    Some(Binding {
        id: finding.id.clone(),
        message: finding.message.clone(),
        evidence: finding.evidence.clone(),
        advice: finding.advice.clone(),
    })
}

fn warns_of(report: &Report, code: &str) -> bool {
    report.warnings.iter().any(|warning| warning.code == code)
}
