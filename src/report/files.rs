//! The directory of one run: `OUTPUT/<run-id>/` with the report in every form.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::report::latency_log::LatencyLog;
use crate::report::value::{FORMAT_VERSION, Report};
use crate::report::{csv, json};

/// A file of a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The run's directory cannot be made or written to.
    #[error("cannot write to the output directory `{}`", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// One file could not be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is no report.
    #[error("`{}` is no report of convoy", path.display())]
    NoReport {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A report of another version.
    #[error("`{}` has format version {found}, known is {FORMAT_VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Version it has.
        found: u32,
    },
    /// A file is no log of histograms.
    #[error("`{}` is no log of this report's latencies: {reason}", path.display())]
    NoLog {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// One file could not be written.
    #[error("failed to write `{}`", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory { .. } | Self::File { .. } => {
                "name a directory that you may write to, with free space, by `--output DIR`"
            }
            Self::Read { .. } | Self::NoReport { .. } => {
                "name a run's directory, or the `report.json` in it"
            }
            Self::Version { .. } => "use the convoy that wrote it",
            Self::NoLog { .. } => "keep `latency.hdr` beside its `report.json` as it was written",
        }
        .to_owned()
    }
}

/// A directory known to be writable before anything else starts.
///
/// Every file appears under its name only when it is complete. Dropping it removes what is empty,
/// so that a run that never started leaves nothing.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// The output directory, if it was made for this run.
    made: Option<PathBuf>,
}

impl RunDirectory {
    /// Makes the directory of a run and checks that files can be written to it.
    pub fn create(output: &Path, run_id: &str) -> Result<Self, Error> {
        let path = output.join(run_id);
        let directory_error = |source| Error::Directory {
            path: path.clone(),
            source,
        };
        let made = (!output.exists()).then(|| output.to_owned());
        fs::create_dir_all(&path).map_err(directory_error)?;
        NamedTempFile::new_in(&path).map_err(directory_error)?;
        Ok(Self { path, made })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts `latency.hdr`, which [`RunDirectory::write`] completes.
    pub fn latency_log(&self, epoch_unix_ms: u64) -> Result<LatencyLog<PartialFile>, Error> {
        let path = self.path.join("latency.hdr");
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        let file = PartialFile::create(&self.path).map_err(failed)?;
        LatencyLog::start(file, epoch_unix_ms).map_err(failed)
    }

    /// Writes every file of the report and returns their paths, `report.json` first.
    pub fn write(
        &self,
        report: &Report,
        latency_log: Option<LatencyLog<PartialFile>>,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut written = vec![
            self.write_file("report.json", |file| json::write(report, file))?,
            self.write_file("intervals.csv", |file| csv::write(&report.intervals, file))?,
        ];
        if let Some(log) = latency_log {
            let path = self.path.join("latency.hdr");
            log.finish()
                .and_then(|file| file.complete(&path))
                .map_err(|source| Error::File {
                    path: path.clone(),
                    source,
                })?;
            written.push(path);
        }
        Ok(written)
    }

    fn write_file(
        &self,
        name: &str,
        write: impl FnOnce(&mut PartialFile) -> io::Result<()>,
    ) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        PartialFile::create(&self.path)
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
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // Fails on a directory that holds something, which then has to stay.
        let _kept = fs::remove_dir(&self.path);
        if let Some(output) = &self.made {
            let _kept = fs::remove_dir(output);
        }
    }
}

/// A file without its name yet; dropping it removes it.
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

/// Temporary files are private to their user; a report is for everybody the directory is for.
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
    fn files_appear_complete_or_not_at_all() {
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
            ["intervals.csv", "latency.hdr", "report.json"]
        );
        let read: Report = serde_json::from_slice(&fs::read(&written[0]).unwrap()).unwrap();
        assert_eq!(read, sample::report());
    }

    #[test]
    fn a_run_without_results_leaves_no_directory() {
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
    fn a_directory_that_cannot_be_made_is_told_before_the_run() {
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
