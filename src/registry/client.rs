//! A client of any Confluent-compatible Schema Registry.

use std::net::IpAddr;
use std::time::Duration;

use convoy_registry_server::credentials::Credentials;
use convoy_registry_server::schema::Schema;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::registry::error::Error;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Bytes of an answer; schemas are far smaller.
const MAX_ANSWER: usize = 16 << 20;

/// Where a registry is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address; credentials in it are used unless `credentials` are given.
    pub url: String,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// How long every call may take.
    pub deadline: Duration,
}

/// Asks a registry. Cheap to clone; clones share their connections.
///
/// A process-wide crypto provider of rustls must be installed before the first one is made.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Option<Credentials>,
    deadline: Duration,
}

/// A schema as registered under a subject.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The schema's id, unique in the registry.
    pub id: u32,
    /// The version under the subject.
    pub version: u32,
    /// The schema.
    #[serde(flatten)]
    pub schema: Schema,
}

/// What a registry says when it says no.
#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

impl Client {
    /// Prepares a client; nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let mut base = parse_url(&settings.url)?;
        let credentials = settings.credentials.clone().or_else(|| in_url(&base));
        // What is left is shown in messages.
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        debug_assert!(cleared.is_ok(), "an http URL can have credentials");
        let mut http = reqwest::Client::builder();
        if is_loopback(&base) {
            // A proxy that the environment names would look for the registry on its own machine.
            http = http.no_proxy();
        }
        if let Some(pem) = &settings.ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|source| Error::Prepare { source })?;
            for certificate in certificates {
                http = http.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            http: http.build().map_err(|source| Error::Prepare { source })?,
            base,
            credentials,
            deadline: settings.deadline,
        })
    }

    /// Registers a schema under a subject, if it is not yet, and returns its id.
    pub async fn register(&self, subject: &str, schema: &Schema) -> Result<u32, Error> {
        let action = format!("register a schema under `{subject}`");
        let path = ["subjects", subject, "versions"];
        let registered: Id = self.ask(action, Method::POST, &path, Some(schema)).await?;
        Ok(registered.id)
    }

    /// Returns under which id and version a schema is registered under a subject.
    pub async fn lookup(&self, subject: &str, schema: &Schema) -> Result<Registered, Error> {
        let action = format!("look up a schema under `{subject}`");
        self.ask(action, Method::POST, &["subjects", subject], Some(schema))
            .await
    }

    /// Returns the schema with an id.
    pub async fn schema(&self, id: u32) -> Result<Schema, Error> {
        let action = format!("give schema {id}");
        let id = id.to_string();
        self.ask(action, Method::GET, &["schemas", "ids", &id], None)
            .await
    }

    /// Returns the latest schema of a subject.
    pub async fn latest(&self, subject: &str) -> Result<Registered, Error> {
        let action = format!("give the latest schema of `{subject}`");
        let path = ["subjects", subject, "versions", "latest"];
        self.ask(action, Method::GET, &path, None).await
    }

    /// Makes a round trip that needs credentials where the registry asks for them.
    pub async fn probe(&self) -> Result<(), Error> {
        let action = "list its schema types".to_owned();
        let path = ["schemas", "types"];
        let _types: Value = self.ask(action, Method::GET, &path, None).await?;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        action: String,
        method: Method,
        path: &[&str],
        body: Option<&Schema>,
    ) -> Result<T, Error> {
        let url = self.base.to_string();
        let deadline = self.deadline;
        let asked = self.send(method, path, body);
        let (status, answer) = match tokio::time::timeout(deadline, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(source)) => {
                let source = source.without_url();
                return Err(Error::Request {
                    action,
                    url,
                    source,
                });
            }
            Err(_elapsed) => {
                return Err(Error::Deadline {
                    action,
                    url,
                    deadline,
                });
            }
        };
        if !status.is_success() {
            return Err(refused(action, url, status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|_wrong| Error::Answer { action, url })
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Schema>,
    ) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self
            .http
            .request(method, url)
            .header("accept", CONTENT_TYPE);
        if let Some(Credentials { user, password }) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(schema) = body {
            request = request.header("content-type", CONTENT_TYPE).json(schema);
        }
        let mut response = request.send().await?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            // The rest of a longer answer is not read: it will not be understood, and that is said.
            if answer.len() + chunk.len() > MAX_ANSWER {
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((response.status(), answer))
    }
}

fn refused(action: String, url: String, status: StatusCode, answer: &[u8]) -> Error {
    let refusal = serde_json::from_slice(answer).unwrap_or_else(|_wrong| Refusal {
        error_code: u32::from(status.as_u16()),
        message: status.canonical_reason().unwrap_or("no reason").to_owned(),
    });
    Error::Refused {
        action,
        url,
        code: refusal.error_code,
        message: refusal.message,
    }
}

fn parse_url(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Error::InvalidUrl {
            // What stands before an `@` may be a password.
            url: text.rsplit('@').next().unwrap_or_default().to_owned(),
        })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn in_url(url: &Url) -> Option<Credentials> {
    (!url.username().is_empty()).then(|| Credentials {
        user: percent_decoded(url.username()),
        password: percent_decoded(url.password().unwrap_or_default()),
    })
}

/// Decodes `%XX`; an invalid escape stays as it is.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
