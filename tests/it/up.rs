//! Goal: what `convoy up` prints is all that a program needs to use the servers, and they stop as
//! they should.
//! Method: the executable on free ports, met over plain sockets and by convoy itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;

const UP: &str = "up --broker-port 0 --registry-port 0 --store-port 0";

/// The last line of the `.env`.
const LAST: &str = "CONVOY_SASL_MECHANISM=";

/// No answer takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Running servers, killed if the test ends early.
struct Up {
    child: Child,
    env: String,
}

impl Up {
    /// Starts the servers and waits until they have said where they are.
    fn start(place: &Place, flags: &str) -> Self {
        let mut child = place.start(&format!("{UP} {flags}"));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut up = Self {
            child,
            env: String::new(),
        };
        while !up.env.lines().any(|line| line.starts_with(LAST)) {
            assert!(stdout.read_line(&mut up.env).unwrap() > 0, "{}", up.env);
        }
        up
    }

    fn value(&self, name: &str) -> &str {
        self.env
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("{name} is in the .env:\n{}", self.env))
    }

    /// Asks for an orderly end; returns the exit status and what was said on stderr.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks the registry for its subjects and returns the status line.
fn ask_registry(up: &Up, authorization: &str) -> String {
    let address = up.value("ENDPOINT_SCHEMA_URL");
    let address = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET /subjects HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{authorization}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Runs convoy's own pipeline with nothing but the `.env` of the servers.
fn simulate_against(up: &Up, encoding: &str) -> String {
    let place = Place::with_rows().file(".env", &up.env);
    let outcome = place.convoy(&format!(
        "simulate --backend external --dataset rows.csv --progress never \
         --vehicles 5 --rate 20 --records 40 --format json --encoding {encoding}",
    ));
    assert_eq!(outcome.code, 0, "{outcome}");
    outcome.stdout
}

#[test]
fn the_env_is_all_that_a_program_needs() {
    let place = Place::empty();
    let up = Up::start(&place, "");
    let report = simulate_against(&up, "json");
    assert!(report.contains("\"stored\": 40"), "{report}");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 200 OK");
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stop with Ctrl-C"), "{said}");
    let left = std::fs::read_dir(place.temporary()).unwrap().count();
    assert_eq!(left, 0, "the data goes with the servers");
}

#[test]
fn a_user_keeps_everyone_else_out() {
    let place = Place::empty();
    let up = Up::start(&place, "--user driver");
    assert_eq!(up.value("API_KEY"), "driver");
    assert_eq!(up.value("API_SECRET_KEY").len(), 24);
    simulate_against(&up, "confluent");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 401 Unauthorized");
    let stranger = Place::with_rows().file(
        ".env",
        up.env
            .replace(up.value("API_SECRET_KEY"), "guessed-password"),
    );
    let outcome = stranger
        .convoy("simulate --backend external --dataset rows.csv --progress never --records 1");
    assert_eq!(outcome.code, 3, "{outcome}");
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_password_of_the_environment_is_taken() {
    let place = Place::empty().file(".env", "CONVOY_PASSWORD='pass word'\n");
    let up = Up::start(&place, "--user driver");
    assert_eq!(up.value("API_SECRET_KEY"), "'pass word'");
    simulate_against(&up, "confluent");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn a_port_in_use_is_told_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let told = ["broker", "registry", "store"].map(|server| {
        let free = UP.replace(&format!("--{server}-port 0"), "");
        let outcome = Place::empty().convoy(&format!("{free} --{server}-port {port}"));
        assert_eq!(outcome.code, 3, "{outcome}");
        assert_eq!(outcome.stdout, "", "{outcome}");
        outcome.stderr.replace(&port.to_string(), "[PORT]")
    });
    insta::assert_snapshot!(told.join("\n"), @"
    error: cannot serve at the port that `--broker-port` names
      caused by: failed to start the embedded broker
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop what holds the port, or name another one: `--broker-port 0` takes a free one

    error: cannot serve at the port that `--registry-port` names
      caused by: failed to start the schema registry
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop what holds the port, or name another one: `--registry-port 0` takes a free one

    error: cannot serve at the port that `--store-port` names
      caused by: failed to start the document store
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop what holds the port, or name another one: `--store-port 0` takes a free one
    ");
}

#[test]
fn idle_connections_do_not_keep_the_servers_from_stopping() {
    let place = Place::empty();
    let up = Up::start(&place, "");
    let addresses = ["BOOTSTRAP_SERVER", "ENDPOINT_SCHEMA_URL", "MONGO_DB_URL"];
    let idle = addresses.map(|name| {
        let value = up.value(name);
        let address = value.rsplit('/').next().unwrap();
        TcpStream::connect(address).unwrap()
    });
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    drop(idle);
}
