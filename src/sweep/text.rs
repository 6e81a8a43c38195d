//! Text form of a sweep, for people.

use std::fmt::Write as _;

use crate::sweep::pareto::{Answer, Candidate, Choice, Objective, Value};
use crate::text::{Ink, Page, quantity};

/// Returns the settings of a combination as flags.
pub fn flags(candidate: &Candidate) -> String {
    let flags = candidate.settings.iter();
    let flags: Vec<String> = flags
        .map(|(name, value)| format!("--{name} {value}"))
        .collect();
    flags.join(" ")
}

/// Returns the answer as text.
pub fn write(answer: &Answer, page: &Page) -> String {
    let mut text = match answer.recommended() {
        Some(candidate) => page.paint(Ink::Strong, &format!("recommended: {}", flags(candidate))),
        None => page.paint(Ink::Bad, "no combination was measured without a failure"),
    };
    text.push('\n');
    let objectives: Vec<String> = answer.objectives.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "  by {}; {} of {} rounds; median (lowest–highest)\n",
        objectives.join(", then "),
        answer.rounds,
        answer.planned_rounds
    );
    let mut rows = vec![header(answer)];
    rows.extend(
        answer
            .candidates
            .iter()
            .map(|it| row(it, &answer.objectives)),
    );
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for candidate in &answer.candidates {
        if let Some(failure) = &candidate.failure {
            let line = format!("  {}: {failure}", flags(candidate));
            text.push_str(&page.paragraph(&line, 2));
        }
    }
    text
}

fn header(answer: &Answer) -> Vec<String> {
    let names = answer.candidates.first().map(|it| it.settings.iter());
    let names = names.into_iter().flatten().map(|(name, _)| name.clone());
    let objectives = answer.objectives.iter().map(ToString::to_string);
    names
        .chain(objectives)
        .chain(["result".to_owned()])
        .collect()
}

fn row(candidate: &Candidate, objectives: &[Objective]) -> Vec<String> {
    let settings = candidate.settings.iter().map(|(_, value)| value.clone());
    let values = objectives.iter().map(|objective| {
        let mut values = candidate.values.iter();
        let value = values.find(|value| value.objective == *objective);
        value.map_or_else(|| "–".to_owned(), shown)
    });
    let result = match candidate.choice {
        Choice::NotTried => "not tried".to_owned(),
        choice => choice.to_string(),
    };
    settings.chain(values).chain([result]).collect()
}

fn shown(value: &Value) -> String {
    let show = |number: f64| match value.objective {
        Objective::Throughput => format!("{}/s", quantity::rate(number)),
        Objective::EndToEndP50 | Objective::EndToEndP99 | Objective::CpuPerRecord => {
            quantity::duration(whole(number))
        }
    };
    format!(
        "{} ({}–{})",
        show(value.median),
        show(value.lower),
        show(value.upper)
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations are not negative"
)]
fn whole(us: f64) -> u64 {
    us.round() as u64
}
