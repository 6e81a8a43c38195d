//! Goal: no password appears in anything that convoy says or writes, whatever goes wrong.
//! Method: sentinel passwords at every door, right, wrong and misplaced, with logs at their most
//! talkative; then a search through both streams and every file left behind.

use std::fs;
use std::path::Path;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// Stands for every secret; nothing else contains it.
const SENTINEL: &str = "S3ntinel-Pa55word";

/// What the tests look for: the password, and what is shown of it when it is percent-encoded or in
/// basic authentication.
fn disguises(secret: &str) -> Vec<String> {
    let basic = ["convoy", "key"].map(|user| base64(&format!("{user}:{secret}")));
    let mut disguises = vec![secret.to_owned(), base64(secret)];
    disguises.extend(basic);
    disguises
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
}

/// Returns where a secret stands in what was said and in what was left behind.
fn find(secret: &str, outcome: &Outcome, place: &Place) -> Option<String> {
    let disguises = disguises(secret);
    let mut said = vec![
        ("stdout".to_owned(), outcome.stdout.clone().into_bytes()),
        ("stderr".to_owned(), outcome.stderr.clone().into_bytes()),
    ];
    read_all(&place.path(""), &mut said);
    read_all(place.temporary(), &mut said);
    let contains = |bytes: &[u8], disguise: &String| {
        bytes
            .windows(disguise.len())
            .any(|window| window == disguise.as_bytes())
    };
    said.into_iter()
        .find(|(_, bytes)| disguises.iter().any(|disguise| contains(bytes, disguise)))
        .map(|(name, _)| name)
}

fn keeps_quiet(secret: &str, outcome: &Outcome, place: &Place) {
    if let Some(name) = find(secret, outcome, place) {
        panic!("a secret stands in {name}:\n{outcome}");
    }
}

/// Reads every file below a directory but those that the test itself wrote secrets to.
fn read_all(directory: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, files);
        } else if !path.ends_with(".env") && !path.ends_with("scenario.toml") {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn env(broker: &str, registry: &str, store: &str) -> String {
    format!(
        "BOOTSTRAP_SERVER={broker}\nAPI_KEY=key\nAPI_SECRET_KEY={SENTINEL}\n\
         CONVOY_SECURITY_PROTOCOL=sasl_plaintext\nENDPOINT_SCHEMA_URL={registry}\n\
         SCHEMA_REGISTRY_API_KEY=key\nSCHEMA_REGISTRY_API_SECRET={SENTINEL}\nMONGO_DB_URL={store}\n"
    )
}

fn place(env: &str) -> Place {
    Place::with_rows()
        .file(".env", env)
        .variable("CONVOY_LOG", "trace")
}

/// Commands that meet every server there is.
const COMMANDS: [&str; 5] = [
    "simulate --backend external --dataset rows.csv --progress never --records 20 --rate 50 --vehicles 2",
    "simulate --backend external --dataset rows.csv --progress never --records 20 --encoding confluent",
    "produce --dataset rows.csv --progress never --records 20 --encoding confluent",
    "consume --progress never --records 20 --topic readings",
    "doctor",
];

#[test]
fn the_search_finds_what_it_looks_for() {
    let outcome = |stdout: &str, stderr: &str| Outcome {
        code: 0,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    let place = Place::empty();
    let found = |outcome: &Outcome, place: &Place| find(SENTINEL, outcome, place);
    assert_eq!(found(&outcome("", ""), &place), None);
    let shown = format!("a {SENTINEL}.");
    assert_eq!(found(&outcome(&shown, ""), &place).unwrap(), "stdout");
    let basic = base64(&format!("key:{SENTINEL}"));
    assert_eq!(found(&outcome("", &basic), &place).unwrap(), "stderr");
    let place = place.file("run.log", shown);
    assert!(
        found(&outcome("", ""), &place)
            .unwrap()
            .ends_with("run.log")
    );
}

#[test]
fn the_right_password_is_shown_nowhere() {
    let up = Up::alone("");
    let place = place(&up.env);
    for command in &COMMANDS[..2] {
        let outcome = place.convoy(command);
        assert_eq!(outcome.code, 0, "{outcome}");
        keeps_quiet(up.value("API_SECRET_KEY"), &outcome, &place);
    }
    let outcome = place.convoy(&format!("{} --format json", COMMANDS[0]));
    assert_eq!(outcome.code, 0, "{outcome}");
    keeps_quiet(up.value("API_SECRET_KEY"), &outcome, &place);
}

#[test]
fn a_wrong_password_fails_fast_and_is_shown_nowhere() {
    let up = Up::alone("");
    let store = format!("mongodb://key:{SENTINEL}@{}/", up.address("MONGO_DB_URL"));
    let (broker, registry) = (
        up.value("BOOTSTRAP_SERVER"),
        up.value("ENDPOINT_SCHEMA_URL"),
    );
    let place = place(&env(broker, registry, &store));
    for command in COMMANDS {
        let clock = convoy_server_kit::clock::RunClock::start();
        let outcome = place.convoy(command);
        assert!(clock.now() < 10_000_000_000, "{command}: {outcome}");
        if command != "doctor" {
            assert_eq!(outcome.code, 3, "{outcome}");
        }
        keeps_quiet(SENTINEL, &outcome, &place);
    }
}

#[test]
fn the_password_of_servers_that_are_not_there_is_shown_nowhere() {
    let store = format!(
        "mongodb://key:{SENTINEL}@127.0.0.1:1/?serverSelectionTimeoutMS=500&appName={SENTINEL}"
    );
    let place = place(&env("127.0.0.1:1", "http://127.0.0.1:1", &store));
    for command in [COMMANDS[0], COMMANDS[2]] {
        let outcome = place.convoy(command);
        assert_eq!(outcome.code, 3, "{outcome}");
        keeps_quiet(SENTINEL, &outcome, &place);
    }
}

#[test]
fn a_password_in_the_wrong_place_is_not_repeated_by_the_error() {
    let command = COMMANDS[0];
    let lines = [
        format!("{command} --broker key:{SENTINEL}@host:9092:9092"),
        format!("{command} --store mongodb://key:{SENTINEL}@host:port/"),
        format!("{command} --store postgres://key:{SENTINEL}@host/"),
        format!("{command} --store mongodb://key:{SENTINEL}@/"),
        format!("{command} --store mongodb://key:{SENTINEL}@127.0.0.1:1/?tls=maybe"),
    ];
    for line in lines {
        let place = place("");
        let outcome = place.convoy(&line);
        assert!([2, 3].contains(&outcome.code), "{outcome}");
        keeps_quiet(SENTINEL, &outcome, &place);
    }
}

#[test]
fn a_file_that_does_not_parse_is_told_by_its_line_and_not_by_its_secrets() {
    let environments = [
        format!("API_KEY=key\nAPI_SECRET_KEY='{SENTINEL}\n"),
        format!("API_KEY=key\nAPI SECRET KEY={SENTINEL}\n"),
        format!("MONGO_DB_URL=mongodb+srv://key:{SENTINEL}@\n"),
    ];
    for environment in environments {
        let place = place(&environment);
        let outcome = place.convoy(COMMANDS[0]);
        assert_ne!(outcome.code, 0, "{outcome}");
        keeps_quiet(SENTINEL, &outcome, &place);
    }
    let scenario = format!("store = \"mongodb://key:{SENTINEL}@host:port\"\nvehicels = 3\n");
    let place = place("").file("scenario.toml", scenario);
    let outcome = place.convoy("simulate --scenario scenario.toml");
    assert_eq!(outcome.code, 2, "{outcome}");
    keeps_quiet(SENTINEL, &outcome, &place);
}
