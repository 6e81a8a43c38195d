//! What the servers log, shown when the test fails.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoy_server_kit::RunClock;
use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Lines that are kept.
const MAX_LINES: usize = 400;

thread_local! {
    static COLLECTING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// The last lines of a log.
#[derive(Debug)]
pub struct Logs {
    clock: RunClock,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    earlier: u64,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            clock: RunClock::start(),
            kept: Mutex::default(),
        }
    }
}

impl Logs {
    /// Keeps what this thread logs from now on.
    pub fn collect_on_this_thread(self: &Arc<Self>) {
        let guard = set_default(&Dispatch::new(Collector(Arc::clone(self))));
        COLLECTING.set(Some(guard));
    }

    /// Prints the lines, which the test runner captures as the output of the test.
    #[expect(clippy::print_stderr, reason = "the test runner captures it")]
    pub fn show(&self) {
        let kept = self.lock();
        if kept.lines.is_empty() {
            return;
        }
        let earlier = match kept.earlier {
            0 => String::new(),
            lines => format!(" ({lines} earlier lines left out)"),
        };
        eprintln!("---- log of the servers{earlier} ----");
        for line in &kept.lines {
            eprintln!("{line}");
        }
        eprintln!("---- end of the log ----");
    }

    fn push(&self, line: String) {
        let mut kept = self.lock();
        if kept.lines.len() == MAX_LINES {
            kept.lines.pop_front();
            kept.earlier += 1;
        }
        kept.lines.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receives the events of a thread.
struct Collector(Arc<Logs>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG && metadata.target().starts_with("convoy_")
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let target = metadata.target().split("::").next().unwrap_or_default();
        let server = match target {
            "convoy_kafka_server" => "kafka",
            "convoy_mongodb_server" => "mongodb",
            "convoy_registry_server" => "registry",
            _ => "server",
        };
        let mut line = Line(String::new());
        let elapsed = Duration::from_nanos(self.0.clock.now()).as_secs_f64();
        let _ = write!(line.0, "{elapsed:8.3}s {:5} {server}:", metadata.level());
        event.record(&mut line);
        self.0.push(line.0);
    }

    // The servers have no spans.
    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

/// Appends the fields of an event.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {}=\"{value}", field.name());
        let mut cause = value.source();
        while let Some(source) = cause {
            let _ = write!(self.0, ": {source}");
            cause = source.source();
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_kept_with_their_fields_and_causes() {
        let logs = Arc::new(Logs::default());
        let source = std::io::Error::other("disk full");
        let error = crate::Error::start("Kafka broker", Box::new(source));
        let collected = Arc::clone(&logs);
        let logging = std::thread::spawn(move || {
            collected.collect_on_this_thread();
            for number in 0..MAX_LINES {
                tracing::debug!(number, "a client disconnected");
            }
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "failed");
            tracing::trace!("not kept");
            tracing::warn!(target: "other", "not kept");
        });
        logging.join().unwrap();
        let kept = logs.lock();
        assert_eq!((kept.lines.len(), kept.earlier), (MAX_LINES, 1));
        let last = kept.lines.back().unwrap();
        let expected = "failed error=\"failed to start the Kafka broker: disk full\"";
        assert!(last.ends_with(expected), "{last}");
        assert!(kept.lines[0].contains("a client disconnected number=1"));
    }
}
