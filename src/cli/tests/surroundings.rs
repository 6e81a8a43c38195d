//! Goal: a run uses the servers that the user names, and no others; every source sets lists alike.
//! Method: tables of `.env` files, variables and scenarios.

use clap::{Command as ClapCommand, CommandFactory as _};

use crate::cli::args::CliArgs;
use crate::cli::sources::is_list;
use crate::cli::tests::Place;
use crate::command::Command;
use crate::settings::{BrokerChoice, SimulateSettings, StoreChoice};

const CLOUD: &str = "BOOTSTRAP_SERVER=pkc-1.example:9092\nAPI_KEY=key\nAPI_SECRET_KEY=sentinel\n\
                     ENDPOINT_SCHEMA_URL=https://psrc.example\n\
                     CONVOY_SECURITY_PROTOCOL=sasl_ssl\n\
                     MONGO_DB_URL=mongodb+srv://user:sentinel@cluster.example/\n";

/// Returns the addresses that a run connects to; empty for servers that convoy starts.
fn remote(settings: &SimulateSettings) -> (String, String) {
    let broker = match &settings.broker {
        BrokerChoice::External(broker) => broker.bootstrap.join(","),
        _ => String::new(),
    };
    let store = match &settings.store {
        StoreChoice::External(uri) => uri.redacted(),
        _ => String::new(),
    };
    (broker, store)
}

#[test]
fn only_named_servers_are_used() {
    let cloud = "pkc-1.example:9092";
    let atlas = "mongodb+srv://***@cluster.example/";
    // `.env`, variable, scenario, line, broker, store.
    let table = [
        (CLOUD, "", "", "", "", ""),
        (
            "CONVOY_BROKER=a:1\nCONVOY_STORE=mongodb://a\n",
            "",
            "",
            "",
            "",
            "",
        ),
        (
            "CONVOY_BACKEND=external\nCONVOY_BROKER=a:1\nCONVOY_STORE=mongodb://a\n",
            "",
            "",
            "",
            "",
            "",
        ),
        ("", "BOOTSTRAP_SERVER=a:1", "", "", "", ""),
        ("", "MONGO_DB_URL=mongodb://a", "", "", "", ""),
        ("", "CONVOY_BROKER=a:1", "", "", "a:1", ""),
        ("", "CONVOY_STORE=mongodb://a", "", "", "", "mongodb://a"),
        (CLOUD, "CONVOY_BACKEND=external", "", "", cloud, atlas),
        (CLOUD, "", "backend = 'external'\n", "", cloud, atlas),
        (CLOUD, "", "", "--backend external", cloud, atlas),
        (CLOUD, "", "", "--backend embedded", "", ""),
        (CLOUD, "", "backend = 'embedded'\n", "", "", ""),
        (CLOUD, "", "broker = 'b:2'\n", "", "b:2", ""),
        (CLOUD, "", "", "--broker b:2", "b:2", ""),
        (
            CLOUD,
            "",
            "",
            "--broker b:2 --backend external",
            "b:2",
            atlas,
        ),
        (CLOUD, "", "", "--broker embedded", "", ""),
        (CLOUD, "", "", "--no-env-file", "", ""),
    ];
    for (file, variable, scenario, line, broker, store) in table {
        let mut place = Place::empty()
            .file(".env", file)
            .file("scenario.toml", scenario);
        if let Some((name, value)) = variable.split_once('=') {
            place = place.variable(name, value);
        }
        for command in ["simulate", "doctor"] {
            let line = format!("{command} --scenario scenario.toml {line}");
            let settings = match place.command(&line) {
                Command::Simulate(settings) | Command::Doctor(settings) => settings,
                other => panic!("{other:?}"),
            };
            let expected = (broker.to_owned(), store.to_owned());
            assert_eq!(
                remote(&settings),
                expected,
                "{file} {variable} {scenario} {line}"
            );
            if broker.is_empty() {
                assert_eq!(settings.registry, None, "{file} {line}");
            }
        }
    }
}

#[test]
fn unused_servers_are_named_without_credentials() {
    let place = Place::empty().file(".env", CLOUD);
    assert_eq!(
        place.notes("simulate"),
        [
            "`.env` names pkc-1.example:9092 and mongodb+srv://***@cluster.example/; not used: add `--backend external`"
        ]
    );
    for line in [
        "simulate --backend embedded",
        "simulate --no-env-file",
        "consume",
        "clean",
    ] {
        assert_eq!(place.notes(line), [""; 0], "{line}");
    }
}

#[test]
fn credentials_of_a_file_are_not_used_for_another_broker() {
    let place = Place::empty().file(".env", CLOUD);
    let credentials = |line: &str| match place.settings(line).broker {
        BrokerChoice::External(broker) => broker.credentials.is_some(),
        other => panic!("{other:?}"),
    };
    assert!(credentials("simulate --backend external"));
    assert!(credentials("simulate --broker pkc-1.example:9092"));
    assert!(!credentials("simulate --broker localhost:9092"));
    assert_eq!(place.settings("simulate --broker b:2").registry, None);
}

#[test]
fn key_of_another_service_is_a_note() {
    let place = Place::empty()
        .variable("API_KEY", "sentinel")
        .variable("CONVOY_BROKER", "a:1");
    let settings = place.settings("simulate");
    assert!(
        matches!(settings.broker, BrokerChoice::External(broker) if broker.credentials.is_none())
    );
    let notes = place.notes("simulate").join("\n");
    assert!(
        notes.contains("API_KEY") && !notes.contains("sentinel"),
        "{notes}"
    );
    let place = place.file(
        ".env",
        "BOOTSTRAP_SERVER=a:1\nAPI_KEY=key\nAPI_SECRET_KEY=secret\n",
    );
    let settings = place.settings("simulate");
    let BrokerChoice::External(broker) = settings.broker else {
        panic!("{:?}", settings.broker);
    };
    assert_eq!(
        broker.credentials.unwrap().name,
        "key",
        "both from one source"
    );
}

#[test]
fn files_of_other_programs_stop_nothing() {
    let files: [&[u8]; 8] = [
        b"APP_NAME=My App\n",
        b"# note\nMOTD=hello there # greeting\n",
        b"\xef\xbb\xbfCONVOY_SEED=7\n",
        b"export A='x\n",
        b"not an assignment\n",
        b"\xff\xfe\x00",
        b"A=caf\xe9\n",
        b"\x00\x01\x02\n",
    ];
    for file in files {
        let place = Place::empty().file(".env", file);
        for line in [
            "simulate",
            "doctor",
            "up",
            "clean",
            "--version",
            "report show x",
            "dataset inspect",
        ] {
            assert!(place.request(line).is_ok(), "{line}: {file:?}");
        }
    }
    let place = Place::empty().file(".env", files[2]);
    assert_eq!(place.settings("simulate").load.seed, 7);
    let place = Place::empty();
    std::fs::create_dir(place.path(".env")).unwrap();
    assert!(place.request("simulate").is_ok());
    assert_eq!(place.notes("simulate"), [""; 0]);
}

#[test]
fn misspelt_variables_are_told_and_service_links_are_not_ours() {
    let place = Place::empty()
        .variable("CONVOY_VEHICELS", "5")
        .variable("CONVOY_BROKER_PORT", "tcp://10.0.0.1:9092")
        .variable("CONVOY_BROKER_SERVICE_HOST", "10.0.0.1")
        .file(".env", "CONVOY_RAET=5\n");
    assert_eq!(place.settings("simulate").broker_port, 0);
    insta::assert_snapshot!(place.notes("simulate").join("\n"), @"
    `CONVOY_VEHICELS` has no effect: unknown name; did you mean `CONVOY_VEHICLES`?
    `CONVOY_RAET` in `.env`, line 1 has no effect: unknown name; did you mean `CONVOY_RATE`?
    ");
}

#[test]
fn env_file_replaces_the_default_one() {
    let place = Place::empty()
        .file(".env", "CONVOY_SEED=1\n")
        .file("other.env", "CONVOY_SEED=2\n");
    let other = place.path("other.env");
    let seed = |place: &Place, line: &str| place.settings(line).load.seed;
    assert_eq!(seed(&place, "simulate"), 1);
    assert_eq!(seed(&place, "simulate --no-env-file"), 42);
    assert_eq!(
        seed(&place, &format!("simulate --env-file {}", other.display())),
        2
    );
    let place = place.variable("CONVOY_NO_ENV_FILE", "true");
    assert_eq!(seed(&place, "simulate"), 42);
}

/// Values of an option that takes several.
fn samples(option: &str) -> [&'static str; 2] {
    match option {
        "broker" => ["a:1", "b:2"],
        "rename" => ["a=b", "c=d"],
        "load" => ["a.json:d.c", "b.json:d.c"],
        "faults" => ["broker-restart@1s", "store-restart@2s"],
        _ => ["a", "b"],
    }
}

fn lists(command: &ClapCommand, path: &str, found: &mut Vec<(String, String)>) {
    let settable = |arg: &&clap::Arg| is_list(arg) && !arg.is_hide_env_set();
    for arg in command.get_arguments().filter(settable) {
        if let Some(long) = arg.get_long() {
            found.push((path.to_owned(), long.to_owned()));
        }
    }
    for subcommand in command.get_subcommands() {
        lists(
            subcommand,
            &format!("{path} {}", subcommand.get_name()),
            found,
        );
    }
}

#[test]
fn lists_are_the_same_from_every_source() {
    let mut command = CliArgs::command();
    command.build();
    let mut found = Vec::new();
    lists(&command, "", &mut found);
    assert!(
        found.iter().any(|(_, option)| option == "topic"),
        "{found:?}"
    );
    // These have the lists of `simulate`, and own ones that need others of their own options.
    let derived = ["ab", "capacity", "sweep", "report compare"];
    found.retain(|(path, _)| !path.contains("help") && !derived.contains(&path.trim()));
    for (path, option) in &found {
        let [one, two] = samples(option);
        let needed = match path.trim() {
            "produce" if option != "broker" => " --broker a:1",
            "consume" if option != "broker" => " --broker a:1 --store mongodb://a",
            "consume" => " --store mongodb://a",
            "report merge" => " r",
            _ => "",
        };
        let command = |place: &Place, flags: &str| {
            format!("{:?}", place.command(&format!("{path}{needed} {flags}")))
                // The origin differs, and nothing else may.
                .split("origins: ServerOrigins")
                .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
                .collect::<String>()
                // Several lists of new names count as one.
                .replace("]), Renames([", ", ")
        };
        let variable = format!("CONVOY_{}", option.replace('-', "_").to_uppercase());
        let both = format!("{one},{two}");
        let by_flag = command(&Place::empty(), &format!("--{option} {both}"));
        assert!(
            by_flag.contains(two.split(['@', '=', ':']).next().unwrap()) || option == "faults",
            "{by_flag}"
        );
        let repeated = command(
            &Place::empty(),
            &format!("--{option} {one} --{option} {two}"),
        );
        assert_eq!(by_flag, repeated, "{path} --{option} twice");
        let place = Place::empty().variable(&variable, &both);
        assert_eq!(by_flag, command(&place, ""), "{path} {variable}");
        if path.trim().starts_with("dataset") {
            // These commands need no servers, so they read no `.env` and no scenario.
            continue;
        }
        let place = Place::empty().file(".env", format!("{variable}={both}\n"));
        if !(option == "broker" && ["simulate", "doctor"].contains(&path.trim())) {
            assert_eq!(by_flag, command(&place, ""), "{path} {variable} in `.env`");
        }
        if !["report merge", "up"].contains(&path.trim()) {
            for value in [format!("'{both}'"), format!("['{one}', '{two}']")] {
                let place = Place::empty().file("scenario.toml", format!("{option} = {value}\n"));
                let from_scenario = command(&place, "--scenario scenario.toml");
                assert_eq!(by_flag, from_scenario, "{path} scenario {value}");
            }
        }
    }
}

#[test]
fn topics_may_have_spaces_after_commas_and_are_read_once() {
    let place = Place::empty()
        .variable("CONVOY_TOPIC", "A, B,A")
        .variable("CONVOY_STORE", "mongodb://a")
        .variable("CONVOY_BROKER", "a:1");
    match place.command("consume") {
        Command::Consume(settings) => assert_eq!(settings.topics, ["A", "B"]),
        other => panic!("{other:?}"),
    }
}
