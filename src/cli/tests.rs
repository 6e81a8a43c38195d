//! Goal: every source decides what it should, and every mistake is told with its place.
//! Method: whole command lines against a given environment, nothing read from the machine.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::*;
use crate::settings::SimulateSettings;
use crate::settings::{BrokerChoice, StoreChoice};
use crate::terminal::errors;

/// A directory with a scenario, a `.env` and variables.
struct Place {
    directory: TempDir,
    variables: Vec<(OsString, OsString)>,
}

impl Place {
    fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn request(&self, line: &str) -> Result<Request, Error> {
        let environment = Environment::read(self.variables.clone(), self.directory.path())?;
        let scenario = self.path("scenario.toml");
        let arguments = std::iter::once("convoy")
            .chain(line.split_whitespace())
            .map(|argument| match argument {
                "scenario.toml" => scenario.clone().into_os_string(),
                argument => argument.into(),
            });
        parse(arguments, &environment)
    }

    fn settings(&self, line: &str) -> SimulateSettings {
        match self.request(line).unwrap() {
            Request::Run { command, .. } => match command {
                Command::Simulate(settings) => *settings,
                other => panic!("{other:?}"),
            },
            Request::Show(text) => panic!("{text}"),
        }
    }

    /// The error as the user reads it, with the directory's name replaced.
    fn error(&self, line: &str) -> String {
        let error = self.request(line).unwrap_err();
        let text = errors::render(&error, error.hint().as_deref(), false);
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

fn settings(line: &str) -> SimulateSettings {
    Place::empty().settings(line)
}

fn error(line: &str) -> String {
    Place::empty().error(line)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn without_a_flag_everything_has_its_documented_default() {
    let settings = serde_json::to_value(settings("simulate")).unwrap();
    assert_eq!(
        settings,
        json!({
            "vehicles": 50, "rate_per_second": 1.0, "arrival": "uniform", "key": "vehicle",
            "dataset": "sample_data", "seed": 42,
            "duration_s": 10.0, "warmup_s": 2.0, "drain_timeout_s": 60.0,
            "request_timeout_s": 10.0, "broker_timeout_s": 120.0, "store_timeout_s": 120.0,
            "topic": null, "partitions": 4, "replication_factor": 1, "consumers": 2, "linger_ms": 5.0,
            "compression": "none", "encoding": "json",
            "batch_records": 1000, "batch_wait_ms": 10.0,
            "database": "convoy", "collection": "sensor", "sink": "pipeline",
            "backend": "auto", "broker": "auto", "broker_port": 0, "store": "auto",
            "store_port": 0, "redpanda_image": "redpandadata/redpanda:v25.1.1",
            "mongo_image": "mongo:8.0.4", "start_timeout_s": 60.0, "keep": false, "data_dir": null, "registry": null,
            "output": "runs", "format": "text",
            "max_end_to_end_p99_ms": null, "min_throughput_records_per_second": null, "max_dead_letters": null, "faults": null,
        })
    );
}

#[test]
fn flags_win_over_the_scenario_the_scenario_over_variables_variables_over_env_file() {
    let place = Place::empty()
        .file(
            ".env",
            "CONVOY_VEHICLES=1\nCONVOY_PARTITIONS=1\nCONVOY_SEED=1\nCONVOY_LINGER=1ms",
        )
        .variable("CONVOY_VEHICLES", "2")
        .variable("CONVOY_PARTITIONS", "2")
        .variable("CONVOY_SEED", "2")
        .file("scenario.toml", "vehicles = 3\npartitions = 3\n");
    let settings = place.settings("simulate --vehicles 4 --scenario scenario.toml");
    assert_eq!(
        (
            settings.load.vehicles,
            settings.partitions,
            settings.load.seed
        ),
        (4, 3, 2)
    );
    assert_eq!(settings.linger.as_millis(), 1);
}

#[test]
fn a_scenario_takes_text_numbers_and_durations_as_flags_do() {
    let place = Place::empty().file(
        "scenario.toml",
        "vehicles = 1_000\nrate = 2.5\nduration = '90s'\nbackend = 'embedded'\nmax-end-to-end-p99 = '250ms'\n",
    );
    let value = serde_json::to_value(place.settings("simulate --scenario scenario.toml")).unwrap();
    let part = |key: &str| value[key].clone();
    assert_eq!(part("vehicles"), json!(1_000));
    assert_eq!(part("rate_per_second"), json!(2.5));
    assert_eq!(part("duration_s"), json!(90.0));
    assert_eq!(part("broker"), json!("embedded"));
    assert_eq!(part("max_end_to_end_p99_ms"), json!(250.0));
}

#[test]
fn an_option_silences_its_opposite_in_the_sources_below() {
    let place = Place::empty()
        .variable("CONVOY_DURATION", "5s")
        .file("scenario.toml", "rate = 7\n");
    let settings = place
        .settings("simulate --scenario scenario.toml --vehicles 10 --total-rate 100 --records all");
    assert_eq!(settings.load.target_rate(), Some(100.0));
    assert_eq!(settings.load.bound, crate::load::Bound::Rows);
    assert_eq!(settings.load.warmup, std::time::Duration::ZERO);

    let place = Place::empty().file("scenario.toml", "rate = 7\ntotal-rate = 7\n");
    insta::assert_snapshot!(first_line(&place.error("simulate --scenario scenario.toml")), @"error: the argument '--rate <RATE>' cannot be used with '--total-rate <RATE>'");
}

#[test]
fn the_names_of_confluent_cloud_and_atlas_programs_work() {
    let place = Place::empty().file(
        ".env",
        "BOOTSTRAP_SERVER=pkc-1.example:9092\nAPI_KEY=key\nAPI_SECRET_KEY=sentinel\n\
         MONGO_DB_URL=mongodb+srv://user:sentinel@cluster.example/?retryWrites=true\n\
         ENDPOINT_SCHEMA_URL=https://psrc-1.example\nSCHEMA_REGISTRY_API_KEY=key\n\
         SCHEMA_REGISTRY_API_SECRET=sentinel\n",
    );
    let settings = place.settings("simulate --encoding confluent");
    let BrokerChoice::External(broker) = &settings.broker else {
        panic!("{:?}", settings.broker);
    };
    assert_eq!(broker.bootstrap, ["pkc-1.example:9092"]);
    let password = &broker.credentials.as_ref().unwrap().password;
    assert_eq!(password.reveal(), "sentinel");
    assert!(matches!(settings.store, StoreChoice::External(_)));
    let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
    assert!(!shown.contains("sentinel"), "{shown}");
}

#[test]
fn a_kind_asked_for_above_silences_addresses_below() {
    let place = Place::empty().variable("BOOTSTRAP_SERVER", "kafka.example:9092");
    let settings = place.settings("simulate --backend embedded");
    assert_eq!(settings.broker, BrokerChoice::Embedded);
}

#[test]
fn an_address_above_overrules_the_kind_below_for_its_end() {
    let place = Place::empty().file("scenario.toml", "backend = 'embedded'\n");
    let settings = place.settings("simulate --scenario scenario.toml --broker kafka.example:9092");
    assert!(matches!(settings.broker, BrokerChoice::External(_)));
    assert_eq!(settings.store, StoreChoice::Embedded);
}

#[test]
fn ports_and_data_directories_ask_for_embedded_servers() {
    let settings = settings("simulate --broker-port 9092 --store-port 27017");
    assert_eq!(settings.broker, BrokerChoice::Embedded);
    assert_eq!(settings.store, StoreChoice::Embedded);
}

#[test]
fn one_partition_has_one_consumer() {
    assert_eq!(settings("simulate --partitions 1").consumers, 1);
}

#[test]
fn the_recorded_line_can_be_typed_again_and_holds_no_secret() {
    let place = Place::empty();
    let line = "simulate --vehicles 5 --store mongodb://user:sentinel@db.example/x";
    match place.request(line).unwrap() {
        Request::Run { invocation, .. } => assert_eq!(
            invocation.line,
            "convoy simulate --vehicles 5 --store 'mongodb://***@db.example/x'"
        ),
        Request::Show(text) => panic!("{text}"),
    }
}

#[test]
fn every_wrong_value_is_told_with_its_flag() {
    let lines = [
        "simulate --vehicles 0",
        "simulate --vehicles -3",
        "simulate --vehicles many",
        "simulate --rate -1",
        "simulate --arrival sometimes",
        "simulate --duration 10",
        "simulate --duration 0s",
        "simulate --records 0",
        "simulate --records all --duration 5s",
        "simulate --backend cloud",
        "simulate --topic a/b",
        "simulate --broker localhost",
        "simulate --store http://user:sentinel@localhost",
        "simulate --backend external --store mongodb://a",
        "simulate --backend containers --broker a:9092",
        "simulate --broker-port 9092 --backend containers",
        "simulate --partitions 2 --consumers 3",
        "simulate --encoding confluent --broker a:9092",
        "simulate --min-throughput nan",
        "simulate --vehicels 3",
    ];
    let told: Vec<String> = lines
        .iter()
        .map(|line| first_line(&error(line)).to_owned())
        .collect();
    let told = told.join("\n");
    assert!(!told.contains("sentinel"), "{told}");
    insta::assert_snapshot!(told, @"
    error: invalid value '0' for '--vehicles <N>': must be at least 1
    error: invalid value '-3' for '--vehicles <N>': expected a whole number of at least 1
    error: invalid value 'many' for '--vehicles <N>': expected a whole number of at least 1
    error: invalid value '-1' for '--rate <RATE>': rate `-1` is not above zero
    error: invalid value 'sometimes' for '--arrival <SHAPE>': expected one of `uniform`, `poisson`, `burst`, `ramp`
    error: invalid value '10' for '--duration <TIME>': expected a duration with its unit, such as `10s` or `250ms`
    error: invalid value '0s' for '--duration <TIME>': must be longer than 0
    error: invalid value '0' for '--records <N|all>': must be at least 1, or `all`
    error: the argument '--records <N|all>' cannot be used with '--duration <TIME>'
    error: invalid value 'cloud' for '--backend <KIND>': expected one of `auto`, `embedded`, `containers`, `external`
    error: invalid value 'a/b' for '--topic <NAME>': expected letters, digits, `.`, `_` and `-`
    error: invalid value `localhost` for `--broker` from the command line: expected `embedded`, `container` or HOST:PORT, several with commas between
    error: invalid value `http://***@localhost` for `--store` from the command line: expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`
    error: `--backend external` needs the address of the broker
    error: `--broker a:9092` contradicts `--backend containers`
    error: `--broker-port` is for an embedded broker, but the broker is `container`
    error: 3 consumers cannot share 2 partitions
    error: `--encoding confluent` needs a Schema Registry beside the existing broker
    error: invalid value 'nan' for '--min-throughput <RATE>': expected a number above 0
    error: unexpected argument '--vehicels' found
    ");
}

#[test]
fn every_wrong_source_is_told_with_its_place() {
    let scenario = |content: &str| {
        Place::empty()
            .file("scenario.toml", content)
            .error("simulate --scenario scenario.toml")
    };
    let told = [
        error("simulate --scenario absent.toml"),
        scenario("vehicles = \n"),
        scenario("vehicels = 3\n"),
        scenario("xyz = 3\n"),
        scenario("vehicles = [3]\n"),
        scenario("vehicles = 0\n"),
        Place::empty()
            .variable("CONVOY_RATE", "fast")
            .error("simulate"),
        Place::empty()
            .variable("MONGO_DB_URL", "postgres://user:sentinel@host/x?k=sentinel")
            .error("simulate"),
        Place::empty()
            .variable("BOOTSTRAP_SERVER", "a:1")
            .variable("API_KEY", "sentinel")
            .error("simulate"),
        Place::empty()
            .file(".env", "A=1\nAPI_SECRET_KEY='sentinel\n")
            .error("simulate"),
    ]
    .join("\n\n");
    assert!(!told.contains("sentinel"), "{told}");
    insta::assert_snapshot!(told, @r#"
    error: cannot read the scenario `absent.toml`
      caused by: No such file or directory (os error 2)

    hint: name a readable file by `--scenario FILE`

    error: the scenario `scenario.toml` is not valid TOML at line 1: string values must be quoted, expected literal string

    hint: a scenario is a list of options, such as `vehicles = 50` and `duration = "10s"`

    error: unknown key `vehicels` in the scenario `scenario.toml`

    hint: did you mean `vehicles`?

    error: unknown key `xyz` in the scenario `scenario.toml`

    hint: keys are the options of `convoy simulate --help` without their dashes

    error: `vehicles` in the scenario `scenario.toml` is not a single value

    hint: write it as text, a number or a boolean

    error: invalid value `0` for `--vehicles` from the scenario `scenario.toml`: must be at least 1

    hint: correct the scenario `scenario.toml`, or overrule it by `--vehicles`

    error: invalid value `fast` for `--rate` from the environment variable `CONVOY_RATE`: rate `fast` is not a number with at most six decimals

    hint: correct the environment variable `CONVOY_RATE`, or overrule it by `--rate`

    error: invalid value `postgres://***@host/x?***` for `--store` from the environment variable `MONGO_DB_URL`: expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`

    hint: correct the environment variable `MONGO_DB_URL`, or overrule it by `--store`

    error: `API_KEY` is set, but `API_SECRET_KEY` is not

    hint: set `API_SECRET_KEY` too

    error: assignment 2 in `.env` is not `NAME=value`

    hint: put values with spaces or `#` between quotes
    "#);
}

#[test]
fn help_and_version_go_to_stdout() {
    for line in ["--help", "--version", "simulate --help", "simulate -h"] {
        let request = Place::empty().request(line).unwrap();
        assert!(matches!(request, Request::Show(_)), "{line}");
    }
}

#[test]
fn every_setting_but_derived_ones_is_named_as_its_flag() {
    let value = serde_json::to_value(settings("simulate")).unwrap();
    let Value::Object(settings) = value else {
        panic!("settings are an object");
    };
    let flags = layers::options::<args::SimulateArgs>();
    for key in settings.keys() {
        let known = key == "registry"
            || flags
                .iter()
                .any(|flag| key.starts_with(&flag.replace('-', "_")));
        assert!(known, "`{key}` is not named after a flag");
    }
}
