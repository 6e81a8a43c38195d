//! Clients of Kafka, MongoDB and the Schema Registry, written by others, against `convoy up`.
//!
//! Python and mongosh run the scripts of `tests/clients/`. The tests download what the scripts need,
//! once, into `target/`. Without a network, or without a program that the download needs, a test
//! prints on stderr that it was skipped and why. Every other failure to install fails the test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::install;
use crate::place::Place;
use crate::serving::Up;

/// Twice what the slowest script takes on a busy machine.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(150);

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Returns Python with the packages that the scripts import, or the reason to skip a test.
fn python() -> Result<&'static Path, &'static str> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| install::python(&scripts().join("requirements.txt")));
    python.as_deref().map_err(String::as_str)
}

/// Prints that a test was skipped. Not by `eprintln!`, which the test harness captures.
fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED clients::{test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Returns Python, or prints that the test was skipped.
fn python_for(test: &str) -> Option<&'static Path> {
    python().map_err(|reason| skip(test, reason)).ok()
}

/// One run of a script.
struct Script<'a> {
    /// Relative to `tests/clients/`.
    name: &'a str,
    arguments: Vec<&'a str>,
    directory: PathBuf,
    /// A directory of programs to put before `PATH`.
    programs: Option<PathBuf>,
}

impl<'a> Script<'a> {
    fn new(name: &'a str, arguments: &[&'a str]) -> Self {
        Self {
            name,
            arguments: arguments.to_vec(),
            directory: scripts(),
            programs: None,
        }
    }

    fn run(&self, python: &Path) -> Result<(), String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = self.programs.iter().cloned();
        let directories = directories.chain(std::env::split_paths(&path));
        let mut command = assert_cmd::Command::new(python);
        command
            .arg(scripts().join(self.name))
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::join_paths(directories).unwrap())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .timeout(SCRIPT_DEADLINE);
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{} {}:\n{stdout}\n{stderr}",
            self.name, output.status
        ))
    }
}

/// Runs scripts side by side; the message of the panic has every failure.
fn run_all(python: &Path, scripts: &[Script<'_>]) {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = scripts
            .iter()
            .map(|script| scope.spawn(move || script.run(python)))
            .collect();
        running
            .into_iter()
            .filter_map(|script| script.join().unwrap().err())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn kafka_clients_in_c_and_python_produce_and_consume() {
    let Some(python) = python_for("kafka_clients_in_c_and_python_produce_and_consume") else {
        return;
    };
    let up = Up::alone("--anonymous");
    let address = [up.value("BOOTSTRAP_SERVER")];
    let mut scripts = vec![
        Script::new("kafka/confluent.py", &address),
        Script::new("kafka/pure_python.py", &address),
    ];
    match install::kcat() {
        Ok(programs) => scripts.push(Script {
            programs,
            ..Script::new("kafka/kcat.py", &address)
        }),
        Err(reason) => skip("kcat", &reason),
    }
    run_all(python, &scripts);
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn librdkafka_authenticates_by_every_mechanism_and_is_rejected_quickly() {
    let Some(python) =
        python_for("librdkafka_authenticates_by_every_mechanism_and_is_rejected_quickly")
    else {
        return;
    };
    let places = ["", "--tls", "--anonymous"].map(|flags| {
        let place = Place::empty();
        let up = Up::start(&place, flags);
        let place = place.file("client.env", &up.env);
        (place.path("client.env").display().to_string(), place, up)
    });
    let scripts: Vec<_> = places
        .iter()
        .map(|(env, _, _)| Script::new("kafka/security.py", &[env]))
        .collect();
    run_all(python, &scripts);
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn confluent_serializers_register_and_read_schemas() {
    let Some(python) = python_for("confluent_serializers_register_and_read_schemas") else {
        return;
    };
    let up = Up::alone("");
    let user = format!("{}:{}", up.value("API_KEY"), up.value("API_SECRET_KEY"));
    let arguments = [up.value("ENDPOINT_SCHEMA_URL"), user.as_str()];
    let scripts = [
        "registry/serializers.py",
        "registry/schema_registry_client.py",
    ];
    run_all(python, &scripts.map(|name| Script::new(name, &arguments)));
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn pymongo_gets_the_replies_of_the_tables() {
    let Some(python) = python_for("pymongo_gets_the_replies_of_the_tables") else {
        return;
    };
    let up = Up::alone("");
    let arguments = [up.value("MONGO_DB_URL")];
    let scripts = ["mongo/tables.py", "mongo/driver.py"];
    run_all(python, &scripts.map(|name| Script::new(name, &arguments)));
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn pymongo_connects_with_and_without_tls() {
    let Some(python) = python_for("pymongo_connects_with_and_without_tls") else {
        return;
    };
    let place = Place::empty();
    let up = Up::start(&place, "--tls");
    let place = place.file("client.env", &up.env);
    let env = place.path("client.env").display().to_string();
    run_all(python, &[Script::new("mongo/tls.py", &[&env])]);
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn program_for_confluent_cloud_runs_with_another_env_only() {
    let Some(python) = python_for("program_for_confluent_cloud_runs_with_another_env_only") else {
        return;
    };
    let places = ["", "--tls", "--data-dir data --user driver"].map(|flags| {
        let place = Place::empty();
        let up = Up::start(&place, flags);
        (place.file(".env", &up.env), up)
    });
    let scripts = places.each_ref().map(|(place, _)| Script {
        directory: place.path(""),
        ..Script::new("confluent_cloud.py", &[])
    });
    run_all(python, &scripts);
}

#[test]
#[ignore = "downloads clients: just test-clients"]
fn mongosh_gets_the_replies_of_the_manual() {
    let mongosh = match install::mongosh() {
        Ok(mongosh) => mongosh,
        Err(reason) => return skip("mongosh_gets_the_replies_of_the_manual", &reason),
    };
    let up = Up::alone("");
    let output = assert_cmd::Command::new(mongosh)
        .arg(up.value("MONGO_DB_URL"))
        .args(["--quiet", "--file"])
        .arg(scripts().join("mongo/mongosh.js"))
        .timeout(SCRIPT_DEADLINE)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
}
