//! Clients without the right to access the server.

use tokio::io::AsyncWriteExt;

use crate::tests::bytes::{connect, request, until_closed};
use crate::{Error, KafkaServer, Settings, User};

async fn start(settings: Settings) -> KafkaServer {
    let settings = settings.with_user(User::new("driver", "password"));
    KafkaServer::start(settings).await.unwrap()
}

#[tokio::test]
async fn unauthenticated_request_closes_the_connection() {
    let server = start(Settings::default()).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(&request(3, 0, 1, &[0, 0, 0, 0]))
        .await
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn unauthenticated_client_cannot_send_large_frames() {
    let server = start(Settings::default()).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(&1_000_000_i32.to_be_bytes())
        .await
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn address_beyond_loopback_requires_users() {
    let settings = Settings::default().with_listen(([0, 0, 0, 0], 0).into());
    let refused = KafkaServer::start(settings.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Exposed { .. }));
    let server = start(settings).await;
    server.stop().await.unwrap();
}
