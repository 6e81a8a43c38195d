//! The variables of a `.env`, by the names that `convoy up` uses.

use std::path::Path;

use convoy_kafka_server::User;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::kafka::Kafka;
use crate::mongo::Mongo;
use crate::registry::Registry;

/// Names and values, for [`std::process::Command::envs`].
pub type Variables = Vec<(&'static str, String)>;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// User and password for programs that need some; without users the servers accept any.
const ANYONE: &str = "anyone";

fn credentials(user: Option<&User>) -> (String, String) {
    match user {
        Some(user) => (user.name.clone(), user.password.reveal().to_owned()),
        None => (ANYONE.to_owned(), ANYONE.to_owned()),
    }
}

pub fn of_broker(
    bootstrap_servers: &str,
    user: Option<&User>,
    ca_file: Option<&Path>,
) -> Variables {
    let (name, password) = credentials(user);
    let protocol = ca_file.map_or("SASL_PLAINTEXT", |_| "SASL_SSL");
    let mut variables = vec![
        ("BOOTSTRAP_SERVER", bootstrap_servers.to_owned()),
        ("SECURITY_PROTOCOL", protocol.to_owned()),
        ("SASL_MECHANISM", "PLAIN".to_owned()),
        ("API_KEY", name),
        ("API_SECRET_KEY", password),
    ];
    let ca_file = ca_file.map(|path| path.display().to_string());
    variables.extend(ca_file.map(|path| ("SSL_CA_LOCATION", path)));
    variables
}

pub fn of_registry(url: &str, user: Option<&User>) -> Variables {
    let (name, password) = credentials(user);
    vec![
        ("ENDPOINT_SCHEMA_URL", url.to_owned()),
        ("SCHEMA_REGISTRY_API_KEY", name),
        ("SCHEMA_REGISTRY_API_SECRET", password),
    ]
}

pub fn of_store(uri: &str) -> Variables {
    vec![("MONGO_DB_URL", uri.to_owned())]
}

pub fn of_all(kafka: &Kafka, registry: &Registry, mongo: &Mongo) -> Variables {
    [kafka.env(), registry.env(), mongo.env()].concat()
}

/// Returns the URI of a store with the user's name and password.
pub fn store_uri(uri: &str, user: Option<&User>) -> String {
    let Some((user, rest)) = user.zip(uri.strip_prefix("mongodb://")) else {
        return uri.to_owned();
    };
    let name = utf8_percent_encode(&user.name, &RESERVED);
    let password = utf8_percent_encode(user.password.reveal(), &RESERVED);
    let option = match rest.split_once('?') {
        Some(_) => "&authSource=admin",
        None => "/?authSource=admin",
    };
    format!("mongodb://{name}:{password}@{rest}{option}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_in_the_uri() {
        let user = User::new("ada", "p@ss word");
        for (uri, expected) in [
            (
                "mongodb://127.0.0.1:1",
                "mongodb://ada:p%40ss%20word@127.0.0.1:1/?authSource=admin",
            ),
            (
                "mongodb://127.0.0.1:1/?replicaSet=rs0",
                "mongodb://ada:p%40ss%20word@127.0.0.1:1/?replicaSet=rs0&authSource=admin",
            ),
        ] {
            assert_eq!(store_uri(uri, Some(&user)), expected);
            assert_eq!(store_uri(uri, None), uri);
        }
    }
}
