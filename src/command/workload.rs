//! Rows and topics of the commands that emit, `simulate` and `produce`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::command::dataset::assumed;
use crate::dataset::{Assumptions, BUILT_IN, Dataset, OnBadRow, ReadOptions};
use crate::error::Error;
use crate::measure::RunClock;
use crate::pipeline::Workload;
use crate::settings::LoadSettings;
use crate::terminal::Terminal;
use crate::trial::Rows;

/// Bad rows that are named at the start of a run.
const NAMED_BAD_ROWS: usize = 5;

/// File for bad rows in the run's directory.
const BAD_ROWS: &str = "bad-rows.jsonl";

/// Opens the dataset and says what was assumed about it, unless it is the built-in one.
pub fn open(load: &LoadSettings, topic: Option<&str>, terminal: &Terminal) -> Result<Rows, Error> {
    let mut progress = terminal.reading();
    let clock = RunClock::start();
    let datasets = Dataset::open_with(&load.dataset, &load.read, &mut |reached| {
        let elapsed = Duration::from_nanos(clock.now());
        progress.update(elapsed, reached.bytes, reached.total_bytes, reached.rows);
    });
    progress.finish();
    let datasets = datasets?;
    if load.dataset != Path::new(BUILT_IN) {
        for line in datasets.iter().flat_map(assumed::lines) {
            terminal.say(line);
        }
    }
    named(topic, datasets)
}

/// Opens the dataset as [`open`] does, and says nothing.
pub fn examine(load: &LoadSettings, topic: Option<&str>) -> Result<Rows, Error> {
    named(topic, Dataset::open(&load.dataset, &load.read)?)
}

fn named(topic: Option<&str>, datasets: Vec<Dataset>) -> Result<Rows, Error> {
    let topics = topics(topic, &datasets)?;
    Ok(Rows {
        workload: Arc::new(Workload::new(datasets)),
        topics,
    })
}

/// Says which rows were left out, and writes them to a file in the run's directory if they were
/// kept.
pub fn report_bad_rows(
    workload: &Workload,
    read: &ReadOptions,
    directory: &Path,
    terminal: &Terminal,
) -> Result<(), Error> {
    let assumed = || workload.datasets().map(Dataset::assumptions);
    let count: u64 = assumed().map(Assumptions::bad_rows).sum();
    if count == 0 {
        return Ok(());
    }
    let kept = directory.join(BAD_ROWS);
    let place = if read.on_bad_row == OnBadRow::DeadLetter {
        write_bad_rows(workload, &kept).map_err(|source| Error::WriteFile {
            path: kept.clone(),
            source,
        })?;
        format!("; they are in `{}`", kept.display())
    } else {
        String::new()
    };
    terminal.say(format_args!(
        "warning: {count} bad rows were left out{place}"
    ));
    let named = assumed().flat_map(|it| &it.files).flat_map(|file| {
        let bad_rows = file.bad_rows.iter();
        bad_rows.map(move |bad| (file.file.display(), bad))
    });
    for (file, bad) in named.take(NAMED_BAD_ROWS) {
        let (line, byte) = (bad.line, bad.byte);
        terminal.say(format_args!(
            "  `{file}`, line {line}, byte {byte}: {}",
            bad.reason
        ));
    }
    Ok(())
}

fn write_bad_rows(workload: &Workload, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for dataset in workload.datasets() {
        dataset.write_bad_rows(&mut file)?;
    }
    file.flush()
}

/// Returns the topics: the user's, or those named by the datasets' folders.
fn topics(topic: Option<&str>, datasets: &[Dataset]) -> Result<Vec<String>, Error> {
    match (topic, datasets) {
        (Some(topic), [_only]) => Ok(vec![topic.to_owned()]),
        (Some(topic), several) => Err(Error::OneTopic {
            topic: topic.to_owned(),
            datasets: several.len(),
        }),
        (None, datasets) => Ok(datasets
            .iter()
            .map(|dataset| dataset.topic().to_owned())
            .collect()),
    }
}
