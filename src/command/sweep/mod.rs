//! `convoy sweep`: servers → trials of all combinations in random order → answer.

use std::sync::Arc;
use std::time::Duration;

use crate::command::trials::{Deadline, Prepared};
use crate::error::{Error, ExitStatus};
use crate::measure::RunClock;
use crate::pipeline::Interrupt;
use crate::report::{Report, RunDirectory};
use crate::settings::{Combination, Format, Invocation, SimulateSettings, SweepSettings};
use crate::sweep::{
    Answer, Candidate, Choice, Objective, Value, answer, flags, shuffled, write_text,
};
use crate::terminal::Terminal;
use crate::text::quantity;
use crate::trial::{NoDisplay, Rows, Tell, Testbed, Trial, TrialOutcome};

/// Message when the user interrupts.
const INTERRUPTED: &str =
    "interrupted: ending the trial, then comparing what was measured; interrupt again to abort";

/// Runs the trials and compares the combinations.
pub fn run(
    settings: &SweepSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let first = settings.combinations.first();
    let first = &first.ok_or(Error::Bug("a sweep has no settings"))?.simulate;
    let plans = settings.combinations.iter();
    let plans = plans.filter_map(|it| it.simulate.faults.clone()).collect();
    let Prepared {
        directory,
        rows,
        interrupt,
        testbed,
        ..
    } = Prepared::start(first, plans, INTERRUPTED, invocation, terminal)?;
    let mut session = Session {
        settings,
        rows: &rows,
        testbed,
        interrupt: &interrupt,
        terminal,
        clock: RunClock::start(),
        longest: Duration::ZERO,
        measured: settings.combinations.iter().map(Measured::new).collect(),
    };
    let made = session.all_rounds();
    let servers = session.testbed.servers();
    let servers = format!(
        "broker {} · store {}",
        servers.broker_kind, servers.store_kind
    );
    let Session {
        testbed, measured, ..
    } = session;
    let stopped = testbed.stop(first, &interrupt, terminal);
    let rounds = made?;
    stopped?;
    let candidates = measured.into_iter().map(|it| it.candidate(settings));
    let answer = Answer {
        objectives: settings.objectives.clone(),
        candidates: answer(candidates.collect()),
        rounds,
        planned_rounds: settings.repeats,
        command: invocation.line.clone(),
        servers,
    };
    present(&answer, &directory, first.report.format, terminal)?;
    let status = match answer.recommended() {
        Some(_) => ExitStatus::Success,
        None => ExitStatus::Failed,
    };
    Ok(status.or_interrupted(interrupt.is_requested()))
}

/// Prints the answer on stdout, then writes its file.
fn present(
    answer: &Answer,
    directory: &RunDirectory,
    format: Format,
    terminal: &Terminal,
) -> Result<(), Error> {
    let printed = terminal.data(|stdout| match format {
        Format::Text => write!(stdout, "{}", write_text(answer, &terminal.page())),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *stdout, answer)?;
            writeln!(stdout)
        }
    });
    let file = directory.add("sweep.json", |file| {
        Ok(serde_json::to_writer_pretty(file, answer)?)
    })?;
    if answer.recommended().is_none() {
        terminal.failure("no combination was measured without a failure");
    }
    terminal.say(file.display());
    printed.map_err(Error::Stdout)
}

/// Trials of one combination.
struct Measured {
    varied: Vec<(String, String)>,
    /// Values of each trial, in the order of the objectives.
    trials: Vec<Vec<f64>>,
    failure: Option<String>,
}

impl Measured {
    fn new(combination: &Combination) -> Self {
        Self {
            varied: combination.varied.clone(),
            trials: Vec::new(),
            failure: None,
        }
    }

    fn candidate(self, settings: &SweepSettings) -> Candidate {
        let objectives = settings.objectives.iter().enumerate();
        let values = objectives.filter_map(|(index, objective)| {
            let of_trials = self.trials.iter().map(|values| values[index]);
            Value::new(*objective, of_trials.collect())
        });
        Candidate {
            values: values.collect(),
            trials: u32::try_from(self.trials.len()).unwrap_or(u32::MAX),
            settings: self.varied,
            failure: self.failure,
            choice: Choice::NotTried,
        }
    }
}

/// The trials so far, and what makes the next one.
struct Session<'a> {
    settings: &'a SweepSettings,
    rows: &'a Rows,
    testbed: Testbed,
    interrupt: &'a Interrupt,
    terminal: &'a Terminal,
    /// Started with the sweep.
    clock: RunClock,
    /// Longest trial so far.
    longest: Duration,
    measured: Vec<Measured>,
}

impl Session<'_> {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }

    /// Makes all trials that the budget has time for. Returns the number of complete rounds.
    fn all_rounds(&mut self) -> Result<u32, Error> {
        let count = self.settings.combinations.len();
        let seed = self.settings.combinations[0].simulate.load.seed;
        for round in 0..self.settings.repeats {
            for index in shuffled(count, seed, u64::from(round)) {
                let over = self.elapsed() + self.longest > self.settings.budget;
                if over || !self.trial(index, round)? {
                    if !self.interrupt.is_requested() {
                        self.terminal
                            .say("the budget has no time for another trial");
                    }
                    return Ok(round);
                }
            }
        }
        Ok(self.settings.repeats)
    }

    /// Makes one trial; `false` if the user or the end of the budget interrupted it. Trials of one
    /// round have one seed.
    fn trial(&mut self, index: usize, round: u32) -> Result<bool, Error> {
        let combination = &self.settings.combinations[index];
        if self.measured[index].failure.is_some() {
            return Ok(true);
        }
        let mut settings: SimulateSettings = combination.simulate.clone();
        settings.load.seed = settings.load.seed.wrapping_add(u64::from(round));
        let began = self.elapsed();
        let left = self.settings.budget.saturating_sub(began);
        let deadline = Deadline::start(self.interrupt, left)?;
        let terminal = self.terminal;
        let outcome = self.testbed.trial(Trial {
            settings: &settings,
            rows: self.rows,
            observer: Arc::new(NoDisplay),
            stop_when: None,
            interrupt: deadline.interrupt(),
            warn: Tell(&|line| terminal.say(line)),
        });
        if deadline.is_over() || self.interrupt.is_requested() {
            return Ok(false);
        }
        let outcome = outcome?;
        self.longest = self.longest.max(self.elapsed().saturating_sub(began));
        let measured = &mut self.measured[index];
        let shown = match values(&outcome, &self.settings.objectives) {
            Ok(values) => {
                measured.trials.push(values);
                summary(&outcome.report)
            }
            Err(failure) => measured.failure.insert(failure).clone(),
        };
        let line = flags(&Candidate {
            settings: combination.varied.clone(),
            trials: 0,
            failure: None,
            values: Vec::new(),
            choice: Choice::NotTried,
        });
        self.terminal
            .say(format_args!("round {}: {line}: {shown}", round + 1));
        Ok(true)
    }
}

/// Returns the values of a trial in the order of the objectives, or why it does not count.
fn values(outcome: &TrialOutcome, objectives: &[Objective]) -> Result<Vec<f64>, String> {
    if let Some(failure) = &outcome.failure {
        return Err(crate::cause::chain(failure));
    }
    let report = &outcome.report;
    if let Some(reason) = report.failures().first() {
        return Err(reason.clone());
    }
    let stages = &report.summary.stages;
    let value = |objective: &Objective| match objective {
        Objective::Throughput => report.summary.throughput_records_per_second,
        Objective::EndToEndP50 => stages.end_to_end_latency.p50_us.map(|us| us as f64),
        Objective::EndToEndP99 => stages.end_to_end_latency.p99_us.map(|us| us as f64),
        Objective::CpuPerRecord => report.cpu.total_us(),
    };
    objectives
        .iter()
        .map(|objective| value(objective).ok_or_else(|| format!("{objective} is unknown")))
        .collect()
}

fn summary(report: &Report) -> String {
    let stored = report.summary.throughput_records_per_second;
    let stored = stored.map_or_else(|| "–".to_owned(), quantity::rate);
    let p99 = report.summary.stages.end_to_end_latency.p99_us;
    let p99 = p99.map_or_else(|| "–".to_owned(), quantity::duration);
    format!("{stored} records/s, p99 {p99}")
}
