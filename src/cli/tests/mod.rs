//! Goal: each source sets the options that it should, and each error names the source.
//! Method: whole command lines with a given environment; nothing is read from the machine.

mod reading;
mod surroundings;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::cli::args::CliArgs;
use crate::cli::{Environment, Error, Request, parse, sources};
use crate::command::Command;
use crate::settings::{Access, BrokerChoice, SimulateSettings, StoreChoice};
use crate::terminal::{Verbosity, render_error};
use crate::text::Page;

/// A directory with a scenario and a `.env`, and variables.
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

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn parse(&self, line: &str) -> (Result<Request, Error>, Vec<String>) {
        let environment = Environment::new(self.variables.clone(), self.directory.path());
        let scenario = self.path("scenario.toml");
        let arguments = ["convoy"]
            .into_iter()
            .map(str::to_owned)
            .chain(words(line))
            .map(|argument| match argument.as_str() {
                "scenario.toml" => scenario.clone().into_os_string(),
                _ => argument.into(),
            });
        parse(arguments, environment)
    }

    fn request(&self, line: &str) -> Result<Request, Error> {
        self.parse(line).0
    }

    fn notes(&self, line: &str) -> Vec<String> {
        self.parse(line).1
    }

    fn command(&self, line: &str) -> Command {
        match self.request(line).unwrap() {
            Request::Run { command, .. } => command,
            Request::Show(text) | Request::Help(text) => panic!("{text}"),
        }
    }

    fn settings(&self, line: &str) -> SimulateSettings {
        match self.command(line) {
            Command::Simulate(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    /// The error as the user reads it, with the directory's name replaced.
    fn error(&self, line: &str) -> String {
        let error = self.request(line).unwrap_err();
        let text = render_error(&error, error.hint().as_deref(), &Page::default());
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

/// Splits a command line at blanks; a pair of `'` around a whole word keeps those in it.
fn words(line: &str) -> Vec<String> {
    let word = regex::Regex::new(r"'([^']*)'(?:\s|$)|(\S+)").unwrap();
    let words = word.captures_iter(line);
    let words = words.map(|word| word.get(1).or(word.get(2)).unwrap());
    words.map(|word| word.as_str().to_owned()).collect()
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
fn options_have_the_documented_defaults() {
    let Value::Object(mut settings) = serde_json::to_value(settings("simulate")).unwrap() else {
        panic!("the settings are an object");
    };
    let dataset = json!({
        "delimiter": null, "file_encoding": null, "no_header": null, "comment": null,
        "skip_rows": 0, "skip_repeated_headers": null, "skip_units_row": null,
        "on_bad_row": "fail", "null_values": null, "decimal_comma": false, "rename": [],
        "label": null,
    });
    let load_and_pipeline = json!({
        "vehicles": 50, "rate_per_second": 1.0, "arrival": "uniform", "key": "vehicle",
        "dataset": "built-in", "seed": 42,
        "duration_s": 10.0, "warmup_s": 2.0, "drain_timeout_s": 60.0,
        "request_timeout_s": 10.0, "broker_timeout_s": 120.0, "store_timeout_s": 120.0,
        "interrupt_timeout_s": 8.0,
        "topic": null, "partitions": 4, "replication_factor": 1, "consumers": 2, "linger_ms": 0.0,
        "compression": "none", "encoding": "json",
        "batch_records": 1000, "batch_wait_ms": 0.0,
        "database": "convoy", "collection": "sensor", "sink": "pipeline",
        "consumer": "convoy", "consumer_command": null, "settle_s": 10.0,
        "payload_identity": false,
    });
    let servers_and_report = json!({
        "backend": "auto", "broker": "auto", "broker_port": 0, "store": "auto",
        "store_port": 0, "redpanda_image": "redpandadata/redpanda:v25.1.1",
        "mongo_image": "mongo:8.0.4", "start_timeout_s": 60.0, "keep": false, "data_dir": null,
        "registry": null, "run_id": null, "output": "runs", "format": "text", "junit": null, "events": null,
        "max_end_to_end_p99_ms": null, "min_throughput_records_per_second": null,
        "max_dead_letters": null, "faults": null,
    });
    let documented = [dataset, load_and_pipeline, servers_and_report];
    for (option, default) in documented.iter().flat_map(|part| part.as_object().unwrap()) {
        let found = settings.remove(option);
        assert_eq!(found.as_ref(), Some(default), "{option}");
    }
    assert_eq!(settings, Map::new());
}

#[test]
fn precedence_is_flags_variables_env_file_scenario_defaults() {
    let place = Place::empty()
        .file(
            "scenario.toml",
            "vehicles = 1\npartitions = 1\nseed = 1\nlinger = '1ms'\n",
        )
        .file(
            ".env",
            "CONVOY_VEHICLES=2\nCONVOY_PARTITIONS=2\nCONVOY_SEED=2\nCONVOY_BATCH_RECORDS=\n",
        )
        .variable("CONVOY_VEHICLES", "3")
        .variable("CONVOY_PARTITIONS", "3");
    let settings = place.settings("simulate --vehicles 4 --scenario scenario.toml");
    assert_eq!(
        (
            settings.load.vehicles,
            settings.creation.partitions,
            settings.load.seed
        ),
        (4, 3, 2)
    );
    assert_eq!(settings.producer.linger.as_millis(), 1);
    assert_eq!(
        settings.writer.batch_records, 1_000,
        "an empty variable is not set"
    );
}

#[test]
fn a_variable_can_name_the_scenario() {
    let place = Place::empty().file("rush.toml", "vehicles = 7\n");
    let path = place.path("rush.toml");
    let place = place.variable("CONVOY_SCENARIO", path.to_str().unwrap());
    assert_eq!(place.settings("simulate").load.vehicles, 7);
}

#[test]
fn every_command_reads_its_options_from_variables() {
    let place = Place::empty()
        .variable("CONVOY_REGISTRY_PORT", "0")
        .variable("CONVOY_ANONYMOUS", "true")
        .variable("CONVOY_OUTPUT", "elsewhere")
        .variable("CONVOY_DRY_RUN", "true")
        .variable("CONVOY_STORE", "mongodb://db:27017")
        .variable("CONVOY_ROWS", "10k")
        .variable("CONVOY_BROKER", "kafka:9092");
    let Command::Up(up) = place.command("up") else {
        panic!("`up` is a command");
    };
    assert_eq!((up.registry_port, up.access), (0, Access::Anyone));
    let Command::Doctor(doctor) = place.command("doctor") else {
        panic!("`doctor` is a command");
    };
    assert_eq!(doctor.report.output, PathBuf::from("elsewhere"));
    let Command::Clean(clean) = place.command("clean") else {
        panic!("`clean` is a command");
    };
    assert!(clean.dry_run);
    let Command::MergeReports(merge) = place.command("report merge a b") else {
        panic!("`report merge` is a command");
    };
    assert!(merge.store.is_some());
    let Command::GenerateDataset(generate) = place.command("dataset generate") else {
        panic!("`dataset generate` is a command");
    };
    assert_eq!((generate.rows, generate.output), (10_000, None));
    let Command::Consume(consume) = place.command("consume") else {
        panic!("`consume` is a command");
    };
    assert_eq!(consume.broker.bootstrap, ["kafka:9092"]);
}

#[test]
fn topics_and_groups_of_up_are_set_by_flags_and_variables() {
    let up = |place: &Place, line: &str| {
        let Command::Up(up) = place.command(line) else {
            panic!("`up` is a command");
        };
        (up.partitions, up.auto_create, up.join_delay.as_millis())
    };
    assert_eq!(up(&Place::empty(), "up"), (1, true, 50));
    let flags = "up --partitions 6 --auto-create false --join-delay 3s";
    assert_eq!(up(&Place::empty(), flags), (6, false, 3_000));
    let place = Place::empty()
        .variable("CONVOY_PARTITIONS", "12")
        .variable("CONVOY_AUTO_CREATE", "false")
        .variable("CONVOY_JOIN_DELAY", "0s");
    assert_eq!(up(&place, "up"), (12, false, 0));
    assert_eq!(up(&place, "up --auto-create true"), (12, true, 0));
}

#[test]
fn a_flag_overrides_an_option_of_a_variable_that_excludes_it() {
    let place = Place::empty().variable("CONVOY_ANONYMOUS", "true");
    let Command::Up(up) = place.command("up --user driver") else {
        panic!("`up` is a command");
    };
    assert!(matches!(up.access, Access::User { name, .. } if name == "driver"));
}

#[test]
fn counts_take_suffixes_in_flags_variables_and_scenarios() {
    let place = Place::empty().variable("CONVOY_BATCH_RECORDS", "2k").file(
        "scenario.toml",
        "records = '1.5M'\nmax-dead-letters = '1_0'\n",
    );
    let line =
        "simulate --scenario scenario.toml --vehicles 1_000 --rate 10k/h --min-throughput 2k";
    let settings = place.settings(line);
    assert_eq!(
        (settings.load.vehicles, settings.writer.batch_records),
        (1_000, 2_000)
    );
    assert_eq!(settings.load.bound, crate::load::Bound::Records(1_500_000));
    assert_eq!(settings.load.rate, "10000/h".parse().unwrap());
    assert_eq!(settings.min_throughput, Some(2_000.0));
    assert_eq!(settings.max_dead_letters, Some(10));
}

#[test]
fn verbosity_comes_from_quiet_and_verbose() {
    let verbosity = |place: &Place, line: &str| match place.request(line).unwrap() {
        Request::Run { verbosity, .. } => verbosity,
        Request::Show(text) | Request::Help(text) => panic!("{text}"),
    };
    let place = Place::empty();
    assert_eq!(verbosity(&place, "doctor"), Verbosity::Warnings);
    assert_eq!(verbosity(&place, "-q doctor"), Verbosity::Errors);
    assert_eq!(verbosity(&place, "doctor -v"), Verbosity::Debug);
    assert_eq!(verbosity(&place, "simulate -vv"), Verbosity::Trace);
    assert!(place.request("doctor -qv").is_err());
    let place = place.variable("CONVOY_VERBOSE", "1");
    assert_eq!(verbosity(&place, "doctor"), Verbosity::Debug);
    assert_eq!(verbosity(&place, "doctor --quiet"), Verbosity::Errors);
}

/// Command lines in a help text: `convoy …` on a line of its own, perhaps after `$`.
fn examples(help: &str) -> Vec<String> {
    help.lines()
        .map(|line| line.trim_start().trim_start_matches("$ "))
        .filter(|line| line.starts_with("convoy "))
        .map(|line| line.split(" > ").next().unwrap_or_default().to_owned())
        .collect()
}

fn assert_examples_parse(command: &clap::Command) {
    let place = Place::empty();
    let short = command.get_after_help().map(ToString::to_string);
    let long = command.get_after_long_help().map(ToString::to_string);
    let name = command.get_name();
    assert!(short.is_some(), "`{name}` has no examples");
    for help in [short, long].into_iter().flatten() {
        let examples = examples(&help);
        assert!(!examples.is_empty(), "`{name}` has no examples: {help}");
        for example in examples {
            let (_, line) = example.split_once(' ').unwrap();
            // `produce` and `consume` also take their addresses from variables.
            let line = match line.split_whitespace().next() {
                Some("consume" | "doctor") if !line.contains("containers") => {
                    format!("{line} --broker a:1 --store mongodb://a")
                }
                _ if line.contains("--backend external") => {
                    format!("{line} --broker a:1 --store mongodb://a")
                }
                _ => line.to_owned(),
            };
            if let Err(error) = place.request(&line)
                && !error.to_string().contains("cannot be used multiple times")
                && !matches!(error, Error::ReadAgain { .. })
            {
                panic!("{example}: {error}");
            }
        }
    }
    for subcommand in command.get_subcommands() {
        assert_examples_parse(subcommand);
    }
}

#[test]
fn examples_of_the_help_parse() {
    assert_examples_parse(&CliArgs::command());
}

#[test]
fn scenario_values_may_be_text_numbers_and_durations() {
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
fn an_option_overrides_its_opposite_in_sources_of_lower_precedence() {
    let place = Place::empty()
        .variable("CONVOY_DURATION", "5s")
        .file("scenario.toml", "rate = 7\n");
    let settings = place
        .settings("simulate --scenario scenario.toml --vehicles 10 --total-rate 100 --records all");
    assert_eq!(settings.load.target_rate(), Some(100.0));
    assert_eq!(settings.load.bound, crate::load::Bound::Rows);
    assert_eq!(settings.load.warmup, std::time::Duration::ZERO);
}

#[test]
fn opposite_options_in_one_source_are_rejected() {
    let place = Place::empty().file("scenario.toml", "rate = 7\ntotal-rate = 7\n");
    insta::assert_snapshot!(
        first_line(&place.error("simulate --scenario scenario.toml")),
        @"error: `--total-rate` from the scenario `scenario.toml` cannot be used with `--rate` from the same source"
    );
    let place = Place::empty()
        .variable("CONVOY_RECORDS", "5")
        .variable("CONVOY_DURATION", "5s");
    assert!(
        place
            .error("simulate")
            .contains("cannot be used with `--duration`")
    );
}

#[test]
fn variables_of_confluent_cloud_and_atlas_programs_are_read() {
    let place = Place::empty().file(
        ".env",
        "BOOTSTRAP_SERVER=pkc-1.example:9092\nAPI_KEY=key\nAPI_SECRET_KEY=sentinel\n\
         MONGO_DB_URL=mongodb+srv://user:sentinel@cluster.example/?retryWrites=true\n\
         ENDPOINT_SCHEMA_URL=https://psrc-1.example\nSCHEMA_REGISTRY_API_KEY=key\n\
         SCHEMA_REGISTRY_API_SECRET=sentinel\n",
    );
    let settings = place.settings("simulate --encoding confluent --backend external");
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
fn backend_overrides_addresses_in_sources_of_lower_precedence() {
    let place = Place::empty().variable("BOOTSTRAP_SERVER", "kafka.example:9092");
    let settings = place.settings("simulate --backend embedded");
    assert_eq!(settings.broker, BrokerChoice::Embedded);
}

#[test]
fn an_address_overrides_the_backend_of_a_scenario_for_its_server() {
    let place = Place::empty().file("scenario.toml", "backend = 'embedded'\n");
    let settings = place.settings("simulate --scenario scenario.toml --broker kafka.example:9092");
    assert!(matches!(settings.broker, BrokerChoice::External(_)));
    assert_eq!(settings.store, StoreChoice::Embedded);
}

#[test]
fn backend_of_a_scenario_overrides_addresses_for_other_programs() {
    let place = Place::empty()
        .file(".env", "BOOTSTRAP_SERVER=kafka.example:9092\n")
        .file("scenario.toml", "backend = 'embedded'\n");
    let settings = place.settings("simulate --scenario scenario.toml");
    assert_eq!(settings.broker, BrokerChoice::Embedded);
}

#[test]
fn ports_select_embedded_servers() {
    let settings = settings("simulate --broker-port 9092 --store-port 27017");
    assert_eq!(settings.broker, BrokerChoice::Embedded);
    assert_eq!(settings.store, StoreChoice::Embedded);
}

#[test]
fn one_partition_gets_one_consumer() {
    assert_eq!(settings("simulate --partitions 1").consumers, 1);
}

#[test]
fn recorded_command_line_is_quoted_and_without_secrets() {
    let place = Place::empty();
    let line = "simulate --vehicles 5 --store mongodb://user:sentinel@db.example/x";
    match place.request(line).unwrap() {
        Request::Run { invocation, .. } => assert_eq!(
            invocation.line,
            "convoy simulate --vehicles 5 --store 'mongodb://***@db.example/x'"
        ),
        Request::Show(text) | Request::Help(text) => panic!("{text}"),
    }
}

#[test]
fn errors_about_flags_name_the_flag() {
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
    let errors: Vec<String> = lines
        .iter()
        .map(|line| first_line(&error(line)).to_owned())
        .collect();
    let errors = errors.join("\n");
    assert!(!errors.contains("sentinel"), "{errors}");
    insta::assert_snapshot!(errors, @"
    error: invalid value '0' for '--vehicles <N>': must be at least 1
    error: invalid value '-3' for '--vehicles <N>': expected a whole number of at least 1, such as `500` or `10k`
    error: invalid value 'many' for '--vehicles <N>': expected a whole number of at least 1, such as `500` or `10k`
    error: invalid value '-1' for '--rate <RATE>': rate `-1` is not above zero
    error: invalid value 'sometimes' for '--arrival <SHAPE>': expected one of `uniform`, `poisson`, `burst`, `ramp`
    error: invalid value '10' for '--duration <TIME>': expected a duration with its unit, such as `10s` or `250ms`
    error: invalid value '0s' for '--duration <TIME>': must be longer than 0
    error: invalid value '0' for '--records <N|all>': must be at least 1, or `all`
    error: the argument '--records <N|all>' cannot be used with '--duration <TIME>'
    error: invalid value 'cloud' for '--backend <KIND>': expected one of `auto`, `embedded`, `containers`, `external`
    error: invalid value 'a/b' for '--topic <NAME>': expected letters, digits, `.`, `_` and `-`
    error: invalid value `localhost` for `--broker` from the command line: expected `embedded`, `container` or HOST:PORT, separated by commas
    error: invalid value `http://***@localhost` for `--store` from the command line: expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`
    error: `--backend external` needs the address of the broker
    error: `--broker a:9092` contradicts `--backend containers`
    error: `--broker-port` needs an embedded broker, but the broker is `container`
    error: 3 consumers cannot share 2 partitions
    error: `--encoding confluent` with an existing broker needs a Schema Registry
    error: invalid value 'nan' for '--min-throughput <N>': expected a number above 0
    error: unexpected argument '--vehicels' found
    ");
}

#[test]
fn errors_about_other_sources_name_the_source() {
    let scenario = |content: &str| {
        Place::empty()
            .file("scenario.toml", content)
            .error("simulate --scenario scenario.toml")
    };
    let errors = [
        error("simulate --scenario absent.toml"),
        scenario("vehicles = \n"),
        scenario("vehicels = 3\n"),
        scenario("xyz = 3\n"),
        scenario("vehicles = [3]\n"),
        scenario("vehicles = 0\n"),
        Place::empty().variable("CONVOY_TLS", "yes").error("up"),
        Place::empty()
            .variable("CONVOY_RATE", "fast")
            .error("simulate"),
        Place::empty()
            .variable("MONGO_DB_URL", "postgres://user:sentinel@host/x?k=sentinel")
            .error("simulate --backend external --broker a:1"),
        Place::empty()
            .file(".env", "A=1\nCONVOY_BROKER_USERNAME=sentinel\n")
            .error("simulate --broker a:1"),
        Place::empty()
            .file(".env", "A=1\nCONVOY_VEHICLES=many\n")
            .error("simulate"),
        error("simulate --env-file absent.env"),
        error("simulate --broker key:sentinel@host:9092"),
        error("simulate --broker foo"),
    ]
    .join("\n\n");
    assert!(!errors.contains("sentinel"), "{errors}");
    insta::assert_snapshot!(errors, @r#"
    error: cannot read the scenario `absent.toml`
      caused by: No such file or directory (os error 2)

    hint: pass a readable file: `--scenario FILE`

    error: the scenario `scenario.toml` is not valid TOML at line 1: string values must be quoted, expected literal string

    hint: write one option per line, such as `vehicles = 50` or `duration = "10s"`

    error: unknown key `vehicels` in the scenario `scenario.toml`

    hint: did you mean `vehicles`?

    error: unknown key `xyz` in the scenario `scenario.toml`

    hint: write options of `convoy simulate --help` without the leading `--`

    error: `vehicles` in the scenario `scenario.toml` is not a single value

    hint: write a text, a number or a boolean

    error: invalid value `0` for `--vehicles` from the scenario `scenario.toml`: must be at least 1

    hint: correct the scenario `scenario.toml`, or override it with `--vehicles`

    error: invalid value `yes` for `--tls` from the environment variable `CONVOY_TLS`: expected `true` or `false`

    hint: correct the environment variable `CONVOY_TLS`, or override it with `--tls`

    error: invalid value `fast` for `--rate` from the environment variable `CONVOY_RATE`: rate `fast` is not a number with at most six decimals

    hint: correct the environment variable `CONVOY_RATE`, or override it with `--rate`

    error: invalid value `postgres://***@host/x?***` for `--store` from the environment variable `MONGO_DB_URL`: expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`

    hint: correct the environment variable `MONGO_DB_URL`, or override it with `--store`

    error: `CONVOY_BROKER_USERNAME` in `.env`, line 2 is set, but `CONVOY_BROKER_PASSWORD` is not

    hint: set `CONVOY_BROKER_PASSWORD` too

    error: invalid value `many` for `--vehicles` from `CONVOY_VEHICLES` in `.env`, line 2: expected a whole number of at least 1, such as `500` or `10k`

    hint: correct `CONVOY_VEHICLES` in `.env`, line 2, or override it with `--vehicles`

    error: cannot read `absent.env`
      caused by: No such file or directory (os error 2)

    hint: pass a readable file: `--env-file FILE`, or none: `--no-env-file`

    error: invalid value `***@host:9092` for `--broker` from the command line: expected `embedded`, `container` or HOST:PORT, separated by commas

    hint: remove user and password from the address: set `CONVOY_BROKER_USERNAME` and `CONVOY_BROKER_PASSWORD`

    error: invalid value `foo` for `--broker` from the command line: expected `embedded`, `container` or HOST:PORT, separated by commas

    hint: did you mean `foo:9092`?
    "#);
}

#[test]
fn help_and_version_are_printed_on_stdout() {
    let lines = [
        "--help",
        "--version",
        "simulate --help",
        "simulate -h",
        "help report merge",
        "completions bash",
        "man",
    ];
    for line in lines {
        let request = Place::empty().request(line).unwrap();
        assert!(
            matches!(&request, Request::Show(text) | Request::Help(text) if text.contains("convoy")),
            "{line}: {request:?}"
        );
    }
}

#[test]
fn settings_in_the_report_have_the_names_of_their_flags() {
    let value = serde_json::to_value(settings("simulate")).unwrap();
    let Value::Object(settings) = value else {
        panic!("settings are an object");
    };
    let command = CliArgs::command();
    let simulate = command.find_subcommand("simulate").unwrap();
    let flags: Vec<String> = sources::options(simulate).collect();
    for key in settings.keys() {
        let known = key == "registry"
            || flags
                .iter()
                .any(|flag| key.starts_with(&flag.replace('-', "_")));
        assert!(known, "`{key}` is not named after a flag");
    }
}
