//! The screens as lines of text. Pure.

use textwrap::core::display_width;

use crate::measure::{Histogram, Interval, PartitionLoad, Stage, Trend};
use crate::terminal::dashboard::keys::Key;
use crate::terminal::dashboard::size::Size;
use crate::terminal::dashboard::view::View;
use crate::text::{Ink, Page, quantity};

/// Blocks of a curve, from low to high.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns before a curve, and after it.
const LABEL: usize = 14;
const VALUE: usize = 22;

/// Which screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Overview,
    Stages,
    Partitions,
    Messages,
    /// What the keys do.
    Help,
}

/// What the keys do.
const HELP: [(&str, &str); 6] = [
    ("1-4", "screen with this number"),
    ("tab, right", "next screen"),
    ("shift-tab, left", "screen before"),
    ("?", "this help; again for the overview"),
    ("q", "end in order: drain, audit, report"),
    ("Ctrl-C", "the same; twice to abort"),
];

impl Screen {
    const ALL: [Self; 4] = [
        Self::Overview,
        Self::Stages,
        Self::Partitions,
        Self::Messages,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Stages => "stages",
            Self::Partitions => "partitions",
            Self::Messages => "messages",
            Self::Help => "help",
        }
    }

    /// Returns the screen after a key was pressed.
    pub fn after(self, key: Key) -> Self {
        let all = Self::ALL;
        let at = all.iter().position(|it| *it == self);
        match key {
            Key::Number(number) => all.get(number - 1).copied().unwrap_or(self),
            Key::Next => at.map_or(all[0], |at| all[(at + 1) % all.len()]),
            Key::Previous => at.map_or(all[0], |at| all[(at + all.len() - 1) % all.len()]),
            Key::Help if self == Self::Help => all[0],
            Key::Help => Self::Help,
            Key::Quit => self,
        }
    }
}

/// Draws a screen: lines that fit the size.
pub fn draw(view: &View, screen: Screen, size: Size, colored: bool) -> Vec<String> {
    let page = Page::new(None, colored);
    let mut lines = vec![tabs(screen, &page), view.state.join(" · ")];
    lines.push(bar(view.share, size.columns));
    lines.push(String::new());
    match screen {
        Screen::Overview => overview(view, size, &page, &mut lines),
        Screen::Stages => stages(view, &page, &mut lines),
        Screen::Partitions => partitions(view, &page, &mut lines),
        Screen::Messages => messages(view, size, &mut lines),
        Screen::Help => lines.extend(HELP.map(|(key, meaning)| format!("{key:<16} {meaning}"))),
    }
    lines.truncate(size.rows.saturating_sub(1));
    let mut lines: Vec<String> = lines.iter().map(|line| cut(line, size.columns)).collect();
    lines.resize(size.rows.saturating_sub(1), String::new());
    lines.push(cut(
        "1-4, tab or arrows: screens · ?: help · q: end in order",
        size.columns,
    ));
    lines
}

fn tabs(shown: Screen, page: &Page) -> String {
    let tab = |(index, screen): (usize, &Screen)| {
        let name = format!("{} {}", index + 1, screen.name());
        if *screen == shown {
            page.paint(Ink::Strong, &format!("[{name}]"))
        } else {
            format!(" {name} ")
        }
    };
    Screen::ALL.iter().enumerate().map(tab).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of the columns"
)]
fn bar(share: Option<f64>, columns: usize) -> String {
    let Some(share) = share else {
        return String::new();
    };
    let filled = (share.clamp(0.0, 1.0) * columns as f64) as usize;
    "█".repeat(filled) + &"░".repeat(columns - filled)
}

fn overview(view: &View, size: Size, page: &Page, lines: &mut Vec<String>) {
    let seconds: Vec<Interval> = view.seconds.iter().cloned().collect();
    let trend = Trend::of(&seconds, view.consumes);
    lines.push(match trend {
        Some(trend) => {
            let ink = match trend {
                Trend::KeepingUp => Ink::Good,
                Trend::FallingBehind { .. } => Ink::Bad,
                Trend::CatchingUp { .. } | Trend::Behind => Ink::Caution,
            };
            page.paint(ink, &trend.to_string())
        }
        None => "measuring".to_owned(),
    });
    if let Some((stage, share)) = longest(view) {
        lines.push(format!(
            "most of the time: {stage} ({share:.0} % of the mean)"
        ));
    }
    if let Some((load, share)) = fullest(view) {
        let name = partition(load, view);
        lines.push(format!(
            "fullest partition: {name} ({share:.2} times the mean)"
        ));
    }
    lines.push(String::new());
    let mut curve = |name: &str, value: &dyn Fn(&Interval) -> Option<u64>, unit: Unit| {
        let values: Vec<_> = view.seconds.iter().map(value).collect();
        lines.push(curve_line(name, &values, size.columns, unit));
    };
    if !view.consumes {
        curve("emitted", &|it| Some(it.emitted), Unit::Rate);
        curve("acknowledged", &|it| Some(it.acked), Unit::Rate);
    }
    curve("stored", &|it| Some(it.stored), Unit::Rate);
    let waiting = if view.consumes { "lag" } else { "backlog" };
    curve(waiting, &|it| view.waiting(it), Unit::Records);
    curve("p50", &|it| it.stages.end_to_end_latency.p50_us, Unit::Time);
    curve("p99", &|it| it.stages.end_to_end_latency.p99_us, Unit::Time);
    lines.push(String::new());
    let run = &view.run.end_to_end_latency;
    if run.count() > 0 {
        let [p50, p99, max] = [50.0, 99.0, 100.0].map(|at| time(run.percentile_us(at)));
        lines.push(format!(
            "run, end to end: p50 {p50} · p99 {p99} · max {max}"
        ));
    }
    lines.extend(view.ended.iter().cloned());
    let room = size.rows.saturating_sub(lines.len() + 2);
    let skipped = view.messages.len().saturating_sub(room.min(5));
    lines.extend(view.messages.iter().skip(skipped).cloned());
}

/// Unit of a curve.
#[derive(Clone, Copy)]
enum Unit {
    Rate,
    Records,
    Time,
}

/// Returns a line with the name, the curve and the last value of a series.
fn curve_line(name: &str, values: &[Option<u64>], columns: usize, unit: Unit) -> String {
    let room = columns.saturating_sub(LABEL + VALUE).max(8);
    let last = &values[values.len().saturating_sub(room)..];
    let highest = last.iter().flatten().copied().max().unwrap_or_default();
    let blocks: String = last.iter().map(|value| block(*value, highest)).collect();
    let now = values.last().copied().flatten();
    let now = match (now, unit) {
        (None, _) => "–".to_owned(),
        (Some(value), Unit::Rate) => format!("{} records/s", quantity::count(value)),
        (Some(value), Unit::Records) => format!("{} records", quantity::count(value)),
        (Some(value), Unit::Time) => quantity::duration(value),
    };
    format!("{name:<LABEL$}{blocks:<room$} {now}")
}

/// Returns the block of a value; a blank if it is unknown.
fn block(value: Option<u64>, highest: u64) -> char {
    let Some(value) = value else {
        return ' ';
    };
    let steps = BLOCKS.len() as u64 - 1;
    let step = (u128::from(value) * u128::from(steps)).checked_div(u128::from(highest));
    let step = usize::try_from(step.unwrap_or_default()).unwrap_or_default();
    BLOCKS[step.min(BLOCKS.len() - 1)]
}

/// Returns the stage that takes most of the mean time, with its share in percent.
fn longest(view: &View) -> Option<(Stage, f64)> {
    let parts = Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::EndToEndLatency);
    let mean = |stage: Stage| {
        let histogram = view.run.get(stage);
        let count = histogram.count();
        if count > 0 {
            histogram.values().mean()
        } else {
            0.0
        }
    };
    let total: f64 = parts.clone().map(mean).sum();
    let longest = parts.max_by(|one, other| mean(*one).total_cmp(&mean(*other)))?;
    (total > 0.0).then(|| (longest, 100.0 * mean(longest) / total))
}

fn records(load: &PartitionLoad) -> u64 {
    load.stored.max(load.acked)
}

/// Returns the partition with the most records, and how many times the mean it has.
fn fullest(view: &View) -> Option<(&PartitionLoad, f64)> {
    let total: u64 = view.partitions.iter().map(records).sum();
    let fullest = view.partitions.iter().max_by_key(|load| records(load))?;
    let mean = total as f64 / view.partitions.len() as f64;
    (total > 0 && view.partitions.len() > 1).then(|| (fullest, records(fullest) as f64 / mean))
}

fn partition(load: &PartitionLoad, view: &View) -> String {
    let same_topic = view.partitions.iter().all(|it| it.topic == load.topic);
    if same_topic {
        load.partition.to_string()
    } else {
        format!("{}/{}", load.topic, load.partition)
    }
}

fn stages(view: &View, page: &Page, lines: &mut Vec<String>) {
    let head = format!(
        "{:<20}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "stage", "last p50", "last p99", "run p50", "run p99", "run max"
    );
    lines.push(page.paint(Ink::Strong, &head));
    for stage in Stage::ALL {
        let last = view.seconds.back().map(|it| *it.stages.get(stage));
        let last = last.unwrap_or_default();
        let run: &Histogram = view.run.get(stage);
        let [p50, p99, max] = [50.0, 99.0, 100.0].map(|at| time(run.percentile_us(at)));
        lines.push(format!(
            "{:<20}{:>10}{:>10}{p50:>10}{p99:>10}{max:>10}",
            stage.to_string(),
            time(last.p50_us),
            time(last.p99_us)
        ));
    }
    lines.push(String::new());
    if let Some((stage, share)) = longest(view) {
        lines.push(format!("{share:.0} % of the mean time is {stage}"));
    }
}

fn partitions(view: &View, page: &Page, lines: &mut Vec<String>) {
    let head = format!(
        "{:<20}{:>12}{:>12}{:>12}{:>10}{:>10}{:>10}",
        "partition", "acked", "stored", "stored/s", "waiting", "mean", "max"
    );
    lines.push(page.paint(Ink::Strong, &head));
    for (index, load) in view.partitions.iter().enumerate() {
        let before = view.before.get(index).map_or(0, |before| before.stored);
        let rate = load.stored.saturating_sub(before);
        // What another process has produced is not known here.
        let waiting = (load.acked > 0).then(|| load.acked.saturating_sub(load.stored));
        let waiting = waiting.map_or_else(|| "–".to_owned(), quantity::count);
        lines.push(format!(
            "{:<20}{:>12}{:>12}{:>12}{waiting:>10}{:>10}{:>10}",
            format!("{} {}", load.topic, load.partition),
            quantity::count(load.acked),
            quantity::count(load.stored),
            quantity::count(rate),
            time(load.mean_us),
            time(load.max_us)
        ));
    }
}

fn messages(view: &View, size: Size, lines: &mut Vec<String>) {
    let room = size.rows.saturating_sub(lines.len() + 1);
    let skipped = view.messages.len().saturating_sub(room);
    lines.extend(view.messages.iter().skip(skipped).cloned());
}

fn time(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), quantity::duration)
}

/// Cuts a line to a width. Escape sequences have none.
fn cut(line: &str, columns: usize) -> String {
    let mut cut = String::new();
    let (mut width, mut escaped) = (0, false);
    for symbol in line.chars() {
        if symbol == '\x1b' {
            escaped = true;
        } else if escaped {
            escaped = !symbol.is_ascii_alphabetic();
        } else {
            width += display_width(symbol.encode_utf8(&mut [0; 4]));
            if width > columns {
                continue;
            }
        }
        // A text of others must not move the cursor.
        if symbol == '\x1b' || !symbol.is_control() {
            cut.push(symbol);
        }
    }
    cut
}

#[cfg(test)]
mod tests;
