//! The answer of a search.

use serde::{Deserialize, Serialize};

use crate::capacity::plan::amount;
use crate::capacity::probe::{Binding, Goal, Probe, Purpose};
use crate::capacity::search::{Ended, Search, rounded};
use crate::load::Vary;
use crate::report::Machine;
use crate::text::quantity;

/// Version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// Jump of the margin between both sides of the limit that is a cliff: a factor of e.
const CLIFF: f64 = 1.0;

/// Findings that name a server, which is then the cause even if the machine is busy.
const SERVERS: [&str; 3] = ["store", "broker", "connection_pool"];

/// Findings that name no stage.
const UNSPECIFIC: [&str; 2] = ["falls_behind", "no_single_stage"];

/// How the latency rises at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Step by step.
    Gradual,
    /// At once: a little more load, and the pipeline falls behind.
    Cliff,
}

/// What is known at the end of a search. Numbers that are not known are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Version of this form.
    pub format_version: u32,
    /// What the numbers of vehicles are: vehicles, or readings per second of the whole fleet.
    pub vary: Vary,
    /// The most vehicles that are published: a long trial with them held every goal.
    pub vehicles: Option<u32>,
    /// The limit that was found by shorter trials.
    pub limit_vehicles: Option<u32>,
    /// Bounds of the limit at 95 %, from trials drawn again; absent if they do not tell.
    pub limit_bounds: Option<[u32; 2]>,
    /// Whether a long trial at the limit held every goal; absent without such a trial.
    pub limit_held: Option<bool>,
    /// The fewest vehicles that are too many.
    pub too_many_vehicles: Option<u32>,
    /// The goal that these missed.
    pub missed: Option<Goal>,
    /// How the latency rises at the limit.
    pub boundary: Option<Boundary>,
    /// What limits the pipeline there.
    pub binding: Option<Binding>,
    /// Why the search ended.
    pub ended: Ended,
    /// Limit of the end-to-end p99, in microseconds.
    pub max_end_to_end_p99_us: u64,
    /// Readings per second and vehicle.
    pub rate_per_second: f64,
    /// Time for the search.
    pub budget_s: f64,
    /// Time that it took.
    pub elapsed_s: f64,
    /// Every trial, in order.
    pub trials: Vec<Probe>,
    /// Where it was measured.
    pub origin: Origin,
}

/// Where and with what a capacity was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Id of the search.
    pub run_id: String,
    /// Command line, secrets replaced.
    pub command: String,
    /// Version of convoy.
    pub version: String,
    /// Start, RFC 3339 in UTC.
    pub started_at: String,
    /// Broker and store, as reports name them.
    pub servers: String,
    /// Settings of every trial.
    pub settings: serde_json::Value,
    /// Machine; absent if no trial was made.
    pub machine: Option<Machine>,
}

/// Length of a search, and its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Limit of the end-to-end p99, in microseconds.
    pub max_end_to_end_p99_us: u64,
    /// Time that the search took, in seconds.
    pub elapsed_s: f64,
}

impl Answer {
    /// Reads the answer from a search.
    pub fn new(search: &Search, terms: Terms, origin: Origin) -> Self {
        let plan = search.plan();
        let curve = search.curve();
        let too_many = lowest_missed(search.probes(), search.limit());
        let boundary = match (curve.feasible(), curve.infeasible()) {
            (Some((low, below)), Some((high, above))) => {
                let near = f64::from(high - low) <= 2.0 * plan.precision * f64::from(high);
                near.then_some(if above - below > CLIFF {
                    Boundary::Cliff
                } else {
                    Boundary::Gradual
                })
            }
            _ => None,
        };
        Self {
            format_version: FORMAT_VERSION,
            vary: plan.vary,
            vehicles: published(search.probes()).map(|probe| probe.vehicles),
            limit_vehicles: search
                .limit()
                .or_else(|| curve.feasible().map(|(load, _)| load)),
            limit_bounds: search.bounds().map(|bounds| bounds.map(rounded)),
            limit_held: last_of(search.probes(), Purpose::ConfirmLimit).map(Probe::held),
            too_many_vehicles: too_many.map(|probe| probe.vehicles),
            missed: too_many.and_then(|probe| probe.missed),
            boundary,
            binding: binding(search.probes(), too_many, plan.vary),
            ended: search.ended().unwrap_or(Ended::Interrupted),
            max_end_to_end_p99_us: terms.max_end_to_end_p99_us,
            rate_per_second: plan.rate,
            budget_s: plan.budget.as_secs_f64(),
            elapsed_s: terms.elapsed_s,
            trials: search.probes().to_vec(),
            origin,
        }
    }
}

impl Answer {
    /// Returns whether the limit is only known from short trials, because the budget had no time to
    /// confirm it.
    pub fn is_bound(&self) -> bool {
        let confirms =
            |probe: &Probe| matches!(probe.purpose, Purpose::Confirm | Purpose::ConfirmLimit);
        self.vehicles.is_none()
            && self.limit_vehicles.is_some()
            && self.ended == Ended::Budget
            && !self.trials.iter().any(confirms)
    }
}

fn last_of(probes: &[Probe], purpose: Purpose) -> Option<&Probe> {
    probes
        .iter()
        .rfind(|probe| probe.purpose == purpose && probe.counted)
}

/// Returns the confirmation whose load is published.
pub fn published(probes: &[Probe]) -> Option<&Probe> {
    last_of(probes, Purpose::Confirm).filter(|probe| probe.held())
}

/// Returns the trial with the fewest vehicles above the limit that missed a goal.
fn lowest_missed(probes: &[Probe], limit: Option<u32>) -> Option<&Probe> {
    let above = |probe: &&Probe| limit.is_none_or(|limit| probe.vehicles > limit);
    let missed = |probe: &&Probe| probe.counted && !probe.held();
    let mut tried: Vec<&Probe> = probes
        .iter()
        .filter(|probe| probe.purpose != Purpose::Ceiling)
        .filter(missed)
        .filter(above)
        .collect();
    tried.sort_by_key(|probe| probe.vehicles);
    tried.first().copied()
}

/// Returns what limits the pipeline. Below the limit the stages tell the cause: above it, records
/// wait where the queue happens to be.
fn binding(probes: &[Probe], too_many: Option<&Probe>, vary: Vary) -> Option<Binding> {
    let held = |probe: &&Probe| probe.purpose != Purpose::Ceiling && probe.held();
    let below = published(probes).or_else(|| {
        let held = probes.iter().filter(held);
        held.max_by_key(|probe| probe.vehicles)
    });
    let specific = |probe: Option<&Probe>| {
        let binding = probe?.binding.clone()?;
        (!UNSPECIFIC.contains(&binding.id.as_str())).then_some(binding)
    };
    let below = specific(below);
    if let Some(server) = below
        .as_ref()
        .filter(|it| SERVERS.contains(&it.id.as_str()))
    {
        return Some(server.clone());
    }
    let late = too_many.filter(|it| it.missed == Some(Goal::PublishDelay) && !it.cpu_bound);
    if let Some(probe) = late {
        return Some(generator(probe, vary));
    }
    if let Some(probe) = too_many.filter(|probe| probe.cpu_bound) {
        return Some(machine(probe, vary));
    }
    specific(too_many).or(below)
}

fn generator(probe: &Probe, vary: Vary) -> Binding {
    Binding {
        id: "generator".to_owned(),
        message: "convoy is the limit: readings are sent later than scheduled".to_owned(),
        evidence: format!(
            "publish delay p99 {} with {}",
            shown(probe.publish_delay_p99_us),
            amount(vary, probe.vehicles)
        ),
        advice: Some("split the fleet with `convoy produce --shard`".to_owned()),
    }
}

fn machine(probe: &Probe, vary: Vary) -> Binding {
    Binding {
        id: "machine".to_owned(),
        message: "the machine limits the run: this process uses nearly all of its cores".to_owned(),
        evidence: format!("with {}", amount(vary, probe.vehicles)),
        advice: Some("run broker and store on other machines, or take more cores".to_owned()),
    }
}

fn shown(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), quantity::duration)
}
