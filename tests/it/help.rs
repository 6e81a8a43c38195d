//! Goal: the help is complete, and its short form fits a screen.
//! Method: every subcommand's `-h` and `--help` as the executable prints them.

use crate::place::Place;

/// Lines of a screen.
const SCREEN: usize = 40;

/// Width of the help.
const WIDTH: usize = 100;

/// Every subcommand, and convoy itself.
const COMMANDS: [&str; 23] = [
    "",
    "simulate",
    "ab",
    "up",
    "produce",
    "consume",
    "capacity",
    "sweep",
    "report",
    "report compare",
    "report merge",
    "report show",
    "report export",
    "report html",
    "dataset",
    "dataset inspect",
    "dataset schema",
    "dataset generate",
    "doctor",
    "clean",
    "completions",
    "man",
    "help",
];

/// Options without a variable.
const WITHOUT_VARIABLE: [&str; 10] = [
    "--help",
    "--version",
    "--dir",
    "--output <FILE>",
    "--over",
    "--with",
    "--a <",
    "--b <",
    "--a-exe",
    "--b-exe",
];

fn help(line: &str) -> String {
    let outcome = Place::empty().convoy(line);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome}"
    );
    outcome.stdout
}

/// Returns each option or argument of a help text with its description, line breaks included.
fn described(help: &str) -> Vec<(String, String)> {
    let mut described: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let names = text.split("  ").next().unwrap_or_default();
        if (2..=6).contains(&indent) && text.starts_with('-') {
            let description = text[names.len()..].trim().to_owned();
            described.push((names.to_owned(), description));
        } else if indent > 6
            && let Some((_, description)) = described.last_mut()
        {
            description.push(' ');
            description.push_str(text);
        }
    }
    described
}

#[test]
fn commands_of_the_help_are_the_tested_ones() {
    for group in ["", "report", "dataset"] {
        let text = help(&format!("{group} --help"));
        let (_, commands) = text.split_once("Commands:\n").unwrap();
        let listed = commands.lines().take_while(|line| !line.is_empty());
        for line in listed.filter(|line| !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            let command = format!("{group} {name}");
            let known = name == "help" || COMMANDS.contains(&command.trim());
            assert!(known, "`{command}` is not tested");
        }
    }
}

#[test]
fn short_help_fits_a_screen() {
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let text = help(&format!("{command} -h"));
        let lines = text.lines().count();
        assert!(lines <= SCREEN, "`{command} -h` has {lines} lines:\n{text}");
        let wide = text.lines().find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None, "`{command} -h`");
    }
}

#[test]
fn long_help_describes_every_option_and_names_its_variable() {
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let text = help(&format!("{command} --help"));
        let described = described(&text);
        assert!(!described.is_empty(), "{text}");
        for (option, description) in described {
            assert!(
                description.len() > 8,
                "`{command}`: {option}: {description}"
            );
            let exempt = WITHOUT_VARIABLE.iter().any(|it| option.contains(it));
            assert!(
                exempt || description.contains("[env: CONVOY_"),
                "`{command}`: {option}: {description}"
            );
        }
    }
}

#[test]
fn long_help_of_simulate_names_variables_precedence_and_alternatives() {
    let text = help("simulate --help");
    assert!(text.contains("[env: CONVOY_BATCH_WAIT]"), "{text}");
    assert!(
        text.contains("[env: CONVOY_BROKER or BOOTSTRAP_SERVER]"),
        "{text}"
    );
    assert!(text.contains("Flags override"), "{text}");
}

#[test]
fn help_shows_no_value_of_a_variable() {
    let place = Place::empty()
        .variable("CONVOY_STORE", "mongodb://user:sentinel@host")
        .variable("MONGO_DB_URL", "mongodb://user:sentinel@host")
        .variable("CONVOY_VEHICLES", "sentinel");
    for line in ["simulate --help", "simulate -h", "help simulate", "man"] {
        let outcome = place.convoy(line);
        assert_eq!(outcome.code, 0, "{outcome}");
        assert!(!outcome.stdout.contains("sentinel"), "{outcome}");
    }
}

#[test]
fn short_help_of_convoy_names_commands_and_exit_codes() {
    insta::assert_snapshot!(help("-h"), @"
    Load-tests a Kafka → MongoDB pipeline with a simulated vehicle fleet, and checks every record: what
    arrived, how fast and how late

    Usage: convoy [OPTIONS] <COMMAND>

    Commands:
      simulate     Run a complete test: start servers, warm up, measure, drain, audit, report
      up           Run broker, Schema Registry and store for another program, or around COMMAND
      produce      Emit a fleet, or a part of it, into an existing broker
      consume      Consume from an existing broker into an existing store, as a member of a group
      capacity     Find the most vehicles within a limit of the end-to-end p99, without loss
      sweep        Try combinations of settings, and recommend the best
      ab           Compare two settings or executables, in turns on one machine
      report       Show or compare reports, or join the reports of several processes
      dataset      Inspect or generate datasets
      doctor       Check this machine; exit with 3 if `simulate` with these options would not run
      clean        Remove containers and data of runs whose process has ended
      completions  Print a completion script for a shell
      man          Print the manual page, or write the pages of all commands
      help         Print this message or the help of the given subcommand(s)

    Options:
      -q, --quiet       Print only errors on stderr
      -v, --verbose...  Print debug messages on stderr; `-vv` prints trace messages
      -h, --help        Print help
      -V, --version     Print version

    Examples:
      convoy simulate
      convoy simulate --vehicles 1000 --rate max --records 200k
      convoy up > .env

    Exit codes:
      0    success
      1    the verdict failed
      2    the command line, the scenario or an environment variable is wrong
      3    the environment failed: broker, store, file
      4    a bug in convoy
      5    a latency, a throughput or a comparison missed its threshold
      130  interrupted
    ");
}

#[test]
fn short_version_is_the_package_version() {
    let expected = format!("convoy {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(help("-V"), expected);
}

#[test]
fn long_version_names_commit_profile_and_target() {
    let version = help("--version");
    let first = format!("convoy {}", env!("CARGO_PKG_VERSION"));
    let keys: Vec<&str> = version
        .lines()
        .map(|line| line.split_once(':').map_or(line, |(key, _)| key))
        .collect();
    assert_eq!(keys, [first.as_str(), "commit", "profile", "target"]);
}

#[test]
fn missing_command_prints_the_help_on_stderr() {
    let outcome = Place::empty().convoy("");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    assert!(outcome.stderr.starts_with("error: a command is missing"));
}

#[test]
fn completions_exist_for_common_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = help(&format!("completions {shell}"));
        assert!(script.contains("max-end-to-end-p99"), "{shell}: {script}");
    }
}

#[test]
fn manual_pages_are_printed_or_written_for_all_commands() {
    assert!(help("man").contains(".TH convoy 1"));
    let place = Place::empty();
    std::fs::create_dir(place.path("man1")).unwrap();
    let outcome = place.convoy("man --dir man1");
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (0, ""),
        "{outcome}"
    );
    let page = |name: &str| std::fs::read_to_string(place.path("man1").join(name)).unwrap();
    let simulate = page("convoy-simulate.1");
    assert!(simulate.contains("CONVOY_BATCH_WAIT"), "{simulate}");
    assert!(
        simulate.contains("Maximum number of documents"),
        "{simulate}"
    );
    assert!(page("convoy-report-merge.1").contains("REPORT"));
}

#[test]
fn quiet_prints_errors_only() {
    let place = Place::with_rows();
    let line = "simulate --backend embedded --dataset rows.csv --records 1 --quiet";
    let outcome = place.convoy(line);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome}"
    );
    let outcome = place.convoy("simulate --dataset absent.csv --quiet");
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(outcome.stderr.starts_with("error: "), "{outcome}");
}

#[test]
fn verbose_prints_debug_messages() {
    let place = Place::with_rows();
    let line = "simulate --backend embedded --dataset rows.csv --records 1 --verbose";
    let outcome = place.convoy(line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let debug = |line: &str| line.starts_with("debug: ") || line.starts_with("info: ");
    assert!(outcome.stderr.lines().any(debug), "{outcome}");
}
