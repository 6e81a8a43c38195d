//! Markdown form: a few lines for the summary of a CI job.

use std::io::{self, Write};

use crate::measure::Stage;
use crate::report::text;
use crate::report::value::Report;
use crate::text::quantity;

/// Writes the verdict, the headline, the stages and what limits their meaning.
pub fn write(report: &Report, mut output: impl Write) -> io::Result<()> {
    let mark = if report.passed() { "✅" } else { "❌" };
    let (_ink, verdict) = text::verdict_sentence(report);
    writeln!(
        output,
        "### {mark} convoy run {}\n",
        escaped(&report.run.id)
    )?;
    writeln!(output, "**{}**\n", escaped(&verdict))?;
    writeln!(output, "{}\n", escaped(&text::results(report).join(" · ")))?;
    for finding in &report.findings {
        let line = format!("{} ({})", finding.message, finding.evidence);
        writeln!(output, "- finding: {}", escaped(&line))?;
    }
    for reason in report.failures() {
        writeln!(output, "- ❌ {}", escaped(&reason))?;
    }
    for warning in &report.warnings {
        writeln!(output, "- ⚠️ {}", escaped(&warning.message))?;
    }
    stages(report, &mut output)?;
    let command = report.run.command.replace('`', "'");
    writeln!(output, "\n`{command}`\n")
}

fn stages(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let measured: Vec<Stage> = Stage::ALL
        .into_iter()
        .filter(|stage| report.summary.stages.get(*stage).count > 0)
        .collect();
    if measured.is_empty() || report.unlimited_rate() {
        return Ok(());
    }
    writeln!(
        output,
        "\n| stage | p50 | p90 | p99 | max |\n|---|--:|--:|--:|--:|"
    )?;
    for stage in measured {
        let latency = report.summary.stages.get(stage);
        let values = [
            latency.p50_us,
            latency.p90_us,
            latency.p99_us,
            latency.max_us,
        ];
        let cells = values.map(|us| us.map_or_else(|| "–".to_owned(), quantity::duration));
        writeln!(output, "| {stage} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// Escapes what Markdown would take for formatting or HTML.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '*' | '_' | '|' | '[' | ']' => escaped.extend(['\\', symbol]),
            _ => escaped.push(symbol),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn markdown(report: &Report) -> String {
        let mut written = Vec::new();
        write(report, &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn summary_has_verdict_headline_and_stages() {
        let text = markdown(&sample::report());
        assert!(
            text.starts_with("### ✅ convoy run 20261123-042804-7f3a\n"),
            "{text}"
        );
        assert!(text.contains("| end-to-end latency |"), "{text}");
        assert!(text.contains("records/s stored"), "{text}");
    }

    #[test]
    fn failed_run_names_its_reasons() {
        let mut report = sample::report();
        report.verdict.as_mut().unwrap().missing = 3;
        report.status = crate::report::Status::Invalid;
        let text = markdown(&report);
        assert!(
            text.contains("- ❌ the verdict failed: missing 3"),
            "{text}"
        );
    }

    #[test]
    fn text_of_users_is_not_formatting() {
        assert_eq!(escaped("a_b|c<d>\ne"), "a\\_b\\|c&lt;d> e");
    }
}
