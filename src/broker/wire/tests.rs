//! Connections to the embedded broker, and to servers that misbehave.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server as embedded_broker;
use convoy_kafka_server::protocol::Reader;
use convoy_server_kit::{Secret, User, tls};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ListGroupsRequest;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::broker::Connector;
use crate::broker::spec::{Endpoint, Login, Mechanism};
use crate::broker::tls::Tls;
use crate::broker::wire::{Connection, Error, connect_any, connect_leader, topic_metadata};
use crate::cause::Trouble;
use crate::proxy::{Proxy, ProxyFault, ProxyFaults};

/// Far beyond what a loopback connection takes.
const LONG: Duration = Duration::from_secs(20);

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

async fn broker(settings: embedded_broker::Settings) -> embedded_broker::KafkaServer {
    embedded_broker::KafkaServer::start(settings).await.unwrap()
}

fn login(mechanism: Mechanism, password: &str) -> Login {
    Login {
        mechanism,
        user: "dri,ver=1".to_owned(),
        password: Secret::new(password),
    }
}

fn with_user() -> embedded_broker::Settings {
    let user = User::new("dri,ver=1", "sentinel-password");
    embedded_broker::Settings::default().with_user(user)
}

#[tokio::test]
async fn leader_has_an_epoch_and_the_id_of_its_topic() {
    let broker = broker(embedded_broker::Settings::default()).await;
    let endpoint = Endpoint::plain(broker.bootstrap_servers());
    let connector = Connector::new(endpoint.clone());
    connector.create_topic("sensor", 3, 1).await.unwrap();
    let (mut connection, leader) = connect_leader(&endpoint, "sensor", 2, LONG).await.unwrap();
    assert_eq!(connection.address(), broker.bootstrap_servers());
    assert_eq!(leader.address, broker.bootstrap_servers());
    assert!(leader.epoch.is_some() && leader.topic_id.is_some());
    let metadata = topic_metadata(&mut connection, "sensor", LONG)
        .await
        .unwrap();
    assert_eq!(metadata.id, leader.topic_id);
    let numbers: Vec<i32> = metadata.partitions.keys().copied().collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn unknown_topic_and_unknown_partition_are_refused_by_code() {
    let broker = broker(embedded_broker::Settings::default()).await;
    let endpoint = Endpoint::plain(broker.bootstrap_servers());
    let connector = Connector::new(endpoint.clone());
    connector.create_topic("sensor", 1, 1).await.unwrap();
    for (topic, partition) in [("other", 0), ("sensor", 1)] {
        let error = connect_leader(&endpoint, topic, partition, LONG).await;
        let error = error.unwrap_err();
        let unknown = ResponseError::UnknownTopicOrPartition;
        assert_eq!(error.code(), Some(unknown.into()), "{error}");
        assert_eq!(error.trouble(), Some(Trouble::UnknownTopic));
        let expected = format!(
            "`{}`: the broker responded UNKNOWN_TOPIC_OR_PARTITION (3)",
            broker.bootstrap_servers()
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn every_mechanism_accepts_only_the_right_password() {
    let broker = broker(with_user()).await;
    for mechanism in Mechanism::ALL {
        for (password, expected) in [
            ("sentinel-password", None),
            ("sentinel-wrong", Some(Trouble::Credentials)),
        ] {
            let mut endpoint = Endpoint::plain(broker.bootstrap_servers());
            endpoint.login = Some(login(mechanism, password));
            let outcome = connect_any(&endpoint, LONG).await;
            let error = outcome.err();
            assert_eq!(error.as_ref().and_then(Error::trouble), expected);
            let text = error.as_ref().map(ToString::to_string);
            let shown = format!("{error:?} {text:?}");
            assert!(!shown.contains("sentinel"), "{shown}");
        }
    }
}

#[tokio::test]
async fn broker_that_requires_a_user_closes_connections_without() {
    let broker = broker(with_user()).await;
    let endpoint = Endpoint::plain(broker.bootstrap_servers());
    let error = connect_leader(&endpoint, "sensor", 0, LONG)
        .await
        .unwrap_err();
    assert_eq!(error.trouble(), Some(Trouble::Closed), "{error}");
}

#[tokio::test]
async fn tls_connects_with_the_trusted_certificate_only() {
    let fixture = |name: &str| Path::new("fixtures/tls").join(name);
    let config = tls::load(&fixture("server.pem"), &fixture("server-key.pem")).unwrap();
    let broker = broker(with_user().with_tls(config)).await;
    let mut endpoint = Endpoint::plain(broker.bootstrap_servers());
    endpoint.login = Some(login(Mechanism::ScramSha512, "sentinel-password"));
    endpoint.tls = Some(Tls::trusting(Some(&fixture("authority.pem"))).unwrap());
    assert!(connect_any(&endpoint, LONG).await.is_ok());
    endpoint.tls = Some(Tls::trusting(None).unwrap());
    let error = connect_any(&endpoint, LONG).await.unwrap_err();
    assert_eq!(error.trouble(), Some(Trouble::Certificate), "{error}");
    endpoint.tls = None;
    let error = connect_any(&endpoint, LONG).await.unwrap_err();
    let trouble = error.trouble();
    let mismatch = [Trouble::OtherProtocol, Trouble::Closed];
    assert!(trouble.is_some_and(|it| mismatch.contains(&it)), "{error}");
}

#[tokio::test]
async fn tls_to_a_broker_without_is_a_mismatch() {
    let broker = broker(embedded_broker::Settings::default()).await;
    let mut endpoint = Endpoint::plain(broker.bootstrap_servers());
    endpoint.tls = Some(Tls::trusting(None).unwrap());
    let error = connect_any(&endpoint, LONG).await.unwrap_err();
    let trouble = error.trouble();
    let mismatch = [Trouble::TlsMismatch, Trouble::Closed];
    assert!(trouble.is_some_and(|it| mismatch.contains(&it)), "{error}");
}

/// Injects no fault, or cuts off every response.
#[derive(Debug)]
struct Always(Option<ProxyFault>);

impl ProxyFaults for Always {
    fn next(&self) -> Option<ProxyFault> {
        self.0
    }
}

#[tokio::test]
async fn connection_goes_through_the_socks_proxy() {
    let broker = broker(embedded_broker::Settings::default()).await;
    for (fault, expected) in [
        (None, None),
        (Some(ProxyFault::CutAfter), Some(Trouble::Closed)),
    ] {
        let proxy = Proxy::start(Arc::new(Always(fault))).await.unwrap();
        let mut endpoint = Endpoint::plain(broker.bootstrap_servers());
        endpoint.socks_proxy = Some(proxy.address());
        let outcome = connect_any(&endpoint, LONG).await;
        let trouble = outcome.err().and_then(|error| error.trouble());
        assert_eq!(trouble, expected);
        assert!(proxy.stop().await);
    }
}

/// An address at which nothing listens.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Serves every connection with `serve`; returns the address.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads one request.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn respond(stream: &mut TcpStream, response: &[u8]) {
    let mut frame = u32::try_from(response.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    frame.extend_from_slice(response);
    let _closed = stream.write_all(&frame).await;
}

/// A server that never responds.
async fn silent() -> String {
    server(|mut stream| async move { while request(&mut stream).await.is_some() {} }).await
}

#[tokio::test]
async fn next_bootstrap_server_is_tried_if_one_refuses_or_is_silent() {
    let broker = broker(embedded_broker::Settings::default()).await;
    let mut endpoint = Endpoint::plain(closed_port().await);
    endpoint.bootstrap.push(silent().await);
    endpoint.bootstrap.push(broker.bootstrap_servers());
    let connection = connect_any(&endpoint, LONG).await.unwrap();
    assert_eq!(connection.address(), broker.bootstrap_servers());
}

#[tokio::test]
async fn every_bootstrap_server_that_failed_is_named_in_order() {
    let (refusing, silent) = (closed_port().await, silent().await);
    let mut endpoint = Endpoint::plain(refusing.clone());
    endpoint.bootstrap.push(silent.clone());
    endpoint.bootstrap.push("no-port".to_owned());
    let error = connect_any(&endpoint, SHORT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{refusing}`: Connection refused (os error 111), \
             `{silent}`: no response to ApiVersions within 200ms, \
             `no-port`: invalid address (expected HOST:PORT)"
        )
    );
    assert_eq!(error.trouble(), Some(Trouble::Refused));
}

/// The response to a request for versions: this one and one for groups.
fn versions(correlation_id: &[u8]) -> Vec<u8> {
    let apis = [
        0, 0, 3, 0, 18, 0, 0, 0, 3, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    ];
    [correlation_id, &apis].concat()
}

fn group_count(connection: &mut Connection) -> impl Future<Output = Result<usize, Error>> {
    connection.call(
        0..=2,
        |_version| ListGroupsRequest::default(),
        SHORT,
        |response| {
            let mut reader = response.reader();
            Ok(reader.array(Reader::i8)?.len())
        },
    )
}

#[tokio::test]
async fn connection_is_not_usable_after_a_timeout() {
    let address = server(|mut stream| async move {
        let first = request(&mut stream).await.unwrap();
        respond(&mut stream, &versions(&first[4..8])).await;
        while request(&mut stream).await.is_some() {}
    })
    .await;
    let endpoint = Endpoint::plain(address.clone());
    let mut connection = Connection::open(&endpoint, &address, LONG).await.unwrap();
    assert!(connection.is_usable());
    let error = group_count(&mut connection).await.unwrap_err();
    let expected = format!("`{address}`: no response to ListGroups within 200ms");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.trouble(), Some(Trouble::Silent));
    assert!(!connection.is_usable());
    let error = group_count(&mut connection).await.unwrap_err();
    assert!(error.to_string().contains("not usable"), "{error}");
}

#[tokio::test]
async fn connection_is_not_usable_after_a_dropped_request() {
    let address = server(|mut stream| async move {
        let first = request(&mut stream).await.unwrap();
        respond(&mut stream, &versions(&first[4..8])).await;
        while request(&mut stream).await.is_some() {}
    })
    .await;
    let endpoint = Endpoint::plain(address.clone());
    let mut connection = Connection::open(&endpoint, &address, LONG).await.unwrap();
    tokio::select! {
        biased;
        _outcome = group_count(&mut connection) => unreachable!("the server is silent"),
        () = tokio::task::yield_now() => {}
    }
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn versions_are_negotiated_with_a_broker_that_has_only_version_zero() {
    let address = server(|mut stream| async move {
        while let Some(frame) = request(&mut stream).await {
            let (correlation_id, version) = (&frame[4..8], frame[3]);
            let code = if version == 0 { 0 } else { 35 };
            let body = [0, code, 0, 0, 0, 1, 0, 18, 0, 0, 0, 0];
            respond(&mut stream, &[correlation_id, &body].concat()).await;
        }
    })
    .await;
    let endpoint = Endpoint::plain(address.clone());
    let connection = Connection::open(&endpoint, &address, LONG).await.unwrap();
    let error = connection.version::<ListGroupsRequest>(0..=2).unwrap_err();
    assert_eq!(error.trouble(), Some(Trouble::Version), "{error}");
}

#[tokio::test]
async fn other_protocols_are_named() {
    for (response, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "responded with HTTP",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x28", "responded with TLS"),
        (b"\xff\xff\xff\xff", "frame length -1"),
    ] {
        let address = server(move |mut stream| async move {
            request(&mut stream).await;
            let _closed = stream.write_all(response).await;
        })
        .await;
        let endpoint = Endpoint::plain(address.clone());
        let error = Connection::open(&endpoint, &address, LONG).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.trouble(), Some(Trouble::OtherProtocol));
    }
}

#[tokio::test]
async fn response_to_another_request_is_rejected() {
    let address = server(|mut stream| async move {
        request(&mut stream).await;
        respond(&mut stream, &versions(&[0, 0, 0, 77])).await;
    })
    .await;
    let endpoint = Endpoint::plain(address.clone());
    let error = Connection::open(&endpoint, &address, LONG).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("correlation id 77 (expected 1)"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_responses_end_within_the_deadline(
        responses in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 1..4),
        framed: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = server(move |mut stream| {
                let responses = responses.clone();
                async move {
                    for response in responses {
                        let Some(frame) = request(&mut stream).await else {
                            return;
                        };
                        if framed {
                            respond(&mut stream, &[&frame[4..8], &response].concat()).await;
                        } else {
                            let _closed = stream.write_all(&response).await;
                        }
                    }
                }
            })
            .await;
            let endpoint = Endpoint::plain(address);
            let outcome = connect_leader(&endpoint, "sensor", 0, SHORT).await;
            assert!(outcome.is_err());
        });
    }
}
