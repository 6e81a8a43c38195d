//! One file per command. Each runs with its settings and returns an exit status.
//!
//! `workload.rs` is shared by the commands that emit, `trials/` by those with several trials,
//! `judge.rs` by comparisons.

mod ab;
mod capacity;
mod clean;
mod consume;
mod dataset;
mod directory;
mod doctor;
mod judge;
mod manual;
mod open_files;
mod produce;
mod report;
mod simulate;
mod sweep;
mod trials;
mod up;
mod workload;

use crate::error::{Error, ExitStatus};
use crate::settings::{
    AbSettings, CapacitySettings, CleanSettings, CompareSettings, ConsumeSettings, ExportSettings,
    GenerateSettings, InspectSettings, Invocation, ManualSettings, MergeSettings, PageSettings,
    ProduceSettings, ReportSettings, SchemaSettings, ShowSettings, SimulateSettings, SweepSettings,
    UpSettings,
};
use crate::summary::{check_outputs, record_failure};
use crate::terminal::Terminal;

/// A command with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `convoy simulate`.
    Simulate(Box<SimulateSettings>),
    /// `convoy ab`.
    Ab(Box<AbSettings>),
    /// `convoy produce`.
    Produce(Box<ProduceSettings>),
    /// `convoy consume`.
    Consume(Box<ConsumeSettings>),
    /// `convoy capacity`.
    Capacity(Box<CapacitySettings>),
    /// `convoy sweep`.
    Sweep(Box<SweepSettings>),
    /// `convoy report merge`.
    MergeReports(Box<MergeSettings>),
    /// `convoy report compare`.
    CompareReports(Box<CompareSettings>),
    /// `convoy report show`.
    ShowReport(ShowSettings),
    /// `convoy report export`.
    ExportReports(ExportSettings),
    /// `convoy report html`.
    WritePages(PageSettings),
    /// `convoy up`.
    Up(Box<UpSettings>),
    /// `convoy dataset inspect`.
    InspectDataset(Box<InspectSettings>),
    /// `convoy dataset schema`.
    DatasetSchema(Box<SchemaSettings>),
    /// `convoy dataset generate`.
    GenerateDataset(GenerateSettings),
    /// `convoy doctor`.
    Doctor(Box<SimulateSettings>),
    /// `convoy clean`.
    Clean(CleanSettings),
    /// `convoy man --dir`.
    WriteManual(ManualSettings),
}

impl Command {
    /// Returns where the command writes its report, if it makes one.
    fn report_settings(&self) -> Option<&ReportSettings> {
        match self {
            Self::Simulate(settings) => Some(&settings.report),
            Self::Produce(settings) => Some(&settings.report),
            Self::Consume(settings) => Some(&settings.report),
            Self::MergeReports(settings) => Some(&settings.report),
            _ => None,
        }
    }
}

/// Runs a command to its end.
pub fn run(
    command: &Command,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let outputs = command.report_settings();
    if let Some(outputs) = outputs {
        check_outputs(outputs)?;
    }
    let ended = dispatch(command, invocation, terminal);
    if let (Some(outputs), Err(error)) = (outputs, &ended)
        && let Err(unwritten) = record_failure(outputs, error)
    {
        terminal.error(&unwritten, unwritten.hint().as_deref());
    }
    ended
}

fn dispatch(
    command: &Command,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    match command {
        Command::Simulate(settings) => simulate::run(settings, invocation, terminal),
        Command::Ab(settings) => ab::run(settings, invocation, terminal),
        Command::Produce(settings) => produce::run(settings, invocation, terminal),
        Command::Consume(settings) => consume::run(settings, invocation, terminal),
        Command::Capacity(settings) => capacity::run(settings, invocation, terminal),
        Command::Sweep(settings) => sweep::run(settings, invocation, terminal),
        Command::MergeReports(settings) => report::merge(settings, invocation, terminal),
        Command::CompareReports(settings) => report::compare(settings, terminal),
        Command::ExportReports(settings) => report::export(settings, terminal),
        Command::WritePages(settings) => report::write_pages(settings, terminal),
        Command::ShowReport(settings) => report::show(settings, terminal),
        Command::Up(settings) => up::run(settings, invocation, terminal),
        Command::InspectDataset(settings) => dataset::inspect(settings, terminal),
        Command::DatasetSchema(settings) => dataset::schema(settings, terminal),
        Command::GenerateDataset(settings) => dataset::generate(settings, terminal),
        Command::Doctor(settings) => doctor::run(settings, &invocation.docker_env, terminal),
        Command::Clean(settings) => clean::run(settings, &invocation.docker_env, terminal),
        Command::WriteManual(settings) => manual::write(settings),
    }
}
