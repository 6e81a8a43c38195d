//! The description of a dataset that `dataset inspect` prints, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::command::dataset::assumed;
use crate::dataset::{Assumptions, ColumnFindings, Dataset};
use crate::text::quantity::{self, plural};

/// Width of the text.
const WIDTH: usize = 80;

/// More columns than this are summarised.
const LISTED: usize = 40;

/// Columns that a summary lists.
const SUMMARY: usize = 20;

/// Smallest width of a column of the table that is shortened.
const NARROW: usize = 8;

/// Number of cells of a line of the table.
const CELLS: usize = 6;

const HEADINGS: [&str; CELLS] = ["column", "type", "missing", "min", "max", "example"];

/// Cells of a line that may be shortened: the example first, then the widest.
const FLEXIBLE: [usize; 3] = [0, 3, 4];
const EXAMPLE: usize = 5;

/// A dataset as JSON.
#[derive(Debug, Serialize)]
pub struct Description<'a> {
    topic: &'a str,
    rows: u64,
    hash: String,
    label_column: Option<&'a str>,
    labels: &'a BTreeMap<String, u64>,
    #[serde(flatten)]
    assumptions: &'a Assumptions,
}

impl<'a> Description<'a> {
    /// Describes a dataset.
    pub fn new(dataset: &'a Dataset) -> Self {
        Self {
            topic: dataset.topic(),
            rows: dataset.rows(),
            hash: format!("{:016x}", dataset.hash()),
            label_column: label_column(dataset),
            labels: dataset.labels(),
            assumptions: dataset.assumptions(),
        }
    }
}

/// Describes a dataset in lines of at most 80 characters, except for names of files.
pub fn text(dataset: &Dataset) -> String {
    let mut text = format!("topic {}\n", assumed::heading(dataset));
    let _ = writeln!(text, "  hash {:016x}", dataset.hash());
    for file in assumed::file_lines(dataset) {
        let _ = writeln!(text, "  {file}");
    }
    for line in assumed::column_lines(dataset) {
        wrap(&mut text, &line);
    }
    if let Some(column) = label_column(dataset) {
        let labels = dataset.labels().iter();
        let labels = labels.map(|(label, rows)| format!("`{label}` {}", quantity::count(*rows)));
        let labels: Vec<_> = labels.collect();
        wrap(
            &mut text,
            &format!("label `{column}`: {}", labels.join(", ")),
        );
    }
    let columns = &dataset.assumptions().columns.columns;
    if columns.len() <= LISTED {
        table(&mut text, columns);
    } else {
        summary(&mut text, columns);
    }
    text
}

fn label_column(dataset: &Dataset) -> Option<&str> {
    let column = dataset.schema().columns.get(dataset.label_column()?)?;
    Some(column.name.as_str())
}

/// Appends a line, wrapped between words.
fn wrap(text: &mut String, line: &str) {
    let mut length = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if length == 0 || length + 1 + width > WIDTH {
            let indent = if length == 0 { "  " } else { "\n    " };
            text.push_str(indent);
            length = indent.trim_start_matches('\n').len() + width;
        } else {
            text.push(' ');
            length += 1 + width;
        }
        text.push_str(word);
    }
    text.push('\n');
}

fn summary(text: &mut String, columns: &[ColumnFindings]) {
    let shares = columns
        .iter()
        .map(|column| column.missing_share)
        .filter(|&share| share > 0.0);
    let shares: Vec<_> = shares.collect();
    let least = shares.iter().copied().reduce(f64::min);
    let most = shares.iter().copied().reduce(f64::max);
    if let Some((least, most)) = least.zip(most) {
        let line = format!(
            "{} of {} have missing values: {} to {} of their rows",
            shares.len(),
            plural(columns.len() as u64, "column"),
            percent(least),
            percent(most)
        );
        wrap(text, &line);
    }
    let (listed, rest) = columns.split_at(SUMMARY.min(columns.len()));
    table(text, listed);
    let rest = plural(rest.len() as u64, "more column");
    let _ = writeln!(text, "  … and {rest}: `--json` describes all");
}

fn table(text: &mut String, columns: &[ColumnFindings]) {
    let lines: Vec<_> = columns.iter().map(cells).collect();
    let mut widths = HEADINGS.map(width);
    for line in &lines {
        for (widest, cell) in widths.iter_mut().zip(line) {
            *widest = width(cell).max(*widest);
        }
    }
    while widths.iter().sum::<usize>() + 2 * CELLS > WIDTH {
        let flexible = FLEXIBLE.into_iter().filter(|&index| widths[index] > NARROW);
        let widest = flexible.max_by_key(|&index| widths[index]);
        match widest {
            _ if widths[EXAMPLE] > NARROW => widths[EXAMPLE] -= 1,
            Some(widest) => widths[widest] -= 1,
            None => break,
        }
    }
    for line in std::iter::once(&HEADINGS.map(str::to_owned)).chain(&lines) {
        let mut written = String::new();
        for (index, (cell, width)) in line.iter().zip(widths).enumerate() {
            let cell = shortened(cell, width);
            let gap = if index == 0 { "  " } else { "" };
            // Shares are aligned at their end.
            let _ = match index {
                2 => write!(written, "{gap}{cell:>width$}  "),
                _ => write!(written, "{gap}{cell:<width$}  "),
            };
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
}

fn cells(column: &ColumnFindings) -> [String; CELLS] {
    let shown = |value: &Option<String>| {
        let value = value.as_deref().unwrap_or("–");
        value.replace(char::is_control, "·")
    };
    let missing = match column.missing {
        0 => "–".to_owned(),
        _ => percent(column.missing_share),
    };
    let extent = &column.extent;
    [
        column.name.replace(char::is_control, "·"),
        column.kind.to_string(),
        missing,
        shown(&extent.min),
        shown(&extent.max),
        shown(&extent.example),
    ]
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        "< 0.1 %".to_owned()
    } else if percent > 99.9 && percent < 100.0 {
        "> 99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::ReadOptions;

    fn described(content: &str) -> (String, serde_json::Value) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rows.csv");
        fs::write(&path, content).unwrap();
        let datasets = Dataset::open(&path, &ReadOptions::default()).unwrap();
        let text = text(&datasets[0]);
        let lines = text.lines().filter(|line| !line.contains("rows.csv"));
        let lines: Vec<_> = lines.skip(2).collect();
        let json = serde_json::to_value(Description::new(&datasets[0])).unwrap();
        (lines.join("\n"), json)
    }

    const ROWS: &str = "class,aa_000,b.c,when,zip\n\
                        neg,1,2.5,2024-05-01T10:00:00Z,10001\n\
                        pos,na,0.5,,20001\n\
                        ,3,,2024-05-02T10:00:00Z,02134\n";

    #[test]
    fn description_lists_labels_types_values_and_assumptions() {
        let (text, _) = described(ROWS);
        insta::assert_snapshot!(text, @"
        missing values: empty (3), `na` (1)
        column 3 `b.c` is field `b_c`: MongoDB reads a dot as a path
        column `zip` is text, because 1 of 3 values is not a plain number (a leading
          zero): line 4 `02134`
        label `class`: `(missing)` 1, `neg` 1, `pos` 1
        column  type     missing  min                   max                   example
        class   text      33.3 %  neg                   pos                   neg
        aa_000  integer   33.3 %  1                     3                     1
        b_c     decimal   33.3 %  0.5                   2.5                   2.5
        when    date      33.3 %  2024-05-01T10:00:00Z  2024-05-02T10:00:00Z  2024-05…
        zip     text           –  02134                 20001                 10001
        ");
    }

    #[test]
    fn json_describes_every_column() {
        let (_, json) = described(ROWS);
        assert_eq!(json["rows"], 3);
        assert_eq!(json["labels"]["(missing)"], 1);
        assert_eq!(json["columns"][1]["type"], "integer");
        assert_eq!(json["columns"][1]["missing"], 1);
        assert_eq!(json["columns"][3]["max"], "2024-05-02T10:00:00Z");
        assert_eq!(json["renamed"][0]["to"], "b_c");
        assert_eq!(json["missing_markers"]["na"], 1);
        assert_eq!(json["notes"][0]["cells"][0]["value"], "02134");
    }

    #[test]
    fn lines_fit_a_terminal_of_80_columns() {
        let long = "x".repeat(300);
        let header = format!("{long}_,speed [km/h],when,a much longer name of a column\n");
        let row = format!("{long},1.2345678901234567e-100,2024-05-01T10:00:00.123Z,{long}\n");
        let odd = format!("{long},odd,soon,{long}\n");
        let (text, _) = described(&format!("{header}{row}{row}{odd}"));
        let widest = text
            .lines()
            .filter(|line| !line.contains("xxxxxxxxxxxxxxxxxxxx`"));
        let widest = widest.map(|line| line.chars().count()).max();
        assert!(widest <= Some(WIDTH), "{text}");
    }

    #[test]
    fn many_columns_are_summarised() {
        let names: Vec<_> = (0..171).map(|column| format!("c{column}")).collect();
        let values: Vec<_> = (0..171).map(|column| column.to_string()).collect();
        let missing = vec![""; 171];
        let lines = [names.join(","), values.join(","), missing.join(",")];
        let (text, json) = described(&lines.join("\n"));
        assert!(text.lines().count() < 30, "{text}");
        assert!(
            text.contains("171 of 171 columns have missing values: 50.0 % to 50.0 %"),
            "{text}"
        );
        assert!(text.contains("151 more columns"), "{text}");
        assert_eq!(json["columns"].as_array().map(Vec::len), Some(171));
    }
}
