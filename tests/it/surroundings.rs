//! Goal: a run sends nothing to servers that only a `.env` names, and `doctor` answers as `simulate`
//! ends. Method: listeners that count connections, and a table of surroundings for both commands.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// A port at which connections are counted and never served.
struct Counting(TcpListener);

impl Counting {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Returns the number of connections so far. The kernel completes them before they are accepted.
    fn connections(&self) -> usize {
        let mut connections = 0;
        loop {
            match self.0.accept() {
                Ok(_connection) => connections += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return connections,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A cluster whose servers accept connections and never respond.
struct SilentCluster {
    broker: Counting,
    registry: Counting,
    store: Counting,
}

impl SilentCluster {
    fn listen() -> Self {
        Self {
            broker: Counting::listen(),
            registry: Counting::listen(),
            store: Counting::listen(),
        }
    }

    fn env(&self) -> String {
        format!(
            "BOOTSTRAP_SERVER={}\nSECURITY_PROTOCOL=SASL_PLAINTEXT\nSASL_MECHANISM=PLAIN\n\
             API_KEY=key\nAPI_SECRET_KEY=secret\nENDPOINT_SCHEMA_URL=http://{}\n\
             SCHEMA_REGISTRY_API_KEY=key\nSCHEMA_REGISTRY_API_SECRET=secret\n\
             MONGO_DB_URL=mongodb://key:secret@{}/\nCONVOY_SECURITY_PROTOCOL=sasl_plaintext\n",
            self.broker.address(),
            self.registry.address(),
            self.store.address(),
        )
    }

    /// Returns the connections to broker, registry and store so far.
    fn connections(&self) -> [usize; 3] {
        [&self.broker, &self.registry, &self.store].map(Counting::connections)
    }
}

/// No container engine, so that `auto` means embedded on every machine.
const NO_ENGINE: &str = "unix:///nonexistent/docker.sock";

/// Options of a short run that gives up soon.
const SHORT: &str = "--vehicles 2 --rate 50 --records 5 --progress never --format json \
                     --request-timeout 1s --broker-timeout 2s --store-timeout 2s";

#[test]
fn servers_of_an_env_file_get_no_connection() {
    let cluster = SilentCluster::listen();
    let place = Place::with_rows()
        .file(".env", cluster.env())
        .variable("DOCKER_HOST", NO_ENGINE);
    for line in [
        format!("simulate --dataset rows.csv --encoding confluent {SHORT}"),
        format!("simulate --dataset rows.csv {SHORT}"),
        format!("doctor --dataset rows.csv {SHORT}"),
        "dataset inspect rows.csv".to_owned(),
    ] {
        let outcome = place.convoy(&line);
        assert_eq!(outcome.code, 0, "{line}: {outcome}");
        assert_eq!(cluster.connections(), [0; 3], "{line}");
        let note = outcome
            .stderr
            .contains("not used: add `--backend external`");
        let needs_servers = line.starts_with("simulate") || line.starts_with("doctor");
        assert_eq!(note, needs_servers, "{line}: {outcome}");
        if line.starts_with("simulate") {
            let report = report(&outcome);
            assert_eq!(report["topology"]["broker"], "embedded", "{outcome}");
            assert_eq!(report["topology"]["store"], "embedded", "{outcome}");
            assert_eq!(report["verdict"]["stored"], 5, "{outcome}");
        }
    }
    let outcome = place.convoy(&format!(
        "doctor --backend external --dataset rows.csv {SHORT}"
    ));
    assert_eq!(outcome.code, 3, "{outcome}");
    let [broker, _registry, store] = cluster.connections();
    assert!(broker > 0 && store > 0, "connections are counted");
}

#[test]
fn servers_are_named_before_anything_else_happens() {
    let place = Place::with_rows().variable("DOCKER_HOST", NO_ENGINE);
    let outcome = place.convoy(&format!("simulate --dataset rows.csv {SHORT}"));
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let at = |start: &str| {
        let found = lines.iter().position(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("`{start}` is missing: {outcome}"))
    };
    let (broker, store) = (at("broker: embedded ("), at("store: embedded ("));
    assert!(
        broker < at("provisioning") && store < at("provisioning"),
        "{outcome}"
    );
    assert!(
        at("broker: listening at 127.0.0.1:") < at("audit"),
        "{outcome}"
    );
    assert!(
        at("store: listening at mongodb://127.0.0.1:") < at("audit"),
        "{outcome}"
    );
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"))
}

/// Where a user may start a run.
#[derive(Debug, Default)]
struct Surroundings<'a> {
    /// Content of the `.env`.
    env: &'a str,
    /// Environment variable, `NAME=VALUE`.
    variable: &'a str,
    /// Content of a scenario.
    scenario: &'a str,
    /// Options.
    line: &'a str,
    /// More options.
    also: &'a str,
    /// Addresses of the broker and the store; empty for embedded ones. `None` if the run fails.
    servers: Option<[&'a str; 2]>,
}

impl<'a> Surroundings<'a> {
    /// A folder with this `.env`, in which a run fails.
    fn at(env: &'a str) -> Self {
        Self {
            env,
            ..Self::default()
        }
    }

    fn variable(self, variable: &'a str) -> Self {
        Self { variable, ..self }
    }

    fn scenario(self, scenario: &'a str) -> Self {
        Self { scenario, ..self }
    }

    fn line(self, line: &'a str) -> Self {
        Self { line, ..self }
    }

    fn also(self, also: &'a str) -> Self {
        Self { also, ..self }
    }

    fn uses(self, servers: [&'a str; 2]) -> Self {
        let servers = Some(servers);
        Self { servers, ..self }
    }

    /// Runs both commands in the same folder. Returns the outcomes.
    fn outcomes(&self, live: &str) -> (Outcome, Outcome) {
        let mut place = Place::with_rows()
            .file(".env", self.env)
            .file("live.env", live)
            .file("scenario.toml", self.scenario)
            .variable("DOCKER_HOST", NO_ENGINE);
        if let Some((name, value)) = self.variable.split_once('=') {
            // The names of a table live as long as the program.
            place = place.variable(name.to_owned().leak(), value);
        }
        let dataset = if self.line.contains("--dataset") {
            ""
        } else {
            "--dataset rows.csv"
        };
        let Self { line, also, .. } = self;
        let line = format!("{line} {also} {dataset} --scenario scenario.toml {SHORT}");
        let doctor = place.convoy(&format!("doctor {line}"));
        (doctor, place.convoy(&format!("simulate {line}")))
    }

    fn check(&self, live: &str) {
        let (doctor, simulate) = self.outcomes(live);
        let context = format!("{self:?}\ndoctor: {doctor}\nsimulate: {simulate}");
        let Some(servers) = self.servers else {
            assert!([2, 3].contains(&simulate.code), "{context}");
            assert!([2, 3].contains(&doctor.code), "{context}");
            let reasons = ["error: ", "  caused by: "].map(|start| {
                let lines = simulate.stderr.lines();
                lines
                    .filter_map(|line| line.strip_prefix(start))
                    .next_back()
            });
            let told =
                |reason: &str| doctor.stdout.contains(reason) || doctor.stderr.contains(reason);
            assert!(reasons.into_iter().flatten().any(told), "{context}");
            return;
        };
        assert_eq!([doctor.code, simulate.code], [0, 0], "{context}");
        let (findings, report) = (report(&doctor), report(&simulate));
        for (server, address) in ["broker", "store"].into_iter().zip(servers) {
            let seen = seen(&findings, server);
            let topology = |field: &str| {
                let value = report["topology"][field].as_str();
                value
                    .unwrap_or_else(|| panic!("{field}: {context}"))
                    .to_owned()
            };
            let kind = topology(server);
            if address.is_empty() {
                assert_eq!(kind, "embedded", "{context}");
                assert_eq!(seen, "embedded, starts", "{context}");
                continue;
            }
            assert_eq!(kind, "external", "{context}");
            let (used, origin) = (
                topology(&format!("{server}_address")),
                topology(&format!("{server}_origin")),
            );
            assert!(used.contains(address), "{context}");
            assert_eq!(
                seen,
                format!("external {used} ({origin}), connected"),
                "{context}"
            );
        }
    }
}

/// Returns what `doctor` saw of a server.
fn seen(findings: &Value, subject: &str) -> String {
    let findings = findings["findings"].as_array().unwrap();
    let finding = findings.iter().find(|it| it["subject"] == subject).unwrap();
    finding["seen"].as_str().unwrap().to_owned()
}

#[test]
fn doctor_answers_as_simulate_ends() {
    let up = Up::alone("");
    let live = up.env.as_str();
    let broker = up.address("BOOTSTRAP_SERVER");
    let store = up.address("MONGO_DB_URL");
    // A closed port, and one in use.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = closed.local_addr().unwrap().to_string();
    drop(closed);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--broker-port {}", taken.local_addr().unwrap().port());
    let dead_env = live.replace(broker, &dead).replace(store, &dead);
    let dead_registry = live.replace(up.address("ENDPOINT_SCHEMA_URL"), &dead);
    let wrong = live.replace(up.value("API_SECRET_KEY"), "guessed-password");
    let broker_variable = format!("CONVOY_BROKER={broker}");
    let dead_broker = format!("CONVOY_BROKER={dead}");
    let dead_store = format!("--store mongodb://{dead}");
    let (embedded, both) = (["", ""], [broker, store]);
    let at = Surroundings::at;
    let external = |env| at(env).line("--backend external");
    let table = [
        at("").uses(embedded),
        at(&dead_env).uses(embedded),
        at("not = a file\n\u{feff}of ours '\n").uses(embedded),
        external(live).uses(both),
        at(live).variable("CONVOY_BACKEND=external").uses(both),
        at(live).scenario("backend = 'external'\n").uses(both),
        at(live).variable(&broker_variable).uses([broker, ""]),
        external(&dead_env)
            .also("--env-file live.env --encoding confluent")
            .uses(both),
        external(&dead_env),
        external(live).also("--no-env-file"),
        external(&wrong),
        external(live).also("--partitions 7"),
        external(live).also("--faults broker-restart@1s"),
        external(live).also("--ca-file none.pem --security-protocol sasl_ssl"),
        external(&dead_registry).also("--encoding confluent"),
        at("").variable(&dead_broker),
        at("").line(&dead_store),
        at("").line(&taken),
        at("").line("--dataset none.csv"),
        at("").line("--output rows.csv"),
        at("").variable("CONVOY_CONSUMERS=many"),
    ];
    // The topic exists when the others run.
    external(live).uses(both).check(live);
    // Most of the time is spent on waiting for servers that are away.
    std::thread::scope(|scope| {
        for part in table.chunks(table.len().div_ceil(4)) {
            scope.spawn(move || {
                for surroundings in part {
                    surroundings.check(live);
                }
            });
        }
    });
}

/// Files `.env` of other projects, with what is in them.
const ENV_FILES: [(&str, &str); 9] = [
    ("blanks without quotes", "SECRET=a b c\n"),
    ("a byte order mark", "\u{feff}NAME=value\n"),
    ("export, as in a shell", "export NAME=value\n"),
    ("a comment after a value", "NAME=value # why\n"),
    ("YAML", "name: value\nlist:\n  - one\n"),
    ("an open quote", "NAME='value\nOTHER=1\n"),
    ("a command", "source other.env\n"),
    ("a name with a dash", "MY-NAME=value\n"),
    ("a variable of the shell", "NAME=${OTHER:-$(whoami)}\n"),
];

#[test]
fn env_files_of_other_projects_stop_no_command() {
    for (what, content) in ENV_FILES {
        let place = Place::with_rows().file(".env", format!("{content}PASSWORD=sentinel 1\n"));
        for line in [
            "--version",
            "clean --dry-run",
            "dataset inspect rows.csv",
            "dataset schema rows.csv",
            "report show --help",
            "simulate --dataset rows.csv --records 1 --warmup 0s --sink null --progress never",
        ] {
            let outcome = place.convoy(line);
            assert_eq!(outcome.code, 0, "{what}: {line}: {outcome}");
            assert!(
                !outcome.stderr.contains("sentinel"),
                "{what}: {line}: {outcome}"
            );
        }
    }
}

/// Names of files that people have, and their topics.
const FILE_NAMES: [(&str, &str); 8] = [
    ("trips.csv", "trips"),
    ("track log (1).csv", "track-log-1"),
    ("trips.2024.csv", "trips.2024"),
    ("trips.csv.gz.csv", "trips.csv.gz"),
    ("trips", "trips"),
    ("trips.txt", "trips"),
    ("Zürich.csv", "Z-rich"),
    ("a:b*c?.tsv", "a-b-c"),
];

#[test]
fn any_file_name_makes_a_topic() {
    for (name, topic) in FILE_NAMES {
        let place = Place::empty().file(name, "a,b\n1,2\n");
        let outcome = place.convoy_words(&["dataset", "inspect", "--json", name]);
        assert_eq!(outcome.code, 0, "{name}: {outcome}");
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(found["datasets"][0]["topic"], topic, "{name}: {outcome}");
    }
}

#[test]
fn a_limit_on_file_sizes_ends_a_run_in_order() {
    let place = Place::empty().variable("DOCKER_HOST", NO_ENGINE);
    // 1 MB, in blocks of 512 bytes; the readings have 2.3 kB each.
    let outcome = place.convoy_within(
        "ulimit -f 2048",
        "simulate --vehicles 100 --rate 50 --duration 2m --warmup 0s --progress never",
    );
    assert_eq!(outcome.code, 3, "{outcome}");
    let told = [
        "warning: this process may write files of up to 1.0 MB",
        "a write would exceed the limit on file sizes of 1048576 bytes",
        "hint: raise the limit with `ulimit -f unlimited`",
    ];
    for line in told {
        assert!(outcome.stderr.contains(line), "{line}: {outcome}");
    }
    assert!(outcome.stdout.contains("emitted "), "{outcome}");
}

#[test]
fn a_report_that_cannot_be_written_is_on_stdout() {
    let place = Place::with_rows();
    let line = "simulate --dataset rows.csv --records all --warmup 0s --rate max --sink null \
                --progress never";
    // 2 kB are enough for no report.
    let outcome = place.convoy_within("ulimit -f 4", line);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(outcome.stdout.contains("emitted "), "{outcome}");
    assert!(outcome.stderr.contains("File too large"), "{outcome}");
    assert!(outcome.stderr.contains("hint: "), "{outcome}");
}
