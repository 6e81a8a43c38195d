//! What was assumed about a dataset, in lines.

use crate::dataset::{ColumnType, Compression, Dataset, FileAssumptions, Renamed, Skipped};
use crate::text::quantity::{self, plural};

/// Files, names and remarks that are listed at the start of a run.
const LISTED: usize = 10;

/// Returns what a run says of a dataset before it starts: one line of facts, then what was assumed.
pub fn lines(dataset: &Dataset) -> Vec<String> {
    let mut lines = vec![format!("dataset {}", heading(dataset))];
    let mut assumed = file_lines(dataset);
    assumed.extend(column_lines(dataset));
    let more = assumed.len().saturating_sub(LISTED);
    assumed.truncate(LISTED);
    if more > 0 {
        assumed.push(format!(
            "and {more} more lines: `convoy dataset inspect` shows them"
        ));
    }
    lines.extend(assumed.into_iter().map(|line| format!("  {line}")));
    lines
}

/// Returns topic, size and types of a dataset.
pub fn heading(dataset: &Dataset) -> String {
    let columns = &dataset.schema().columns;
    format!(
        "{} · {} · {}: {}",
        dataset.topic(),
        plural(dataset.rows(), "row"),
        plural(columns.len() as u64, "column"),
        types(dataset)
    )
}

fn types(dataset: &Dataset) -> String {
    let kinds = [
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::LargeInteger,
        ColumnType::Decimal,
        ColumnType::Number,
        ColumnType::Date,
        ColumnType::Text,
    ];
    let counts = kinds.map(|kind| {
        let columns = dataset.schema().columns.iter();
        (columns.filter(|column| column.kind == kind).count(), kind)
    });
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    counts.join(", ")
}

/// Returns how each file was read.
pub fn file_lines(dataset: &Dataset) -> Vec<String> {
    let files = &dataset.assumptions().files;
    if files.is_empty() {
        let files = dataset.files().iter();
        return files.map(|file| file.display().to_string()).collect();
    }
    files.iter().map(file_line).collect()
}

fn file_line(file: &FileAssumptions) -> String {
    let mut facts = Vec::new();
    if let Some(delimiter) = file.delimiter.value {
        facts.push(format!("delimiter `{delimiter}`"));
    }
    facts.push(match file.header_line.value {
        Some(line) => format!("header in line {line}"),
        None => "no header".to_owned(),
    });
    facts.push(file.encoding.value.to_string());
    if file.compression != Compression::None {
        facts.push(file.compression.to_string());
    }
    if file.carriage_returns {
        facts.push("lines end with a carriage return".to_owned());
    }
    if file.trailing_delimiter {
        facts.push("rows end with a delimiter".to_owned());
    }
    facts.extend(skipped(&file.skipped));
    format!("{}: {}", file.file.display(), facts.join(", "))
}

fn skipped(skipped: &Skipped) -> Option<String> {
    let counts = [
        (
            skipped.lines_before_header,
            "line before the header",
            "lines before the header",
        ),
        (skipped.comment_lines, "comment", "comments"),
        (
            skipped.repeated_headers,
            "repeated header",
            "repeated headers",
        ),
        (skipped.unit_rows, "row of units", "rows of units"),
        (skipped.bad_rows, "bad row", "bad rows"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, one, many)| {
            format!(
                "{} {}",
                quantity::count(count),
                if count == 1 { one } else { many }
            )
        })
        .collect();
    (!counts.is_empty()).then(|| format!("skipped {}", counts.join(" and ")))
}

/// Returns missing values, changed names and remarks about columns.
pub fn column_lines(dataset: &Dataset) -> Vec<String> {
    let findings = &dataset.assumptions().columns;
    let markers = findings.missing_markers.iter().map(|(marker, count)| {
        let count = quantity::count(*count);
        match marker.as_str() {
            "" => format!("empty ({count})"),
            marker => format!("`{marker}` ({count})"),
        }
    });
    let markers: Vec<_> = markers.collect();
    let missing = (!markers.is_empty()).then(|| format!("missing values: {}", markers.join(", ")));
    let renamed = findings.renamed.iter().map(renamed);
    let notes = findings.notes.iter().map(ToString::to_string);
    missing.into_iter().chain(renamed).chain(notes).collect()
}

fn renamed(renamed: &Renamed) -> String {
    let Renamed {
        column,
        from,
        to,
        reason,
    } = renamed;
    if from.is_empty() {
        return format!("column {column} has no name; its field is `{to}`");
    }
    let from = from.escape_debug();
    match reason {
        Some(reason) => format!("column {column} `{from}` is field `{to}`: {reason}"),
        None => format!("column {column} `{from}` is field `{to}`, as `--rename` says"),
    }
}
