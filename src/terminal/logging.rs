//! Logging: warnings to stderr, all events to one file per run.
//!
//! If the log file cannot be written, one warning says so and the run continues.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use convoy_server_kit::disk;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::cause::one_line;
use crate::terminal::streams::{Terminal, Verbosity};

/// Filter of stderr: warnings of convoy and errors of its dependencies. The Kafka client is off,
/// because convoy reports each of its errors itself.
const STDERR_FILTER: &str = "error,rskafka=off,convoy=warn";

/// Filters of stderr with `--quiet`, with `--verbose` and with `-vv`.
const QUIET_FILTER: &str = "error,rskafka=off";
const DEBUG_FILTER: &str = "info,convoy=debug";
const TRACE_FILTER: &str = "debug,convoy=trace";

/// Maximum number of warnings per call site on stderr. The file gets all.
const MAX_REPEATS: u32 = 3;

/// Default filter of the log file.
const FILE_FILTER: &str = "info,convoy=debug";

/// Creates a log file, which may hold names of topics and databases, for its owner alone.
fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
        disk::create_directory(directory)?;
    }
    let mut options = disk::options();
    options.write(true).create(true).truncate(true).open(path)
}

/// Starts logging to stderr and to a file.
///
/// `filter` replaces the default one; an invalid filter is ignored with a warning. Only the first
/// call in a process has an effect.
pub fn start_logging(terminal: &Terminal, path: &Path, filter: Option<&str>) {
    let opened = create(path);
    let (file, failure) = match opened {
        Ok(file) => (Some(file), None),
        Err(error) => (None, Some(error)),
    };
    let (file_filter, invalid) = file_filter(filter);
    let to_file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .with_file(true)
            .with_line_number(true)
            // A full disk must not fill stderr.
            .log_internal_errors(false)
            .with_writer(Arc::new(file))
            .with_filter(file_filter)
    });
    let subscriber = Registry::default().with(to_stderr(terminal)).with(to_file);
    // Fails if logging has started already.
    let _started = tracing::subscriber::set_global_default(subscriber);
    if let Some(error) = failure {
        warn!(%error, path = %path.display(), "cannot write the log file; logging warnings to stderr only");
    }
    if let Some(filter) = invalid {
        warn!(filter, "ignored an invalid log filter");
    }
}

/// Starts logging to stderr alone. Only the first call in a process has an effect.
pub fn start_logging_to_stderr(terminal: &Terminal) {
    let subscriber = Registry::default().with(to_stderr(terminal));
    // Fails if logging has started already.
    let _started = tracing::subscriber::set_global_default(subscriber);
}

fn file_filter(filter: Option<&str>) -> (EnvFilter, Option<&str>) {
    match filter.map(|text| (text, EnvFilter::try_new(text))) {
        Some((_, Ok(parsed))) => (parsed, None),
        Some((text, Err(_))) => (EnvFilter::new(FILE_FILTER), Some(text)),
        None => (EnvFilter::new(FILE_FILTER), None),
    }
}

fn to_stderr<S>(terminal: &Terminal) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer()
        .event_format(StderrFormat::default())
        .with_ansi(false)
        .with_writer(StderrWriter(terminal.clone()))
        .with_filter(EnvFilter::new(match terminal.verbosity {
            Verbosity::Errors => QUIET_FILTER,
            Verbosity::Warnings => STDERR_FILTER,
            Verbosity::Debug => DEBUG_FILTER,
            Verbosity::Trace => TRACE_FILTER,
        }))
}

/// Formats an event for people: `warning: connection closed peer=127.0.0.1:40112`.
///
/// An outage repeats the same warning many times, so a call site is muted after [`MAX_REPEATS`].
#[derive(Default)]
struct StderrFormat {
    /// Number of events per call site.
    events: Mutex<HashMap<Identifier, u32>>,
}

impl StderrFormat {
    /// Counts an event; returns the number of events of its call site so far.
    fn count(&self, event: &Event<'_>) -> u32 {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let count = events.entry(event.metadata().callsite()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl<S, N> FormatEvent<S, N> for StderrFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let outage = event.metadata().target() == "convoy::outage";
        let count = if level <= Level::WARN && !outage {
            self.count(event)
        } else {
            // Debug and trace messages were asked for; a server has few outages.
            0
        };
        if count > MAX_REPEATS {
            return Ok(());
        }
        let label = match level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut text = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut text), event)?;
        write!(writer, "{label}: {}", one_line(&text))?;
        if count == MAX_REPEATS {
            write!(writer, " (further ones are only in the log file)")?;
        }
        writeln!(writer)
    }
}

/// Writes events to stderr without damaging the progress bars.
struct StderrWriter(Terminal);

impl<'writer> MakeWriter<'writer> for StderrWriter {
    type Writer = StderrLine<'writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        StderrLine(&self.0)
    }
}

struct StderrLine<'terminal>(&'terminal Terminal);

impl Write for StderrLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_lines(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_filter_is_reported_and_replaced() {
        let (_, invalid) = file_filter(Some("convoy=loud"));
        assert_eq!(invalid, Some("convoy=loud"));
        let (_, valid) = file_filter(Some("convoy=trace"));
        assert_eq!(valid, None);
    }
}
