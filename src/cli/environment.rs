//! Environment variables: those of the process, then those of the file `.env`.
//!
//! Every option has a variable: `CONVOY_` and its name in capitals, such as `CONVOY_BATCH_WAIT` for
//! `--batch-wait`. These variables have a second name, or no option:
//!
//! | variable | second name | value |
//! |---|---|---|
//! | `CONVOY_BROKER` | `BOOTSTRAP_SERVER` | addresses of the broker |
//! | `CONVOY_BROKER_USERNAME`, `…_PASSWORD` | `API_KEY`, `API_SECRET_KEY` | credentials for the broker |
//! | `CONVOY_REGISTRY_URL` | `ENDPOINT_SCHEMA_URL` | URL of the Schema Registry |
//! | `CONVOY_REGISTRY_USERNAME`, `…_PASSWORD` | `SCHEMA_REGISTRY_API_KEY`, `…_SECRET` | credentials for the registry |
//! | `CONVOY_STORE` | `MONGO_DB_URL` | URI of the store, with its credentials |
//! | `CONVOY_PASSWORD` | | password for `convoy up --user` |
//! | `CONVOY_LOG` | | filter of the log file, in the syntax of `tracing` |
//! | `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG` | | address of the container engine |
//! | `NO_COLOR`, `CLICOLOR=0` | | disables colors |
//! | `CLICOLOR_FORCE` | | enables colors if the output is not a terminal |
//!
//! An empty variable counts as not set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use convoy_server_kit::{Secret, SecretUri, User};

use crate::cli::error::Error;
use crate::containers::engine::DockerEnv;
use crate::settings::ExternalRegistry;
use crate::terminal::Colors;

/// Variables of programs for Confluent Cloud and Atlas, by option.
const ALIASES: [(&str, &str); 2] = [("broker", "BOOTSTRAP_SERVER"), ("store", "MONGO_DB_URL")];

/// The two names of a variable.
type Names = [&'static str; 2];

const BROKER_USERNAME: Names = ["CONVOY_BROKER_USERNAME", "API_KEY"];
const BROKER_PASSWORD: Names = ["CONVOY_BROKER_PASSWORD", "API_SECRET_KEY"];
const REGISTRY_URL: Names = ["CONVOY_REGISTRY_URL", "ENDPOINT_SCHEMA_URL"];
const REGISTRY_USERNAME: Names = ["CONVOY_REGISTRY_USERNAME", "SCHEMA_REGISTRY_API_KEY"];
const REGISTRY_PASSWORD: Names = ["CONVOY_REGISTRY_PASSWORD", "SCHEMA_REGISTRY_API_SECRET"];

/// The variables that were set when the program started.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the variables of the process, and of the `.env` in a directory if there is one.
    pub fn read(
        process: impl IntoIterator<Item = (OsString, OsString)>,
        directory: &Path,
    ) -> Result<Self, Error> {
        let mut variables = read_file(&directory.join(".env"))?;
        // Our variables are text; others may be anything.
        variables.extend(process.into_iter().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        variables.retain(|_name, value| !value.is_empty());
        Ok(Self { variables })
    }

    /// Returns the variable that sets an option, and its value.
    pub(super) fn option(&self, option: &str) -> Option<(String, &str)> {
        variables_of(option)
            .into_iter()
            .find_map(|name| Some((name.clone(), self.get(&name)?)))
    }

    /// Returns the credentials for the broker.
    pub(super) fn broker_credentials(&self) -> Result<Option<User>, Error> {
        self.credentials(BROKER_USERNAME, BROKER_PASSWORD)
    }

    /// Returns the existing Schema Registry.
    pub(super) fn registry(&self) -> Result<Option<ExternalRegistry>, Error> {
        let Some((_, url)) = self.first(REGISTRY_URL) else {
            return Ok(None);
        };
        Ok(Some(ExternalRegistry {
            url: SecretUri::new(url),
            credentials: self.credentials(REGISTRY_USERNAME, REGISTRY_PASSWORD)?,
        }))
    }

    /// Returns the password for `convoy up`.
    pub(super) fn password(&self) -> Result<Option<Secret>, Error> {
        match self.get("CONVOY_PASSWORD") {
            // It must fit into the line of a `.env`.
            Some(password) if password.contains(char::is_control) => Err(Error::ControlCharacter {
                variable: "CONVOY_PASSWORD",
            }),
            password => Ok(password.map(Secret::new)),
        }
    }

    /// Returns the filter of the log file.
    pub(super) fn log_filter(&self) -> Option<&str> {
        self.get("CONVOY_LOG")
    }

    /// Returns the variables about container engines.
    pub(super) fn docker_env(&self) -> DockerEnv {
        let text = |name| self.get(name).map(str::to_owned);
        let path = |name| self.get(name).map(PathBuf::from);
        DockerEnv {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: path("DOCKER_CONFIG"),
            runtime_directory: path("XDG_RUNTIME_DIR"),
            home: path("HOME"),
        }
    }

    /// Returns when output is colored.
    pub fn colors(&self) -> Colors {
        let set = |name| self.get(name).is_some_and(|value| value != "0");
        if self.get("NO_COLOR").is_some() {
            Colors::Never
        } else if set("CLICOLOR_FORCE") {
            Colors::Always
        } else if self.get("TERM") == Some("dumb") || self.get("CLICOLOR") == Some("0") {
            Colors::Never
        } else {
            Colors::Auto
        }
    }

    fn credentials(&self, username: Names, password: Names) -> Result<Option<User>, Error> {
        match (self.first(username), self.first(password)) {
            (Some((_, username)), Some((_, password))) => {
                Ok(Some(User::new(username, Secret::new(password))))
            }
            (Some((present, _)), None) => Err(Error::HalfCredentials {
                present,
                absent: counterpart(present, username, password),
            }),
            (None, Some((present, _))) => Err(Error::HalfCredentials {
                present,
                absent: counterpart(present, password, username),
            }),
            (None, None) => Ok(None),
        }
    }

    fn first(&self, names: Names) -> Option<(&'static str, &str)> {
        names
            .into_iter()
            .find_map(|name| Some((name, self.get(name)?)))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// Shows names only, because values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.variables.keys())
            .finish()
    }
}

/// Returns the name that belongs to `present` in the other pair.
fn counterpart(present: &str, of: Names, others: Names) -> &'static str {
    let [own, alias] = others;
    if present == of[0] { own } else { alias }
}

/// Returns the names of the variables that set an option; the first has precedence.
pub(super) fn variables_of(option: &str) -> Vec<String> {
    let own = format!("CONVOY_{}", option.replace('-', "_").to_uppercase());
    let alias = ALIASES
        .iter()
        .find(|(aliased, _)| *aliased == option)
        .map(|(_, alias)| (*alias).to_owned());
    std::iter::once(own).chain(alias).collect()
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => {
            return Err(Error::ReadEnvironmentFile {
                path: path.to_owned(),
                source,
            });
        }
    };
    let mut variables = BTreeMap::new();
    for (index, assignment) in dotenvy::Iter::new(io::BufReader::new(file)).enumerate() {
        match assignment {
            Ok((name, value)) => {
                variables.insert(name, value);
            }
            Err(dotenvy::Error::Io(source)) => {
                return Err(Error::ReadEnvironmentFile {
                    path: path.to_owned(),
                    source,
                });
            }
            // The error of dotenvy shows the line.
            Err(_may_hold_a_secret) => {
                return Err(Error::ParseEnvironmentFile {
                    path: path.to_owned(),
                    number: index + 1,
                });
            }
        }
    }
    Ok(variables)
}
