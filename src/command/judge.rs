//! The end of a command with a comparison: stdout, reason of a failure, exit status.

use crate::error::{Error, ExitStatus};
use crate::report::comparison::{Comparison, Verdict, write_markdown, write_text};
use crate::settings::{ComparisonFormat, FailOn, JudgeSettings};
use crate::terminal::Terminal;

/// Prints a comparison on stdout, and says on stderr why it fails the command.
pub fn present_comparison(
    comparison: &Comparison,
    judge: JudgeSettings,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let page = terminal.page();
    terminal
        .data(|stdout| match judge.format {
            ComparisonFormat::Text => write_text(comparison, &page, stdout),
            ComparisonFormat::Markdown => write_markdown(comparison, stdout),
            ComparisonFormat::Json => {
                serde_json::to_writer_pretty(&mut *stdout, comparison)?;
                stdout.write_all(b"\n")
            }
        })
        .map_err(Error::Stdout)?;
    match judge.fail_on {
        Some(gate) if fails(comparison.verdict, gate) => {
            terminal.failure(&comparison.sentence());
            Ok(ExitStatus::ThresholdMissed)
        }
        _ => Ok(ExitStatus::Success),
    }
}

/// Returns whether a verdict fails a gate.
pub fn fails(verdict: Verdict, gate: FailOn) -> bool {
    match verdict {
        Verdict::Invalid | Verdict::Slower => true,
        Verdict::Faster => gate == FailOn::Different,
        Verdict::Inconclusive => gate == FailOn::Inconclusive,
        Verdict::Same => false,
    }
}
