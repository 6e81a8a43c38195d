//! Stdout and stderr of the process.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use crate::string_enum::string_enum;
use crate::terminal::dashboard::{Dashboard, View};
use crate::terminal::errors::render;
use crate::text::{Ink, Page};

string_enum! {
    /// Form of the progress display.
    Ui {
        /// Bars if stderr is a terminal that can draw, otherwise plain lines.
        Auto = "auto",
        /// Bars, if stderr can draw.
        Bar = "bar",
        /// Screens, if this process has a terminal.
        Dashboard = "dashboard",
        /// Plain lines.
        Plain = "plain",
        /// No progress, only messages.
        None = "none",
    }
}

/// How much stderr gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Errors,
    /// Errors, warnings, notes and progress.
    #[default]
    Warnings,
    /// Debug messages as well.
    Debug,
    /// Trace messages as well.
    Trace,
}

/// When a stream gets colors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colors {
    /// If it is a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colors {
    fn on(self, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Stdout and stderr. Clones share them.
#[derive(Debug, Clone)]
pub struct Terminal {
    pub(super) bars: MultiProgress,
    pub(super) draws_bars: bool,
    pub(super) verbosity: Verbosity,
    ui: Ui,
    colors: Colors,
    board: Arc<Mutex<Board>>,
}

/// The dashboard while it is shown, and what is written to stderr after it.
#[derive(Debug, Default)]
struct Board {
    dashboard: Option<Dashboard>,
    kept: Vec<u8>,
}

impl Terminal {
    /// Detects whether stderr is a terminal that can move its cursor: with `TERM=dumb` it gets plain
    /// lines.
    pub fn new(ui: Ui, colors: Colors) -> Self {
        let stderr = ProgressDrawTarget::stderr();
        let draws_bars = matches!(ui, Ui::Auto | Ui::Bar) && !stderr.is_hidden();
        let target = if draws_bars {
            stderr
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            draws_bars,
            ui,
            colors,
            board: Arc::default(),
            verbosity: Verbosity::default(),
        }
    }

    /// Returns width and colors of stdout.
    pub fn page(&self) -> Page {
        page(&io::stdout(), self.colors)
    }

    /// Returns width and colors of stderr.
    pub(super) fn stderr_page(&self) -> Page {
        page(&io::stderr(), self.colors)
    }

    /// Sets how much stderr gets.
    #[must_use]
    pub fn with_verbosity(mut self, verbosity: Verbosity) -> Self {
        self.verbosity = verbosity;
        if verbosity == Verbosity::Errors {
            self.draws_bars = false;
            self.ui = Ui::None;
            self.bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        self
    }

    /// Returns whether progress is shown as plain lines.
    pub(super) fn shows_lines(&self) -> bool {
        self.ui != Ui::None && !self.draws_bars && self.board().dashboard.is_none()
    }

    /// Starts a line at the bottom of the terminal, if it can draw and one is wanted.
    pub fn status_line(&self, wanted: bool) -> StatusLine {
        let shown = wanted && self.draws_bars;
        let bar = shown.then(|| {
            let bar = self.bars.add(ProgressBar::no_length());
            let style = ProgressStyle::with_template("{wide_msg}");
            bar.set_style(style.expect("the template is valid"));
            bar
        });
        StatusLine(bar)
    }

    /// Shows the dashboard, if it is wanted and this process has a terminal.
    pub(super) fn open_dashboard(&self) {
        if self.ui != Ui::Dashboard {
            return;
        }
        let drawn = !ProgressDrawTarget::stderr().is_hidden();
        let colored = self.colors.on(true);
        let dashboard = drawn.then(|| Dashboard::start(colored)).flatten();
        if dashboard.is_none() {
            self.say("note: there is no terminal for the dashboard; progress is plain lines");
        }
        self.board().dashboard = dashboard;
    }

    /// Changes what the dashboard shows, if there is one.
    pub(super) fn on_dashboard(&self, change: impl FnOnce(&mut View)) {
        if let Some(dashboard) = &self.board().dashboard {
            dashboard.change(change);
        }
    }

    /// Ends the dashboard, if there is one: restores the terminal and writes the messages that came
    /// meanwhile.
    pub fn restore(&self) {
        let mut board = self.board();
        if let Some(dashboard) = board.dashboard.take() {
            drop(dashboard);
            let kept = std::mem::take(&mut board.kept);
            drop(board);
            self.write_stderr(&kept);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes results to stdout. A closed pipe (`| head`) is not an error.
    pub fn data(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            write(&mut stdout).and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Writes lines to stderr, wrapped to its width, unless it gets errors only.
    pub fn say(&self, text: impl fmt::Display) {
        if self.verbosity > Verbosity::Errors {
            self.write_lines(&text.to_string());
        }
    }

    /// Writes why a command fails that has no error to show.
    pub fn failure(&self, reason: &str) {
        self.write_lines(&format!("error: {reason}"));
    }

    /// Writes lines to stderr, wrapped to its width. Labels of errors and warnings are colored.
    pub(super) fn write_lines(&self, text: &str) {
        let page = self.stderr_page();
        let labels = [("error:", Ink::Bad), ("warning:", Ink::Caution)];
        let mut text = page.paragraphs(text, 2);
        for (label, ink) in labels {
            if let Some(rest) = text.strip_prefix(label) {
                text = page.paint(ink, label) + rest;
            }
        }
        self.write_stderr(text.as_bytes());
    }

    /// Writes an error with its causes and a hint to stderr.
    pub fn error(&self, error: &dyn Error, hint: Option<&str>) {
        let text = render(error, hint, &self.stderr_page());
        self.write_stderr(format!("{text}\n").as_bytes());
    }

    pub(super) fn write_stderr(&self, bytes: &[u8]) {
        let mut board = self.board();
        if let Some(dashboard) = &board.dashboard {
            let text = String::from_utf8_lossy(bytes);
            dashboard.change(|view| view.say(&text));
            board.kept.extend_from_slice(bytes);
            return;
        }
        drop(board);
        self.bars.suspend(|| {
            let _unwritable = io::stderr().lock().write_all(bytes);
        });
    }
}

/// Returns width and colors of a stream; without a width if it is not a terminal.
fn page(stream: &(impl IsTerminal + AsFd), colors: Colors) -> Page {
    let is_terminal = stream.is_terminal();
    let size = tcgetwinsize(stream).ok().filter(|_| is_terminal);
    let columns = size.map(|size| usize::from(size.ws_col));
    // A pseudo-terminal that was never resized has no columns.
    Page::new(
        columns.filter(|columns| *columns > 0),
        colors.on(is_terminal),
    )
}

/// A line at the bottom of the terminal that changes. Dropping it removes it.
#[derive(Debug)]
pub struct StatusLine(Option<ProgressBar>);

impl StatusLine {
    /// Returns whether there is a terminal that shows it.
    pub fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Changes its text.
    pub fn show(&self, text: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(text.to_owned());
            bar.tick();
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
