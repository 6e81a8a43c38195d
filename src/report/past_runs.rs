//! `history.csv` in the output directory: one line per run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::report::value::Report;

/// Name of the file.
pub const HISTORY_FILE: &str = "history.csv";

/// Columns of the file.
const COLUMNS: [&str; 18] = [
    "run",
    "started_at",
    "version",
    "status",
    "passed",
    "broker",
    "store",
    "dataset_hash",
    "emitted",
    "stored",
    "throughput_records_per_second",
    "end_to_end_p50_us",
    "end_to_end_p99_us",
    "end_to_end_max_us",
    "cpu_per_record_us",
    "peak_resident_bytes",
    "finding",
    "command",
];

/// Appends a run to the file, and writes the columns first if it is new.
///
/// A line is written at once, so that runs that end at the same time do not mix. Fails if the file
/// has other columns.
pub fn append(report: &Report, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut header = csv::Writer::from_writer(Vec::new());
    header.write_record(COLUMNS)?;
    let header = header
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    let mut lines = Vec::new();
    if file.metadata()?.len() == 0 {
        lines.extend_from_slice(&header);
    } else if !starts_with(&mut file, &header)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it has other columns than this version writes; move it away",
        ));
    }
    let mut line = csv::Writer::from_writer(lines);
    line.write_record(fields(report))?;
    let lines = line.into_inner().map_err(csv::IntoInnerError::into_error)?;
    file.write_all(&lines)
}

fn starts_with(file: &mut File, expected: &[u8]) -> io::Result<bool> {
    file.rewind()?;
    let mut found = Vec::with_capacity(expected.len());
    file.take(expected.len() as u64).read_to_end(&mut found)?;
    Ok(found == expected)
}

fn fields(report: &Report) -> [String; 18] {
    fn known(value: Option<impl ToString>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let (run, summary) = (&report.run, &report.summary);
    let latency = &summary.stages.end_to_end_latency;
    let cpu = report.cpu.total_us().map(|us| format!("{us:.1}"));
    let throughput = summary.throughput_records_per_second;
    [
        run.id.clone(),
        run.started_at.clone(),
        run.version.clone(),
        report.status.to_string(),
        report.passed().to_string(),
        report.topology.broker.to_string(),
        report.topology.store.to_string(),
        known(report.dataset.as_ref().map(|dataset| &dataset.hash)),
        report.counters.emitted.to_string(),
        report.counters.stored.to_string(),
        known(throughput.map(|rate| format!("{rate:.1}"))),
        known(latency.p50_us),
        known(latency.p99_us),
        known(latency.max_us),
        known(cpu),
        known(summary.peak_resident_bytes),
        known(report.findings.first().map(|finding| &finding.id)),
        run.command.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::sample;

    #[test]
    fn each_run_is_a_line_under_one_header() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.csv");
        let mut report = sample::report();
        append(&report, &path).unwrap();
        report.run.id = "second, \"quoted\"".to_owned();
        report.summary.throughput_records_per_second = None;
        append(&report, &path).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(reader.headers().unwrap().len(), COLUMNS.len());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(&rows[1][0], "second, \"quoted\"");
        assert_eq!((&rows[1][10], &rows[0][3]), ("", "complete"));
    }

    #[test]
    fn file_with_other_columns_is_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.csv");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = append(&sample::report(), &path).unwrap_err();
        assert!(error.to_string().contains("other columns"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
    }
}
