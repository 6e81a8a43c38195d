//! Comparison as Markdown, for pull requests and job summaries.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::report::comparison::model::{Comparison, MetricComparison, Verdict};
use crate::report::comparison::text::{differing, method, ratio, shown, title, word};

/// Writes a comparison.
pub fn write(comparison: &Comparison, mut output: impl Write) -> io::Result<()> {
    let mark = match comparison.verdict {
        Verdict::Invalid | Verdict::Slower => "❌",
        Verdict::Faster | Verdict::Same => "✅",
        Verdict::Inconclusive => "❔",
    };
    let mut text = format!("### {mark} {}\n\n", escape(&comparison.sentence()));
    let _ = writeln!(text, "{}\n", escape(&title(comparison)));
    for difference in &comparison.differences {
        let _ = writeln!(text, "- {}", escape(&differing(difference)));
    }
    for caution in &comparison.cautions {
        let _ = writeln!(text, "- **caution:** {}", escape(caution));
    }
    if !comparison.differences.is_empty() || !comparison.cautions.is_empty() {
        text.push('\n');
    }
    text.push_str(&table(&comparison.metrics));
    let _ = writeln!(text, "\n{}", escape(&method(comparison)));
    if !comparison.others.is_empty() {
        text.push_str("\n<details><summary>Other metrics, which are shown only</summary>\n\n");
        text.push_str(&table(&comparison.others));
        text.push_str("\n</details>\n");
    }
    output.write_all(text.as_bytes())
}

fn table(metrics: &[MetricComparison]) -> String {
    let mut text = "| metric | base | candidate | ratio | |\n|---|--:|--:|---|---|\n".to_owned();
    for metric in metrics {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            metric.metric.title(),
            shown(metric, true),
            shown(metric, false),
            ratio(metric),
            word(metric)
        );
    }
    text
}

/// Returns a text in which nothing is Markdown or HTML, except code in backquotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut code = false;
    for character in text.chars() {
        match character {
            '`' => code = !code,
            '|' => escaped.push('\\'),
            '*' | '_' | '[' | ']' | '<' | '>' | '#' | '\\' if !code => escaped.push('\\'),
            '\n' | '\r' => {
                escaped.push(' ');
                continue;
            }
            _ => {}
        }
        escaped.push(character);
    }
    escaped
}
