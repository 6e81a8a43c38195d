//! What an external consumer was, and what its collection had.

use crate::audit::{ChangedDocument, MissingReadings, ReorderedVehicle};
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
        let last_line = exit.last_line.as_ref();
        let said = last_line.map(|line| format!("; its last line: {line}"));
        let said = said.unwrap_or_default();
        format!("  ended by itself after {at} s: {}{said}", exit.status)
    }));
    if !external.missing.is_empty() {
        let ranges: Vec<String> = external.missing.iter().map(missing).collect();
        lines.push(format!("  first missing: {}", ranges.join(" · ")));
    }
    if !external.reordered.is_empty() {
        let vehicles = external.reordered.iter();
        let vehicles: Vec<String> = vehicles.map(reordered).collect();
        lines.push(format!("  reordered: {}", vehicles.join(" · ")));
    }
    let corrupt = external.changed.iter().map(changed);
    lines.extend(corrupt.map(|it| format!("  corrupt: {it}")));
    lines.extend(
        notes(report, external)
            .into_iter()
            .map(|it| format!("  {it}")),
    );
    lines.iter().map(|line| page.paragraph(line, 4)).collect()
}

/// Names readings without a document.
pub(in crate::report) fn missing(range: &MissingReadings) -> String {
    let (first, last) = (range.first_sequence, range.last_sequence);
    let readings = if first == last {
        format!("reading {first}")
    } else {
        format!("readings {first} to {last}")
    };
    format!("vehicle {} {readings}", range.vehicle)
}

/// Says how many readings of a vehicle are out of order.
pub(in crate::report) fn reordered(of: &ReorderedVehicle) -> String {
    let readings = quantity::count(of.readings);
    format!("vehicle {} {readings} readings", of.vehicle)
}

/// Says what differs in a document.
pub(in crate::report) fn changed(document: &ChangedDocument) -> String {
    let number = |number: Option<String>| number.unwrap_or_else(|| "unknown".to_owned());
    let vehicle = number(document.vehicle.map(|it| it.to_string()));
    let sequence = number(document.sequence.map(|it| it.to_string()));
    let difference = &document.difference;
    format!("vehicle {vehicle}, reading {sequence}: {difference}")
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

/// Says why the run no longer waited for the consumer.
pub(in crate::report) fn settled(report: &Report, external: &External) -> String {
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

/// Returns what else is to be known, a sentence each.
pub(in crate::report) fn notes(report: &Report, external: &External) -> Vec<String> {
    let verdict = report.verdict.as_ref();
    let (missing, duplicated) = verdict.map_or((0, 0), |it| (it.missing, it.duplicated));
    let mut notes = Vec::new();
    let uncommitted = external.uncommitted.filter(|it| *it > 0 && missing > 0);
    if let Some(uncommitted) = uncommitted {
        let records = quantity::count(uncommitted);
        notes.push(format!(
            "the consumer has not committed {records} records, so it would read them again: they are not lost; \
             it was too slow for `--settle`, or hung: pass a longer `--settle`"
        ));
    }
    if !external.order_judged {
        notes.push("order not judged: only `--key vehicle` keeps it".to_owned());
    }
    if let Some(again) = external.appended_again.filter(|again| *again > 0) {
        let again = quantity::count(again);
        notes.push(format!(
            "the topic has {again} records more than once: the producer resent them, and as many duplicates are excused"
        ));
    }
    if external.appended_again.is_none() && duplicated > 0 {
        notes.push(
            "how many records the topic has more than once is unknown, so duplicates may be the producer's"
                .to_owned(),
        );
    }
    if external.topic_read == Some(false) && missing > 0 {
        notes.push(
            "no consumer has read the topic: read the one in `CONVOY_TOPIC`, from the broker in `BOOTSTRAP_SERVER`"
                .to_owned(),
        );
    }
    if !external.elsewhere.is_empty() {
        let others: Vec<String> = external
            .elsewhere
            .iter()
            .map(|it| format!("`{it}`"))
            .collect();
        notes.push(format!(
            "documents of this run are in {}: store them in the collection of `CONVOY_DATABASE` and \
             `CONVOY_COLLECTION`, or name yours with `--database` and `--collection`",
            others.join(", ")
        ));
    }
    if external.other_documents > 0 {
        let others = quantity::count(external.other_documents);
        let why = external.unnamed.as_ref();
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        notes.push(format!(
            "{others} other documents in the collection do not name this run{why}"
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
