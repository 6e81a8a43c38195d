//! Client of any Confluent-compatible Schema Registry.

use std::net::IpAddr;
use std::time::Duration;

use convoy_registry_server::Schema;
use convoy_server_kit::User;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::registry::error::Error;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Maximum size of a response in bytes; schemas are far smaller.
const MAX_RESPONSE: usize = 16 << 20;

/// Address of a registry, and how to connect.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL. Credentials in it are used if `user` is `None`.
    pub url: String,
    /// User for HTTP basic authentication.
    pub user: Option<User>,
    /// PEM bundle of CA certificates to trust, besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Timeout of each call.
    pub timeout: Duration,
}

/// Client of a registry. Clones are cheap and share connections.
///
/// Needs a process-wide default crypto provider of rustls.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    user: Option<User>,
    timeout: Duration,
}

/// A schema as registered under a subject.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Id, unique in the registry.
    pub id: u32,
    /// Version of the subject.
    pub version: u32,
    /// Schema.
    #[serde(flatten)]
    pub schema: Schema,
}

/// Error response of a registry.
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
    /// Creates a client without connecting.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let mut base = parse_url(&settings.url)?;
        let user = settings.user.clone().or_else(|| user_in(&base));
        // Messages show the URL.
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        debug_assert!(cleared.is_ok(), "an http URL can have credentials");
        let mut http = reqwest::Client::builder();
        if is_loopback(&base) {
            // A proxy from the environment would connect to its own loopback interface.
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
            user,
            timeout: settings.timeout,
        })
    }

    /// Registers a schema under a subject, unless it is registered already, and returns its id.
    pub async fn register(&self, subject: &str, schema: &Schema) -> Result<u32, Error> {
        let action = format!("register a schema under `{subject}`");
        let path = ["subjects", subject, "versions"];
        let registered: Id = self.call(action, Method::POST, &path, Some(schema)).await?;
        Ok(registered.id)
    }

    /// Returns the id and version of a schema under a subject.
    pub async fn lookup(&self, subject: &str, schema: &Schema) -> Result<Registered, Error> {
        let action = format!("look up a schema under `{subject}`");
        self.call(action, Method::POST, &["subjects", subject], Some(schema))
            .await
    }

    /// Returns the schema with an id.
    pub async fn schema(&self, id: u32) -> Result<Schema, Error> {
        let action = format!("return schema {id}");
        let id = id.to_string();
        self.call(action, Method::GET, &["schemas", "ids", &id], None)
            .await
    }

    /// Returns a version of a subject.
    pub async fn version(&self, subject: &str, version: u32) -> Result<Registered, Error> {
        let action = format!("return version {version} of `{subject}`");
        let version = version.to_string();
        let path = ["subjects", subject, "versions", &version];
        self.call(action, Method::GET, &path, None).await
    }

    /// Returns the latest schema of a subject.
    pub async fn latest(&self, subject: &str) -> Result<Registered, Error> {
        let action = format!("return the latest schema of `{subject}`");
        let path = ["subjects", subject, "versions", "latest"];
        self.call(action, Method::GET, &path, None).await
    }

    /// Sends a request that needs authentication, if the registry has users.
    pub async fn probe(&self) -> Result<(), Error> {
        let action = "list its schema types".to_owned();
        let path = ["schemas", "types"];
        let _types: Value = self.call(action, Method::GET, &path, None).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        action: String,
        method: Method,
        path: &[&str],
        body: Option<&Schema>,
    ) -> Result<T, Error> {
        let url = self.base.to_string();
        let timeout = self.timeout;
        let sent = self.send(method, path, body);
        let (status, response) = match tokio::time::timeout(timeout, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(source)) => {
                let source = source.without_url();
                return Err(Error::Request {
                    action,
                    url,
                    source,
                });
            }
            Err(_elapsed) => {
                return Err(Error::Timeout {
                    action,
                    url,
                    timeout,
                });
            }
        };
        if !status.is_success() {
            return Err(refused(action, url, status, &response));
        }
        serde_json::from_slice(&response).map_err(|_invalid| Error::Response { action, url })
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
        if let Some(User { name, password }) = &self.user {
            request = request.basic_auth(name, Some(password.reveal()));
        }
        if let Some(schema) = body {
            request = request.header("content-type", CONTENT_TYPE).json(schema);
        }
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            // The start of a longer response is not valid JSON, which becomes the error.
            if body.len() + chunk.len() > MAX_RESPONSE {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }
}

fn refused(action: String, url: String, status: StatusCode, response: &[u8]) -> Error {
    let refusal = serde_json::from_slice(response).unwrap_or_else(|_invalid| Refusal {
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
            // The part before an `@` may be a password.
            url: text.rsplit('@').next().unwrap_or_default().to_owned(),
        })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn user_in(url: &Url) -> Option<User> {
    let name = percent_decoded(url.username());
    let password = percent_decoded(url.password().unwrap_or_default());
    (!name.is_empty()).then(|| User::new(name, password))
}

/// Decodes `%XX`; an invalid escape stays as it is.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
