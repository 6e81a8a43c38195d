//! `convoy dataset`: inspects or generates datasets.

pub mod assumed;
mod description;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use crate::command::dataset::description::Description;
use crate::dataset::{Dataset, Generator, JsonSchema, ReadOptions};
use crate::error::{Error, ExitStatus};
use crate::measure::RunClock;
use crate::settings::{Format, GenerateSettings, InspectSettings, SchemaSettings};
use crate::terminal::Terminal;

/// Prints topics, files, labels and columns, and what was assumed about them.
pub fn inspect(settings: &InspectSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let datasets = survey(&settings.path, &settings.read, terminal)?;
    let text = match settings.format {
        Format::Text => {
            let texts: Vec<_> = datasets.iter().map(description::text).collect();
            texts.join("\n")
        }
        Format::Json => {
            let datasets: Vec<_> = datasets.iter().map(Description::new).collect();
            let json = serde_json::json!({ "datasets": datasets });
            format!("{json:#}\n")
        }
    };
    terminal
        .data(|stdout| stdout.write_all(text.as_bytes()))
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}

/// Prints the JSON Schema of each topic's rows; its title is the topic.
pub fn schema(settings: &SchemaSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let datasets = survey(&settings.path, &settings.read, terminal)?;
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

/// Reads the datasets at a path once, with progress on stderr.
fn survey(path: &Path, read: &ReadOptions, terminal: &Terminal) -> Result<Vec<Dataset>, Error> {
    let mut progress = terminal.reading();
    let clock = RunClock::start();
    let datasets = Dataset::survey(path, read, &mut |reached| {
        let elapsed = Duration::from_nanos(clock.now());
        progress.update(elapsed, reached.bytes, reached.total_bytes, reached.rows);
    });
    progress.finish();
    Ok(datasets?)
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
