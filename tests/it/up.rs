//! Goal: what `convoy up` prints is all that a program needs to use the servers, and they stop as
//! they should.
//! Method: the executable on free ports, met over plain sockets and by convoy itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::place::Place;
use crate::serving::{UP, Up};

/// No answer takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks the registry for its subjects and returns the status line.
fn ask_registry(up: &Up, authorization: &str) -> String {
    let address = up.address("ENDPOINT_SCHEMA_URL");
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
pub fn simulate_against(up: &Up, encoding: &str) -> String {
    let place = Place::with_rows().file(".env", &up.env);
    let outcome = place.convoy(&format!(
        "simulate --backend external --dataset rows.csv --progress never \
         --vehicles 5 --rate 20 --records 40 --format json --encoding {encoding}",
    ));
    assert_eq!(outcome.code, 0, "{outcome}");
    outcome.stdout
}

/// Runs convoy's own pipeline as a program with another `.env`; returns its exit status.
fn stranger(env: String) -> i32 {
    let place = Place::with_rows().file(".env", env);
    let outcome =
        place.convoy("simulate --backend external --dataset rows.csv --progress never --records 1");
    outcome.code
}

#[test]
fn the_env_is_all_that_a_program_needs() {
    let place = Place::empty();
    let up = Up::start(&place, "");
    assert_eq!(up.value("API_KEY"), "convoy");
    assert_eq!(up.value("API_SECRET_KEY").len(), 24);
    let report = simulate_against(&up, "confluent");
    assert!(report.contains("\"stored\": 40"), "{report}");
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stop with Ctrl-C"), "{said}");
    let left = std::fs::read_dir(place.temporary()).unwrap().count();
    assert_eq!(left, 0, "the data goes with the servers");
}

#[test]
fn whoever_has_another_password_is_kept_out_of_all_three() {
    let up = Up::alone("");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 401 Unauthorized");
    let password = up.value("API_SECRET_KEY");
    for wrong in [
        format!("API_SECRET_KEY={password}"),
        format!("MONGO_DB_URL=mongodb://convoy:{password}@"),
    ] {
        let guessed = wrong.replace(password, "guessed-password");
        assert!(up.env.contains(&wrong), "{}", up.env);
        assert_eq!(stranger(up.env.replace(&wrong, &guessed)), 3, "{guessed}");
    }
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn no_password_is_said_on_stderr() {
    let up = Up::alone("");
    let password = up.value("API_SECRET_KEY").to_owned();
    let (_, said) = up.stop();
    assert!(said.contains("convoy, no one else"), "{said}");
    assert!(!said.contains(&password), "{said}");
}

#[test]
fn anonymous_servers_let_everyone_in() {
    let up = Up::alone("--anonymous");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 200 OK");
    simulate_against(&up, "json");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn a_password_of_the_environment_is_taken() {
    let place = Place::empty().file(".env", "CONVOY_PASSWORD='p@ss word'\n");
    let up = Up::start(&place, "--user driver");
    assert_eq!(up.value("API_KEY"), "driver");
    assert_eq!(up.value("API_SECRET_KEY"), "'p@ss word'");
    simulate_against(&up, "confluent");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn tls_is_spoken_with_a_certificate_that_the_env_makes_trusted() {
    let up = Up::alone("--tls");
    assert_eq!(up.value("SECURITY_PROTOCOL"), "SASL_SSL");
    simulate_against(&up, "json");
    let distrusting: String = up
        .env
        .lines()
        .filter(|line| !line.starts_with("CONVOY_CA_FILE="))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(stranger(distrusting), 3);
    let (store, ca_file) = up.env.split_once("&tlsCAFile=").unwrap();
    let rest = ca_file.split_once('\'').unwrap().1;
    let distrusting = format!("{store}'{rest}");
    assert_eq!(stranger(distrusting), 3, "nobody vouches for the store");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn a_data_directory_keeps_schemas_password_and_certificates() {
    let place = Place::empty();
    let up = Up::start(&place, "--tls --data-dir data");
    simulate_against(&up, "confluent");
    let password = up.value("API_SECRET_KEY").to_owned();
    let ca_file = up.value("SSL_CA_LOCATION").to_owned();
    let authority = std::fs::read(&ca_file).unwrap();
    assert_eq!(up.stop().0, Some(0));

    let up = Up::start(&place, "--tls --data-dir data");
    assert_eq!(up.value("API_SECRET_KEY"), password);
    assert_eq!(
        std::fs::read(up.value("SSL_CA_LOCATION")).unwrap(),
        authority
    );
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
      caused by: failed to start the Kafka server
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
    let idle = addresses.map(|name| TcpStream::connect(up.address(name)).unwrap());
    let (code, said) = up.stop();
    assert_eq!(code, Some(0), "{said}");
    drop(idle);
}
