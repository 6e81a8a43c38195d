//! What an external consumer was, and what it did wrong.

use std::fmt::Write as _;

use crate::report::external::{ConsumerExit, ExitCause, External};
use crate::report::html::html_table;
use crate::report::html::svg::escape;
use crate::report::text::external as text;
use crate::report::value::Report;
use crate::text::quantity;

/// Returns the section; nothing if the consumer was convoy's own.
pub(super) fn section(report: &Report) -> String {
    let Some(external) = &report.external_consumer else {
        return String::new();
    };
    let mut html = html_table(
        "External consumer",
        &["", "", ""],
        &counts(report, external),
    );
    let mut sentences = vec![text::settled(report, external)];
    sentences.extend(text::notes(report, external));
    for sentence in sentences {
        let _ = writeln!(html, "<p>{}</p>", escape(&sentence));
    }
    if let Some(command) = &external.command {
        let log = escape(external.log.as_deref().unwrap_or_default());
        let _ = writeln!(
            html,
            "<p><code>{}</code>, output in {log}</p>",
            escape(command)
        );
    }
    if !external.exits.is_empty() {
        let exits: Vec<Vec<String>> = external.exits.iter().map(exit).collect();
        let columns = ["after", "ended with", "because"];
        html.push_str(&html_table("Ends of the consumer", &columns, &exits));
    }
    html
}

/// Returns a row for each kind of mistake: its name, how often it happened, and examples.
fn counts(report: &Report, external: &External) -> Vec<Vec<String>> {
    let row = |name: &str, count: Option<u64>, examples: Vec<String>| {
        let count = count.map_or_else(|| "unknown".to_owned(), quantity::count);
        vec![name.to_owned(), count, examples.join(" · ")]
    };
    let verdict = report.verdict.as_ref();
    let counted = |count: fn(&crate::audit::Verdict) -> u64| verdict.map(count);
    let missing = external.missing.iter().map(text::missing).collect();
    let reordered = external.reordered.iter().map(text::reordered).collect();
    let changed = external.changed.iter().map(text::changed).collect();
    let judged = counted(|it| it.reordered).filter(|_| external.order_judged);
    let kills = external.exits.iter();
    let kills = kills.filter(|it| it.cause == ExitCause::Fault).count() as u64;
    let mut rows = vec![
        row("missing", counted(|it| it.missing), missing),
        row("duplicated", counted(|it| it.duplicated), Vec::new()),
        row("altered", counted(|it| it.corrupt), changed),
        row("reordered within their vehicle", judged, reordered),
        row("undelivered", counted(|it| it.undelivered), Vec::new()),
    ];
    if external.command.is_some() {
        rows.push(row("starts", Some(external.starts), Vec::new()));
        rows.push(row("ended by faults", Some(kills), Vec::new()));
    }
    rows
}

fn exit(exit: &ConsumerExit) -> Vec<String> {
    let cause = match exit.cause {
        ExitCause::Itself => "it ended by itself",
        ExitCause::Fault => "a fault ended it",
        ExitCause::Stopped => "the run was over",
    };
    let at = format!("{} s", quantity::significant(exit.at_s));
    let status = match &exit.last_line {
        Some(line) => format!("{}: {line}", exit.status),
        None => exit.status.clone(),
    };
    vec![at, status, cause.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{ChangedDocument, MissingReadings, ReorderedVehicle};
    use crate::report::sample;

    fn report() -> Report {
        let mut report = sample::report();
        let verdict = report.verdict.as_mut().unwrap();
        (verdict.missing, verdict.duplicated, verdict.corrupt) = (1_999, 78, 2);
        verdict.reordered = 31;
        report.external_consumer = Some(External {
            command: Some("python <consumer>.py".to_owned()),
            starts: 2,
            exits: vec![
                ConsumerExit {
                    at_s: 4.2,
                    status: "signal 9".to_owned(),
                    last_line: None,
                    cause: ExitCause::Fault,
                },
                ConsumerExit {
                    at_s: 30.5,
                    status: "exit code 0".to_owned(),
                    last_line: None,
                    cause: ExitCause::Stopped,
                },
            ],
            log: Some("runs/night/consumer.log".to_owned()),
            settled: "quiet".to_owned(),
            documents: 600,
            other_documents: 3,
            unnamed: None,
            elsewhere: Vec::new(),
            topic_read: Some(true),
            latency_measured: true,
            order_judged: true,
            appended_again: None,
            uncommitted: Some(1_999),
            missing: vec![MissingReadings {
                vehicle: 0,
                first_sequence: 100,
                last_sequence: 139,
            }],
            reordered: vec![ReorderedVehicle {
                vehicle: 4,
                readings: 31,
            }],
            changed: vec![ChangedDocument {
                vehicle: Some(3),
                sequence: None,
                difference: "`aa_000` is 77, not 76".to_owned(),
            }],
        });
        report
    }

    #[test]
    fn section_has_counts_examples_kills_and_the_end() {
        let html = section(&report());
        for expected in [
            "<td>missing</td><td>1,999</td><td>vehicle 0 readings 100 to 139</td>",
            "<td>duplicated</td><td>78</td>",
            "<td>altered</td><td>2</td><td>vehicle 3, reading unknown: `aa_000` is 77, not 76</td>",
            "<td>reordered within their vehicle</td><td>31</td><td>vehicle 4 31 readings</td>",
            "<td>ended by faults</td><td>1</td>",
            "done: no new document for",
            "has not committed 1,999 records",
            "duplicates may be the producer&#39;s",
            "3 other documents",
            "python &lt;consumer&gt;.py",
            "<td>4.20 s</td><td>signal 9</td><td>a fault ended it</td>",
        ] {
            assert!(html.contains(expected), "{expected}\n{html}");
        }
    }

    #[test]
    fn order_that_was_not_judged_is_unknown() {
        let mut report = report();
        report.external_consumer.as_mut().unwrap().order_judged = false;
        let html = section(&report);
        assert!(html.contains("<td>reordered within their vehicle</td><td>unknown</td>"));
    }

    #[test]
    fn run_of_the_own_consumer_has_no_section() {
        assert_eq!(section(&sample::report()), "");
    }
}
