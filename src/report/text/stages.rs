//! Table of the stages. A narrow page gets fewer columns.

use std::fmt::Write as _;

use textwrap::core::display_width;

use crate::measure::{Stage, StageSummary};
use crate::report::text::{bounds, processes};
use crate::report::value::Report;
use crate::text::{Page, quantity};

/// Blanks before a column.
const GAP: usize = 2;

/// Pages of fewer columns get short names of stages.
const NARROW: usize = 60;

/// A column: its title, its rank (columns of the lowest ranks stay on a narrow page), its values.
pub(in crate::report) struct Column {
    pub title: &'static str,
    rank: u8,
    pub value: fn(&StageSummary) -> Option<String>,
    /// Bounds, which only a wide page has room for.
    pub bounds: fn(&StageSummary) -> String,
}

/// Every column, from left to right.
pub(in crate::report) const COLUMNS: [Column; 9] = [
    column("count", 4, |it| Some(quantity::count(it.count))),
    column("min", 7, |it| it.min_us.map(quantity::duration)),
    column("mean", 8, |it| it.mean_us.map(quantity::duration)),
    column("p50", 0, |it| it.p50_us.map(quantity::duration))
        .bounded(|it| bounds(it.p50_us, it.bounds.p50)),
    column("p90", 6, |it| it.p90_us.map(quantity::duration))
        .bounded(|it| bounds(it.p90_us, it.bounds.p90)),
    column("p95", 5, |it| it.p95_us.map(quantity::duration))
        .bounded(|it| bounds(it.p95_us, it.bounds.p95)),
    column("p99", 1, |it| it.p99_us.map(quantity::duration))
        .bounded(|it| bounds(it.p99_us, it.bounds.p99)),
    column("p99.9", 3, |it| it.p999_us.map(quantity::duration))
        .bounded(|it| bounds(it.p999_us, it.bounds.p999)),
    column("max", 2, |it| it.max_us.map(quantity::duration)),
];

const fn column(
    title: &'static str,
    rank: u8,
    value: fn(&StageSummary) -> Option<String>,
) -> Column {
    Column {
        title,
        rank,
        value,
        bounds: |_| String::new(),
    }
}

impl Column {
    const fn bounded(self, bounds: fn(&StageSummary) -> String) -> Self {
        Self { bounds, ..self }
    }
}

/// A column with its cells, padded to one width.
struct Rendered {
    rank: u8,
    position: usize,
    width: usize,
    cells: Vec<String>,
}

/// Returns the table, and lines about stages that need an explanation.
pub(super) fn section(report: &Report, page: &Page) -> String {
    let stages = Stage::ALL.map(|stage| (stage, report.summary.stages.get(stage)));
    let rows: Vec<_> = stages
        .into_iter()
        .filter(|(_, summary)| summary.count > 0)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = table(&rows, page);
    if let Some(unknown) = processes::unknown_stages(report) {
        text.push_str(&page.paragraph(unknown, 2));
    }
    let negative = report.summary.stages.fetch_latency.negative;
    if negative > 0 {
        let negative = quantity::count(negative);
        let note =
            format!("fetch latency below zero: {negative} (fetched before the acknowledgement)");
        text.push_str(&page.paragraph(&note, 2));
    }
    text
}

fn table(rows: &[(Stage, &StageSummary)], page: &Page) -> String {
    let narrow = !page.fits(NARROW);
    let mut names = vec!["stage".to_owned()];
    names.extend(rows.iter().map(|(stage, _)| name(*stage, narrow)));
    let name_width = names.iter().map(String::len).max().unwrap_or_default();
    let mut columns: Vec<Rendered> = Vec::new();
    for (position, column) in COLUMNS.iter().enumerate() {
        columns.extend(render(position, column, rows));
    }
    columns.sort_by_key(|column| column.rank);
    let mut width = name_width;
    let fitting = columns.iter().take_while(|column| {
        width += column.width;
        page.fits(width)
    });
    // One column stays, even if it does not fit.
    let fitting = fitting.count().max(1);
    columns.truncate(fitting);
    columns.sort_by_key(|column| column.position);
    let mut text = String::new();
    for (row, name) in names.iter().enumerate() {
        let _ = write!(text, "{name:<name_width$}");
        for column in &columns {
            text.push_str(&column.cells[row]);
        }
        text.push('\n');
    }
    text
}

/// Returns a column; `None` if no stage has a value.
fn render(position: usize, column: &Column, rows: &[(Stage, &StageSummary)]) -> Option<Rendered> {
    let values: Vec<Option<String>> = rows.iter().map(|(_, it)| (column.value)(it)).collect();
    if values.iter().all(Option::is_none) {
        return None;
    }
    let mut cells = vec![column.title.to_owned()];
    cells.extend(
        values
            .into_iter()
            .map(|it| it.unwrap_or_else(|| "–".to_owned())),
    );
    let widest = cells.iter().map(|cell| display_width(cell)).max()?;
    let width = GAP + widest;
    let padded = cells.iter().map(|cell| {
        let blanks = width - display_width(cell);
        format!("{}{cell}", " ".repeat(blanks))
    });
    Some(Rendered {
        rank: column.rank,
        position,
        width,
        cells: padded.collect(),
    })
}

fn name(stage: Stage, narrow: bool) -> String {
    let name = stage.to_string();
    match name.strip_suffix(" latency") {
        Some(short) if narrow => short.to_owned(),
        _ => name,
    }
}
