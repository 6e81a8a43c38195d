//! Goal: the `.env` of `convoy up` is enough for a client, and the servers stop cleanly.
//! Method: the executable on free ports; clients are plain sockets and convoy itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::place::Place;
use crate::serving::{UP, Up};

/// A response takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Requests the registry's subjects and returns the status line.
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

/// Runs convoy's pipeline with the `.env` of the servers.
pub fn simulate_against(up: &Up, encoding: &str) -> String {
    let place = Place::with_rows().file(".env", &up.env);
    let outcome = place.convoy(&format!(
        "simulate --backend external --dataset rows.csv --progress never \
         --vehicles 5 --rate 20 --records 40 --format json --encoding {encoding}",
    ));
    assert_eq!(outcome.code, 0, "{outcome}");
    outcome.stdout
}

/// Runs convoy's pipeline with a changed `.env`; returns its exit code.
fn exit_code_with(env: String) -> i32 {
    let place = Place::with_rows().file(".env", env);
    let outcome =
        place.convoy("simulate --backend external --dataset rows.csv --progress never --records 1");
    outcome.code
}

#[test]
fn env_file_is_enough_for_a_client() {
    let place = Place::empty();
    let up = Up::start(&place, "");
    assert_eq!(up.value("API_KEY"), "convoy");
    assert_eq!(up.value("API_SECRET_KEY").len(), 24);
    let report = simulate_against(&up, "confluent");
    assert!(report.contains("\"stored\": 40"), "{report}");
    let (code, stderr) = up.stop();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("stop the servers with Ctrl-C"), "{stderr}");
    let left = std::fs::read_dir(place.temporary()).unwrap().count();
    assert_eq!(left, 0, "the data is removed with the servers");
}

#[test]
fn advertised_address_is_that_of_the_env_file() {
    let up = Up::alone("--advertise 10.0.0.7:19092 --topic orders:3");
    assert_eq!(up.value("BOOTSTRAP_SERVER"), "10.0.0.7:19092");
    for name in ["ENDPOINT_SCHEMA_URL", "MONGO_DB_URL"] {
        let port = up.address(name).strip_prefix("10.0.0.7:").unwrap();
        let listening = TcpStream::connect(format!("127.0.0.1:{port}"));
        assert!(listening.is_ok(), "{name}");
    }
    let (code, stderr) = up.stop();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("10.0.0.7:19092"), "{stderr}");
    for flags in ["--advertise host:1 --anonymous", "--advertise host"] {
        let outcome = Place::empty().convoy(&format!("{UP} {flags}"));
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains("--advertise"), "{outcome}");
    }
}

#[test]
fn replica_set_is_enough_for_a_client() {
    let place = Place::empty();
    let up = Up::start(&place, "--replica-set fleet");
    assert!(up.value("MONGO_DB_URL").contains("replicaSet=fleet"));
    let report = simulate_against(&up, "json");
    assert!(report.contains("\"stored\": 40"), "{report}");
    let (code, stderr) = up.stop();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn wrong_password_is_rejected_by_all_servers() {
    let up = Up::alone("");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 401 Unauthorized");
    let password = up.value("API_SECRET_KEY");
    for wrong in [
        format!("API_SECRET_KEY={password}"),
        format!("MONGO_DB_URL=mongodb://convoy:{password}@"),
    ] {
        let guessed = wrong.replace(password, "guessed-password");
        assert!(up.env.contains(&wrong), "{}", up.env);
        assert_eq!(
            exit_code_with(up.env.replace(&wrong, &guessed)),
            3,
            "{guessed}"
        );
    }
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn stderr_contains_no_password() {
    let up = Up::alone("");
    let password = up.value("API_SECRET_KEY").to_owned();
    let (_, stderr) = up.stop();
    assert!(
        stderr.contains("user:            convoy (password in the `.env`)"),
        "{stderr}"
    );
    assert!(!stderr.contains(&password), "{stderr}");
}

#[test]
fn anonymous_disables_authentication() {
    let up = Up::alone("--anonymous");
    assert_eq!(ask_registry(&up, ""), "HTTP/1.1 200 OK");
    simulate_against(&up, "json");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn password_of_the_environment_is_used() {
    let place = Place::empty().file(".env", "CONVOY_PASSWORD='p@ss word'\n");
    let up = Up::start(&place, "--user driver");
    assert_eq!(up.value("API_KEY"), "driver");
    assert_eq!(up.value("API_SECRET_KEY"), "'p@ss word'");
    simulate_against(&up, "confluent");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn tls_certificate_is_trusted_through_the_env_file() {
    let up = Up::alone("--tls");
    assert_eq!(up.value("SECURITY_PROTOCOL"), "SASL_SSL");
    simulate_against(&up, "json");
    let distrusting: String = up
        .env
        .lines()
        .filter(|line| !line.starts_with("CONVOY_CA_FILE="))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(exit_code_with(distrusting), 3);
    let (store, ca_file) = up.env.split_once("&tlsCAFile=").unwrap();
    let rest = ca_file.split_once('\'').unwrap().1;
    let distrusting = format!("{store}'{rest}");
    assert_eq!(
        exit_code_with(distrusting),
        3,
        "the store's certificate is not trusted"
    );
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn data_directory_keeps_schemas_password_and_certificates() {
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
fn port_in_use_is_reported_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let errors = ["broker", "registry", "store"].map(|server| {
        let free = UP.replace(&format!("--{server}-port 0"), "");
        let outcome = Place::empty().convoy(&format!("{free} --{server}-port {port}"));
        assert_eq!(outcome.code, 3, "{outcome}");
        assert_eq!(outcome.stdout, "", "{outcome}");
        outcome.stderr.replace(&port.to_string(), "[PORT]")
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    error: cannot listen on the port given by `--broker-port`
      caused by: failed to start the Kafka server
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop the program that uses the port, or pass another port: `--broker-port 0` uses a free one

    error: cannot listen on the port given by `--registry-port`
      caused by: failed to start the schema registry
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop the program that uses the port, or pass another port: `--registry-port 0` uses a free one

    error: cannot listen on the port given by `--store-port`
      caused by: failed to start the document store
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop the program that uses the port, or pass another port: `--store-port 0` uses a free one
    ");
}

#[test]
fn ports_of_variables_are_used() {
    let place = Place::empty()
        .variable("CONVOY_BROKER_PORT", "0")
        .variable("CONVOY_REGISTRY_PORT", "0")
        .variable("CONVOY_STORE_PORT", "0")
        .variable("CONVOY_ANONYMOUS", "true");
    let up = Up::start_line(&place, "up");
    let ports = ["BOOTSTRAP_SERVER", "ENDPOINT_SCHEMA_URL", "MONGO_DB_URL"];
    for (name, default) in ports.into_iter().zip(["9092", "8081", "27017"]) {
        assert!(
            !up.address(name).ends_with(&format!(":{default}")),
            "{}",
            up.env
        );
    }
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn servers_stop_despite_idle_connections() {
    let place = Place::empty();
    let up = Up::start(&place, "");
    let addresses = ["BOOTSTRAP_SERVER", "ENDPOINT_SCHEMA_URL", "MONGO_DB_URL"];
    let idle = addresses.map(|name| TcpStream::connect(up.address(name)).unwrap());
    let (code, stderr) = up.stop();
    assert_eq!(code, Some(0), "{stderr}");
    drop(idle);
}
