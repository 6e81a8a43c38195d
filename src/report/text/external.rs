//! What an external consumer was, and what its collection had.

use crate::report::external::{ExitCause, External};
use crate::report::value::Report;
use crate::text::{Page, quantity};

/// Returns the lines about the consumer; none if it was convoy's own.
pub(super) fn section(report: &Report, page: &Page) -> String {
    let Some(external) = &report.external_consumer else {
        return String::new();
    };
    let mut lines = vec![headline(external)];
    lines.push(format!("  {}", settled(report, external)));
    let by_itself = external
        .exits
        .iter()
        .filter(|it| it.cause == ExitCause::Itself);
    lines.extend(by_itself.map(|exit| {
        let at = quantity::significant(exit.at_s);
        format!("  ended by itself after {at} s: {}", exit.status)
    }));
    if !external.missing.is_empty() {
        let ranges = external.missing.iter().map(|range| {
            let (first, last) = (range.first_sequence, range.last_sequence);
            let readings = if first == last {
                format!("reading {first}")
            } else {
                format!("readings {first} to {last}")
            };
            format!("vehicle {} {readings}", range.vehicle)
        });
        let ranges: Vec<String> = ranges.collect();
        lines.push(format!("  first missing: {}", ranges.join(" · ")));
    }
    lines.extend(external.changed.iter().map(|document| {
        let number = |number: Option<String>| number.unwrap_or_else(|| "unknown".to_owned());
        let vehicle = number(document.vehicle.map(|it| it.to_string()));
        let sequence = number(document.sequence.map(|it| it.to_string()));
        let difference = &document.difference;
        format!("  corrupt: vehicle {vehicle}, reading {sequence}: {difference}")
    }));
    lines.extend(notes(external));
    lines.iter().map(|line| page.paragraph(line, 4)).collect()
}

fn headline(external: &External) -> String {
    let Some(command) = &external.command else {
        return "external consumer: not started by convoy".to_owned();
    };
    let starts = match external.starts {
        1 => "started once".to_owned(),
        starts => format!("started {} times", quantity::count(starts)),
    };
    let log = external.log.as_deref().unwrap_or_default();
    format!("external consumer: `{command}` · {starts} · output in {log}")
}

fn settled(report: &Report, external: &External) -> String {
    match external.settled.as_str() {
        "all_present" => "done: every acknowledged reading had a document".to_owned(),
        "quiet" => {
            let settle = report
                .settings
                .get("settle_s")
                .and_then(serde_json::Value::as_f64);
            let settle = settle.map(quantity::significant).unwrap_or_default();
            format!("done: no new document for {settle} s (`--settle`)")
        }
        _ => "not waited for: the run was interrupted".to_owned(),
    }
}

fn notes(external: &External) -> Vec<String> {
    let mut notes = Vec::new();
    if !external.order_judged {
        notes.push("  order not judged: only `--key vehicle` keeps it".to_owned());
    }
    if let Some(again) = external.appended_again.filter(|again| *again > 0) {
        let again = quantity::count(again);
        notes.push(format!(
            "  the topic has {again} records more than once: the producer resent them, and as many duplicates are excused"
        ));
    }
    if external.other_documents > 0 {
        let others = quantity::count(external.other_documents);
        notes.push(format!(
            "  {others} other documents in the collection do not name this run"
        ));
    }
    notes
}

/// Returns what was stored, if latencies were not measured.
pub(super) fn unmeasured(report: &Report) -> Option<String> {
    let external = report.external_consumer.as_ref()?;
    let stored = report.verdict.as_ref()?.stored;
    let stored = format!("{} readings stored", quantity::count(stored));
    (!external.latency_measured).then_some(stored)
}
