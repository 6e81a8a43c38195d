//! Connections with TLS.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt;

use crate::tests::bytes::{connect, request, until_closed};
use crate::{KafkaServer, Settings, tls};

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("fixtures/tls").join(name)
}

#[tokio::test]
async fn client_without_tls_is_disconnected() {
    let tls = tls::load(&fixture("server.pem"), &fixture("server-key.pem")).unwrap();
    let settings = Settings::default().with_tls(tls);
    let server = KafkaServer::start(settings).await.unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(&request(18, 0, 1, &[])).await.unwrap();
    let _alert = until_closed(&mut stream).await;
}

#[test]
fn error_names_the_unusable_key() {
    let error = tls::load(&fixture("server.pem"), &fixture("missing.pem")).unwrap_err();
    assert!(error.to_string().contains("missing.pem"));
    let error = tls::load(&fixture("authority.pem"), &fixture("server-key.pem")).unwrap_err();
    assert!(error.to_string().contains("cannot be used"));
}
