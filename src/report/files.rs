//! Directory of one run: `OUTPUT/<run-id>/` with the report in every form.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::NamedTempFile;

use crate::report::comparison::Comparison;
use crate::report::history::History;
use crate::report::latency_log::LatencyLog;
use crate::report::value::{FORMAT_VERSION, Report};
use crate::report::{csv, html, json};

/// Failure to write or read the files of a report.
#[expect(missing_docs, reason = "each message shows what its fields are")]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The run's directory cannot be created or written.
    #[error("cannot write to the output directory `{}`", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file is not a report.
    #[error("`{}` is not a convoy report", path.display())]
    NotAReport {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// The format version is not supported.
    #[error("`{}` has unsupported format version {found} (expected {FORMAT_VERSION})", path.display())]
    Version { path: PathBuf, found: u32 },
    /// A file is not an interval log of histograms.
    #[error("`{}` is not a readable latency log: {reason}", path.display())]
    NotALog { path: PathBuf, reason: String },
    /// A file cannot be written.
    #[error("failed to write `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns a hint for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory { .. } | Self::File { .. } => {
                "pass a writable directory with free space: `--output DIR`"
            }
            Self::Read { .. } | Self::NotAReport { .. } => {
                "pass a run's directory or its `report.json`"
            }
            Self::Version { .. } => "read it with the version of convoy that wrote it",
            Self::NotALog { .. } => "keep the original `latency.hdr` beside `report.json`",
        }
        .to_owned()
    }
}

/// Directory of a run, checked to be writable before the run starts.
///
/// A file gets its name only when it is complete. Dropping this removes the log of a run
/// that did not begin, and the directory if it is empty, so that a wrong setting leaves nothing.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// The output directory, if it was created for this run.
    created: Option<PathBuf>,
    /// Whether the run began, so that its log says more than its error.
    begun: AtomicBool,
}

impl RunDirectory {
    /// Returns the report that a run of this name has already.
    pub fn existing_report(output: &Path, run_id: &str) -> Option<PathBuf> {
        let path = output.join(run_id).join("report.json");
        path.exists().then_some(path)
    }

    /// Creates the directory of a run and checks that it is writable.
    pub fn create(output: &Path, run_id: &str) -> Result<Self, Error> {
        let path = output.join(run_id);
        let directory_error = |source| Error::Directory {
            path: path.clone(),
            source,
        };
        let created = (!output.exists()).then(|| output.to_owned());
        fs::create_dir_all(&path).map_err(directory_error)?;
        NamedTempFile::new_in(&path).map_err(directory_error)?;
        Ok(Self {
            path,
            created,
            begun: AtomicBool::new(false),
        })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the log of the process.
    pub fn log(&self) -> PathBuf {
        self.path.join("run.log")
    }

    /// Writes `comparison.json` and returns its path.
    pub fn save_comparison(&self, comparison: &Comparison) -> Result<PathBuf, Error> {
        self.begun.store(true, Ordering::Relaxed);
        write_file(&self.path, "comparison.json", |file| {
            serde_json::to_writer_pretty(&mut *file, comparison)?;
            file.write_all(b"\n")
        })
    }

    /// Begins the run: starts `latency.hdr`, which [`RunDirectory::write`] completes.
    pub fn latency_log(&self, epoch_unix_ms: u64) -> Result<LatencyLog<PartialFile>, Error> {
        self.begun.store(true, Ordering::Relaxed);
        let path = self.path.join("latency.hdr");
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        let file = PartialFile::create(&self.path).map_err(failed)?;
        LatencyLog::start(file, epoch_unix_ms).map_err(failed)
    }

    /// Writes every file of the report and returns their paths, `report.json` first.
    ///
    /// A file that fails does not prevent the others. Returns the first error.
    pub fn write(
        &self,
        report: &Report,
        latency_log: Option<LatencyLog<PartialFile>>,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut written = vec![
            write_file(&self.path, "report.json", |file| json::write(report, file)),
            write_file(&self.path, "intervals.csv", |file| {
                csv::write(&report.intervals, file)
            }),
        ];
        let mut history = History::default();
        if let Some(mut log) = latency_log {
            history = log.take_history();
            let path = self.path.join("latency.hdr");
            let completed = log.finish().and_then(|file| file.complete(&path));
            written.push(match completed {
                Ok(()) => Ok(path),
                Err(source) => Err(Error::File { path, source }),
            });
        }
        written.push(write_page(&self.path, report, &history));
        written.into_iter().collect()
    }
}

impl RunDirectory {
    /// Writes a file beside the report and returns its path.
    pub fn add(
        &self,
        name: &str,
        write: impl FnOnce(&mut PartialFile) -> io::Result<()>,
    ) -> Result<PathBuf, Error> {
        write_file(&self.path, name, write)
    }
}

/// Writes `report.html` and returns its path.
pub fn write_page(directory: &Path, report: &Report, history: &History) -> Result<PathBuf, Error> {
    write_file(directory, "report.html", |file| {
        html::write(report, history, file)
    })
}

/// Writes the `report.json` of one run among several into a directory, which it creates.
pub fn save_report(directory: &Path, report: &Report) -> Result<PathBuf, Error> {
    fs::create_dir_all(directory).map_err(|source| Error::Directory {
        path: directory.to_owned(),
        source,
    })?;
    write_file(directory, "report.json", |file| json::write(report, file))
}

fn write_file(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&mut PartialFile) -> io::Result<()>,
) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    PartialFile::create(directory)
        .and_then(|mut file| {
            write(&mut file)?;
            file.complete(&path)
        })
        .map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
    Ok(path)
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !*self.begun.get_mut() {
            let _absent = fs::remove_file(self.log());
        }
        // Fails if the directory is not empty, which then stays.
        let _kept = fs::remove_dir(&self.path);
        if let Some(output) = &self.created {
            let _kept = fs::remove_dir(output);
        }
    }
}

/// A file without its final name; dropping it removes it.
#[derive(Debug)]
pub struct PartialFile {
    buffer: BufWriter<NamedTempFile>,
}

impl PartialFile {
    fn create(directory: &Path) -> io::Result<Self> {
        let file = NamedTempFile::with_prefix_in(".partial-", directory)?;
        Ok(Self {
            buffer: BufWriter::new(file),
        })
    }

    fn complete(self, path: &Path) -> io::Result<()> {
        let file = self
            .buffer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        make_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()
    }
}

/// Temporary files are private to their user; the directory alone controls access to a report.
fn make_readable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Stages;
    use crate::report::sample;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_get_their_names_only_when_complete() {
        let output = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(output.path(), "run-1").unwrap();
        let mut log = directory.latency_log(0).unwrap();
        log.write(Duration::ZERO, Duration::from_secs(1), &Stages::default())
            .unwrap();
        assert!(!names(directory.path()).contains(&"latency.hdr".to_owned()));

        let written = directory.write(&sample::report(), Some(log)).unwrap();
        assert_eq!(written[0], output.path().join("run-1/report.json"));
        assert_eq!(
            names(directory.path()),
            ["intervals.csv", "latency.hdr", "report.html", "report.json"]
        );
        let read: Report = serde_json::from_slice(&fs::read(&written[0]).unwrap()).unwrap();
        assert_eq!(read, sample::report());
    }

    #[test]
    fn run_without_results_leaves_no_directory() {
        let place = tempfile::tempdir().unwrap();
        let output = place.path().join("runs");
        let directory = RunDirectory::create(&output, "run-1").unwrap();
        let log = directory.latency_log(0).unwrap();
        drop(log);
        drop(directory);
        assert_eq!(names(place.path()), Vec::<String>::new());

        fs::create_dir(&output).unwrap();
        drop(RunDirectory::create(&output, "run-2").unwrap());
        assert_eq!(names(place.path()), ["runs"]);
    }

    #[test]
    fn uncreatable_directory_is_reported_before_the_run() {
        let output = NamedTempFile::new().unwrap();
        let error = RunDirectory::create(output.path(), "run-1").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot write to the output directory"),
            "{error}"
        );
        assert!(error.hint().contains("--output"));
    }
}
