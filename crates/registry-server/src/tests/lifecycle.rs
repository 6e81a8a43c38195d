//! Start, restart, crash and stop.

use hyper::Method;
use serde_json::json;

use crate::tests::{Server, incompatible, one, settings, start, start_with, two};
use crate::{Error, RegistryServer};

/// Registers schemas, deletes one and sets a level.
async fn fill(server: &Server) {
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    server.register("gone", &incompatible()).await;
    let delete = Method::DELETE;
    server.send(delete.clone(), "/subjects/gone", None).await;
    server
        .send(delete, "/subjects/gone?permanent=true", None)
        .await;
    let full = json!({ "compatibility": "FULL" });
    server.send(Method::PUT, "/config/s", Some(full)).await;
}

/// Asserts that the server still has everything that [`fill`] left in it, and never reuses an id.
async fn check(server: &Server) {
    assert_eq!(server.get("/subjects?deleted=true").await.1, json!(["s"]));
    assert_eq!(server.get("/subjects/s/versions").await.1, json!([1, 2]));
    assert_eq!(server.get("/schemas/ids/2/schema").await.1, two());
    assert_eq!(
        server.get("/config/s").await.1,
        json!({ "compatibilityLevel": "FULL" })
    );
    assert_eq!(
        server.register("t", &incompatible()).await.1,
        json!({ "id": 4 })
    );
}

#[tokio::test]
async fn schemas_and_ids_survive_a_stop_and_a_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let durable = || settings().with_data_dir(folder.path().join("registry"));
    let server = start_with(durable()).await;
    fill(&server).await;
    let second = RegistryServer::start(durable()).await;
    assert!(matches!(second, Err(Error::JournalInUse { .. })));
    server.registry.stop().await.expect("stops");
    check(&start_with(durable()).await).await;
}

#[tokio::test]
async fn schemas_survive_a_restart_at_the_same_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for settings in [settings(), settings().with_data_dir(folder.path())] {
        let mut server = start_with(settings).await;
        fill(&server).await;
        let url = server.registry.url();
        server.registry.restart().await.expect("restarts");
        assert_eq!(server.registry.url(), url);
        check(&server).await;
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for settings in [settings(), settings().with_data_dir(folder.path())] {
        let mut server = start_with(settings).await;
        fill(&server).await;
        server.registry.crash().await.expect("serves again");
        check(&server).await;
    }
}

#[tokio::test]
async fn crash_closes_a_connection_in_the_middle_of_a_request() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut server = start().await;
    let address = server.registry.address();
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    let request = b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(request).await.expect("writes");
    server.registry.crash().await.expect("serves again");
    let mut response = Vec::new();
    // The connection is closed or reset.
    drop(stream.read_to_end(&mut response).await);
    assert_eq!(response, b"");
    assert_eq!(server.get("/subjects").await, (200, json!([])));
}
