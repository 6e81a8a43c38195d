//! `convoy capacity`: servers → trials, one after the other → answer.

use std::sync::Arc;
use std::time::Duration;

use crate::capacity::{
    Answer, Ended, Limits, Origin, Plan, Probe, Purpose, Search, Step, Terms, amount, assess,
    is_hopeless, progress_line, write_page, write_text,
};
use crate::command::trials::{Deadline, Prepared};
use crate::error::{Error, ExitStatus};
use crate::load::{Bound, Rate, Vary};
use crate::measure::RunClock;
use crate::pipeline::Interrupt;
use crate::report::{Machine, RunDirectory, rfc3339};
use crate::settings::{CapacitySettings, Format, Invocation, SimulateSettings};
use crate::terminal::Terminal;
use crate::text::quantity;
use crate::trial::{NoDisplay, Rows, StopRule, Tell, Testbed, Trial};

/// Message when the user interrupts.
const INTERRUPTED: &str =
    "interrupted: ending the trial, then writing the results so far; interrupt again to abort";

/// Trials that do not count because the hypervisor took CPU time; then all of them count.
const MOST_UNCOUNTED: usize = 3;

/// Runs the search and writes its answer.
pub fn run(
    settings: &CapacitySettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let simulate = &settings.simulate;
    let plans = simulate.faults.iter().cloned().collect();
    let prepared = Prepared::start(simulate, plans, INTERRUPTED, invocation, terminal)?;
    let Prepared {
        directory,
        rows,
        interrupt,
        testbed,
        ..
    } = prepared;
    let mut session = Session {
        settings,
        rows: &rows,
        testbed,
        interrupt: &interrupt,
        terminal,
        clock: RunClock::start(),
        machine: None,
    };
    let searched = session.search();
    let elapsed = session.elapsed();
    let origin = session.origin(prepared.run_id, prepared.clock, invocation);
    let stopped = session.testbed.stop(simulate, &interrupt, terminal);
    let search = searched?;
    let terms = Terms {
        max_end_to_end_p99_us: microseconds(settings.max_end_to_end_p99),
        elapsed_s: elapsed.as_secs_f64(),
    };
    let answer = Answer::new(&search, terms, origin);
    let presented = present(&answer, &directory, simulate.report.format, terminal);
    stopped.and(presented)?;
    let status = if answer.vehicles.is_some() || answer.is_bound() {
        ExitStatus::Success
    } else {
        ExitStatus::Failed
    };
    Ok(status.or_interrupted(interrupt.is_requested()))
}

/// Prints the answer on stdout, then writes its files.
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
    let files = [
        directory.add("capacity.json", |file| {
            Ok(serde_json::to_writer_pretty(file, answer)?)
        }),
        directory.add("capacity.html", |file| write_page(answer, file)),
    ];
    for file in files {
        let file = file?;
        if format == Format::Text {
            terminal
                .data(|stdout| writeln!(stdout, "{}", file.display()))
                .map_err(Error::Stdout)?;
        }
    }
    let nothing = answer.vehicles.is_none() && answer.ended != Ended::Interrupted;
    if nothing && answer.is_bound() {
        terminal.say("warning: no long trial confirmed the answer; raise `--budget`");
    } else if nothing {
        terminal.failure("no load was confirmed");
    }
    printed.map_err(Error::Stdout)
}

/// The trials of a search, and what makes the next one.
struct Session<'a> {
    settings: &'a CapacitySettings,
    rows: &'a Rows,
    testbed: Testbed,
    interrupt: &'a Interrupt,
    terminal: &'a Terminal,
    /// Started with the search.
    clock: RunClock,
    machine: Option<Machine>,
}

impl Session<'_> {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }

    /// Makes trials until the search ends. It ends in time: a trial that would take longer is ended.
    fn search(&mut self) -> Result<Search, Error> {
        let settings = self.settings;
        let mut search = Search::new(Plan {
            vary: settings.vary,
            from: settings.from,
            to: settings.max_vehicles,
            rate: settings.rate,
            precision: settings.precision,
            budget: settings.budget,
            warm_up: settings.simulate.load.warmup,
        });
        loop {
            if self.interrupt.is_requested() {
                search.end(Ended::Interrupted);
                return Ok(search);
            }
            let step = search.next(self.elapsed());
            let Step::Trial {
                vehicles,
                measured,
                purpose,
            } = step
            else {
                return Ok(search);
            };
            let vary = settings.vary;
            self.terminal
                .say(announced(&amount(vary, vehicles), measured, purpose));
            let trial = self.trial_settings(search.plan(), vehicles, measured, purpose);
            let patience = match purpose {
                Purpose::Ceiling => search.plan().patience(),
                _ => settings.budget,
            };
            let Some(mut probe) = self.trial(&trial, vehicles, purpose, patience)? else {
                let user = self.interrupt.is_requested();
                search.end(if user {
                    Ended::Interrupted
                } else {
                    Ended::Budget
                });
                return Ok(search);
            };
            probe.planned_s = measured.as_secs_f64();
            let uncounted = search.probes().iter().filter(|probe| !probe.counted);
            probe.counted |= uncounted.count() >= MOST_UNCOUNTED;
            self.terminal
                .say(format_args!("  {}", progress_line(&probe, vary)));
            if purpose == Purpose::Ceiling && probe.throughput_records_per_second.is_none() {
                tracing::warn!("the trial at an unlimited rate stored nothing");
            }
            search.record(probe);
        }
    }

    fn trial_settings(
        &self,
        plan: &Plan,
        vehicles: u32,
        measured: Duration,
        purpose: Purpose,
    ) -> SimulateSettings {
        let mut settings = self.settings.simulate.clone();
        match plan.vary {
            Vary::Vehicles => settings.load.vehicles = vehicles,
            Vary::Rate => settings.load.total_rate = Rate::per_second(f64::from(vehicles)).ok(),
        }
        settings.load.bound = Bound::Duration(measured);
        let drain = plan.drain(self.settings.max_end_to_end_p99);
        settings.writer.drain_timeout = settings.writer.drain_timeout.min(drain);
        if purpose == Purpose::Ceiling {
            settings.load.rate = Rate::Max;
            settings.load.total_rate = None;
            // Records of a warm-up at this rate would wait before the measured ones.
            settings.load.warmup = Duration::ZERO;
        }
        settings
    }

    /// Makes one trial; `None` if the user or the end of the budget interrupted it. A trial that takes
    /// longer than `patience` counts as far as it got.
    fn trial(
        &mut self,
        settings: &SimulateSettings,
        vehicles: u32,
        purpose: Purpose,
        patience: Duration,
    ) -> Result<Option<Probe>, Error> {
        let began = self.elapsed();
        let limits = Limits {
            end_to_end_p99_us: microseconds(self.settings.max_end_to_end_p99) as f64,
        };
        let rule = (purpose != Purpose::Ceiling)
            .then(|| StopRule::new(move |seen| is_hopeless(seen, limits)));
        let left = self.settings.budget.saturating_sub(began);
        let deadline = Deadline::start(self.interrupt, left.min(patience))?;
        let terminal = self.terminal;
        let outcome = self.testbed.trial(Trial {
            settings,
            rows: self.rows,
            observer: Arc::new(NoDisplay),
            stop_when: rule,
            interrupt: deadline.interrupt(),
            warn: Tell(&|line| terminal.say(line)),
        });
        let exhausted = deadline.is_over() && left <= patience;
        if exhausted || self.interrupt.is_requested() {
            return Ok(None);
        }
        let outcome = outcome?;
        let mut probe = assess(&outcome, limits, vehicles, purpose);
        probe.took_s = self.elapsed().saturating_sub(began).as_secs_f64();
        self.machine.get_or_insert(outcome.report.machine);
        Ok(Some(probe))
    }

    fn origin(&self, run_id: String, started: RunClock, invocation: &Invocation) -> Origin {
        let servers = self.testbed.servers();
        let addresses = &servers.addresses;
        Origin {
            run_id,
            command: invocation.line.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: rfc3339(started.epoch_unix_ms()),
            servers: format!(
                "broker {} {} · store {} {}",
                servers.broker_kind, addresses.broker, servers.store_kind, addresses.store
            ),
            settings: serde_json::to_value(&self.settings.simulate).unwrap_or_default(),
            machine: self.machine.clone(),
        }
    }
}

fn announced(amount: &str, measured: Duration, purpose: Purpose) -> String {
    let seconds = quantity::significant(measured.as_secs_f64());
    match purpose {
        Purpose::Ceiling => format!("{purpose}: an unlimited rate for {seconds} s"),
        _ => format!("{purpose}: {amount} for {seconds} s"),
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
