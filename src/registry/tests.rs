//! Our own client, with and without credentials.

use std::time::Duration;

use convoy_registry_server::{Credentials, Registry, Schema, SchemaType, Settings};
use serde_json::{Value, json};

use crate::dataset::{ColumnType, Dataset, JsonSchema, SchemaForm};
use crate::registry::client::{self, Client};
use crate::registry::error::Error;

/// A password that must not be seen anywhere.
const SENTINEL: &str = "s3ntinel-pa55word";

struct Server {
    registry: Registry,
    http: reqwest::Client,
}

async fn start(users: Vec<Credentials>) -> Server {
    // The first test of the process installs it; the others find it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = Settings {
        users,
        ..Settings::default()
    };
    Server {
        registry: Registry::start(settings).await.expect("starts"),
        http: reqwest::Client::new(),
    }
}

impl Server {
    fn url(&self) -> String {
        format!("http://{}", self.registry.address())
    }

    fn client(&self, credentials: Option<Credentials>) -> Client {
        let settings = client::Settings {
            url: self.url(),
            credentials,
            ca_pem: None,
            deadline: Duration::from_secs(10),
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
async fn our_client_registers_looks_up_and_reads() {
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
async fn only_users_are_answered_and_no_password_is_shown() {
    let user = Credentials {
        user: "key".to_owned(),
        password: SENTINEL.to_owned(),
    };
    let users = vec![user.clone()];
    let server = start(users).await;
    let client = server.client(Some(user));
    client.probe().await.expect("the user is known");
    let url = server
        .url()
        .replace("http://", &format!("http://key:{SENTINEL}@"));
    let in_url = client::Settings {
        url,
        credentials: None,
        ca_pem: None,
        deadline: Duration::from_secs(10),
    };
    let client_by_url = Client::new(&in_url).expect("the settings are fine");
    client_by_url.probe().await.expect("the user is known");
    assert!(!format!("{client:?} {client_by_url:?}").contains(SENTINEL));
    let wrong = Credentials {
        user: "key".to_owned(),
        password: format!("{SENTINEL}2"),
    };
    let error = server
        .client(Some(wrong))
        .probe()
        .await
        .expect_err("it is wrong");
    assert!(matches!(error, Error::Refused { code: 401, .. }), "{error}");
    assert!(error.hint().contains("SCHEMA_REGISTRY_API_KEY"));
    let reply = server
        .http
        .get(server.url())
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        reply.headers()["www-authenticate"],
        "Basic realm=\"convoy\""
    );
    server.registry.stop().await;
    let error = client_by_url.probe().await.expect_err("nobody listens");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(!format!("{error} {error:?} {source:?}").contains(SENTINEL));
}

#[tokio::test]
async fn a_silent_registry_ends_the_call_at_its_deadline() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let url = format!("http://{}", silent.local_addr().expect("is bound"));
    let settings = client::Settings {
        url,
        credentials: None,
        ca_pem: None,
        deadline: Duration::from_millis(50),
    };
    let client = Client::new(&settings).expect("the settings are fine");
    let error = client.probe().await.expect_err("nobody answers");
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    for url in ["", "127.0.0.1:8081", "ftp://x", "http://user:secret@"] {
        let settings = client::Settings {
            url: url.to_owned(),
            ..settings.clone()
        };
        let error = Client::new(&settings).expect_err("it is no URL");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn the_schema_of_a_dataset_is_registered_and_may_widen() {
    let server = start(Vec::new()).await;
    let client = server.client(None);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trucks.csv");
    let mut rows = std::fs::File::create(&file).expect("makes a file");
    let written = crate::dataset::Generator::new(7).write(50, &mut rows);
    written.expect("writes the rows");
    let dataset = Dataset::open(&file).expect("the rows are fine").remove(0);
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
