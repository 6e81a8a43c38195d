//! Goal: programs that nobody here wrote work with `convoy up`.
//! Method: the scripts of `tests/clients/`, run by Python and mongosh against the executable. What
//! they need is installed once, under `target/`, where package indexes can be reached; elsewhere
//! each test says on stderr that it was skipped, and why.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::install;
use crate::place::Place;
use crate::serving::Up;

/// No script takes half of this on a busy machine.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(150);

/// The scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Python with what the scripts need, or why there is none.
fn python() -> Result<&'static Path, &'static str> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| install::python(&scripts().join("requirements.txt")));
    python.as_deref().map_err(String::as_str)
}

/// Says that a test does not run; past the capture of the test's output, so that it is seen.
fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED clients::{test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Python for a test, which is skipped where there is none.
fn python_for(test: &str) -> Option<&'static Path> {
    python().map_err(|reason| skip(test, reason)).ok()
}

/// One run of a script.
struct Script<'a> {
    /// Relative to `tests/clients/`.
    name: &'a str,
    arguments: Vec<&'a str>,
    directory: PathBuf,
    /// Where it finds programs that are not installed.
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
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{} {}:\n{said}\n{complained}",
            self.name, output.status
        ))
    }
}

/// Runs scripts side by side; every failure is told.
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
fn kafkas_clients_in_c_and_python_are_served() {
    let Some(python) = python_for("kafkas_clients_in_c_and_python_are_served") else {
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
fn librdkafka_is_let_in_by_every_mechanism_and_refused_quickly() {
    let Some(python) = python_for("librdkafka_is_let_in_by_every_mechanism_and_refused_quickly")
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
fn confluents_registry_client_and_serializers_are_served() {
    let Some(python) = python_for("confluents_registry_client_and_serializers_are_served") else {
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
fn pymongo_gets_the_answers_of_the_manual() {
    let Some(python) = python_for("pymongo_gets_the_answers_of_the_manual") else {
        return;
    };
    let up = Up::alone("");
    let scripts = [
        "aggregations",
        "commands",
        "expressions",
        "queries",
        "updates",
    ];
    let scripts = scripts.map(|name| format!("mongo/{name}.py"));
    let arguments = [up.value("MONGO_DB_URL")];
    run_all(
        python,
        &scripts.each_ref().map(|name| Script::new(name, &arguments)),
    );
}

#[test]
fn pymongo_is_served_with_tls_and_without() {
    let Some(python) = python_for("pymongo_is_served_with_tls_and_without") else {
        return;
    };
    let place = Place::empty();
    let up = Up::start(&place, "--tls");
    let place = place.file("client.env", &up.env);
    let env = place.path("client.env").display().to_string();
    run_all(python, &[Script::new("mongo/tls.py", &[&env])]);
}

#[test]
fn a_program_for_confluent_cloud_needs_another_env_and_nothing_else() {
    let Some(python) =
        python_for("a_program_for_confluent_cloud_needs_another_env_and_nothing_else")
    else {
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
fn mongosh_gets_the_answers_of_the_manual() {
    let mongosh = match install::mongosh() {
        Ok(mongosh) => mongosh,
        Err(reason) => return skip("mongosh_gets_the_answers_of_the_manual", &reason),
    };
    let up = Up::alone("");
    let output = assert_cmd::Command::new(mongosh)
        .arg(up.value("MONGO_DB_URL"))
        .args(["--quiet", "--file"])
        .arg(scripts().join("mongo/mongosh.js"))
        .timeout(SCRIPT_DEADLINE)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
}
