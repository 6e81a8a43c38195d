//! Users and TLS: who gets in, and what those who do not are told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::Secret;
use convoy_server_kit::tls;
use rskafka::BackoffConfig;
use rskafka::client::{ClientBuilder, Credentials, SaslConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;

use crate::tests::bytes::{connect, request, until_closed};
use crate::tests::client::DEADLINE;
use crate::{Broker, Error, Settings, User};

async fn start(settings: Settings) -> Broker {
    let users = vec![User {
        name: "driver".to_owned(),
        password: Secret::new("sentinel-password"),
    }];
    let settings = Settings { users, ..settings };
    Broker::start(settings).await.unwrap()
}

fn credentials(password: &str) -> Credentials {
    Credentials::new("driver".to_owned(), password.to_owned())
}

fn mechanisms(password: &str) -> [SaslConfig; 3] {
    [
        SaslConfig::Plain(credentials(password)),
        SaslConfig::ScramSha256(credentials(password)),
        SaslConfig::ScramSha512(credentials(password)),
    ]
}

/// Connects and asks for the topics.
async fn list_topics(broker: &Broker, sasl: Option<SaslConfig>) -> Result<usize, String> {
    let no_retries = BackoffConfig {
        deadline: Some(Duration::ZERO),
        ..BackoffConfig::default()
    };
    let mut builder =
        ClientBuilder::new(vec![broker.address().to_string()]).backoff_config(no_retries);
    if let Some(sasl) = sasl {
        builder = builder.sasl_config(sasl);
    }
    let listed = async {
        let client = builder.build().await.map_err(|error| error.to_string())?;
        let topics = client.list_topics().await;
        topics
            .map(|topics| topics.len())
            .map_err(|error| error.to_string())
    };
    tokio::time::timeout(DEADLINE, listed).await.unwrap()
}

#[tokio::test]
async fn every_mechanism_lets_a_user_in_with_the_right_password_only() {
    let broker = start(Settings::default()).await;
    for sasl in mechanisms("sentinel-password") {
        assert_eq!(list_topics(&broker, Some(sasl)).await, Ok(0));
    }
    for sasl in mechanisms("wrong") {
        let refused = list_topics(&broker, Some(sasl)).await.unwrap_err();
        assert!(!refused.contains("sentinel-password"), "{refused}");
    }
}

#[tokio::test]
async fn a_stranger_is_cut_off_at_the_first_real_request() {
    let broker = start(Settings::default()).await;
    let mut stream = connect(&broker).await;
    stream
        .write_all(&request(3, 0, 1, &[0, 0, 0, 0]))
        .await
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_stranger_may_not_send_large_frames() {
    let broker = start(Settings::default()).await;
    let mut stream = connect(&broker).await;
    stream
        .write_all(&1_000_000_i32.to_be_bytes())
        .await
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn beyond_loopback_the_broker_wants_users() {
    let settings = Settings {
        listen: ([0, 0, 0, 0], 0).into(),
        ..Settings::default()
    };
    let refused = Broker::start(settings.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Exposed { .. }));
    let broker = start(settings).await;
    broker.stop().await.unwrap();
}

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("fixtures/tls").join(name)
}

fn trusting_client() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(fixture("authority.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[tokio::test]
async fn tls_carries_users_and_records() {
    let tls = tls::load(&fixture("server.pem"), &fixture("server-key.pem")).unwrap();
    let broker = start(Settings {
        tls: Some(tls),
        ..Settings::default()
    })
    .await;
    let client = ClientBuilder::new(vec![broker.address().to_string()])
        .tls_config(trusting_client())
        .sasl_config(SaslConfig::ScramSha512(credentials("sentinel-password")))
        .build()
        .await
        .unwrap();
    crate::tests::client::create(&client, "secret", 1).await;
    let partition = crate::tests::client::partition(&client, "secret").await;
    crate::tests::client::produce(&partition, 0..100).await;
    assert_eq!(
        crate::tests::client::read_all(&partition, 0).await.len(),
        100
    );
}

#[tokio::test]
async fn a_client_without_tls_is_closed() {
    let tls = tls::load(&fixture("server.pem"), &fixture("server-key.pem")).unwrap();
    let broker = start(Settings {
        tls: Some(tls),
        ..Settings::default()
    })
    .await;
    let mut stream = connect(&broker).await;
    stream.write_all(&request(18, 0, 1, &[])).await.unwrap();
    let _alert = until_closed(&mut stream).await;
}

#[test]
fn a_key_that_does_not_fit_is_named() {
    let error = tls::load(&fixture("server.pem"), &fixture("missing.pem")).unwrap_err();
    assert!(error.to_string().contains("missing.pem"));
    let error = tls::load(&fixture("authority.pem"), &fixture("server-key.pem")).unwrap_err();
    assert!(error.to_string().contains("cannot be used"));
}
