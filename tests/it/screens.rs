//! Goal: text fits the terminal, and has colors where they are wanted.
//! Method: the executable on pseudo-terminals of several widths, and with its streams piped.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::place::Place;

/// A run that takes about a second.
const SHORT: &str = "simulate --backend embedded --dataset rows.csv --vehicles 5 --rate 20 \
                     --warmup 200ms --records 20";

/// Streams of a command that are on the terminal.
#[derive(PartialEq)]
enum On {
    Stdout,
    Stderr,
}

/// Runs convoy with one stream on a terminal of this width, and returns what that shows.
fn on_terminal(place: &Place, columns: u16, on: &On, term: &str, line: &str) -> String {
    let (shown, code) = ended_on_terminal(place, columns, on, term, line);
    assert_eq!(code, Some(0), "{shown}");
    shown
}

/// Does the same for a run that may fail, and returns its exit code as well.
fn ended_on_terminal(
    place: &Place,
    columns: u16,
    on: &On,
    term: &str,
    line: &str,
) -> (String, Option<i32>) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&controller, size).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let (stdout, stderr) = match on {
        On::Stdout => (Stdio::from(terminal), Stdio::null()),
        On::Stderr => (Stdio::null(), Stdio::from(terminal)),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_convoy"));
    command
        .args(line.split_whitespace())
        .current_dir(place.path(""))
        .env_clear()
        .env("TMPDIR", place.temporary())
        .env("TERM", term)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr);
    let mut child = command.spawn().unwrap();
    // It holds the terminal open.
    drop(command);
    let mut shown = Vec::new();
    // The read fails when the last process has closed the terminal.
    let _ended = File::from(controller).read_to_end(&mut shown);
    let code = child.wait().unwrap().code();
    (String::from_utf8(shown).unwrap().replace('\r', ""), code)
}

fn without_escape_sequences(text: &str) -> String {
    let escape = regex::Regex::new("\x1b\\[[0-9;]*[a-zA-Z]").unwrap();
    escape.replace_all(text, "").into_owned()
}

/// Lines that do not fit, but for paths, which are not wrapped.
fn too_wide(text: &str, columns: u16) -> Vec<&str> {
    let columns = usize::from(columns);
    let lines = text.lines();
    lines
        .filter(|line| line.chars().count() > columns && !line.starts_with("runs/"))
        .collect()
}

#[test]
fn report_and_help_and_doctor_fit_the_terminal() {
    let place = Place::with_rows();
    for columns in [80, 40] {
        for line in [
            SHORT,
            "doctor --backend embedded --dataset rows.csv",
            "simulate -h",
            "consume -h",
            "report merge -h",
        ] {
            let shown = on_terminal(&place, columns, &On::Stdout, "xterm", line);
            let text = without_escape_sequences(&shown);
            assert!(!text.is_empty());
            let none: Vec<&str> = Vec::new();
            assert_eq!(too_wide(&text, columns), none, "`{line}`:\n{text}");
        }
    }
}

#[test]
fn finished_phases_stay_on_the_terminal_with_their_totals() {
    let shown = on_terminal(&Place::with_rows(), 80, &On::Stderr, "xterm", SHORT);
    let text = without_escape_sequences(&shown);
    for total in ["200ms / 200ms", "20 / 20 emitted", "documents read"] {
        assert!(text.contains(total), "no `{total}`:\n{text}");
    }
}

#[test]
fn terminal_that_cannot_draw_gets_plain_lines() {
    let shown = on_terminal(&Place::with_rows(), 80, &On::Stderr, "dumb", SHORT);
    assert!(!shown.contains('\x1b'), "{shown}");
    for phase in ["provisioning", "run: 20 records", "drain", "audit"] {
        assert!(shown.lines().any(|line| line == phase), "{shown}");
    }
}

#[test]
fn dashboard_gives_the_terminal_back_with_the_messages() {
    let line = format!("{SHORT} --ui dashboard");
    let shown = on_terminal(&Place::with_rows(), 100, &On::Stderr, "xterm", &line);
    let (drawn, after) = shown.rsplit_once("\x1b[?25h\x1b[?1049l").expect(&shown);
    assert!(drawn.contains("\x1b[?1049h"), "{drawn}");
    for part in ["[1 overview]", "emitted", "backlog", "q: end in order"] {
        assert!(drawn.contains(part), "no `{part}`:\n{drawn}");
    }
    assert!(after.contains("broker: embedded"), "{after}");
    assert!(!after.contains("[1 overview]"), "{after}");
}

#[test]
fn dashboard_gives_the_terminal_back_after_an_error() {
    let line = "simulate --broker embedded --store mongodb://127.0.0.1:1 --dataset rows.csv \
                --records 1 --ui dashboard";
    let place = Place::with_rows();
    let (shown, code) = ended_on_terminal(&place, 100, &On::Stderr, "xterm", line);
    assert_eq!(code, Some(3), "{shown}");
    let (_, after) = shown.rsplit_once("\x1b[?1049l").expect(&shown);
    assert!(
        without_escape_sequences(after).contains("error:"),
        "{after}"
    );
}

#[test]
fn progress_without_a_terminal_is_lines_or_nothing() {
    let place = Place::with_rows();
    for (ui, lines) in [
        ("bar", true),
        ("dashboard", true),
        ("plain", true),
        ("none", false),
    ] {
        let outcome = place.convoy(&format!("{SHORT} --ui {ui}"));
        assert_eq!(outcome.code, 0, "{outcome}");
        let phase = outcome.stderr.lines().any(|line| line == "run: 20 records");
        assert_eq!(phase, lines, "{ui}: {outcome}");
        assert!(!outcome.stderr.contains('\x1b'), "{ui}: {outcome}");
    }
}

#[test]
fn colors_follow_the_terminal_and_its_variables() {
    let line = &format!("{SHORT} --progress never");
    let shown = on_terminal(&Place::with_rows(), 80, &On::Stdout, "xterm", line);
    assert!(shown.contains("\x1b[32mclean\x1b[0m"), "{shown}");
    let dumb = on_terminal(&Place::with_rows(), 80, &On::Stdout, "dumb", line);
    assert!(!dumb.contains('\x1b'), "{dumb}");

    let colored = |place: Place| {
        let outcome = place.convoy(line);
        assert_eq!(outcome.code, 0, "{outcome}");
        outcome.stdout.contains('\x1b')
    };
    assert!(!colored(Place::with_rows()));
    let forced = || Place::with_rows().variable("CLICOLOR_FORCE", "1");
    assert!(colored(forced()));
    assert!(!colored(forced().variable("NO_COLOR", "1")));
}
