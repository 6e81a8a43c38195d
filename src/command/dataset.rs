//! `convoy dataset`: inspects or generates datasets.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::dataset::Generator;
use crate::dataset::{ColumnType, Dataset, JsonSchema};
use crate::error::{Error, ExitStatus};
use crate::settings::{GenerateSettings, InspectSettings, SchemaSettings};
use crate::terminal::Terminal;

/// Prints topics, files, labels and columns.
pub fn inspect(settings: &InspectSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let datasets = Dataset::open(&settings.path, &settings.read)?;
    let text: Vec<String> = datasets.iter().map(describe).collect();
    terminal
        .data(|stdout| stdout.write_all(text.join("\n").as_bytes()))
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}

/// Prints the JSON Schema of each topic's rows; its title is the topic.
pub fn schema(settings: &SchemaSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let datasets = Dataset::open(&settings.path, &settings.read)?;
    terminal
        .data(|stdout| {
            for dataset in &datasets {
                let schema = JsonSchema::new(dataset.schema(), dataset.topic(), settings.form);
                serde_json::to_writer_pretty(&mut *stdout, &schema)?;
                writeln!(stdout)?;
            }
            Ok(())
        })
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}

/// Writes generated rows.
pub fn generate(settings: &GenerateSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let write = |output: &mut dyn Write| {
        let mut output = BufWriter::new(output);
        Generator::new(settings.seed).write(settings.rows, &mut output)?;
        output.flush()
    };
    match &settings.output {
        Some(path) => write_file(path, write).map_err(|source| Error::WriteFile {
            path: path.clone(),
            source,
        })?,
        None => terminal.data(write).map_err(Error::Stdout)?,
    }
    Ok(ExitStatus::Success)
}

fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // An existing file may hold the user's own rows.
    let mut file = File::create_new(path)?;
    write(&mut file)
}

fn describe(dataset: &Dataset) -> String {
    let columns = &dataset.schema().columns;
    let mut text = format!(
        "topic {} · {} rows · {} columns · hash {:016x}\n",
        dataset.topic(),
        dataset.rows(),
        columns.len(),
        dataset.hash()
    );
    for file in dataset.files() {
        let _ = writeln!(text, "  {}", file.display());
    }
    for (label, rows) in dataset.labels() {
        let _ = writeln!(text, "  label `{label}`: {rows} rows");
    }
    let width = columns.iter().map(|column| column.name.len()).max();
    for column in columns {
        let kind = match column.kind {
            ColumnType::Integer => "integer",
            ColumnType::Decimal => "decimal",
            ColumnType::Text => "text",
        };
        let nullable = if column.nullable { ", nullable" } else { "" };
        let _ = writeln!(
            text,
            "  {:<width$} {kind}{nullable}",
            column.name,
            width = width.unwrap_or_default()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::ReadOptions;

    #[test]
    fn inspection_lists_files_labels_and_types() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rows.csv");
        fs::write(&path, "class,aa_000,b\nneg,1,2.5\npos,na,0.5\nneg,3,\n").unwrap();
        let datasets = Dataset::open(&path, &ReadOptions::default()).unwrap();
        let text = describe(&datasets[0]).replace(&place.path().display().to_string(), "[PLACE]");
        let (_, described) = text.split_once('\n').unwrap();
        insta::assert_snapshot!(described, @"
        [PLACE]/rows.csv
        label `neg`: 2 rows
        label `pos`: 1 rows
        class  text
        aa_000 integer, nullable
        b      decimal, nullable
        ");
    }

    #[test]
    fn existing_file_is_not_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rows.csv");
        fs::write(&path, "precious").unwrap();
        let error = write_file(&path, |output| output.write_all(b"x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
