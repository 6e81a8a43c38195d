//! The user's terminal: stdout is data, stderr is talk.
//!
//! Nothing else in the crate prints. Talk that cannot be written is dropped, because a closed
//! stderr is no reason to lose a run; data that cannot be written is an error, unless its reader
//! closed the pipe.

pub mod errors;
pub mod logging;
pub mod progress;

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use indicatif::{MultiProgress, ProgressDrawTarget};

pub use progress::{Arrived, Expected, Phase, Progress, Snapshot};

/// Whether progress is drawn as bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// Bars where stderr is a terminal, plain lines elsewhere.
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

/// Both streams of the user's terminal. Clones share it.
#[derive(Debug, Clone)]
pub struct Terminal {
    bars: MultiProgress,
    draws_bars: bool,
    colored: bool,
    verbosity: Verbosity,
}

impl Terminal {
    /// Looks at what the standard streams are; `colored` is false where the user wants no color.
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

    /// Writes data to stdout. A reader that went away (`| head`) is no error.
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

    /// Prints one or more lines on stderr, unless it gets errors only.
    pub fn say(&self, text: impl fmt::Display) {
        if self.verbosity > Verbosity::Errors {
            self.talk(format!("{text}\n").as_bytes());
        }
    }

    /// Says what failed, why, and what to do about it.
    pub fn error(&self, error: &dyn Error, hint: Option<&str>) {
        let text = errors::render(error, hint, self.colored);
        self.talk(format!("{text}\n").as_bytes());
    }

    /// Starts showing progress.
    pub fn progress(&self) -> Progress {
        Progress::new(self.clone())
    }

    fn talk(&self, bytes: &[u8]) {
        self.bars.suspend(|| {
            let _unwritable = io::stderr().lock().write_all(bytes);
        });
    }
}
