//! Section on injected faults.

use textwrap::core::display_width;

use crate::report::faults::{Effect, Event, Faults};
use crate::text::{Ink, Page, quantity};

/// Indentation of an effect's rows.
const INDENT: usize = 4;

/// Title of the row of latencies, and a short one for narrow pages.
const LATENCY: [&str; 2] = ["end-to-end p99", "p99"];

/// Title of the row of throughput.
const THROUGHPUT: &str = "records/s";

/// Width of a column of an effect.
const VALUE_WIDTH: usize = 9;

/// Returns the section.
pub(super) fn section(faults: &Faults, page: &Page) -> String {
    let mut lines = vec![format!("injected faults: {}", faults.plan)];
    for account in &faults.data {
        let mismatch = if account.injected == account.accounted {
            String::new()
        } else {
            format!(" · {}", page.paint(Ink::Bad, "MISMATCH"))
        };
        lines.push(format!(
            "  {}: injected {} · accounted for {}{mismatch}",
            account.kind,
            quantity::count(account.injected),
            quantity::count(account.accounted),
        ));
    }
    for request in &faults.requests {
        let count = quantity::count(request.count);
        lines.push(format!("  {}: {count} requests", request.kind));
    }
    for event in &faults.events {
        lines.push(line(event));
        if let Some(effect) = &event.effect {
            lines.extend(effect_lines(effect, page));
        }
    }
    for planned in &faults.not_reached {
        lines.push(format!(
            "  {planned}: not injected, because the run had ended"
        ));
    }
    lines.extend(invariants(faults, page));
    lines.push(format!("  repeat with: {}", faults.replay));
    let paragraphs = lines.iter().map(|line| page.paragraph(line, 2));
    paragraphs.collect()
}

fn line(event: &Event) -> String {
    let (at, duration) = (event.at_s, seconds(event.duration_s));
    let outcome = event.outcome.as_deref();
    let outcome = outcome.map_or_else(String::new, |outcome| format!(": {outcome}"));
    format!("  {} at {at:.1} s for {duration}{outcome}", event.kind)
}

fn effect_lines(effect: &Effect, page: &Page) -> Vec<String> {
    let rates = [
        Some(effect.throughput_before_records_per_second),
        effect.throughput_during_records_per_second,
        effect.throughput_after_records_per_second,
    ];
    let latencies = [
        effect.end_to_end_latency_p99_before_us,
        effect.end_to_end_latency_p99_during_us,
        effect.end_to_end_latency_p99_after_us,
    ];
    let recovered = match effect.recovered_after_s {
        Some(0.0) => "no effect on throughput".to_owned(),
        Some(recovered) => format!("recovered after {}", seconds(recovered)),
        None => page.paint(Ink::Bad, "NOT RECOVERED"),
    };
    let wide = page.fits(INDENT + LATENCY[0].len() + 3 * VALUE_WIDTH);
    let latency = LATENCY[usize::from(!wide)];
    let width = latency.len().max(THROUGHPUT.len());
    let row = |title: &str, values| row(&format!("{:INDENT$}{title:<width$}", ""), values);
    vec![
        row(
            "",
            ["before", "during", "after"].map(|it| Some(it.to_owned())),
        ),
        row(THROUGHPUT, rates.map(|rate| rate.map(quantity::rate))),
        row(
            latency,
            latencies.map(|latency| latency.map(quantity::duration)),
        ),
        format!(
            "    backlog up to {} · {recovered}",
            quantity::count(effect.backlog_peak)
        ),
    ]
}

fn row(title: &str, values: [Option<String>; 3]) -> String {
    let mut text = title.to_owned();
    for value in values {
        let value = value.unwrap_or_else(|| "–".to_owned());
        let blanks = VALUE_WIDTH.saturating_sub(display_width(&value)).max(1);
        text.push_str(&" ".repeat(blanks));
        text.push_str(&value);
    }
    text
}

fn invariants(faults: &Faults, page: &Page) -> Vec<String> {
    if faults.invariants.is_empty() {
        return Vec::new();
    }
    let named = |held: Option<bool>| {
        let these = faults.invariants.iter().filter(|it| it.held == held);
        these
            .map(|it| it.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut lines = vec![format!("  held: {}", named(Some(true)))];
    for broken in faults.invariants.iter().filter(|it| it.held == Some(false)) {
        let label = page.paint(Ink::Bad, "BROKEN:");
        lines.push(format!("  {label} {}, {}", broken.name, broken.promise));
    }
    let unknown = named(None);
    if !unknown.is_empty() {
        lines.push(format!("  unknown: {unknown}"));
    }
    lines
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "microseconds, non-negative"
)]
fn seconds(seconds: f64) -> String {
    quantity::duration((seconds * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::FaultAccount;
    use crate::report::faults::{Invariant, RequestFault};

    #[test]
    fn section_is_rendered() {
        let invariant = |name: &str, held| Invariant {
            name: name.to_owned(),
            promise: "something".to_owned(),
            held,
        };
        let faults = Faults {
            plan: "data=duplicate:0.01,broker-restart@5s,store-hang@60s+1s".to_owned(),
            replay: "convoy simulate --seed=7".to_owned(),
            data: vec![FaultAccount {
                kind: "duplicate".to_owned(),
                injected: 12,
                accounted: 12,
            }],
            requests: vec![RequestFault {
                kind: "store-cut-after-apply".to_owned(),
                probability: 0.001,
                count: 3,
            }],
            events: vec![Event {
                kind: "broker-restart".to_owned(),
                at_s: 5.0,
                duration_s: 0.038,
                outcome: None,
                effect: Some(Effect {
                    throughput_before_records_per_second: 500.0,
                    throughput_during_records_per_second: Some(350.0),
                    throughput_after_records_per_second: Some(500.0),
                    end_to_end_latency_p99_before_us: Some(42_000),
                    end_to_end_latency_p99_during_us: Some(310_000),
                    end_to_end_latency_p99_after_us: None,
                    backlog_peak: 120,
                    recovered_after_s: Some(0.4),
                }),
            }],
            not_reached: vec!["store-hang@60s+1s".to_owned()],
            invariants: vec![
                invariant("I1", Some(true)),
                invariant("I2", Some(false)),
                invariant("I5", None),
            ],
        };
        insta::assert_snapshot!(section(&faults, &Page::default()), @"
        injected faults: data=duplicate:0.01,broker-restart@5s,store-hang@60s+1s
          duplicate: injected 12 · accounted for 12
          store-cut-after-apply: 3 requests
          broker-restart at 5.0 s for 38.0 ms
                             before   during    after
            records/s           500      350      500
            end-to-end p99  42.0 ms   310 ms        –
            backlog up to 120 · recovered after 400 ms
          store-hang@60s+1s: not injected, because the run had ended
          held: I1
          BROKEN: I2, something
          unknown: I5
          repeat with: convoy simulate --seed=7
        ");
    }
}
