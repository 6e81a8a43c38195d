//! Section on injected faults.

use std::fmt::Write as _;

use crate::report::faults::{Effect, Event, Faults};
use crate::report::quantity;

/// Returns the section.
pub(super) fn section(faults: &Faults) -> String {
    let mut text = format!("injected faults: {}\n", faults.plan);
    for account in &faults.data {
        let mismatch = if account.injected == account.accounted {
            ""
        } else {
            " · MISMATCH"
        };
        let _ = writeln!(
            text,
            "  {}: injected {} · accounted for {}{mismatch}",
            account.kind,
            quantity::count(account.injected),
            quantity::count(account.accounted),
        );
    }
    for request in &faults.requests {
        let _ = writeln!(
            text,
            "  {}: {} requests",
            request.kind,
            quantity::count(request.count)
        );
    }
    for event in &faults.events {
        text.push_str(&line(event));
    }
    for planned in &faults.not_reached {
        let _ = writeln!(text, "  {planned}: not injected, because the run had ended");
    }
    text.push_str(&invariants(faults));
    let _ = writeln!(text, "  repeat with: {}", faults.replay);
    text
}

fn line(event: &Event) -> String {
    let mut text = format!(
        "  {} at {:.1} s for {}",
        event.kind,
        event.at_s,
        seconds(event.duration_s)
    );
    if let Some(outcome) = &event.outcome {
        let _ = write!(text, ": {outcome}");
    }
    text.push('\n');
    if let Some(effect) = &event.effect {
        text.push_str(&effect_line(effect));
    }
    text
}

fn effect_line(effect: &Effect) -> String {
    let after = |shown: Option<String>| shown.unwrap_or_else(|| "–".to_owned());
    let recovered = match effect.recovered_after_s {
        Some(0.0) => "no effect".to_owned(),
        Some(recovered) => format!("recovered after {}", seconds(recovered)),
        None => "NOT RECOVERED".to_owned(),
    };
    format!(
        "    {} → {} → {} records/s · p99 {} → {} → {} · backlog up to {} · {recovered}\n",
        quantity::rate(effect.throughput_before_records_per_second),
        quantity::rate(effect.throughput_during_records_per_second),
        after(
            effect
                .throughput_after_records_per_second
                .map(quantity::rate)
        ),
        quantity::duration(effect.end_to_end_latency_p99_before_us),
        quantity::duration(effect.end_to_end_latency_p99_during_us),
        after(
            effect
                .end_to_end_latency_p99_after_us
                .map(quantity::duration)
        ),
        quantity::count(effect.backlog_peak),
    )
}

fn invariants(faults: &Faults) -> String {
    let named = |held: Option<bool>| {
        let these = faults.invariants.iter().filter(|it| it.held == held);
        these
            .map(|it| it.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut text = format!("  held: {}\n", named(Some(true)));
    for broken in faults.invariants.iter().filter(|it| it.held == Some(false)) {
        let _ = writeln!(text, "  BROKEN: {}, {}", broken.name, broken.promise);
    }
    let unknown = named(None);
    if !unknown.is_empty() {
        let _ = writeln!(text, "  unknown: {unknown}");
    }
    text
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
                    throughput_during_records_per_second: 350.0,
                    throughput_after_records_per_second: Some(500.0),
                    end_to_end_latency_p99_before_us: 42_000,
                    end_to_end_latency_p99_during_us: 310_000,
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
        insta::assert_snapshot!(section(&faults), @"
        injected faults: data=duplicate:0.01,broker-restart@5s,store-hang@60s+1s
          duplicate: injected 12 · accounted for 12
          store-cut-after-apply: 3 requests
          broker-restart at 5.0 s for 38.0 ms
            500 → 350 → 500 records/s · p99 42.0 ms → 310 ms → – · backlog up to 120 · recovered after 400 ms
          store-hang@60s+1s: not injected, because the run had ended
          held: I1
          BROKEN: I2, something
          unknown: I5
          repeat with: convoy simulate --seed=7
        ");
    }
}
