//! Stdout and stderr of the process.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::terminal::errors::render;

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

/// Stdout and stderr. Clones share them.
#[derive(Debug, Clone)]
pub struct Terminal {
    pub(super) bars: MultiProgress,
    pub(super) draws_bars: bool,
    pub(super) verbosity: Verbosity,
    colored: bool,
}

impl Terminal {
    /// Detects whether stderr is a terminal. Colors need a terminal and `colored`.
    pub fn new(mode: ProgressMode, colored: bool) -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        let draws_bars = mode == ProgressMode::Auto && stderr_is_terminal;
        let target = if draws_bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            draws_bars,
            colored: colored && stderr_is_terminal,
            verbosity: Verbosity::default(),
        }
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

    /// Writes lines to stderr, unless it gets errors only.
    pub fn say(&self, text: impl fmt::Display) {
        if self.verbosity > Verbosity::Errors {
            self.write_stderr(format!("{text}\n").as_bytes());
        }
    }

    /// Writes an error with its causes and a hint to stderr.
    pub fn error(&self, error: &dyn Error, hint: Option<&str>) {
        let text = render(error, hint, self.colored);
        self.write_stderr(format!("{text}\n").as_bytes());
    }

    pub(super) fn write_stderr(&self, bytes: &[u8]) {
        self.bars.suspend(|| {
            let _unwritable = io::stderr().lock().write_all(bytes);
        });
    }
}
