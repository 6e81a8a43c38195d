//! Comparison as text, for people: what differs · verdict · metrics · what to know about them.

use std::io::{self, Write};

use textwrap::core::display_width;

use crate::report::comparison::model::{Comparison, Design, Difference, MetricComparison, Verdict};
use crate::text::{Ink, Page, quantity};

/// Blanks between columns.
const GAP: usize = 2;

/// Writes a comparison.
pub fn write(comparison: &Comparison, page: &Page, mut output: impl Write) -> io::Result<()> {
    let ink = match comparison.verdict {
        Verdict::Invalid | Verdict::Slower => Ink::Bad,
        Verdict::Faster | Verdict::Same => Ink::Good,
        Verdict::Inconclusive => Ink::Caution,
    };
    let mut text = page.paragraph(&title(comparison), 2);
    for difference in &comparison.differences {
        text.push_str(&page.paragraph(&format!("  {}", differing(difference)), 4));
    }
    for caution in &comparison.cautions {
        let label = page.paint(Ink::Caution, "caution:");
        text.push_str(&page.paragraph(&format!("{label} {caution}"), 2));
    }
    let word = page.paint(ink, &comparison.verdict.to_string());
    text.push('\n');
    text.push_str(&page.paragraph(&format!("verdict: {word}"), 2));
    for reason in &comparison.reasons {
        text.push_str(&page.paragraph(&format!("  {reason}"), 2));
    }
    text.push('\n');
    text.push_str(&table(&comparison.metrics));
    text.push_str(&page.paragraph(&method(comparison), 2));
    if !comparison.others.is_empty() {
        text.push('\n');
        text.push_str(&table(&comparison.others));
        text.push_str(&page.paragraph("These are shown only: the verdict does not use them.", 2));
    }
    output.write_all(text.as_bytes())
}

/// Returns how many runs are compared.
pub fn title(comparison: &Comparison) -> String {
    let count = |runs: usize, side: &str| quantity::plural(runs as u64, &format!("{side} run"));
    let base = count(comparison.base.len(), "base");
    let candidate = count(comparison.candidate.len(), "candidate");
    let how = match comparison.design {
        Design::Independent => "",
        Design::Paired => ", in pairs",
    };
    let differ = if comparison.differences.is_empty() {
        "nothing differs in settings, machine, servers and dataset"
    } else {
        "these differ:"
    };
    format!("{base}, {candidate}{how}; {differ}")
}

/// Returns one difference: `setting linger_ms: 5 → 50`.
pub fn differing(difference: &Difference) -> String {
    let values = |values: &[String]| match values {
        [] => "–".to_owned(),
        values if values.iter().all(String::is_empty) => "–".to_owned(),
        values => values.join(" | "),
    };
    format!(
        "{} {}: {} → {}",
        difference.kind,
        difference.name,
        values(&difference.base),
        values(&difference.candidate)
    )
}

/// Returns the reasons of the verdict.
pub fn reasons(comparison: &Comparison) -> Vec<String> {
    let verdict = comparison.verdict;
    let of = |verdict| -> Vec<&MetricComparison> {
        let metrics = comparison.metrics.iter();
        metrics.filter(|it| it.verdict == Some(verdict)).collect()
    };
    let listed = |metrics: Vec<&MetricComparison>| -> String {
        let shown = metrics
            .iter()
            .map(|it| format!("{} {}", it.metric.title(), ratio(it)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let mut parts = match verdict {
        Verdict::Invalid => vec!["a candidate run lost, duplicated or altered readings".to_owned()],
        Verdict::Same => vec![equal(comparison)],
        _ => Vec::new(),
    };
    if verdict == Verdict::Inconclusive && comparison.metrics.is_empty() {
        parts.push("no metric was measured in every run".to_owned());
    }
    for (kind, word) in [(Verdict::Slower, "slower"), (Verdict::Faster, "faster")] {
        let found = of(kind);
        if !found.is_empty() {
            let word = if verdict == kind {
                String::new()
            } else {
                format!("{word} in ")
            };
            parts.push(format!("{word}{}", listed(found)));
        }
    }
    let open = of(Verdict::Inconclusive);
    if verdict == Verdict::Same && !open.is_empty() {
        parts.push(format!("not known as exactly: {}", listed(open)));
    } else if !open.is_empty() {
        let word = if verdict == Verdict::Inconclusive {
            ""
        } else {
            "inconclusive: "
        };
        parts.push(format!("{word}{}", listed(open)));
        parts.push(missing(comparison));
    }
    parts
}

/// Returns which metrics are the same.
fn equal(comparison: &Comparison) -> String {
    let threshold = percent(comparison.strictness.threshold);
    let metrics = comparison.metrics.iter();
    let same: Vec<&str> = metrics
        .filter(|it| it.verdict == Some(Verdict::Same))
        .map(|it| it.metric.title())
        .collect();
    if same.len() == comparison.metrics.len() {
        return format!("no metric differs by more than {threshold}");
    }
    format!("no difference above {threshold} in {}", same.join(", "))
}

/// Returns what would settle an inconclusive comparison.
fn missing(comparison: &Comparison) -> String {
    let unit = match comparison.design {
        Design::Independent => ("run a side", "runs a side"),
        Design::Paired => ("pair", "pairs"),
    };
    let unbounded = comparison.metrics.iter().any(|it| it.bounds.is_none());
    match comparison.more {
        Some(more) if unbounded => {
            let unit = if more == 1 { unit.0 } else { unit.1 };
            format!("bounds need at least {more} more {unit}")
        }
        Some(1) => format!("1 more {} would probably settle it", unit.0),
        Some(more) => format!(
            "about {} more {} would probably settle it",
            quantity::count(more),
            unit.1
        ),
        None => format!(
            "not even 100 more {} would settle it: make the runs longer, or the threshold larger",
            unit.1
        ),
    }
}

/// Returns a ratio with the bounds that its verdict rests on, if it has some: `1.12× (1.04–1.21)`.
pub fn ratio(metric: &MetricComparison) -> String {
    let bounds = match metric.verdict {
        Some(Verdict::Same) => metric.equivalence_bounds,
        _ => metric.bounds,
    };
    let bounds = bounds.map_or_else(String::new, |[low, high]| {
        format!(" ({}–{})", factor(low), factor(high))
    });
    format!("{}×{bounds}", factor(metric.ratio))
}

fn factor(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => quantity::significant(value),
    }
}

/// Formats a share as a percentage without needless digits.
pub fn percent(share: f64) -> String {
    let percent = (share * 1e4).round() / 1e2;
    format!("{percent} %")
}

/// Returns what the bounds and the verdict mean.
pub fn method(comparison: &Comparison) -> String {
    let test = match comparison.design {
        Design::Independent => "Mann and Whitney's test",
        Design::Paired => "Wilcoxon's signed-rank test of pairs",
    };
    format!(
        "Ratios are candidate ÷ base; their bounds hold together with a confidence of {} ({test}). \
         A metric is slower or faster if its bounds are beyond {}, and the same if two one-sided \
         tests leave bounds within it. A p99 that seems equal does not keep the verdict open.",
        percent(comparison.strictness.confidence),
        percent(comparison.strictness.threshold)
    )
}

/// Returns the value of a side: the median of its runs.
pub fn shown(metric: &MetricComparison, base: bool) -> String {
    let median = if base {
        metric.base_median
    } else {
        metric.candidate_median
    };
    metric.metric.show(median)
}

/// Returns the verdict of a metric in a word.
pub fn word(metric: &MetricComparison) -> String {
    metric.verdict.map(|it| it.to_string()).unwrap_or_default()
}

fn table(metrics: &[MetricComparison]) -> String {
    let mut rows = vec![["metric", "base", "candidate", "ratio", ""].map(str::to_owned)];
    rows.extend(metrics.iter().map(|metric| {
        [
            metric.metric.title().to_owned(),
            shown(metric, true),
            shown(metric, false),
            ratio(metric),
            word(metric),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().map(|row| display_width(&row[column]));
        cells.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let blanks = " ".repeat(widths[column] - display_width(cell));
            if column > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            // Numbers stand at the right, words at the left.
            if [1, 2].contains(&column) {
                line.push_str(&(blanks + cell));
            } else {
                line.push_str(&(cell.clone() + &blanks));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
