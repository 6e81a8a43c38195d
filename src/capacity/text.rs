//! Text form of an answer, for people.

use std::fmt::Write as _;

use crate::capacity::answer::{Answer, Boundary, published};
use crate::capacity::plan::amount;
use crate::capacity::probe::{Probe, Purpose};
use crate::capacity::search::Ended;
use crate::load::Vary;
use crate::text::{Ink, Page, quantity};

/// Columns of a bar, from the lowest to the highest p99.
const BAR: usize = 28;

/// Returns what a trial found, in one line.
pub fn progress_line(probe: &Probe, vary: Vary) -> String {
    if probe.purpose == Purpose::Ceiling {
        let rate = probe
            .throughput_records_per_second
            .map_or_else(|| "–".to_owned(), quantity::rate);
        return format!("at an unlimited rate: {rate} records/s");
    }
    format!(
        "{}: p99 {}, {}",
        amount(vary, probe.vehicles),
        microseconds(probe.end_to_end_p99_us),
        outcome(probe)
    )
}

/// Returns whether a trial held, or which goal it missed.
pub(super) fn outcome(probe: &Probe) -> String {
    match (&probe.failure, probe.missed) {
        _ if !probe.counted => "not counted: the hypervisor took CPU time".to_owned(),
        (Some(failure), _) => format!("the pipeline failed: {failure}"),
        (None, Some(goal)) if probe.stopped_early => format!("ended early: {goal}"),
        (None, Some(goal)) => goal.to_string(),
        (None, None) => "held".to_owned(),
    }
}

/// Returns the answer as text.
pub fn write(answer: &Answer, page: &Page) -> String {
    let mut text = page.paint(Ink::Strong, &headline(answer));
    text.push('\n');
    for line in sentences(answer) {
        text.push_str(&page.paragraph(&format!("  {line}"), 2));
    }
    let chart = chart(answer, page);
    if !chart.is_empty() {
        text.push('\n');
        text.push_str(&chart);
    }
    text
}

/// Returns the answer in one sentence.
pub(super) fn headline(answer: &Answer) -> String {
    let limit = quantity::duration(answer.max_end_to_end_p99_us);
    let vary = answer.vary;
    match (answer.vehicles, answer.limit_vehicles) {
        (Some(vehicles), _) => format!("{} within {limit} at p99", amount(vary, vehicles)),
        (None, Some(found)) if answer.is_bound() => format!(
            "at least {} within {limit} at p99, by short trials that no long one confirmed",
            amount(vary, found)
        ),
        (None, Some(found)) => format!(
            "not confirmed: {} stayed within {limit} at p99 in short trials",
            amount(vary, found)
        ),
        (None, None) => match vary {
            Vary::Vehicles => format!("no number of vehicles stayed within {limit} at p99"),
            Vary::Rate => format!("no rate stayed within {limit} at p99"),
        },
    }
}

/// Returns what else is known, a sentence each.
pub(super) fn sentences(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(confirmed(answer));
    lines.extend(limit(answer));
    lines.extend(too_many(answer));
    if let Some(binding) = &answer.binding {
        lines.push(format!(
            "what limits it: {} ({})",
            binding.message, binding.evidence
        ));
        lines.extend(binding.advice.clone());
    }
    lines.extend(pauses(answer));
    lines.push(ended(answer));
    lines
}

fn pauses(answer: &Answer) -> Option<String> {
    let paused = answer.trials.iter().filter(|probe| probe.paused()).count();
    let trials = quantity::plural(paused as u64, "trial");
    (paused > 0).then(|| {
        format!(
            "{trials} missed the limit by a pause, with a median far below it; such a load is tried \
             again"
        )
    })
}

fn confirmed(answer: &Answer) -> Option<String> {
    let probe = published(&answer.trials)?;
    Some(format!(
        "confirmed for {} s: p99 {}, {} records/s, every reading stored once",
        quantity::significant(probe.planned_s),
        microseconds(probe.end_to_end_p99_us),
        probe
            .throughput_records_per_second
            .map_or_else(|| "–".to_owned(), quantity::rate),
    ))
}

fn limit(answer: &Answer) -> Option<String> {
    let found = answer.limit_vehicles?;
    let share = f64::from(answer.vehicles?) / f64::from(found) * 1e2;
    let found = amount(answer.vary, found) + &bounds(answer);
    let found = match answer.limit_held {
        Some(true) => format!("the limit is {found}, which held as well"),
        Some(false) => format!("{found} held short trials and not a long one"),
        None => format!("{found} held short trials, and there was no time for a long one"),
    };
    Some(format!("{found}; {share:.0} % of it is published"))
}

/// Returns the bounds of the limit in parentheses, if they are known.
fn bounds(answer: &Answer) -> String {
    answer.limit_bounds.map_or_else(String::new, |[low, high]| {
        let [low, high] = [low, high].map(|it| quantity::count(u64::from(it)));
        format!(" ({low}–{high})")
    })
}

fn too_many(answer: &Answer) -> Option<String> {
    let load = amount(answer.vary, answer.too_many_vehicles?);
    let goal = answer
        .missed
        .map_or_else(|| "a goal was missed".to_owned(), |goal| goal.to_string());
    let cliff = match answer.boundary {
        Some(Boundary::Cliff) => "; the latency rises at once there, a cliff",
        Some(Boundary::Gradual) | None => "",
    };
    Some(format!("{load} are too many: {goal}{cliff}"))
}

fn ended(answer: &Answer) -> String {
    let trials = quantity::plural(answer.trials.len() as u64, "trial");
    let spent = format!(
        "{trials} in {} s of {} s",
        quantity::significant(answer.elapsed_s),
        quantity::significant(answer.budget_s)
    );
    let reason = match answer.ended {
        Ended::Precision if answer.vehicles.is_some() => "the limit is known as precisely as asked",
        Ended::Precision => "the limit was found, but no long trial held",
        Ended::Budget if answer.vehicles.is_some() => {
            "the budget ended the search, so the limit may be higher: raise `--budget`"
        }
        Ended::Budget if answer.is_bound() => {
            "the budget is too short to confirm it: raise `--budget`"
        }
        Ended::Budget if answer.limit_vehicles.is_some() => {
            "no long trial held: repeat the search on an idle machine, or raise `--budget`"
        }
        Ended::Budget => "the budget is too short for an answer: raise `--budget`",
        Ended::NoPass => match answer.vary {
            Vary::Vehicles => {
                "the smallest fleet is too large: lower `--vehicles` or raise the limit"
            }
            Vary::Rate => "the lowest rate is too high: lower `--rate` or raise the limit",
        },
        Ended::NoFail => match answer.vary {
            Vary::Vehicles => "the largest fleet is not too large: raise `--max-vehicles`",
            Vary::Rate => "the highest rate is not too high: raise `--max-vehicles`",
        },
        Ended::Interrupted => "interrupted",
    };
    format!("{spent}; {reason}")
}

/// Returns a row for each load with its p99 as a bar on a logarithmic scale.
fn chart(answer: &Answer, page: &Page) -> String {
    let mut trials: Vec<&Probe> = answer
        .trials
        .iter()
        .filter(|probe| probe.purpose != Purpose::Ceiling)
        .collect();
    if trials.is_empty() {
        return String::new();
    }
    trials.sort_by_key(|probe| probe.vehicles);
    let limit = answer.max_end_to_end_p99_us as f64;
    let known = trials
        .iter()
        .filter_map(|probe| probe.end_to_end_p99_us)
        .map(|us| us as f64);
    let lowest = known.clone().fold(limit, f64::min) / 2.0;
    let highest = known.fold(limit, f64::max) * 1.1;
    let columns = |us: f64| columns(us, lowest, highest);
    let mark = columns(limit);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:>10}       p50       p99  end-to-end p99, limit at │",
        match answer.vary {
            Vary::Vehicles => "vehicles",
            Vary::Rate => "readings/s",
        }
    );
    for probe in trials {
        let filled = probe.end_to_end_p99_us.map_or(0, |us| columns(us as f64));
        let bar: String = (0..=BAR)
            .map(|column| match column {
                column if column == mark => '│',
                column if column < filled => '█',
                _ => ' ',
            })
            .collect();
        let ink = if probe.held() {
            Ink::Good
        } else {
            Ink::Caution
        };
        let line = format!(
            "{:>10} {:>9} {:>9}  {bar} {}",
            quantity::count(u64::from(probe.vehicles)),
            microseconds(probe.end_to_end_p50_us),
            microseconds(probe.end_to_end_p99_us),
            page.paint(ink, &outcome(probe)),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the width of a bar"
)]
fn columns(us: f64, lowest: f64, highest: f64) -> usize {
    let share = (us / lowest).ln() / (highest / lowest).ln();
    (share.clamp(0.0, 1.0) * BAR as f64).round() as usize
}

pub(super) fn microseconds(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), quantity::duration)
}
