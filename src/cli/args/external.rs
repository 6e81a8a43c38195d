//! Options of a run whose consumer is another program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::parse;
use crate::settings::ConsumerKind;

/// The consumer of a run.
#[derive(Args)]
#[command(next_help_heading = "Pipeline")]
pub struct ConsumerArgs {
    /// Program that stores the records: `convoy` or `external`.
    ///
    /// With `external` it is your own: convoy emits the readings with their identity in the payload,
    /// and audits `--collection` of `--database`: what is missing, duplicated, corrupt or reordered.
    /// With the embedded store it also measures the latency until each document is durable.
    #[arg(
        long,
        value_name = "KIND",
        default_value = "convoy",
        hide_short_help = true
    )]
    pub consumer: ConsumerKind,

    /// Command that runs the external consumer, such as `python consumer.py`.
    ///
    /// A shell runs it in a process group of its own. It gets the variables that `convoy up -- COMMAND`
    /// sets, and `CONVOY_TOPIC`, `CONVOY_DATABASE`, `CONVOY_COLLECTION`, `CONVOY_GROUP` and
    /// `CONVOY_RUN_ID`. Its output goes to `consumer.log` beside the report. Without a command, convoy says where the
    /// servers are and waits for a consumer to read the topic.
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub consumer_command: Option<String>,

    /// The external consumer is done after no new document has arrived for this long.
    ///
    /// It is done at once when every reading has a document.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub settle: Duration,

    /// Add the identity of each reading to its payload [default: true with `--consumer external`].
    ///
    /// Fields: `convoy_run`, `convoy_vehicle`, `convoy_sequence`, and `convoy_emitted_at` in
    /// microseconds since 1970.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    #[arg(default_missing_value = "true", hide_short_help = true)]
    pub payload_identity: Option<bool>,

    /// Write the variables for an external consumer to this file, which only its owner can read.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub write_env: Option<PathBuf>,

    /// Create this file once an external consumer can start, and remove it at the end.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ready_file: Option<PathBuf>,

    /// Overwrite files that convoy did not write.
    #[arg(long, hide_short_help = true)]
    pub force: bool,
}
