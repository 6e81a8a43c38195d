//! Options of `convoy doctor` and `convoy clean`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::reading::DatasetArgs;
use crate::dataset::SAMPLE_PATH;
use crate::settings::{Backend, Format};
use crate::{broker, store};

/// Shown after the help of `convoy doctor`.
pub const EXAMPLES: &str = "\
Examples:
  convoy doctor
  convoy doctor --backend containers --format json";

/// Shown after the help of `convoy clean`.
pub const CLEAN_EXAMPLES: &str = "\
Examples:
  convoy clean --dry-run
  convoy clean";

/// Options as clap parses them.
#[derive(Args)]
pub struct DoctorArgs {
    /// Servers to check: `auto`, `embedded`, `containers` or `external`.
    #[arg(short, long, value_name = "KIND", default_value = "auto")]
    pub backend: Backend,
    /// Dataset to check.
    #[arg(long, value_name = "PATH", default_value = SAMPLE_PATH)]
    pub dataset: PathBuf,
    #[command(flatten)]
    pub read: DatasetArgs,
    /// Directory for results to check.
    #[arg(short, long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,
    /// Image of the broker in a container.
    #[arg(long, value_name = "IMAGE", default_value = broker::container::IMAGE)]
    pub redpanda_image: String,
    /// Image of the store in a container.
    #[arg(long, value_name = "IMAGE", default_value = store::container::IMAGE)]
    pub mongo_image: String,
    /// Format of the findings on stdout: `text` or `json`.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// Options of `convoy clean`.
#[derive(Args)]
pub struct CleanArgs {
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
}
