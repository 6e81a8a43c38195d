//! The report's section on injected faults.

use crate::faults::DataKind;
use crate::fleet::Key;
use crate::host::faults::Injector;
use crate::measure::Interval;
use crate::pipeline::{Context, Outcome};
use crate::record::HASHES_CONTENT;
use crate::report::faults::{Effect, Event, Evidence, Faults, Invariant, RequestFault, Window};

/// Returns the section of a finished run.
pub fn section(
    injector: &Injector,
    replay: String,
    outcome: &Outcome,
    context: &Context,
    key: Key,
) -> Faults {
    let plan = injector.plan();
    let record = injector.record();
    let intervals: &[Interval] = &outcome.intervals;
    let samples = record.samples.iter().map(|sample| sample.at_s);
    let over = samples.fold(0.0, f64::max);
    let events: Vec<Event> = record
        .events
        .iter()
        .enumerate()
        .map(|(number, happened)| {
            let neighbour = |number: Option<usize>| record.events.get(number?);
            let begin = happened.at_s;
            // What would last longer ends with the run.
            let lasted = happened.duration_s.min((over - begin).max(0.0));
            let window = Window {
                since: neighbour(number.checked_sub(1))
                    .map_or(0.0, |before| before.at_s + before.duration_s),
                begin,
                end: begin + lasted,
                until: neighbour(number.checked_add(1)).map_or(f64::INFINITY, |next| next.at_s),
            };
            Event {
                kind: happened.what.name(),
                at_s: begin,
                duration_s: lasted,
                outcome: happened.outcome.clone(),
                effect: Effect::new(window, &record.samples, intervals),
            }
        })
        .collect();
    let not_reached = plan.scheduled.iter().filter(|scheduled| {
        let mut events = record.events.iter();
        !events.any(|happened| happened.what == **scheduled)
    });
    let verdict = outcome.verdict.clone().unwrap_or_default();
    let out_of_order = DataKind::OutOfOrder.to_string();
    let out_of_order = verdict.faults.iter().find(|it| it.kind == out_of_order);
    let failure = outcome.failure.as_ref();
    let evidence = Evidence {
        failed: failure.is_some(),
        jumped: failure.is_some_and(crate::pipeline::Error::is_loss),
        ordered: key == Key::Vehicle,
        out_of_order: out_of_order.map_or(0, |account| account.injected),
        counted_only: !HASHES_CONTENT,
    };
    let invariants = match &outcome.verdict {
        // The promises are those of convoy's own consumer.
        Some(_) if outcome.collected.is_some() => Vec::new(),
        Some(verdict) => Invariant::all(verdict, &context.counters.snapshot(), evidence),
        None => Vec::new(),
    };
    Faults {
        plan: plan.to_string(),
        replay,
        data: verdict.faults,
        requests: plan
            .chances
            .iter()
            .zip(injector.points().injected())
            .map(|((chance, probability), count)| RequestFault {
                kind: chance.to_string(),
                probability: probability.value(),
                count,
            })
            .collect(),
        not_reached: not_reached.map(ToString::to_string).collect(),
        events,
        invariants,
    }
}
