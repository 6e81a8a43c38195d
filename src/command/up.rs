//! `convoy up`: broker, Schema Registry and store for other people's programs, until Ctrl-C.
//!
//! Stdout gets nothing but a `.env` that makes programs written for Confluent Cloud and MongoDB
//! Atlas, and convoy itself, use these servers.

use std::fmt::Write as _;
use std::path::Path;

use rand::distr::{Alphanumeric, SampleString};

use super::embedded::{self, DataPlace, loopback};
use super::roles::{Role, Runtimes};
use super::settings::{Credentials, UpSettings};
use super::{Invocation, clean, interrupt, run_id};
use crate::broker::embedded::{self as broker, Broker};
use crate::error::{Error, ExitStatus};
use crate::measure::RunClock;
use crate::net::{self, Secret};
use crate::registry;
use crate::registry::embedded::{self as embedded_registry, Registry};
use crate::store::embedded::{self as store, Store};
use crate::terminal::{Terminal, logging};

/// Directory of the log files, one per run.
const LOGS: &str = "logs";

/// Characters of a password that is drawn: 143 bits.
const PASSWORD_LENGTH: usize = 24;

/// What programs say that cannot do without a user, where everyone is let in.
const ANYONE: &str = "anyone";

/// What is said when the user stops the servers.
const STOPPING: &str = "stopping; interrupt again to abort";

/// The three servers.
#[derive(Debug)]
struct Serving {
    broker: Broker,
    registry: Registry,
    store: Store,
}

/// Serves until interrupted.
pub fn run(
    settings: &UpSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::start();
    let run_id = run_id::of_start(clock.epoch_unix_ms(), clock.epoch_monotonic_ns());
    let log_filter = invocation.log_filter.as_deref();
    logging::start(terminal, Path::new(LOGS), &run_id, log_filter);
    clean::sweep_own_directories();
    let data = DataPlace::open(settings.data_dir.as_deref(), &run_id)?;
    let runtimes = Runtimes::start(&[Role::Broker, Role::Registry, Role::Store])?;
    let interrupted = interrupt::listen(&runtimes.handle(Role::Broker), terminal, STOPPING);
    let user = settings.user.as_ref().map(|name| Credentials {
        username: name.clone(),
        password: settings.password.clone().unwrap_or_else(draw_password),
    });
    let serving = runtimes.block_on(Serving::start(settings, user.as_ref(), &data, &runtimes))?;
    terminal.say(serving.notice(user.as_ref(), &data));
    let env = serving.env(user.as_ref());
    let written = terminal.data(|stdout| stdout.write_all(env.as_bytes()));
    if written.is_ok() {
        runtimes.block_on(interrupted.cancelled());
    }
    runtimes.block_on(serving.stop())?;
    written.map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}

impl Serving {
    async fn start(
        settings: &UpSettings,
        user: Option<&Credentials>,
        data: &DataPlace,
        runtimes: &Runtimes,
    ) -> Result<Self, Error> {
        let broker = broker::Settings {
            listen: loopback(settings.broker_port),
            data_dir: Some(data.of("broker")),
            users: user.map(broker_user).into_iter().collect(),
            ..broker::Settings::default()
        };
        let registry = embedded_registry::Settings {
            listen: loopback(settings.registry_port),
            data_dir: Some(data.of("registry")),
            users: user.map(registry_user).into_iter().collect(),
            ..embedded_registry::Settings::default()
        };
        let store = store::Settings {
            listen: loopback(settings.store_port),
            data_dir: Some(data.of("store")),
            ..store::Settings::default()
        };
        let at = |flag| move |error| name_port(flag, error);
        let broker = embedded::start_broker(broker, runtimes)
            .await
            .map_err(at("broker-port"))?;
        let registry = embedded::start_registry(registry, runtimes)
            .await
            .map_err(at("registry-port"))?;
        let store = embedded::start_store(store, runtimes)
            .await
            .map_err(at("store-port"))?;
        Ok(Self {
            broker,
            registry,
            store,
        })
    }

    /// Returns what people are told.
    fn notice(&self, user: Option<&Credentials>, data: &DataPlace) -> String {
        let mut notice = format!(
            "Kafka broker:    {}\nSchema Registry: http://{}\nMongoDB store:   mongodb://{}\n",
            self.broker.address(),
            self.registry.address(),
            self.store.address()
        );
        let fate = if data.is_temporary() {
            ", removed when the servers stop"
        } else {
            ""
        };
        let _ = writeln!(notice, "data:            {}{fate}", data.path().display());
        if user.is_some() {
            notice.push_str(
                "warning: the store knows no users yet: everyone on this machine may use it\n",
            );
        }
        notice.push_str("stop with Ctrl-C");
        notice
    }

    /// Returns the file that clients need.
    fn env(&self, user: Option<&Credentials>) -> String {
        // Programs for Confluent Cloud always log in; the broker lets everyone in who tries.
        let (name, password) = user.map_or((ANYONE, ANYONE), |user| {
            (user.username.as_str(), user.password.reveal())
        });
        let variables = [
            ("BOOTSTRAP_SERVER", self.broker.address().to_string()),
            ("SECURITY_PROTOCOL", "SASL_PLAINTEXT".to_owned()),
            ("SASL_MECHANISM", "PLAIN".to_owned()),
            ("API_KEY", name.to_owned()),
            ("API_SECRET_KEY", password.to_owned()),
            (
                "ENDPOINT_SCHEMA_URL",
                format!("http://{}", self.registry.address()),
            ),
            ("SCHEMA_REGISTRY_API_KEY", name.to_owned()),
            ("SCHEMA_REGISTRY_API_SECRET", password.to_owned()),
            (
                "MONGO_DB_URL",
                format!("mongodb://{}", self.store.address()),
            ),
            // The other names are convoy's own as well.
            ("CONVOY_SECURITY_PROTOCOL", "sasl_plaintext".to_owned()),
            ("CONVOY_SASL_MECHANISM", "plain".to_owned()),
        ];
        let mut env = String::new();
        for (name, value) in variables {
            let _ = writeln!(env, "{name}={}", quote(&value));
        }
        env
    }

    /// Stops all servers at once; each ends its connections within a deadline of its own.
    async fn stop(self) -> Result<(), Error> {
        let (broker, registry, store) =
            tokio::join!(self.broker.stop(), self.registry.stop(), self.store.stop());
        if !registry {
            tracing::warn!("connections of the schema registry did not end in time");
        }
        broker?;
        store?;
        Ok(())
    }
}

fn broker_user(user: &Credentials) -> broker::User {
    broker::User {
        name: user.username.clone(),
        password: user.password.clone(),
    }
}

fn registry_user(user: &Credentials) -> registry::Credentials {
    registry::Credentials {
        user: user.username.clone(),
        password: user.password.reveal().to_owned(),
    }
}

fn draw_password() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH))
}

/// Names the option that decides a port, where that is what went wrong.
fn name_port(flag: &'static str, error: Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if current.is::<net::Error>() {
            let source = Box::new(error);
            return Error::Port { flag, source };
        }
        cause = current.source();
    }
    error
}

/// Writes a value as programs read it from a `.env`: in quotes where a symbol may mean something.
fn quote(value: &str) -> String {
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.:/".contains(symbol);
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
    use super::*;

    #[test]
    fn values_are_quoted_only_where_they_must() {
        let quoted = ["driver", "mongodb://127.0.0.1:27017", "a #b$c\"", "it's $5"].map(quote);
        insta::assert_snapshot!(quoted.join("\n"), @r#"
        driver
        mongodb://127.0.0.1:27017
        'a #b$c"'
        "it's \$5"
        "#);
    }

    #[test]
    fn passwords_are_drawn_anew_and_need_no_quotes() {
        let (one, other) = (draw_password(), draw_password());
        assert!(one.reveal() != other.reveal());
        assert_eq!(quote(one.reveal()), one.reveal());
        assert_eq!(one.reveal().len(), PASSWORD_LENGTH);
    }
}
