//! Stdout and stderr of the process.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::str::FromStr;

use indicatif::{MultiProgress, ProgressDrawTarget};
use rustix::termios::tcgetwinsize;

use crate::terminal::errors::render;
use crate::text::{Ink, Page};

/// Form of the progress display.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// Bars if stderr is a terminal, otherwise plain lines.
    #[default]
    Auto,
    /// Plain lines.
    Never,
}

impl FromStr for ProgressMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => Err("expected `auto` or `never`".to_owned()),
        }
    }
}

impl fmt::Display for ProgressMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Never => "never",
        })
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
    colors: Colors,
}

impl Terminal {
    /// Detects whether stderr is a terminal that can move its cursor: with `TERM=dumb` it gets plain
    /// lines.
    pub fn new(mode: ProgressMode, colors: Colors) -> Self {
        let stderr = ProgressDrawTarget::stderr();
        let draws_bars = mode == ProgressMode::Auto && !stderr.is_hidden();
        let target = if draws_bars {
            stderr
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            draws_bars,
            colors,
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
            self.bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        self
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
