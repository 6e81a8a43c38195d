//! `convoy ab`: warm up → rounds of A B B A → compare → confirm a difference, or run more → report.

mod here;
mod looks;
mod order;
mod program;

use std::path::{Path, PathBuf};

use crate::command::judge::present_comparison;
use crate::error::{Error, ExitStatus};
use crate::host::interrupt::{Interruptible, listen};
use crate::host::sweep;
use crate::measure::RunClock;
use crate::pipeline::Interrupt;
use crate::report::comparison::{
    ComparedRun, Comparison, Design, MetricComparison, Strictness, Verdict, compare, confirm,
};
use crate::report::{Report, RunDirectory, Status, quantity, save_report};
use crate::run_id::new_run_id;
use crate::settings::{AbSettings, Invocation, Side};
use crate::statistics::MAX_PAIRS;
use crate::terminal::{Terminal, start_logging};

use here::Here;
use looks::{Look, looks};
use order::{PAIRS_PER_ROUND, Which, pair};
use program::measure;

/// Message when the user interrupts.
const INTERRUPTED: &str =
    "interrupted: ending the trial, then comparing what was measured; interrupt again to abort";

/// Probability of values as far apart if the sides are equal, below which a metric seems to differ.
const LEANS: f64 = 0.2;

/// Runs the trials of both sides and compares them.
pub fn run(
    settings: &AbSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::start();
    let id = new_run_id(clock);
    let directory = RunDirectory::create(&settings.output, &id)?;
    let filter = invocation.log_filter.as_deref();
    start_logging(terminal, &directory.log(), filter);
    sweep::sweep_own_directories();
    let interruptible = Interruptible {
        timeout: settings.interrupt_timeout,
        report: Some(directory.path().to_owned()),
    };
    let interrupt = listen(interruptible, terminal, || INTERRUPTED)?;
    let mut bench = Bench {
        settings,
        terminal,
        interrupt: &interrupt,
        directory: directory.path(),
        here: Here::start(settings, invocation, &id, &interrupt, terminal)?,
        a: Vec::new(),
        b: Vec::new(),
    };
    let ran = bench.all_rounds();
    let stopped = bench
        .here
        .map_or(Ok(()), |here| here.stop(&interrupt, terminal));
    let found = ran?;
    stopped?;
    let comparison = found.ok_or(Error::Interrupted)?;
    let file = directory.save_comparison(&comparison)?;
    let status = present_comparison(&comparison, settings.judge, terminal)?;
    terminal.say(format_args!("{}", file.display()));
    Ok(status.or_interrupted(interrupt.is_requested()))
}

/// Returns whether a comparison is inconclusive, but has a metric that seems to differ.
fn leans(found: &Comparison) -> bool {
    let margin = found.strictness.threshold.ln_1p();
    let differs =
        |metric: &MetricComparison| metric.ratio.ln().abs() > margin && metric.p_value < LEANS;
    found.verdict == Verdict::Inconclusive && found.metrics.iter().any(differs)
}

fn differs(found: &Comparison) -> bool {
    matches!(found.verdict, Verdict::Slower | Verdict::Faster)
}

fn compared(settings: &AbSettings, confidence: f64, a: &[Trialled], b: &[Trialled]) -> Comparison {
    let asked = settings.judge.strictness;
    let strictness = Strictness {
        confidence,
        ..asked
    };
    let mut found = compare(&runs(a), &runs(b), Design::Paired, strictness);
    // All looks together have the confidence that was asked for.
    found.strictness = asked;
    found
}

fn runs(trials: &[Trialled]) -> Vec<ComparedRun<'_>> {
    trials
        .iter()
        .map(|trial| ComparedRun {
            name: &trial.name,
            report: &trial.report,
        })
        .collect()
}

/// A finished trial.
struct Trialled {
    /// Path of its report.
    name: String,
    report: Report,
}

/// The trials so far, and what makes the next one.
struct Bench<'a> {
    settings: &'a AbSettings,
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
    directory: &'a Path,
    /// Servers in this process; `None` if other executables bring theirs.
    here: Option<Here>,
    a: Vec<Trialled>,
    b: Vec<Trialled>,
}

impl Bench<'_> {
    /// Runs all rounds, and those that confirm a difference. Returns the comparison of all pairs;
    /// `None` if the user interrupted the first one.
    fn all_rounds(&mut self) -> Result<Option<Comparison>, Error> {
        self.terminal
            .say("warm-up: one trial of each side, not counted");
        for side in pair(0) {
            if self.trial(side, 0)?.is_none() {
                return Ok(None);
            }
        }
        let (settings, confirming) = (self.settings, self.settings.confirm * PAIRS_PER_ROUND);
        let confidence = settings.judge.strictness.confidence;
        let most = u32::try_from(MAX_PAIRS).unwrap_or(u32::MAX);
        let looks = looks(
            settings.rounds,
            settings.max_rounds,
            confirming,
            most,
            confidence,
        );
        let mut found = None;
        for (index, look) in looks.iter().enumerate() {
            let done = self.pairs(look.pairs)?;
            if self.a.is_empty() {
                return Ok(None);
            }
            let mut seen = self.compared(look);
            if done && differs(&seen) && confirming > 0 {
                self.terminal
                    .say(format_args!("{}; confirming it", seen.sentence()));
                seen = self.confirmed(look, confirming)?;
            }
            let later = &looks[index + 1..];
            let worthwhile = leans(&seen) || self.settles(&seen, later);
            let goes_on = done && worthwhile && !later.is_empty();
            if goes_on {
                self.terminal
                    .say(format_args!("{}; running more rounds", seen.sentence()));
            }
            found = Some(seen);
            if !goes_on || self.interrupt.is_requested() {
                break;
            }
        }
        Ok(found)
    }

    /// Returns whether an inconclusive comparison would probably be settled by one of the later looks.
    fn settles(&self, seen: &Comparison, later: &[Look]) -> bool {
        let enough = |look: &Look| {
            let have = u64::try_from(self.a.len()).unwrap_or(u64::MAX);
            let more = self.compared(look).more;
            more.is_some_and(|more| have.saturating_add(more) <= u64::from(look.pairs))
        };
        seen.verdict == Verdict::Inconclusive && later.iter().any(enough)
    }

    fn compared(&self, look: &Look) -> Comparison {
        compared(self.settings, look.confidence, &self.a, &self.b)
    }

    /// Runs further pairs, and compares all of them. Differences must hold in the further ones alone.
    fn confirmed(&mut self, look: &Look, confirming: u32) -> Result<Comparison, Error> {
        let first = self.a.len();
        let pairs = u32::try_from(first).unwrap_or(u32::MAX);
        self.pairs(pairs.saturating_add(confirming))?;
        let mut all = self.compared(look);
        let (a, b) = (&self.a[first..], &self.b[first..]);
        confirm(&mut all, &compared(self.settings, look.confidence, a, b));
        Ok(all)
    }

    /// Runs pairs until there are this many. Returns whether the user let it.
    fn pairs(&mut self, until: u32) -> Result<bool, Error> {
        let done = u32::try_from(self.a.len()).unwrap_or(until);
        for index in done..until {
            let mut trials = Vec::new();
            for side in pair(index) {
                let Some(trial) = self.trial(side, index + 1)? else {
                    return Ok(false);
                };
                trials.push((side, trial));
            }
            for (side, trial) in trials {
                match side {
                    Which::A => self.a.push(trial),
                    Which::B => self.b.push(trial),
                }
            }
            self.terminal.say(self.line(index + 1, until));
        }
        Ok(true)
    }

    /// Makes one trial; `None` if the user interrupted it. Trials of one number have one seed.
    fn trial(&mut self, which: Which, number: u32) -> Result<Option<Trialled>, Error> {
        if self.interrupt.is_requested() {
            return Ok(None);
        }
        let (side, name) = match which {
            Which::A => (&self.settings.a, "a"),
            Which::B => (&self.settings.b, "b"),
        };
        let seed = self.settings.seed.wrapping_add(u64::from(number));
        let directory = match number {
            0 => self.directory.join("warm-up").join(name),
            number => self.directory.join(name).join(format!("{number:03}")),
        };
        let report = match (side, &mut self.here) {
            (Side::Program(program), _) => measure(program, seed, &directory, self.interrupt)?,
            (Side::Here(side), Some(here)) => {
                Some(here.measure(which, side, seed, self.interrupt, self.terminal)?)
            }
            (Side::Here(_), None) => return Err(Error::Bug("a side has no servers")),
        };
        let Some(report) = report else {
            return Ok(None);
        };
        if self.interrupt.is_requested() || report.status == Status::Interrupted {
            return Ok(None);
        }
        if number > 0 && matches!(side, Side::Here(_)) {
            save_report(&directory, &report)?;
        }
        Ok(Some(Trialled {
            name: shown(&directory),
            report,
        }))
    }

    /// Returns the last pair in a line.
    fn line(&self, number: u32, of: u32) -> String {
        let found = match (self.a.last(), self.b.last()) {
            (Some(a), Some(b)) => compared(
                self.settings,
                self.settings.judge.strictness.confidence,
                std::slice::from_ref(a),
                std::slice::from_ref(b),
            ),
            _ => return String::new(),
        };
        let values = |metric: &MetricComparison| {
            format!(
                "{} {} → {}",
                metric.metric.title(),
                metric.metric.show(metric.base_median),
                metric.metric.show(metric.candidate_median)
            )
        };
        let metrics: Vec<String> = found.metrics.iter().map(values).collect();
        let (number, of) = (quantity::count(number.into()), quantity::count(of.into()));
        format!("pair {number} of {of}: {}", metrics.join(" · "))
    }
}

fn shown(path: &Path) -> String {
    PathBuf::from(path).display().to_string()
}
