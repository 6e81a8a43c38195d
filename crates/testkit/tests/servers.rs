//! The test kit as a test uses it.

#![expect(clippy::unwrap_used, reason = "a failure of a step fails its test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use convoy_server_kit::RunClock;
use convoy_testkit::{
    Api, Error, ErrorCode, ErrorReply, Identity, Kafka, Mongo, Registry, Servers, blocking,
};

/// `ApiVersions`, version 0, without a client id.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255];

/// Sends a request to a broker; returns whether there is a response.
fn answers(kafka: &str) -> bool {
    let mut client = TcpStream::connect(kafka).unwrap();
    client.write_all(&API_VERSIONS).unwrap();
    let mut length = [0; 4];
    client.read_exact(&mut length).is_ok()
}

/// Sends `ping`, or another command without arguments, to a store; returns its reply.
fn command(mongo: &str, name: &str) -> Option<Vec<u8>> {
    use convoy_testkit::bson::Builder;
    let address = mongo.strip_prefix("mongodb://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let document = Builder::new()
        .int32(name, 1)
        .string("$db", "admin")
        .finish();
    let length = i32::try_from(21 + document.len()).unwrap();
    let mut message: Vec<u8> = [length, 1, 0, 2013, 0]
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    message.push(0);
    message.extend(document);
    client.write_all(&message).unwrap();
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let mut reply = vec![0; usize::try_from(i32::from_le_bytes(length)).unwrap() - 4];
    client.read_exact(&mut reply).ok()?;
    Some(reply.split_off(17))
}

fn number(reply: &[u8], field: &str) -> i64 {
    let value = convoy_testkit::bson::Doc::new(reply).get(field);
    value.and_then(|value| value.as_i64()).unwrap()
}

/// Commits an offset of partition 0 of `orders`, by `OffsetCommit` version 2, without members of the
/// group. Returns the error code.
fn commit(kafka: &str, group: &str, offset: i64) -> i16 {
    let text = |text: &str| {
        let length = i16::try_from(text.len()).unwrap();
        [&length.to_be_bytes()[..], text.as_bytes()].concat()
    };
    let request = [
        &[0, 8, 0, 2, 0, 0, 0, 7, 255, 255][..], // API, version, correlation id, no client id
        &text(group),
        &(-1_i32).to_be_bytes(), // generation
        &text(""),               // member
        &(-1_i64).to_be_bytes(), // retention
        &1_i32.to_be_bytes(),
        &text("orders"),
        &1_i32.to_be_bytes(),
        &0_i32.to_be_bytes(), // partition
        &offset.to_be_bytes(),
        &text(""), // metadata
    ];
    let response = request_at(&mut TcpStream::connect(kafka).unwrap(), &request.concat());
    let code = response.last_chunk().unwrap();
    i16::from_be_bytes(*code)
}

/// Sends a request without its length, and returns the response without its own.
fn request_at(client: &mut (impl Read + Write), request: &[u8]) -> Vec<u8> {
    let length = i32::try_from(request.len()).unwrap().to_be_bytes();
    client.write_all(&[&length[..], request].concat()).unwrap();
    let mut length = [0; 4];
    client.read_exact(&mut length).unwrap();
    let mut response = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    client.read_exact(&mut response).unwrap();
    response
}

/// Asks for the coordinator of a group, by `FindCoordinator` version 0. Returns the error code.
fn coordinator(client: &mut (impl Read + Write)) -> i16 {
    let request = b"\0\x0a\0\0\0\0\0\x07\xff\xff\0\x07billing";
    let response = request_at(client, request);
    // The correlation id is before it.
    i16::from_be_bytes([response[4], response[5]])
}

const fn shared<T: Send + Sync>() {}

#[test]
fn all_types_can_be_shared_between_threads() {
    shared::<Kafka>();
    shared::<Mongo>();
    shared::<Registry>();
    shared::<Servers>();
    shared::<blocking::Servers>();
    shared::<Error>();
}

#[tokio::test]
async fn servers_answer_on_a_runtime_with_one_blocked_thread() {
    let servers = Servers::start().await.unwrap();
    assert!(answers(servers.bootstrap_servers()));
    assert_eq!(number(&command(servers.uri(), "ping").unwrap(), "ok"), 1);
    assert!(servers.registry_url().starts_with("http://127.0.0.1:"));
    servers.stop().await.unwrap();
}

#[tokio::test]
async fn blocking_twin_works_on_a_thread_of_a_runtime() {
    let servers = blocking::Servers::builder()
        .topic("orders", 2)
        .start()
        .unwrap();
    servers
        .kafka()
        .produce("orders", [("a", "1"), ("b", "2")])
        .unwrap();
    servers.kafka().restart().unwrap();
    servers.mongo().restart().unwrap();
    servers.registry().restart().unwrap();
    assert_eq!(servers.kafka().records("orders").unwrap().len(), 2);
    assert_eq!(servers.kafka().topics().unwrap(), ["orders"]);
    servers.stop().unwrap();
}

#[test]
fn sixteen_tests_at_once_do_not_disturb_each_other() {
    let tests = (0..16).map(|test| {
        thread::spawn(move || {
            let servers = blocking::Servers::builder()
                .topic("orders", 3)
                .start()
                .unwrap();
            let (kafka, mongo) = (servers.kafka(), servers.mongo());
            // A fault of one test is not met by another one.
            mongo
                .faults()
                .fail_next("ping", ErrorReply::new(10_107, "not primary"), test % 2);
            for round in 0..5 {
                let records = (0..test).map(|number| (format!("k{number}"), format!("{test}")));
                kafka.produce("orders", records).unwrap();
                let found = kafka.records("orders").unwrap();
                assert_eq!(found.len(), usize::try_from(test * (round + 1)).unwrap());
                let own = test.to_string();
                assert!(found.iter().all(|record| record.value_str() == Some(&own)));
                assert_eq!(kafka.topics().unwrap(), ["orders"]);
                if round == test % 5 {
                    kafka.restart().unwrap();
                    mongo.crash().unwrap();
                }
            }
            assert!(answers(kafka.bootstrap_servers()));
            let refused = test % 2;
            for expected in [i64::from(refused == 0), 1] {
                assert_eq!(
                    number(&command(mongo.uri(), "ping").unwrap(), "ok"),
                    expected
                );
            }
            assert_eq!(mongo.faults().injected(), u64::from(refused));
            (kafka.bootstrap_servers().to_owned(), mongo.uri().to_owned())
        })
    });
    let tests: Vec<_> = tests.collect();
    for test in tests {
        test.join().unwrap();
    }
}

#[test]
fn dropped_servers_free_their_ports_and_directories() {
    let kafka = blocking::Kafka::start().unwrap();
    let address = kafka.bootstrap_servers().to_owned();
    let client = TcpStream::connect(&address).unwrap();
    drop(kafka);
    let mut rest = Vec::new();
    assert!((&client).read_to_end(&mut rest).is_ok_and(|read| read == 0) || rest.is_empty());
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn faults_hit_the_next_requests_and_end() {
    let servers = blocking::Servers::start().unwrap();
    let faults = servers.kafka().faults();
    faults.cut_next(18_i16, 2);
    assert_eq!(faults.pending(), 2);
    let kafka = servers.bootstrap_servers();
    assert_eq!([(); 3].map(|()| answers(kafka)), [false, false, true]);
    assert_eq!((faults.injected(), faults.pending()), (2, 0));

    let faults = servers.mongo().faults();
    faults.fail_next("ping", ErrorReply::new(10_107, "not primary"), 1);
    faults.cut_next("ping", 1);
    let refused = command(servers.uri(), "ping").unwrap();
    assert_eq!(
        (number(&refused, "ok"), number(&refused, "code")),
        (0, 10_107)
    );
    assert!(command(servers.uri(), "ping").is_none());
    faults.delay_next("ping", Duration::from_secs(600), 1);
    faults.clear();
    assert_eq!(number(&command(servers.uri(), "ping").unwrap(), "ok"), 1);
}

#[test]
fn requests_of_groups_fail_with_the_given_error() {
    let kafka = blocking::Kafka::start().unwrap();
    let code = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    kafka.faults().fail_next(Api::FindCoordinator, code, 2);
    let mut client = TcpStream::connect(kafka.bootstrap_servers()).unwrap();
    let codes = [(); 3].map(|()| coordinator(&mut client));
    assert_eq!(codes, [14, 14, 0]);
    assert_eq!(
        (kafka.faults().injected(), kafka.faults().pending()),
        (2, 0)
    );
}

#[test]
fn broker_with_tls_is_trusted_by_its_authority_alone() {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let kafka = blocking::Kafka::builder().tls().start().unwrap();
    let variables = kafka.env();
    let value = |name| variables.iter().find(|it| it.0 == name).unwrap().1.clone();
    assert_eq!(value("SECURITY_PROTOCOL"), "SASL_SSL");
    let handshake = |trusted: &[String]| {
        let mut roots = rustls::RootCertStore::empty();
        for path in trusted {
            roots
                .add(CertificateDer::from_pem_file(path).unwrap())
                .unwrap();
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let client = rustls::ClientConnection::new(config.into(), name).unwrap();
        let stream = TcpStream::connect(kafka.bootstrap_servers()).unwrap();
        let mut client = rustls::StreamOwned::new(client, stream);
        client.flush().map(|()| client)
    };
    let mut client = handshake(&[value("SSL_CA_LOCATION")]).unwrap();
    assert_eq!(coordinator(&mut client), 0);
    let mut unknown = handshake(&[]);
    let refused = unknown
        .as_mut()
        .map_or(true, |client| client.write(b"x").is_err());
    assert!(refused);
}

#[tokio::test]
async fn restart_keeps_records_and_crash_loses_what_was_not_synced() {
    let kafka = Kafka::builder().topic("orders", 1).start().await.unwrap();
    let address = kafka.bootstrap_servers().to_owned();
    kafka.produce("orders", [("a", "1")]).unwrap();
    kafka.restart().await.unwrap();
    assert_eq!(kafka.bootstrap_servers(), address);
    assert!(answers(&address));
    assert_eq!(kafka.records("orders").unwrap().len(), 1);
    kafka.produce("orders", [("b", "2")]).unwrap();
    let lost = kafka.crash().await.unwrap();
    let kept = kafka.records("orders").unwrap().len();
    assert_eq!(u64::try_from(kept).unwrap() + lost, 2);
}

#[tokio::test]
async fn waiting_for_a_group_tells_where_it_stands() {
    let kafka = Kafka::builder().topic("orders", 2).start().await.unwrap();
    kafka.produce("orders", [("a", "1")]).unwrap();
    let wait = kafka.wait_until_committed("billing", "orders", 1, Duration::ZERO);
    let error = wait.await.unwrap_err();
    let ends: Vec<usize> = (0..2)
        .map(|partition| {
            let records = kafka.records("orders").unwrap();
            records
                .iter()
                .filter(|record| record.partition == partition)
                .count()
        })
        .collect();
    let expected = format!(
        "group `billing` has committed 0 of 1 records of topic `orders` within 0ns; the group does \
         not exist\n  partition 0: nothing committed, the log ends at {}\n  partition 1: nothing \
         committed, the log ends at {}",
        ends[0], ends[1]
    );
    assert_eq!(error.to_string(), expected);
    let wait = kafka.wait_until_committed("billing", "order", 1, Duration::ZERO);
    let error = wait.await.unwrap_err().to_string();
    assert_eq!(
        error,
        "topic `order` does not exist (the broker has `orders`)"
    );
    assert!(matches!(kafka.committed("billing", "orders"), Ok(0)));
}

#[test]
fn commits_end_the_wait_and_can_be_refused() {
    let kafka = blocking::Kafka::builder()
        .topic("orders", 1)
        .start()
        .unwrap();
    kafka.produce("orders", [("a", "1"), ("b", "2")]).unwrap();
    let code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
    kafka.faults().fail_next(Api::OffsetCommit, code, 1);
    assert_eq!(commit(kafka.bootstrap_servers(), "billing", 2), code.0);
    assert_eq!(kafka.committed("billing", "orders").unwrap(), 0);
    assert_eq!(commit(kafka.bootstrap_servers(), "billing", 2), 0);
    let wait = Duration::from_secs(20);
    kafka
        .wait_until_committed("billing", "orders", 2, wait)
        .unwrap();
    let error = kafka.wait_until_committed("billing", "orders", 3, Duration::ZERO);
    let error = error.unwrap_err().to_string();
    let expected = "group `billing` has committed 2 of 3 records of topic `orders` within 0ns; it is \
        Empty with 0 members\n  partition 0: committed 2, the log ends at 2";
    assert_eq!(error, expected);
}

#[tokio::test]
async fn data_directory_outlives_the_servers() {
    let place = std::env::temp_dir().join(format!("convoy-testkit-{}", std::process::id()));
    for round in 0..2 {
        let builder = Servers::builder().topic("orders", 1).data_dir(&place);
        let servers = builder.start().await.unwrap();
        assert_eq!(servers.kafka().records("orders").unwrap().len(), round);
        servers.kafka().produce("orders", [("a", "1")]).unwrap();
        servers.stop().await.unwrap();
    }
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn variables_have_the_names_of_convoy_up() {
    let servers = blocking::Servers::builder()
        .user("ada", "p@ss")
        .start()
        .unwrap();
    let variables = servers.env();
    let value = |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    };
    assert_eq!(value("BOOTSTRAP_SERVER"), servers.bootstrap_servers());
    assert_eq!((value("API_KEY"), value("API_SECRET_KEY")), ("ada", "p@ss"));
    assert_eq!(value("ENDPOINT_SCHEMA_URL"), servers.registry_url());
    let uri = value("MONGO_DB_URL");
    assert!(uri.starts_with("mongodb://ada:p%40ss@127.0.0.1:"), "{uri}");
}

#[test]
#[should_panic = "1 missing"]
fn assertion_fails_with_what_is_missing() {
    let servers = blocking::Servers::start().unwrap();
    servers.kafka().produce("orders", [("k1", "a")]).unwrap();
    servers.assert_all_stored("orders", "shop.orders", &Identity::key("_id"));
}

#[test]
fn waiting_for_documents_ends_at_the_deadline() {
    let servers = blocking::Servers::start().unwrap();
    servers.kafka().produce("orders", [("k1", "a")]).unwrap();
    let identity = Identity::key("_id");
    let waited = servers.wait_until_all_stored("orders", "shop.orders", &identity, Duration::ZERO);
    assert!(matches!(waited, Err(Error::NotStored(_))));
}

/// Set in the process that fails.
const FAIL: &str = "CONVOY_TESTKIT_FAIL";

#[test]
fn log_is_shown_when_a_test_fails() {
    if std::env::var_os(FAIL).is_some() {
        let kafka = blocking::Kafka::start().unwrap();
        let mut client = TcpStream::connect(kafka.bootstrap_servers()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _closed = client.read(&mut [0; 1]);
        panic!("on purpose");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log_is_shown_when_a_test_fails"])
        .env(FAIL, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.contains("---- log of the servers ----"), "{output}");
    assert!(
        output.contains("kafka: closed a connection after an invalid request"),
        "{output}"
    );
}

#[test]
fn all_three_servers_start_within_milliseconds() {
    // The best of many, and a wide bound: other tests run at the same time.
    let starts = (0..20).map(|_| {
        let clock = RunClock::start();
        let servers = blocking::Servers::start().unwrap();
        let took = Duration::from_nanos(clock.now());
        drop(servers);
        took
    });
    let best = starts.min().unwrap();
    println!("all three servers started within {best:?}");
    assert!(best < Duration::from_millis(100), "{best:?}");
}
