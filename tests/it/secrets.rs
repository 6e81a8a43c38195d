//! Goal: no password appears in any output of convoy, even in errors.
//! Method: sentinel passwords for every server, correct, wrong and misplaced, with trace logs; then a
//! search through both streams and every file that convoy wrote.

use std::fs;
use std::path::Path;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// Stands for every secret; nothing else contains it.
const SENTINEL: &str = "S3ntinel-Pa55word";

/// Returns the password, and its encodings in base64 and in basic authentication.
fn encodings(secret: &str) -> Vec<String> {
    let basic = ["convoy", "key"].map(|user| base64(&format!("{user}:{secret}")));
    let mut encodings = vec![secret.to_owned(), base64(secret)];
    encodings.extend(basic);
    encodings
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
}

/// Returns the stream or the file that contains a secret.
fn find(secret: &str, outcome: &Outcome, place: &Place) -> Option<String> {
    let encodings = encodings(secret);
    let mut output = vec![
        ("stdout".to_owned(), outcome.stdout.clone().into_bytes()),
        ("stderr".to_owned(), outcome.stderr.clone().into_bytes()),
    ];
    read_all(&place.path(""), &mut output);
    read_all(place.temporary(), &mut output);
    let contains = |bytes: &[u8], encoding: &String| {
        bytes
            .windows(encoding.len())
            .any(|window| window == encoding.as_bytes())
    };
    output
        .into_iter()
        .find(|(_, bytes)| encodings.iter().any(|encoding| contains(bytes, encoding)))
        .map(|(name, _)| name)
}

fn assert_no_secret(secret: &str, outcome: &Outcome, place: &Place) {
    if let Some(name) = find(secret, outcome, place) {
        panic!("{name} contains a secret:\n{outcome}");
    }
}

/// Reads every file below a directory, except those with which the test passes secrets.
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

/// Commands that together connect to every server.
const COMMANDS: [&str; 5] = [
    "simulate --backend external --dataset rows.csv --progress never --records 20 --rate 50 --vehicles 2",
    "simulate --backend external --dataset rows.csv --progress never --records 20 --encoding confluent",
    "produce --dataset rows.csv --progress never --records 20 --encoding confluent",
    "consume --progress never --records 20 --topic readings",
    "doctor",
];

#[test]
fn search_finds_secrets_in_streams_and_files() {
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
fn correct_password_is_not_printed() {
    let up = Up::alone("");
    let place = place(&up.env);
    for command in &COMMANDS[..2] {
        let outcome = place.convoy(command);
        assert_eq!(outcome.code, 0, "{outcome}");
        assert_no_secret(up.value("API_SECRET_KEY"), &outcome, &place);
    }
    let outcome = place.convoy(&format!("{} --format json", COMMANDS[0]));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_no_secret(up.value("API_SECRET_KEY"), &outcome, &place);
}

#[test]
fn wrong_password_fails_fast_and_is_not_printed() {
    let up = Up::alone("");
    let store = format!("mongodb://key:{SENTINEL}@{}/", up.address("MONGO_DB_URL"));
    let (broker, registry) = (
        up.value("BOOTSTRAP_SERVER"),
        up.value("ENDPOINT_SCHEMA_URL"),
    );
    let place = place(&env(broker, registry, &store));
    for command in COMMANDS {
        let clock = convoy_server_kit::RunClock::start();
        let outcome = place.convoy(command);
        assert!(clock.now() < 10_000_000_000, "{command}: {outcome}");
        if command != "doctor" {
            assert_eq!(outcome.code, 3, "{outcome}");
        }
        assert_no_secret(SENTINEL, &outcome, &place);
    }
}

#[test]
fn password_of_unreachable_servers_is_not_printed() {
    let store = format!(
        "mongodb://key:{SENTINEL}@127.0.0.1:1/?serverSelectionTimeoutMS=500&appName={SENTINEL}"
    );
    let place = place(&env("127.0.0.1:1", "http://127.0.0.1:1", &store));
    for command in [COMMANDS[0], COMMANDS[2]] {
        let outcome = place.convoy(command);
        assert_eq!(outcome.code, 3, "{outcome}");
        assert_no_secret(SENTINEL, &outcome, &place);
    }
}

#[test]
fn misplaced_password_is_not_printed_by_the_error() {
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
        assert_no_secret(SENTINEL, &outcome, &place);
    }
}

#[test]
fn parse_errors_name_the_line_and_not_its_secrets() {
    let environments = [
        format!("API_KEY=key\nAPI_SECRET_KEY='{SENTINEL}\n"),
        format!("API_KEY=key\nAPI SECRET KEY={SENTINEL}\n"),
        format!("MONGO_DB_URL=mongodb+srv://key:{SENTINEL}@\n"),
    ];
    for environment in environments {
        let place = place(&environment);
        let outcome = place.convoy(COMMANDS[0]);
        assert_ne!(outcome.code, 0, "{outcome}");
        assert_no_secret(SENTINEL, &outcome, &place);
    }
    let scenario = format!("store = \"mongodb://key:{SENTINEL}@host:port\"\nvehicels = 3\n");
    let place = place("").file("scenario.toml", scenario);
    let outcome = place.convoy("simulate --scenario scenario.toml");
    assert_eq!(outcome.code, 2, "{outcome}");
    assert_no_secret(SENTINEL, &outcome, &place);
}
