//! The `.env` with which other programs use the servers.

use std::fmt;
use std::path::Path;

use convoy_server_kit::User;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{FileType, Mode, fchmod, fstat};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The same for paths.
const PATH: AsciiSet = RESERVED.remove(b'/');

/// Dummy user and password for programs that need some, if authentication is disabled.
const ANYONE: &str = "anyone";

/// Where clients connect to: `HOST:PORT` of each server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    pub broker: String,
    pub registry: String,
    pub store: String,
}

/// The content of the file; its `Display` is the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct EnvFile<'a> {
    pub addresses: &'a Addresses,
    /// Name of the store's replica set, if it is one.
    pub replica_set: Option<&'a str>,
    /// CA certificate, with TLS.
    pub ca_file: Option<&'a Path>,
    /// The only user; `None` if authentication is disabled.
    pub user: Option<&'a User>,
}

impl EnvFile<'_> {
    /// Returns the variables for programs for Confluent Cloud and Atlas, then those for convoy.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        // Programs for Confluent Cloud always authenticate; the broker accepts any credentials.
        let (name, password) = self.user.map_or((ANYONE, ANYONE), |user| {
            (user.name.as_str(), user.password.reveal())
        });
        let (protocol, own_protocol) = match self.ca_file {
            Some(_) => ("SASL_SSL", "sasl_ssl"),
            None => ("SASL_PLAINTEXT", "sasl_plaintext"),
        };
        let mut variables = vec![
            ("BOOTSTRAP_SERVER", self.addresses.broker.clone()),
            ("SECURITY_PROTOCOL", protocol.to_owned()),
            ("SASL_MECHANISM", "PLAIN".to_owned()),
            ("API_KEY", name.to_owned()),
            ("API_SECRET_KEY", password.to_owned()),
            (
                "ENDPOINT_SCHEMA_URL",
                format!("http://{}", self.addresses.registry),
            ),
            ("SCHEMA_REGISTRY_API_KEY", name.to_owned()),
            ("SCHEMA_REGISTRY_API_SECRET", password.to_owned()),
            ("MONGO_DB_URL", self.store_uri()),
        ];
        if let Some(ca_file) = self.ca_file {
            let ca_file = ca_file.display().to_string();
            variables.push(("SSL_CA_LOCATION", ca_file.clone()));
            variables.push(("CONVOY_CA_FILE", ca_file));
        }
        variables.push(("CONVOY_SECURITY_PROTOCOL", own_protocol.to_owned()));
        variables.push(("CONVOY_SASL_MECHANISM", "plain".to_owned()));
        variables
    }

    pub(super) fn store_uri(&self) -> String {
        let user = self.user.map_or_else(String::new, |user| {
            let name = utf8_percent_encode(&user.name, &RESERVED);
            let password = utf8_percent_encode(user.password.reveal(), &RESERVED);
            format!("{name}:{password}@")
        });
        let authentication = self.user.map(|_| "authSource=admin".to_owned());
        let encryption = self.ca_file.map(|file| {
            let file = file.display().to_string();
            let file = utf8_percent_encode(&file, &PATH);
            format!("tls=true&tlsCAFile={file}")
        });
        let replica_set = self.replica_set.map(|name| format!("replicaSet={name}"));
        let options = [authentication, replica_set, encryption];
        let options: Vec<String> = options.into_iter().flatten().collect();
        let store = &self.addresses.store;
        if options.is_empty() {
            return format!("mongodb://{user}{store}");
        }
        format!("mongodb://{user}{store}/?{}", options.join("&"))
    }
}

impl fmt::Display for EnvFile<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut variables = self.variables().into_iter();
        variables.try_for_each(|(name, value)| writeln!(formatter, "{name}={}", quote(&value)))
    }
}

/// Makes the file that stdout is, if it is one, readable by its owner alone; returns whether other
/// users could read it.
pub(super) fn keep_from_other_users() -> bool {
    let stdout = std::io::stdout();
    let Ok(stat) = fstat(&stdout) else {
        return false;
    };
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let others = Mode::RWXG | Mode::RWXO;
    let shared = Mode::from_raw_mode(stat.st_mode).intersects(others);
    regular && shared && fchmod(&stdout, Mode::RUSR | Mode::WUSR).is_ok()
}

/// Quotes a value for a `.env` if it contains special characters.
fn quote(value: &str) -> String {
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.:/@%?=".contains(symbol);
    if value.chars().all(plain) {
        value.to_owned()
    } else if value.contains(['\'', '\\']) {
        let mut quoted = String::from('"');
        for symbol in value.chars() {
            if matches!(symbol, '"' | '\\' | '$') {
                quoted.push('\\');
            }
            quoted.push(symbol);
        }
        quoted.push('"');
        quoted
    } else {
        format!("'{value}'")
    }
}

#[cfg(test)]
mod tests {
    use convoy_server_kit::Secret;

    use super::*;

    fn addresses() -> Addresses {
        let at = |port| format!("127.0.0.1:{port}");
        Addresses {
            broker: at(9092),
            registry: at(8081),
            store: at(27017),
        }
    }

    fn file(user: Option<&User>, ca_file: Option<&Path>) -> String {
        let addresses = addresses();
        let file = EnvFile {
            addresses: &addresses,
            replica_set: None,
            ca_file,
            user,
        };
        file.to_string()
    }

    #[test]
    fn credentials_are_written_for_all_three_servers() {
        let user = User::new("convoy", Secret::new("p@ss word"));
        insta::assert_snapshot!(file(Some(&user), None), @r"
        BOOTSTRAP_SERVER=127.0.0.1:9092
        SECURITY_PROTOCOL=SASL_PLAINTEXT
        SASL_MECHANISM=PLAIN
        API_KEY=convoy
        API_SECRET_KEY='p@ss word'
        ENDPOINT_SCHEMA_URL=http://127.0.0.1:8081
        SCHEMA_REGISTRY_API_KEY=convoy
        SCHEMA_REGISTRY_API_SECRET='p@ss word'
        MONGO_DB_URL=mongodb://convoy:p%40ss%20word@127.0.0.1:27017/?authSource=admin
        CONVOY_SECURITY_PROTOCOL=sasl_plaintext
        CONVOY_SASL_MECHANISM=plain
        ");
    }

    #[test]
    fn tls_adds_the_ca_file_and_anonymous_servers_get_dummy_credentials() {
        insta::assert_snapshot!(file(None, Some(Path::new("/data/tls/ca.pem"))), @r"
        BOOTSTRAP_SERVER=127.0.0.1:9092
        SECURITY_PROTOCOL=SASL_SSL
        SASL_MECHANISM=PLAIN
        API_KEY=anyone
        API_SECRET_KEY=anyone
        ENDPOINT_SCHEMA_URL=http://127.0.0.1:8081
        SCHEMA_REGISTRY_API_KEY=anyone
        SCHEMA_REGISTRY_API_SECRET=anyone
        MONGO_DB_URL='mongodb://127.0.0.1:27017/?tls=true&tlsCAFile=/data/tls/ca.pem'
        SSL_CA_LOCATION=/data/tls/ca.pem
        CONVOY_CA_FILE=/data/tls/ca.pem
        CONVOY_SECURITY_PROTOCOL=sasl_ssl
        CONVOY_SASL_MECHANISM=plain
        ");
    }

    #[test]
    fn replica_set_is_named_in_the_uri() {
        let user = User::new("convoy", Secret::new("secret"));
        let addresses = addresses();
        let file = EnvFile {
            addresses: &addresses,
            replica_set: Some("rs0"),
            ca_file: None,
            user: Some(&user),
        };
        assert_eq!(
            file.store_uri(),
            "mongodb://convoy:secret@127.0.0.1:27017/?authSource=admin&replicaSet=rs0"
        );
    }

    #[test]
    fn values_with_special_characters_are_quoted() {
        let quoted = ["driver", "mongodb://127.0.0.1:27017", "a #b$c\"", "it's $5"].map(quote);
        insta::assert_snapshot!(quoted.join("\n"), @r#"
        driver
        mongodb://127.0.0.1:27017
        'a #b$c"'
        "it's \$5"
        "#);
    }
}
