//! Settings of `convoy ab`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::report::JudgeSettings;
use crate::settings::simulate::SimulateSettings;

/// Settings of `convoy ab`.
#[derive(Debug, Clone, PartialEq)]
pub struct AbSettings {
    /// The base.
    pub a: Side,
    /// The candidate, which is judged.
    pub b: Side,
    /// Rounds of four trials: A, B, B, A.
    pub rounds: u32,
    /// Rounds up to which more are run while the sides seem to differ.
    pub max_rounds: u32,
    /// Rounds that confirm a difference before it becomes the verdict.
    pub confirm: u32,
    /// Seed of the first pair; each further pair has the next one.
    pub seed: u64,
    pub judge: JudgeSettings,
    /// Directory for results; the comparison gets a directory in it.
    pub output: PathBuf,
    /// How long an interrupted command may take to end.
    pub interrupt_timeout: Duration,
}

/// One side of `convoy ab`.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// Trials in this process.
    Here(Box<SimulateSettings>),
    /// Trials by another executable, each with servers of its own.
    Program(Program),
}

/// An executable of convoy that measures the trials of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    /// Arguments of `simulate` without `--seed` and `--output`.
    pub arguments: Vec<OsString>,
    /// How long one trial may take.
    pub deadline: Duration,
}
