//! Progress of reading files: a bar on a terminal, otherwise a plain line now and then.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::terminal::streams::Terminal;

/// Interval between plain lines, and time before anything is shown.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Time before a bar is shown.
const BAR_DELAY: Duration = Duration::from_millis(500);

/// Progress of reading files. Dropping it removes its bar.
#[derive(Debug)]
pub struct Reading {
    terminal: Terminal,
    /// Time of the last plain line since the start.
    last_line: Duration,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Starts the progress of reading files. Nothing is shown of short reads.
    pub fn reading(&self) -> Reading {
        Reading {
            terminal: self.clone(),
            last_line: Duration::ZERO,
            bar: None,
        }
    }
}

impl Reading {
    /// Updates bytes and rows read after some time; `total` is the size of all files, if it is known.
    pub fn update(&mut self, elapsed: Duration, bytes: u64, total: Option<u64>, rows: u64) {
        if self.terminal.draws_bars {
            if self.bar.is_none() && elapsed >= BAR_DELAY {
                let bar = self.terminal.bars.add(ProgressBar::no_length());
                bar.set_style(style(total.is_some()));
                bar.set_length(total.unwrap_or_default());
                self.bar = Some(bar);
            }
            if let Some(bar) = &self.bar {
                bar.set_position(bytes);
                bar.set_message(format!("{} rows", HumanCount(rows)));
            }
        } else if elapsed.saturating_sub(self.last_line) >= LINE_PERIOD {
            self.last_line = elapsed;
            let of = total.map_or_else(String::new, |total| format!(" of {}", HumanBytes(total)));
            let (bytes, rows) = (HumanBytes(bytes), HumanCount(rows));
            self.terminal
                .say(format_args!("reading: {bytes}{of} · {rows} rows"));
        }
    }

    /// Ends the progress.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "reading      {wide_bar} {bytes}/{total_bytes} {msg}"
    } else {
        "reading      {spinner} {bytes} {msg}"
    };
    ProgressStyle::with_template(template).expect("the templates above are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_parse() {
        let _valid = [true, false].map(style);
    }
}
