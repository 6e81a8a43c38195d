//! Progress of a run: bars on a terminal, otherwise plain lines.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::measure::{Histogram, Interval, PartitionLoad, RunClock, Stages};
use crate::terminal::phase::{Expected, Phase, Snapshot};
use crate::terminal::streams::Terminal;
use crate::text::{Page, quantity};

/// Interval between plain lines of a phase.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Interval between steps of a spinner.
const SPINNER_PERIOD: Duration = Duration::from_millis(120);

/// Progress of one run. Dropping it ends the current phase.
#[derive(Debug)]
pub struct Progress {
    terminal: Terminal,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    phase: Phase,
    expected: Option<Expected>,
    bar: Option<ProgressBar>,
    /// Started with the phase.
    clock: RunClock,
    last: Snapshot,
    /// Whether the phase has reached its expected end.
    complete: bool,
    /// Share and text of the last [`Progress::done`].
    done: Option<(f64, String)>,
    /// Time of the last plain line since the start of the phase.
    last_line: Duration,
}

impl Current {
    /// Returns the time since the start of the phase.
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }
}

/// Columns of a phase's name.
const PHASE_WIDTH: usize = 13;

/// Columns of the shortest bar.
const BAR_WIDTH: usize = 16;

impl Progress {
    /// Starts a progress display without a phase.
    pub fn new(terminal: Terminal) -> Self {
        terminal.open_dashboard();
        Self {
            terminal,
            current: None,
        }
    }

    /// Starts a phase and ends the previous one.
    pub fn phase(&mut self, phase: Phase, expected: Option<Expected>) {
        self.finish();
        let empty = expected == Some(Expected::Duration(Duration::ZERO));
        let bar = self.terminal.draws_bars.then(|| {
            let bar = self.terminal.bars.add(ProgressBar::no_length());
            bar.set_style(style(expected.is_some()));
            bar.set_prefix(phase.to_string());
            bar.set_length(expected.map_or(0, length));
            bar.enable_steady_tick(SPINNER_PERIOD);
            bar
        });
        self.terminal.on_dashboard(|view| {
            view.state = vec![phase.to_string()];
            view.share = None;
        });
        if self.terminal.shows_lines() && !empty {
            match expected {
                Some(expected) => self.terminal.say(format_args!("{phase}: {expected}")),
                None => self.terminal.say(phase),
            }
        }
        self.current = Some(Current {
            phase,
            expected,
            bar,
            clock: RunClock::start(),
            last: Snapshot::default(),
            complete: false,
            done: None,
            last_line: Duration::ZERO,
        });
    }

    /// Updates the current phase; call it about once a second.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.last = *snapshot;
        let (state, share) = (
            self.state(self.expected(), snapshot),
            share(self.expected(), snapshot),
        );
        self.terminal.on_dashboard(|view| {
            view.state = state;
            view.share = share;
        });
        let Some(current) = &mut self.current else {
            return;
        };
        if current.bar.is_some() {
            let mut items = vec![reached(current.expected, snapshot)];
            items.extend(snapshot.items());
            let position = match current.expected {
                Some(Expected::Duration(_)) => milliseconds(snapshot.elapsed),
                Some(Expected::Records(_)) => snapshot.emitted,
                None => 0,
            };
            self.draw(Some(position), &items);
        } else if snapshot.elapsed.saturating_sub(current.last_line) >= LINE_PERIOD
            && self.terminal.shows_lines()
        {
            current.last_line = snapshot.elapsed;
            self.terminal.say(format_args!(
                "{}: {} · {} {} · {}",
                current.phase,
                reached(current.expected, snapshot),
                quantity::count(snapshot.stored),
                snapshot.arrived,
                snapshot.items().join(" · ")
            ));
        }
    }

    /// Returns the state of the current phase, the most important first.
    pub fn state(&self, expected: Option<Expected>, snapshot: &Snapshot) -> Vec<String> {
        let phase = self.current.as_ref().map(|current| current.phase);
        let phase = phase.map(|phase| format!("{phase} {}", reached(expected, snapshot)));
        phase.into_iter().chain(snapshot.items()).collect()
    }

    /// Shows a second on the dashboard, if there is one.
    pub fn second(
        &self,
        interval: &Interval,
        stages: &Stages<Histogram>,
        partitions: impl FnOnce() -> Vec<PartitionLoad>,
        consumes: bool,
    ) {
        self.terminal.on_dashboard(|view| {
            view.consumes = consumes;
            view.add(interval, stages, partitions());
        });
    }

    /// Ends the display.
    pub fn close(&mut self) {
        self.finish();
        self.terminal.restore();
    }

    fn expected(&self) -> Option<Expected> {
        self.current.as_ref()?.expected
    }

    /// Sets how many records the current phase has stored at its end, which is rarely that of a
    /// second, and whether it was not cut short.
    pub fn settle(&mut self, stored: u64, complete: bool) {
        if let Some(current) = &mut self.current {
            (current.last.stored, current.complete) = (stored, complete);
        }
    }

    /// Shows how many of a known number of things the current phase has done.
    pub fn done(&mut self, done: u64, of: u64, things: &str) {
        let Some(current) = &mut self.current else {
            return;
        };
        if of == 0 {
            return;
        }
        let text = format!(
            "{} / {} {things}",
            quantity::count(done),
            quantity::count(of)
        );
        current.done = Some((done as f64 / of as f64, text.clone()));
        let phase = current.phase;
        self.terminal.on_dashboard(|view| {
            view.state = vec![phase.to_string(), text.clone()];
            view.share = Some(done as f64 / of as f64);
        });
        if let Some(bar) = &current.bar {
            bar.set_length(of);
            self.draw(Some(done), &[text]);
        } else {
            let elapsed = current.elapsed();
            let due = elapsed.saturating_sub(current.last_line) >= LINE_PERIOD;
            if due && self.terminal.shows_lines() {
                current.last_line = elapsed;
                self.terminal.say(format_args!("{}: {text}", current.phase));
            }
        }
    }

    /// Shows a message about the current phase. One that does not fit beside a bar stands above it.
    pub fn message(&mut self, text: &str) {
        let Some(current) = &self.current else {
            return;
        };
        let columns = PHASE_WIDTH + text.chars().count();
        if current.bar.is_some() && self.terminal.stderr_page().fits(columns) {
            self.draw(None, &[text.to_owned()]);
        } else {
            self.terminal.say(format_args!("{}: {text}", current.phase));
        }
    }

    /// Ends the current phase. Its bar becomes a line that stays, with the totals of the phase.
    pub fn finish(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let on_dashboard = current.bar.is_none() && !self.terminal.shows_lines();
        match &current.bar {
            Some(bar) => bar.finish_and_clear(),
            None if on_dashboard => {}
            None => return,
        }
        if current.expected == Some(Expected::Duration(Duration::ZERO)) {
            return;
        }
        let (last, elapsed) = (current.last, current.elapsed());
        let stored = format!("{} {}", quantity::count(last.stored), last.arrived);
        let (share, items) = match current.expected {
            Some(Expected::Duration(expected)) => {
                let reached = if current.complete {
                    expected
                } else {
                    elapsed.min(expected)
                };
                let time = format!("{} / {}", seconds(reached), seconds(expected));
                let share = reached.as_secs_f64() / expected.as_secs_f64().max(1e-9);
                (Some(share), vec![time, stored])
            }
            Some(Expected::Records(records)) => {
                let emitted = if current.complete {
                    records
                } else {
                    last.emitted.min(records)
                };
                let of = quantity::count(records);
                let emitted_of = format!("{} / {of} emitted", quantity::count(emitted));
                let share = emitted as f64 / records.max(1) as f64;
                (Some(share), vec![emitted_of, stored, seconds(elapsed)])
            }
            None => {
                let mut items = current.done.clone().map(|(_, text)| vec![text]);
                let items = items.get_or_insert_default();
                items.push(seconds(elapsed));
                (
                    current.done.as_ref().map(|(share, _)| *share),
                    items.clone(),
                )
            }
        };
        let page = self.terminal.stderr_page();
        let line = finished(current.phase, share, items, &page);
        if on_dashboard {
            self.terminal
                .on_dashboard(|view| view.ended.push(line.trim_end().to_owned()));
        } else {
            self.terminal.write_stderr(line.as_bytes());
        }
    }

    /// Draws the bar of the current phase, with as many items as fit beside it.
    fn draw(&self, position: Option<u64>, items: &[String]) {
        let Some(current) = &self.current else {
            return;
        };
        let Some(bar) = &current.bar else {
            return;
        };
        let page = self.terminal.stderr_page();
        let mut items = items.to_vec();
        while items.len() > 1 && !page.fits(PHASE_WIDTH + columns(&items)) {
            items.pop();
        }
        let known = current.expected.is_some() || bar.length().unwrap_or_default() > 0;
        let room = page.fits(PHASE_WIDTH + BAR_WIDTH + columns(&items));
        bar.set_style(style(known && room));
        if !items.is_empty() {
            bar.set_message(items.join(" · "));
        }
        if let Some(position) = position {
            bar.set_position(position);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns which share of a phase is over, if its end is known.
fn share(expected: Option<Expected>, snapshot: &Snapshot) -> Option<f64> {
    Some(match expected? {
        Expected::Duration(expected) => {
            snapshot.elapsed.as_secs_f64() / expected.as_secs_f64().max(1e-9)
        }
        Expected::Records(records) => snapshot.emitted as f64 / records.max(1) as f64,
    })
}

/// Returns the line of a phase that has ended.
fn finished(phase: Phase, share: Option<f64>, mut items: Vec<String>, page: &Page) -> String {
    while items.len() > 1 && !page.fits(PHASE_WIDTH + columns(&items)) {
        items.pop();
    }
    let mut line = format!("{phase:<12} ");
    let room = page.fits(PHASE_WIDTH + BAR_WIDTH + columns(&items));
    if let Some(share) = share.filter(|_| room) {
        let filled = (1..=BAR_WIDTH).filter(|block| *block as f64 <= share * BAR_WIDTH as f64);
        let filled = filled.count();
        let empty = "░".repeat(BAR_WIDTH - filled);
        let _ = write!(line, "{}{empty} ", "█".repeat(filled));
    }
    line.push_str(&items.join(" · "));
    line.push('\n');
    line
}

/// Columns of items joined to a line, and of the blanks around it.
fn columns(items: &[String]) -> usize {
    let joined: usize = items.iter().map(|item| item.chars().count() + 3).sum();
    joined + 1
}

/// Returns how far a phase is.
fn reached(expected: Option<Expected>, snapshot: &Snapshot) -> String {
    match expected {
        Some(Expected::Duration(expected)) => {
            let elapsed = snapshot.elapsed.min(expected);
            format!("{} / {}", seconds(elapsed), seconds(expected))
        }
        Some(Expected::Records(records)) => {
            let emitted = quantity::count(snapshot.emitted.min(records));
            format!("{emitted} / {} emitted", quantity::count(records))
        }
        None => seconds(snapshot.elapsed),
    }
}

/// Formats a time in whole seconds, or exactly if it is shorter than two.
fn seconds(duration: Duration) -> String {
    let whole = Duration::from_secs(duration.as_secs());
    let shown = if duration.as_secs() < 2 {
        Duration::from_millis(milliseconds(duration))
    } else {
        whole
    };
    humantime::format_duration(shown).to_string()
}

fn style(bar: bool) -> ProgressStyle {
    let template = if bar {
        "{prefix:12} {wide_bar} {msg}"
    } else {
        "{prefix:12} {wide_msg}"
    };
    ProgressStyle::with_template(template).expect("the templates above are valid")
}

fn length(expected: Expected) -> u64 {
    match expected {
        Expected::Duration(duration) => milliseconds(duration),
        Expected::Records(records) => records,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::phase::{Arrived, Waiting};

    fn snapshot(p99: Option<u64>) -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs(3),
            emitted: 152,
            stored: 150,
            arrived: Arrived::Stored,
            waiting: Waiting::Backlog(12_853),
            rate: 9_601.2,
            end_to_end_p99_us: p99,
        }
    }

    #[test]
    fn styles_parse() {
        for bar in [false, true] {
            let _valid = style(bar);
        }
    }

    #[test]
    fn snapshot_shows_rate_backlog_and_p99_as_the_report_does() {
        assert_eq!(
            snapshot(Some(9_601_000)).items(),
            ["9,601 records/s", "backlog 12,853", "p99 9.60 s"]
        );
        let consumer = Snapshot {
            waiting: Waiting::Lag(Some(1_200)),
            ..snapshot(None)
        };
        assert_eq!(consumer.items()[1], "lag 1,200");
    }

    #[test]
    fn p99_is_unknown_while_nothing_is_stored() {
        assert_eq!(snapshot(None).items()[2], "p99 –");
    }

    #[test]
    fn finished_phase_is_full_and_has_totals() {
        let items = || vec!["2s / 2s".to_owned(), "1,000 stored".to_owned()];
        let line = |share, columns| {
            let page = Page::new(Some(columns), false);
            finished(Phase::WarmUp, Some(share), items(), &page)
        };
        assert_eq!(
            line(1.0, 80),
            "warm-up      ████████████████ 2s / 2s · 1,000 stored\n"
        );
        assert_eq!(line(1.0, 40), "warm-up      2s / 2s · 1,000 stored\n");
        assert_eq!(line(1.0, 30), "warm-up      2s / 2s\n");
        // An interrupted phase is not full.
        assert!(line(0.5, 80).contains("████████░░░░░░░░ "));
    }

    #[test]
    fn progress_names_the_end_of_a_phase() {
        let of = |expected| reached(expected, &snapshot(None));
        let ten = Duration::from_secs(10);
        assert_eq!(of(Some(Expected::Duration(ten))), "3s / 10s");
        let records = Expected::Records(200_000);
        assert_eq!(of(Some(records)), "152 / 200,000 emitted");
        assert_eq!(of(None), "3s");
    }
}
