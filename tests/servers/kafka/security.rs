//! Users and TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::{KafkaServer, Settings, User, tls};
use rskafka::BackoffConfig;
use rskafka::client::{ClientBuilder, Credentials, SaslConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::kafka::client::{DEADLINE, create, partition, produce, read_all};

async fn start(settings: Settings) -> KafkaServer {
    let settings = settings.with_user(User::new("driver", "sentinel-password"));
    KafkaServer::start(settings).await.unwrap()
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

/// Connects and returns the number of topics.
async fn list_topics(server: &KafkaServer, sasl: Option<SaslConfig>) -> Result<usize, String> {
    let no_retries = BackoffConfig {
        deadline: Some(Duration::ZERO),
        ..BackoffConfig::default()
    };
    let mut builder =
        ClientBuilder::new(vec![server.bootstrap_servers()]).backoff_config(no_retries);
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
async fn every_mechanism_accepts_only_the_right_password() {
    let server = start(Settings::default()).await;
    for sasl in mechanisms("sentinel-password") {
        assert_eq!(list_topics(&server, Some(sasl)).await, Ok(0));
    }
    for sasl in mechanisms("wrong") {
        let refused = list_topics(&server, Some(sasl)).await.unwrap_err();
        assert!(!refused.contains("sentinel-password"), "{refused}");
    }
}

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
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
async fn records_are_produced_and_fetched_over_tls_with_scram() {
    let tls = tls::load(&fixture("server.pem"), &fixture("server-key.pem")).unwrap();
    let server = start(Settings::default().with_tls(tls)).await;
    let client = ClientBuilder::new(vec![server.bootstrap_servers()])
        .tls_config(trusting_client())
        .sasl_config(SaslConfig::ScramSha512(credentials("sentinel-password")))
        .build()
        .await
        .unwrap();
    create(&client, "secret", 1).await;
    let partition = partition(&client, "secret").await;
    produce(&partition, 0..100).await;
    assert_eq!(read_all(&partition, 0).await.len(), 100);
}
