//! The Schema Registry server with reqwest: connections that are reused, authentication, encodings.

use std::time::Duration;

use convoy_registry_server::{RegistryServer, Settings, User};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// A password that no response may contain.
const PASSWORD: &str = "s3ntinel: pa55word";

async fn start(settings: Settings) -> (RegistryServer, Client) {
    // Another test of the process may have installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = RegistryServer::start(settings).await.expect("starts");
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client");
    (server, client)
}

fn schema(kind: &str) -> Value {
    let text = json!({ "type": kind }).to_string();
    json!({ "schemaType": "JSON", "schema": text })
}

#[tokio::test]
async fn concurrent_clients_register_the_same_schema_once() {
    let (server, client) = start(Settings::default()).await;
    let registrations = (0..50).map(|subject| {
        let url = format!("{}/subjects/s{}/versions", server.url(), subject % 5);
        client.post(url).json(&schema("integer")).send()
    });
    for response in futures_util::future::join_all(registrations).await {
        let registered: Value = response.expect("responds").json().await.expect("JSON");
        assert_eq!(registered, json!({ "id": 1 }));
    }
    let subjects = client.get(format!("{}/subjects", server.url())).send();
    let subjects: Value = subjects
        .await
        .expect("responds")
        .json()
        .await
        .expect("JSON");
    assert_eq!(subjects, json!(["s0", "s1", "s2", "s3", "s4"]));
    server.stop().await.expect("stops");
}

#[tokio::test]
async fn only_users_are_authorized() {
    let settings = Settings::default().with_user(User::new("key", PASSWORD));
    let (server, client) = start(settings).await;
    let status = async |user: Option<(&str, &str)>| {
        let mut request = client.get(format!("{}/subjects", server.url()));
        if let Some((name, password)) = user {
            request = request.basic_auth(name, Some(password));
        }
        let response = request.send().await.expect("responds");
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = &response.headers()["www-authenticate"];
            assert_eq!(challenge, "Basic realm=\"convoy\"");
        }
        assert!(!response.text().await.expect("a body").contains(PASSWORD));
        status
    };
    assert_eq!(status(Some(("key", PASSWORD))).await, StatusCode::OK);
    for wrong in [None, Some(("key", "")), Some(("", PASSWORD))] {
        assert_eq!(status(wrong).await, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
}

#[tokio::test]
async fn client_reconnects_after_a_restart_and_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::default().with_data_dir(folder.path());
    let (mut server, client) = start(settings).await;
    let url = format!("{}/subjects/s/versions", server.url());
    let register = async |kind| {
        let response = client.post(&url).json(&schema(kind)).send().await;
        response
            .expect("responds")
            .json::<Value>()
            .await
            .expect("JSON")
    };
    assert_eq!(register("integer").await, json!({ "id": 1 }));
    server.restart().await.expect("restarts");
    assert_eq!(register("number").await, json!({ "id": 2 }));
    server.crash().await.expect("serves again");
    assert_eq!(register("integer").await, json!({ "id": 1 }));
}

#[tokio::test]
async fn escaped_subjects_are_decoded() {
    let (server, client) = start(Settings::default()).await;
    let mut url = reqwest::Url::parse(&server.url()).expect("a URL");
    url.path_segments_mut().expect("an http URL").extend([
        "subjects",
        "topic/with spaces-value",
        "versions",
    ]);
    let registered = client.post(url).json(&schema("string")).send().await;
    assert!(registered.expect("responds").status().is_success());
    let subjects = client.get(format!("{}/subjects", server.url())).send();
    let subjects: Value = subjects
        .await
        .expect("responds")
        .json()
        .await
        .expect("JSON");
    assert_eq!(subjects, json!(["topic/with spaces-value"]));
}
