use super::*;
use crate::measure::{IntervalLatency, Stages};

const SIZE: Size = Size {
    columns: 80,
    rows: 24,
};

fn load(partition: i32, acked: u64, stored: u64) -> PartitionLoad {
    PartitionLoad {
        topic: "sensor".to_owned(),
        partition,
        acked,
        stored,
        mean_us: Some(4_000),
        max_us: Some(90_000),
    }
}

/// A run of seconds with a backlog that grows by some records in each.
fn view(seconds: u64, growth: u64) -> View {
    let mut view = View {
        state: vec!["run 12s / 60s".to_owned(), "700 records/s".to_owned()],
        share: Some(0.2),
        ended: vec!["warm-up      2s / 2s".to_owned()],
        ..View::default()
    };
    let mut stages: Stages<Histogram> = Stages::default();
    for (stage, milliseconds) in Stage::ALL.into_iter().zip([1, 2, 3, 24, 30]) {
        stages.get_mut(stage).record(0, milliseconds * 1_000_000);
    }
    for second in 0..seconds {
        let interval = Interval {
            start_s: second as f64,
            emitted: 1_000,
            acked: 1_000,
            stored: 700,
            backlog: 2_000 + growth * second,
            stages: stages.map(Histogram::interval),
            ..Interval::default()
        };
        let stored = 700 * second;
        view.add(
            &interval,
            &stages,
            vec![load(0, stored + 50, stored), load(1, 9, 9)],
        );
    }
    view
}

fn drawn(view: &View, screen: Screen) -> String {
    draw(view, screen, SIZE, false).join("\n")
}

#[test]
fn overview_answers_whether_it_keeps_up_which_stage_and_which_partition() {
    let shown = drawn(&view(20, 300), Screen::Overview);
    for answer in [
        "run 12s / 60s · 700 records/s",
        "falling behind by 300 records/s",
        "most of the time: store latency (80 % of the mean)",
        "fullest partition: 0 (2.00 times the mean)",
        "7,700 records",
        "run, end to end: p50 30.0 ms",
    ] {
        assert!(shown.contains(answer), "no `{answer}`:\n{shown}");
    }
}

#[test]
fn stages_tell_the_last_second_from_the_run() {
    let mut view = view(3, 0);
    let last = view.seconds.back_mut().unwrap();
    last.stages.store_latency = IntervalLatency::default();
    let shown = drawn(&view, Screen::Stages);
    let line = shown.lines().find(|line| line.starts_with("store latency"));
    let words: Vec<&str> = line.unwrap().split_whitespace().skip(2).collect();
    assert_eq!(words[..2], ["–", "–"], "{shown}");
    assert_eq!(words[2..4], ["24.0", "ms"], "{shown}");
}

#[test]
fn partitions_show_rate_and_waiting_records() {
    let shown = drawn(&view(10, 0), Screen::Partitions);
    let line = shown
        .lines()
        .find(|line| line.starts_with("sensor 0"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(2).collect();
    assert_eq!(words[..4], ["6,350", "6,300", "700", "50"], "{shown}");
}

#[test]
fn every_screen_fits_every_terminal() {
    let mut view = view(300, 10);
    view.say(&"a long message with \x1b[31mcolors\x1b[0m and a \u{7} bell ".repeat(9));
    for (columns, rows) in [(80, 24), (140, 50), (40, 10), (20, 5), (1, 1)] {
        let size = Size { columns, rows };
        for screen in Screen::ALL {
            for colored in [false, true] {
                let lines = draw(&view, screen, size, colored);
                assert_eq!(lines.len(), rows, "{screen:?}");
                for line in &lines {
                    let width = display_width(line);
                    assert!(width <= columns, "{screen:?} {columns}: {width} {line:?}");
                    assert!(!line.contains('\u{7}'));
                }
            }
        }
    }
}

#[test]
fn run_that_has_measured_nothing_has_screens() {
    let nothing = View::default();
    for screen in Screen::ALL {
        assert_eq!(draw(&nothing, screen, SIZE, false).len(), SIZE.rows);
    }
    assert!(drawn(&nothing, Screen::Overview).contains("measuring"));
}

#[test]
fn keys_choose_the_screen() {
    let overview = Screen::Overview;
    assert_eq!(overview.after(Key::Number(3)), Screen::Partitions);
    assert_eq!(overview.after(Key::Number(9)), overview);
    assert_eq!(overview.after(Key::Next), Screen::Stages);
    assert_eq!(Screen::Messages.after(Key::Next), overview);
    assert_eq!(overview.after(Key::Previous), Screen::Messages);
    assert_eq!(Screen::Stages.after(Key::Help), Screen::Help);
    assert_eq!(Screen::Help.after(Key::Help), overview);
    assert_eq!(Screen::Help.after(Key::Number(2)), Screen::Stages);
}

#[test]
fn help_says_what_the_keys_do() {
    let shown = drawn(&view(3, 0), Screen::Help);
    assert!(shown.contains("shift-tab, left  screen before"), "{shown}");
}
