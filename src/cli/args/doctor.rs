//! Options of `convoy doctor` and `convoy clean`.

use clap::Args;

use crate::cli::args::simulate::SimulateArgs;

/// Shown after the help of `convoy doctor`.
pub const EXAMPLES: &str = "\
Examples:
  convoy doctor --backend containers --format json
  convoy doctor --backend external";

/// Shown after the help of `convoy clean`.
pub const CLEAN_EXAMPLES: &str = "\
Examples:
  convoy clean --dry-run
  convoy clean";

/// Options as clap parses them: those of `simulate`, for which `doctor` answers.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub simulate: SimulateArgs,
}

/// Options of `convoy clean`.
#[derive(Args)]
pub struct CleanArgs {
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
}
