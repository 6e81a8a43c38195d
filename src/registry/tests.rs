//! The client against the embedded registry, with and without authentication.

use std::time::Duration;

use convoy_registry_server::{self as server, RegistryServer, Schema, SchemaType};
use convoy_server_kit::User;
use serde_json::{Value, json};

use crate::dataset::{ColumnType, Dataset, JsonSchema, ReadOptions, SchemaForm};
use crate::registry::{Client, Error, Settings};

/// A password that no output may contain.
const SENTINEL: &str = "s3ntinel-pa55word";

struct Server {
    registry: RegistryServer,
    http: reqwest::Client,
}

async fn start(users: Vec<User>) -> Server {
    // The first test of the process installs it; the others find it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = users
        .into_iter()
        .fold(server::Settings::default(), server::Settings::with_user);
    Server {
        registry: RegistryServer::start(settings).await.expect("starts"),
        http: reqwest::Client::new(),
    }
}

impl Server {
    fn client(&self, user: Option<User>) -> Client {
        let settings = Settings {
            url: self.registry.url(),
            user,
            ca_pem: None,
            timeout: Duration::from_secs(10),
        };
        Client::new(&settings).expect("the settings are valid")
    }
}

/// A closed JSON Schema with one property of a type.
fn one_property(kind: &str) -> Value {
    let properties = json!({ "a": { "type": kind } });
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

#[tokio::test]
async fn client_registers_looks_up_and_reads_schemas() {
    let server = start(Vec::new()).await;
    let client = server.client(None);
    let schema = Schema::json(one_property("integer").to_string());
    let subject = "topic/with spaces-value";
    let id = client.register(subject, &schema).await.expect("registers");
    assert_eq!(client.schema(id).await.expect("is there"), schema);
    let registered = client.lookup(subject, &schema).await.expect("is there");
    assert_eq!((registered.id, registered.version), (id, 1));
    assert_eq!(client.latest(subject).await.expect("is there"), registered);
    let other = Schema::json(one_property("string").to_string());
    let error = client
        .register(subject, &other)
        .await
        .expect_err("it is incompatible");
    assert!(matches!(error, Error::Refused { code: 409, .. }), "{error}");
    assert!(error.hint().contains("NONE"));
    let error = client.schema(99).await.expect_err("it is not there");
    assert!(
        matches!(error, Error::Refused { code: 40_403, .. }),
        "{error}"
    );
    assert_eq!(registered.schema.kind, SchemaType::Json);
}

#[tokio::test]
async fn only_users_are_authorized_and_no_output_shows_a_password() {
    let user = User::new("key", SENTINEL);
    let users = vec![user.clone()];
    let server = start(users).await;
    let client = server.client(Some(user));
    client.probe().await.expect("the user is known");
    let url = server
        .registry
        .url()
        .replace("http://", &format!("http://key:{SENTINEL}@"));
    let in_url = Settings {
        url,
        user: None,
        ca_pem: None,
        timeout: Duration::from_secs(10),
    };
    let client_by_url = Client::new(&in_url).expect("the settings are fine");
    client_by_url.probe().await.expect("the user is known");
    assert!(!format!("{client:?} {client_by_url:?}").contains(SENTINEL));
    let wrong = User::new("key", format!("{SENTINEL}2"));
    let error = server
        .client(Some(wrong))
        .probe()
        .await
        .expect_err("it is wrong");
    assert!(matches!(error, Error::Refused { code: 401, .. }), "{error}");
    assert!(error.hint().contains("SCHEMA_REGISTRY_API_KEY"));
    let reply = server
        .http
        .get(server.registry.url())
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        reply.headers()["www-authenticate"],
        "Basic realm=\"convoy\""
    );
    server.registry.stop().await.expect("stops");
    let error = client_by_url
        .probe()
        .await
        .expect_err("the registry has stopped");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(!format!("{error} {error:?} {source:?}").contains(SENTINEL));
}

#[tokio::test]
async fn call_to_a_silent_registry_times_out() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let url = format!("http://{}", silent.local_addr().expect("is bound"));
    let settings = Settings {
        url,
        user: None,
        ca_pem: None,
        timeout: Duration::from_millis(50),
    };
    let client = Client::new(&settings).expect("the settings are fine");
    let error = client.probe().await.expect_err("there is no response");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    for url in ["", "127.0.0.1:8081", "ftp://x", "http://user:secret@"] {
        let settings = Settings {
            url: url.to_owned(),
            ..settings.clone()
        };
        let error = Client::new(&settings).expect_err("it is not a URL");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn schema_of_a_dataset_is_registered_and_can_be_widened() {
    let server = start(Vec::new()).await;
    let client = server.client(None);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trucks.csv");
    let mut rows = std::fs::File::create(&file).expect("makes a file");
    let written = crate::dataset::Generator::new(7).write(50, &mut rows);
    written.expect("writes the rows");
    let dataset = Dataset::open(&file, &ReadOptions::default())
        .expect("the rows are fine")
        .remove(0);
    let text = |columns: &crate::dataset::Schema| {
        let schema = JsonSchema::new(columns, dataset.topic(), SchemaForm::Typed);
        Schema::json(schema.to_line())
    };
    let mut columns = dataset.schema().clone();
    let first = client
        .register("t-value", &text(&columns))
        .await
        .expect("registers");
    columns.columns[5].nullable = true;
    columns.columns[7].kind = ColumnType::Decimal;
    let wider = client
        .register("t-value", &text(&columns))
        .await
        .expect("it is wider");
    assert_ne!(first, wider);
    columns.columns[9].kind = ColumnType::Text;
    let other = client.register("t-value", &text(&columns)).await;
    assert!(
        matches!(other, Err(Error::Refused { code: 409, .. })),
        "{other:?}"
    );
}
