//! Bounds over all connections, and of clients that only connect.

use std::time::Duration;

use convoy_server_kit::{Limits, RunClock, nanos};
use kafka_protocol::messages::ApiKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::tests::bytes::{api_versions, connect, request, response, until_closed};
use crate::{KafkaServer, Settings, User};

/// Bytes of a large request.
const LARGE: usize = 400 * 1024;

async fn start(settings: Settings) -> KafkaServer {
    KafkaServer::start(settings).await.unwrap()
}

/// Returns a valid request of about `LARGE` bytes.
fn large_request() -> Vec<u8> {
    let topic = [&250_i16.to_be_bytes()[..], &[b'!'; 250]].concat();
    let topics = LARGE / topic.len();
    let count = i32::try_from(topics).unwrap().to_be_bytes();
    let body = [&count[..], &topic.repeat(topics)].concat();
    request(ApiKey::Metadata as i16, 0, 7, &body)
}

#[tokio::test]
async fn half_sent_requests_give_their_memory_to_a_whole_one() {
    let settings = Settings {
        frame_memory: 2 * 1024 * 1024,
        ..Settings::default()
    };
    let server = start(settings).await;
    let mut half_sent = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(&server).await;
        let bytes = large_request();
        stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
        half_sent.push(stream);
    }
    let mut small = connect(&server).await;
    small.write_all(&api_versions(0, 1)).await.unwrap();
    assert_eq!(response(&mut small).await.0, 1);
    let mut whole = connect(&server).await;
    whole.write_all(&large_request()).await.unwrap();
    assert_eq!(response(&mut whole).await.0, 7);
}

#[tokio::test]
async fn connections_that_only_connect_do_not_keep_others_out() {
    let settings = Settings::default().with_user(User::new("driver", "password"));
    let limits = Limits {
        connections: 3,
        ..settings.limits
    };
    let server = start(settings.with_limits(limits)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(&server).await);
    }
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(0, 5)).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 5);
    assert_eq!(until_closed(&mut silent[0]).await, b"");
}

/// Settings with a login deadline that a test can wait for, and an idle limit that it cannot.
fn impatient(users: bool) -> Settings {
    let settings = if users {
        Settings::default().with_user(User::new("driver", "password"))
    } else {
        Settings::default()
    };
    Settings {
        login_timeout: Duration::from_millis(50),
        ..settings
    }
}

#[tokio::test]
async fn connections_that_do_not_log_in_are_closed() {
    let handshake = request(
        ApiKey::SaslHandshake as i16,
        0,
        1,
        &[&5_i16.to_be_bytes()[..], b"PLAIN"].concat(),
    );
    // Requests before the login do not put its deadline off.
    for (sent, users) in [
        (Vec::new(), true),
        (vec![0, 0, 0], true),
        (api_versions(0, 1), true),
        (handshake, true),
        (Vec::new(), false),
        (vec![0, 0, 0], false),
    ] {
        let server = start(impatient(users)).await;
        let mut stream = connect(&server).await;
        stream.write_all(&sent).await.unwrap();
        let answers = until_closed(&mut stream).await;
        assert_eq!(answers.is_empty(), sent.len() < 4, "{sent:?}");
    }
}

#[tokio::test]
async fn clients_that_have_sent_a_request_or_logged_in_stay() {
    let server = start(impatient(false)).await;
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(0, 1)).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 1);
    // A later connection that stays silent reaches its deadline after that of the first.
    let mut silent = connect(&server).await;
    assert_eq!(until_closed(&mut silent).await, b"");
    stream.write_all(&api_versions(0, 2)).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 2);
}

/// Logs in by PLAIN without request headers; returns whether the server accepted it.
async fn log_in(server: &KafkaServer, password: &str) -> bool {
    let mut stream: TcpStream = connect(server).await;
    let mechanism = [&5_i16.to_be_bytes()[..], b"PLAIN"].concat();
    let handshake = request(ApiKey::SaslHandshake as i16, 0, 1, &mechanism);
    stream.write_all(&handshake).await.unwrap();
    response(&mut stream).await;
    let token = format!("\0driver\0{password}");
    let length = u32::try_from(token.len()).unwrap().to_be_bytes();
    stream.write_all(&length).await.unwrap();
    stream.write_all(token.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    !until_closed(&mut stream).await.is_empty()
}

#[tokio::test]
async fn answers_to_wrong_passwords_are_delayed_and_those_to_the_right_one_are_not() {
    let settings = Settings::default().with_user(User::new("driver", "password"));
    let server = start(settings).await;
    let clock = RunClock::start();
    for _ in 0..7 {
        assert!(!log_in(&server, "wrong").await);
    }
    assert!(clock.now() >= nanos(Duration::from_millis(300)));
    assert!(log_in(&server, "password").await);
}
