//! The search for the most vehicles: a pure function of the trials so far and of the time.
//!
//! ```text
//!  ceiling ─▶ bracket: double or halve ─▶ locate: between both sides ─▶ confirm at 80 % and 100 %
//! ```
//!
//! Trials are noisy, so a load is judged by a curve through all margins, and the load in question is
//! tried twice. A trial that missed its limit by a pause alone is repeated, and the better one counts:
//! pauses of the machine only make a trial worse. What is published has been confirmed by a long trial.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::capacity::bootstrap;
use crate::capacity::isotonic::{Curve, Sample};
use crate::capacity::plan::Plan;
use crate::capacity::probe::{LEAST_MISS, Probe, Purpose};
use crate::string_enum::string_enum;

/// Margins beyond this say no more: how fast a backlog grows depends on the length of a trial.
const WIDEST_MARGIN: f64 = 1.0;

/// Share of the limit that is confirmed and published.
const PUBLISHED_SHARE: f64 = 0.8;

/// A load nearer to the ceiling than this factor is followed by one that is larger by it.
const NEAR_CEILING: f64 = 1.2;

/// How near to a side of the bracket a load between both may be, as a share of the gap.
const LEAST_STEP: f64 = 0.2;

/// Trials of the load in question.
const REPEATS: usize = 2;

/// Share of a load that was not confirmed, which is tried next.
const LOWER_SHARE: f64 = 0.9;

/// Margin above which a load that was not confirmed is far too large: twice the limit.
const FAR_MARGIN: f64 = std::f64::consts::LN_2;

/// Long trials for which time is kept: of the load to publish, of a lower one if it fails, of the limit.
const KEPT_CONFIRMATIONS: u32 = 3;

/// Loads that are confirmed, one after the other, as the one to publish.
const MOST_CONFIRMATIONS: usize = 3;

/// Loads that are confirmed as the limit.
const MOST_LIMITS: usize = 2;

/// Assumed time of a trial beyond its load, until one was made.
const FIRST_OVERHEAD: Duration = Duration::from_secs(2);

/// Trials of one load and purpose that miss the limit by a pause before the load counts as too high.
const MOST_PAUSED: usize = 3;

/// Trials after which a search ends, however long its budget is.
const MOST_PROBES: usize = 200;

string_enum! {
    /// Why a search ended.
    Ended {
        /// The limit is known as precisely as was asked for.
        Precision = "precision",
        /// The budget had no time for another trial.
        Budget = "budget",
        /// The smallest fleet is too large.
        NoPass = "no_pass",
        /// The largest fleet is not too large.
        NoFail = "no_fail",
        /// The user ended it.
        Interrupted = "interrupted",
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make a trial. Its purpose tells whether the rate is unlimited.
    Trial {
        /// Number of vehicles.
        vehicles: u32,
        /// Length of the measured part.
        measured: Duration,
        /// Why it is made.
        purpose: Purpose,
    },
    /// The search is over.
    End,
}

/// A search in progress.
#[derive(Debug, Clone)]
pub struct Search {
    plan: Plan,
    probes: Vec<Probe>,
    ended: Option<Ended>,
    /// The limit that was found; later the one that was confirmed last.
    limit: Option<u32>,
    /// Whether no trial follows.
    over: bool,
}

impl Search {
    /// Starts a search.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            probes: Vec::new(),
            ended: None,
            limit: None,
            over: false,
        }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns all trials so far.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Returns why the limit is not sought any more; `None` while it is.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Returns the limit, once it was found.
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Adds a trial that was made.
    pub fn record(&mut self, probe: Probe) {
        self.probes.push(probe);
    }

    /// Ends the search without further trials: the user asked for it, or its time is over.
    pub fn end(&mut self, why: Ended) {
        let found = self.limit;
        self.conclude(why);
        self.limit = found.or(self.limit);
        self.over = true;
    }

    /// Returns the curve through the margins of all loads.
    pub fn curve(&self) -> Curve {
        Curve::fit(&self.samples())
    }

    /// Returns the bounds of the limit; `None` if the trials do not tell.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        bootstrap::bounds(&self.samples())
    }

    fn samples(&self) -> Vec<Sample> {
        let outdone = |probe: &&Probe| {
            let better = |it: &Probe| it.vehicles >= probe.vehicles && it.held();
            probe.paused() && self.tried().any(better)
        };
        let tried = self.tried().filter(|it| !outdone(it));
        let tried = tried.map(|probe| Sample {
            load: probe.vehicles,
            margin: judged(probe),
            weight: probe.planned_s.max(0.1),
        });
        tried.collect()
    }

    /// Returns what to do next, this long after the start.
    pub fn next(&mut self, elapsed: Duration) -> Step {
        if self.over || self.probes.len() >= MOST_PROBES {
            return Step::End;
        }
        if self.ended.is_none() {
            match self.seek() {
                Ok(trial) if self.affords(&trial, elapsed) => return trial,
                Ok(_too_long) => self.conclude(Ended::Budget),
                Err(ended) => self.conclude(ended),
            }
        }
        match self.limit {
            Some(limit) => self.confirm(limit, elapsed),
            None => Step::End,
        }
    }

    fn conclude(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.limit = self.curve().feasible().map(|(load, _)| load);
    }

    /// Returns the trials that count, without the one at the ceiling.
    fn tried(&self) -> impl Iterator<Item = &Probe> {
        let ceiling = |probe: &&Probe| probe.purpose != Purpose::Ceiling;
        self.probes.iter().filter(ceiling).filter(|it| it.counted)
    }

    fn of_purpose(&self, purpose: Purpose) -> impl Iterator<Item = &Probe> {
        self.tried().filter(move |probe| probe.purpose == purpose)
    }

    /// Returns the most vehicles that an unlimited rate amounts to.
    fn ceiling(&self) -> Option<f64> {
        let ceiling = |probe: &&Probe| probe.purpose == Purpose::Ceiling;
        let probe = self.probes.iter().find(ceiling)?;
        Some(probe.throughput_records_per_second? / self.plan.rate)
    }

    /// Returns the next trial, or why the limit need not be sought any more.
    fn seek(&self) -> Result<Step, Ended> {
        let plan = &self.plan;
        let trial = |vehicles: f64, measured, purpose| Step::Trial {
            vehicles: rounded(vehicles).clamp(plan.from, plan.to),
            measured,
            purpose,
        };
        if self.probes.is_empty() {
            return Ok(trial(
                f64::from(plan.from),
                plan.ceiling(),
                Purpose::Ceiling,
            ));
        }
        if let Some(paused) = self.to_repeat() {
            let measured = Duration::from_secs_f64(paused.planned_s);
            return Ok(trial(paused.vehicles.into(), measured, paused.purpose));
        }
        let bracket = |vehicles: f64| Ok(trial(vehicles, plan.short(), Purpose::Bracket));
        let curve = self.curve();
        match (curve.feasible(), curve.infeasible()) {
            (None, None) => bracket(self.ceiling().map_or(f64::from(plan.from), |it| it / 2.0)),
            (None, Some((high, _))) if high <= plan.from => Err(Ended::NoPass),
            (None, Some((high, _))) => {
                let failed = self.tried().count();
                bracket(f64::from(high) / if failed > 1 { 4.0 } else { 2.0 })
            }
            (Some((low, _)), None) if low >= plan.to => Err(Ended::NoFail),
            (Some((low, _)), None) => bracket(self.above(f64::from(low))),
            (Some((low, _)), Some((high, _))) => {
                let locate = |vehicles| Ok(trial(vehicles, plan.long(), Purpose::Locate));
                if !self.is_precise(low, high) {
                    return locate(between(low, high, curve.root()));
                }
                let near = self.of_purpose(Purpose::Locate);
                if near.filter(|probe| probe.vehicles == low).count() < REPEATS {
                    return locate(f64::from(low));
                }
                Err(Ended::Precision)
            }
        }
    }

    /// Returns the last trial if it missed its limit by a pause alone, unless its load was tried often
    /// for the same purpose.
    fn to_repeat(&self) -> Option<&Probe> {
        let last = self.probes.last().filter(|probe| probe.paused())?;
        let alike = self.of_purpose(last.purpose);
        let alike = alike.filter(|probe| probe.vehicles == last.vehicles);
        (alike.count() < MOST_PAUSED).then_some(last)
    }

    fn is_precise(&self, low: u32, high: u32) -> bool {
        let gap = high - low;
        gap <= 1 || f64::from(gap) <= self.plan.precision * f64::from(high)
    }

    /// Returns a load above one that holds: between it and the ceiling, at which no pipeline holds, or
    /// twice as many if the ceiling is not known.
    fn above(&self, low: f64) -> f64 {
        match self.ceiling() {
            Some(ceiling) if low * NEAR_CEILING < ceiling => (low * ceiling).sqrt(),
            Some(_passed) => low * NEAR_CEILING,
            None => low * 2.0,
        }
    }

    /// Returns the time that a trial takes beyond warm-up and measured part, by those before it.
    fn overhead(&self) -> Duration {
        let least = Duration::from_secs(1);
        let warm_up = self.plan.warm_up.as_secs_f64();
        // The one at the ceiling has the backlog of an unlimited rate to store.
        let limited = |probe: &&Probe| probe.purpose != Purpose::Ceiling;
        let probes = self.probes.iter().rev().filter(limited);
        let beyond = probes.take(3).map(|probe| {
            let beyond = probe.took_s - probe.planned_s - warm_up;
            Duration::try_from_secs_f64(beyond).unwrap_or_default()
        });
        beyond.max().map_or(FIRST_OVERHEAD, |it| it.max(least))
    }

    fn cost(&self, measured: Duration) -> Duration {
        self.plan.warm_up + measured + self.overhead()
    }

    /// Returns whether a trial leaves time for the confirmations.
    fn affords(&self, step: &Step, elapsed: Duration) -> bool {
        let Step::Trial { measured, .. } = step else {
            return true;
        };
        // Without a load to confirm, time for confirmations is of no use.
        let known = self.curve().feasible().is_some();
        let reserve = if known {
            self.cost(self.plan.confirmation()) * KEPT_CONFIRMATIONS
        } else {
            Duration::ZERO
        };
        elapsed + self.cost(*measured) + reserve <= self.plan.budget
    }

    /// Returns the next long trial, or the end: first of the load to publish, then of the limit.
    fn confirm(&mut self, limit: u32, elapsed: Duration) -> Step {
        let rest = self.plan.budget.saturating_sub(elapsed);
        let confirmed: Vec<&Probe> = self.of_purpose(Purpose::Confirm).collect();
        let share = f64::from(limit) * PUBLISHED_SHARE;
        match confirmed.as_slice() {
            [] => Self::long_trial(share, self.longest(rest, 2), Purpose::Confirm),
            [.., last] if last.held() => {
                let published = last.vehicles;
                self.confirm_limit(limit, published, rest)
            }
            [.., last] if self.to_repeat().is_some() => {
                let load = f64::from(last.vehicles);
                Self::long_trial(load, self.longest(rest, 1), Purpose::Confirm)
            }
            tried if loads(tried) >= MOST_CONFIRMATIONS => Step::End,
            [.., last] => {
                let share = if last.margin > FAR_MARGIN {
                    PUBLISHED_SHARE
                } else {
                    LOWER_SHARE
                };
                let lower = f64::from(last.vehicles) * share;
                self.limit = Some(rounded(lower / PUBLISHED_SHARE));
                Self::long_trial(lower, self.longest(rest, 1), Purpose::Confirm)
            }
        }
    }

    /// Returns a long trial of the limit, or of a lower one if it did not hold.
    fn confirm_limit(&mut self, limit: u32, published: u32, rest: Duration) -> Step {
        let tried: Vec<&Probe> = self.of_purpose(Purpose::ConfirmLimit).collect();
        let next = match tried.as_slice() {
            [] => f64::from(limit),
            [.., last] if last.held() => return Step::End,
            [.., last] if self.to_repeat().is_some() => f64::from(last.vehicles),
            tried if loads(tried) >= MOST_LIMITS => return Step::End,
            [.., last] => f64::from(last.vehicles) * (1.0 - self.plan.precision),
        };
        let step = Self::long_trial(next, self.longest(rest, 1), Purpose::ConfirmLimit);
        if let Step::Trial { vehicles, .. } = step {
            if vehicles <= published {
                return Step::End;
            }
            self.limit = Some(vehicles);
        }
        step
    }

    fn long_trial(vehicles: f64, measured: Option<Duration>, purpose: Purpose) -> Step {
        measured.map_or(Step::End, |measured| Step::Trial {
            vehicles: rounded(vehicles),
            measured,
            purpose,
        })
    }

    /// Returns the measured part of each of at most this many confirmations in the rest of the budget.
    fn longest(&self, rest: Duration, confirmations: u32) -> Option<Duration> {
        let least = self.plan.least_confirmation();
        (1..=confirmations).rev().find_map(|count| {
            let measured = (rest / count).checked_sub(self.cost(Duration::ZERO))?;
            let measured = measured.min(self.plan.confirmation());
            (measured >= least).then_some(measured)
        })
    }
}

/// Returns how many loads were tried.
fn loads(probes: &[&Probe]) -> usize {
    let loads: BTreeSet<u32> = probes.iter().map(|probe| probe.vehicles).collect();
    loads.len()
}

/// Returns a margin for the curve: above 0 for every trial that did not hold.
fn judged(probe: &Probe) -> f64 {
    let least = if probe.held() {
        -WIDEST_MARGIN
    } else {
        LEAST_MISS
    };
    probe.margin.clamp(least, WIDEST_MARGIN)
}

/// Returns a load between both sides of a bracket: the root of the curve, if it is not too near to
/// one of them.
fn between(low: u32, high: u32, root: Option<f64>) -> f64 {
    let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
    let gap = high - low;
    let middle = low + gap / 2.0;
    let wanted = root.map_or(middle, f64::ln);
    wanted
        .clamp(low + LEAST_STEP * gap, high - LEAST_STEP * gap)
        .exp()
}

/// Rounds a number of vehicles to four digits, at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped; saturates"
)]
pub(super) fn rounded(vehicles: f64) -> u32 {
    let vehicles = vehicles.max(1.0);
    let digit = 10f64.powf((vehicles.log10().floor() - 3.0).max(0.0));
    ((vehicles / digit).round() * digit) as u32
}
