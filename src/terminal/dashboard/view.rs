//! What the dashboard knows of a run.

use std::collections::VecDeque;

use crate::measure::{Histogram, Interval, PartitionLoad, Stages};

/// Seconds that are kept for the curves.
const SECONDS: usize = 240;

/// Messages that are kept for their screen.
const MESSAGES: usize = 200;

/// What the dashboard shows.
#[derive(Debug, Default)]
pub struct View {
    /// Phase and progress, the most important first.
    pub state: Vec<String>,
    /// Share of the phase that is over, if its end is known.
    pub share: Option<f64>,
    /// Phases that have ended.
    pub ended: Vec<String>,
    /// Last seconds, the newest last.
    pub seconds: VecDeque<Interval>,
    /// Latencies of the run.
    pub run: Stages<Histogram>,
    /// What passed through each partition now and a second ago.
    pub partitions: Vec<PartitionLoad>,
    /// The same a second before.
    pub before: Vec<PartitionLoad>,
    /// Whether this process stores what others produce, so that its lag tells what waits.
    pub consumes: bool,
    /// Last messages.
    pub messages: VecDeque<String>,
}

impl View {
    /// Adds a second.
    pub fn add(
        &mut self,
        interval: &Interval,
        stages: &Stages<Histogram>,
        partitions: Vec<PartitionLoad>,
    ) {
        self.run.merge(stages);
        self.seconds.push_back(interval.clone());
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
        self.before = std::mem::replace(&mut self.partitions, partitions);
    }

    /// Adds a message.
    pub fn say(&mut self, message: &str) {
        for line in message.lines() {
            self.messages.push_back(plain(line));
        }
        while self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
    }

    /// Returns how many records wait at the end of a second; `None` if it is not known.
    pub fn waiting(&self, interval: &Interval) -> Option<u64> {
        if self.consumes {
            interval.lag
        } else {
            Some(interval.backlog)
        }
    }
}

/// Returns a text without colors and control characters: it must not move the cursor.
fn plain(text: &str) -> String {
    let mut escaped = false;
    let shown = |symbol: &char| {
        if *symbol == '\x1b' {
            escaped = true;
            return false;
        }
        if escaped {
            escaped = !symbol.is_ascii_alphabetic();
            return false;
        }
        !symbol.is_control()
    };
    text.chars().filter(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_neither_colors_nor_control_characters() {
        let mut view = View::default();
        view.say("\x1b[33mwarning:\x1b[0m\ta \u{7}bell\nnext");
        assert_eq!(view.messages, ["warning:a bell", "next"]);
    }
}
