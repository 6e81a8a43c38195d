//! Options for reading datasets: each source overrides those below it, and a list replaces the whole
//! list of another source.

use serde_json::Value;

use crate::cli::tests::Place;
use crate::command::Command;
use crate::dataset::ReadOptions;

/// An option, and its values in scenario, `.env`, environment and flag.
struct Row {
    option: &'static str,
    values: [&'static str; 4],
}

const fn row(option: &'static str, values: [&'static str; 4]) -> Row {
    Row { option, values }
}

const OPTIONS: [Row; 12] = [
    row("delimiter", [",", ";", "tab", "|"]),
    row("file-encoding", ["utf-8", "latin1", "utf-16le", "utf-16be"]),
    row("no-header", ["true", "false", "true", "false"]),
    row("comment", ["#", "//", "%", "--"]),
    row("skip-rows", ["1", "2", "3", "4"]),
    row("skip-repeated-headers", ["true", "false", "true", "false"]),
    row("skip-units-row", ["true", "false", "true", "false"]),
    row("on-bad-row", ["skip", "dead-letter", "fail", "skip"]),
    row("null-values", ["NA", ",NA,-999", "x,y", ",n/a"]),
    row("decimal-comma", ["true", "false", "true", "false"]),
    row("rename", ["a=b,c=d", "a=c", "e=f,g=h,i=j", "x=y"]),
    row("label", ["class", "ok", "failed", "state"]),
];

/// Returns the options for reading of a command.
fn read(place: &Place, line: &str) -> ReadOptions {
    match place.command(line) {
        Command::Simulate(settings) => settings.load.read,
        Command::Produce(settings) => settings.load.read,
        other => panic!("{other:?}"),
    }
}

/// Writes a value as TOML, as its text shows its type.
fn toml(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::Bool(_) | Value::Number(_)) => value.to_owned(),
        _ => format!("'{value}'"),
    }
}

/// Returns a place whose lowest sources set an option, and the command line.
fn place(row: &Row, sources: usize, command: &str) -> (Place, String) {
    let [scenario, env_file, variable, flag] = row.values;
    let name = format!("CONVOY_{}", row.option.replace('-', "_").to_uppercase());
    let mut place = Place::empty().file("scenario.toml", "");
    if sources > 0 {
        let line = format!("{} = {}\n", row.option, toml(scenario));
        place = place.file("scenario.toml", line);
    }
    if sources > 1 {
        place = place.file(".env", format!("{name}='{env_file}'\n"));
    }
    if sources > 2 {
        place = place.variable(&name, variable);
    }
    let line = format!("{command} --scenario scenario.toml");
    if sources > 3 {
        return (place, format!("{line} --{}={flag}", row.option));
    }
    (place, line)
}

#[test]
fn each_source_overrides_those_below_it_and_lists_are_replaced_whole() {
    for command in ["simulate", "produce --broker localhost:9092"] {
        for row in &OPTIONS {
            for sources in 0..=4 {
                let (place, line) = place(row, sources, command);
                let found = read(&place, &line);
                let alone = match sources.checked_sub(1) {
                    None => command.to_owned(),
                    Some(last) => format!("{command} --{}={}", row.option, row.values[last]),
                };
                let expected = read(&Place::empty(), &alone);
                assert_eq!(
                    found, expected,
                    "{command}: {} of {sources} sources",
                    row.option
                );
            }
        }
    }
}

#[test]
fn a_repeated_flag_adds_to_the_list_and_replaces_those_of_other_sources() {
    let place = Place::empty()
        .file("scenario.toml", "rename = ['a=b', 'c=d']\n")
        .variable("CONVOY_RENAME", "e=f");
    let read = read(
        &place,
        "simulate --scenario scenario.toml --rename u=v --rename w=x,y=z",
    );
    let names: Vec<_> = read
        .renames()
        .map(|it| format!("{}={}", it.from, it.to))
        .collect();
    assert_eq!(names, ["u=v", "w=x", "y=z"]);
}
