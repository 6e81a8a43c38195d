//! Logs: warnings on stderr, everything in one file per run.
//!
//! A log file that cannot be written is said once and otherwise ignored: it is talk, not a result.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::terminal::{Terminal, Verbosity};

/// Directory of the log files, one per run.
pub const DIRECTORY: &str = "logs";

/// What stderr gets: our own warnings, and errors of the clients we use, but for those of the Kafka
/// client: each comes back as an outcome, and is told where it matters.
const TALK_FILTER: &str = "error,rskafka=off,convoy=warn";

/// What stderr gets with `--quiet`, with `--verbose` and with `-vv`.
const QUIET_FILTER: &str = "error,rskafka=off";
const DEBUG_FILTER: &str = "info,convoy=debug";
const TRACE_FILTER: &str = "debug,convoy=trace";

/// How many warnings of one kind stderr gets; the file gets all.
const MOST_ALIKE: u32 = 3;

/// What a file gets unless the user names a filter.
const FILE_FILTER: &str = "info,convoy=debug";

/// Starts logging to stderr and, where a run has one, to the file `directory/<run-id>.log`.
///
/// Returns the file's path. `filter` replaces the default one; a filter that does not parse is
/// said and ignored. Only the first call in a process has an effect.
pub fn start(
    terminal: &Terminal,
    directory: &Path,
    run_id: &str,
    filter: Option<&str>,
) -> Option<PathBuf> {
    let path = directory.join(format!("{run_id}.log"));
    let opened = fs::create_dir_all(directory).and_then(|()| File::create(&path));
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
            .with_writer(Arc::new(file))
            .with_filter(file_filter)
    });
    let has_file = to_file.is_some();
    let subscriber = Registry::default().with(to_stderr(terminal)).with(to_file);
    let started = tracing::subscriber::set_global_default(subscriber).is_ok();
    if let Some(error) = failure {
        warn!(%error, path = %path.display(), "cannot write the log file; logging warnings to stderr only");
    }
    if let Some(filter) = invalid {
        warn!(filter, "ignored a log filter that does not parse");
    }
    (started && has_file).then_some(path)
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
        .event_format(Talk::default())
        .with_ansi(false)
        .with_writer(TalkWriter(terminal.clone()))
        .with_filter(EnvFilter::new(match terminal.verbosity {
            Verbosity::Errors => QUIET_FILTER,
            Verbosity::Warnings => TALK_FILTER,
            Verbosity::Debug => DEBUG_FILTER,
            Verbosity::Trace => TRACE_FILTER,
        }))
}

/// Formats an event as people read it: `warning: connection closed peer=127.0.0.1:40112`.
///
/// An outage makes the same warning come again and again; what comes too often says so and stops.
#[derive(Default)]
struct Talk {
    /// How often each place in the code has spoken.
    said: Mutex<HashMap<Identifier, u32>>,
}

impl Talk {
    /// Counts an event; returns how often its like has come, this time included.
    fn count(&self, event: &Event<'_>) -> u32 {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let count = said.entry(event.metadata().callsite()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl<S, N> FormatEvent<S, N> for Talk
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
        let count = if level <= Level::WARN {
            self.count(event)
        } else {
            // Debug and trace messages were asked for.
            0
        };
        if count > MOST_ALIKE {
            return Ok(());
        }
        let label = match level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{label}: ")?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        if count == MOST_ALIKE {
            write!(writer, " (more like this: in the log file)")?;
        }
        writeln!(writer)
    }
}

/// Writes events between the progress bars rather than through them.
struct TalkWriter(Terminal);

impl<'writer> MakeWriter<'writer> for TalkWriter {
    type Writer = TalkLine<'writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        TalkLine(&self.0)
    }
}

struct TalkLine<'terminal>(&'terminal Terminal);

impl Write for TalkLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.talk(bytes);
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
    fn a_filter_that_does_not_parse_is_named_and_replaced() {
        let (_, invalid) = file_filter(Some("convoy=loud"));
        assert_eq!(invalid, Some("convoy=loud"));
        let (_, valid) = file_filter(Some("convoy=trace"));
        assert_eq!(valid, None);
    }
}
