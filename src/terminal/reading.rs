//! Progress of reading files: a bar on a terminal, otherwise a plain line now and then.

use std::time::{Duration, Instant};

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
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Starts the progress of reading files. Nothing is shown of short reads.
    pub fn reading(&self) -> Reading {
        let now = Instant::now();
        Reading {
            terminal: self.clone(),
            started: now,
            last_line: now,
            bar: None,
        }
    }
}

impl Reading {
    /// Updates bytes and rows read; `total` is the size of all files, if it is known.
    pub fn update(&mut self, bytes: u64, total: Option<u64>, rows: u64) {
        if self.terminal.draws_bars {
            if self.bar.is_none() && self.started.elapsed() >= BAR_DELAY {
                let bar = self.terminal.bars.add(ProgressBar::no_length());
                bar.set_style(style(total.is_some()));
                bar.set_length(total.unwrap_or_default());
                self.bar = Some(bar);
            }
            if let Some(bar) = &self.bar {
                bar.set_position(bytes);
                bar.set_message(format!("{} rows", HumanCount(rows)));
            }
        } else if self.last_line.elapsed() >= LINE_PERIOD {
            self.last_line = Instant::now();
            let rows = HumanCount(rows);
            match total {
                Some(total) => self.terminal.say(format_args!(
                    "reading: {} of {} · {rows} rows",
                    HumanBytes(bytes),
                    HumanBytes(total)
                )),
                None => {
                    let bytes = HumanBytes(bytes);
                    self.terminal
                        .say(format_args!("reading: {bytes} · {rows} rows"));
                }
            }
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
    let template = match known {
        true => "reading      {wide_bar} {bytes}/{total_bytes} {msg}",
        false => "reading      {spinner} {bytes} {msg}",
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
