//! `convoy up`: runs a broker, a Schema Registry and a store for other programs until Ctrl-C.
//!
//! Stdout gets a `.env` only, with which programs for Confluent Cloud and MongoDB Atlas, and convoy
//! itself, use these servers.
//!
//! | file | owns |
//! |---|---|
//! | `user.rs` | credentials: given, stored in the data directory, or random |
//! | `env_file.rs` | the text of the `.env` |

mod env_file;
mod user;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use convoy_kafka_server as broker;
use convoy_kafka_server::KafkaServer;
use convoy_mongodb_server as store;
use convoy_mongodb_server::MongoServer;
use convoy_registry_server as registry;
use convoy_registry_server::RegistryServer;
use convoy_server_kit::User;
use convoy_server_kit::tls::Authority;

use self::env_file::EnvFile;
use crate::error::{Error, ExitStatus};
use crate::host::embedded::{self, DataPlace, loopback};
use crate::host::interrupt::{self, Interruptible};
use crate::host::open_files;
use crate::host::roles::{Role, Runtimes};
use crate::host::{space, sweep};
use crate::measure::RunClock;
use crate::run_id::new_run_id;
use crate::settings::{Invocation, UpSettings};
use crate::terminal::{LOG_DIRECTORY, Terminal, start_logging};

/// Printed when the user stops the servers.
const STOPPING: &str = "stopping; interrupt again to abort";

/// Time to stop in order after an interruption.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// The three servers.
#[derive(Debug)]
struct Serving {
    broker: KafkaServer,
    /// CA of the broker's and the store's certificates, with `--tls`.
    authority: Option<Authority>,
    registry: RegistryServer,
    store: MongoServer,
    /// Name of the store's replica set, if it is one.
    replica_set: Option<String>,
}

/// Serves until interrupted.
pub fn run(
    settings: &UpSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::start();
    let run_id = new_run_id(clock.epoch_unix_ms(), clock.epoch_monotonic_ns());
    let log_filter = invocation.log_filter.as_deref();
    start_logging(terminal, Path::new(LOG_DIRECTORY), &run_id, log_filter);
    sweep::sweep_own_directories();
    if let Some(warning) = open_files::allow_clients()? {
        terminal.say(warning);
    }
    let data = DataPlace::open(settings.data_dir.as_deref(), &run_id)?;
    let runtimes = Runtimes::start(&[Role::Broker, Role::Registry, Role::Store])?;
    let what = Interruptible {
        timeout: STOP_TIMEOUT,
        report: None,
    };
    let interrupt = interrupt::listen(what, terminal, || STOPPING)?;
    let requested = &interrupt.requested;
    let user = user::credentials(&settings.access, &data)?;
    let starting = Box::pin(Serving::start(settings, user.as_ref(), &data, &runtimes));
    let started = runtimes.block_on(requested.run_until_cancelled(starting));
    let Some(serving) = started else {
        runtimes.block_on(runtimes.starts_ended());
        return Ok(ExitStatus::Interrupted);
    };
    let serving = serving?;
    terminal.say(serving.notice(user.as_ref(), &data));
    let env = serving.env_file(user.as_ref()).to_string();
    let written = terminal.data(|stdout| stdout.write_all(env.as_bytes()));
    if written.is_ok() {
        let watching = space::watch(data.path(), |warning| terminal.say(warning));
        runtimes.block_on(requested.run_until_cancelled(watching));
    }
    runtimes.block_on(serving.stop(data.is_temporary()))?;
    written.map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}

impl Serving {
    async fn start(
        settings: &UpSettings,
        user: Option<&User>,
        data: &DataPlace,
        runtimes: &Runtimes,
    ) -> Result<Self, Error> {
        let authority = settings.tls.then(|| Authority::open(&data.of("tls")));
        let authority = authority.transpose()?;
        let tls = authority.as_ref().map(Authority::server);
        let mut broker = broker::Settings::default()
            .with_listen(loopback(settings.broker_port))
            .with_data_dir(data.of("broker"));
        broker.users = user.cloned().into_iter().collect();
        broker.tls.clone_from(&tls);
        let mut registry = registry::Settings::default()
            .with_listen(loopback(settings.registry_port))
            .with_data_dir(data.of("registry"));
        registry.users = user.cloned().into_iter().collect();
        let mut store = store::Settings::default()
            .with_listen(loopback(settings.store_port))
            .with_data_dir(data.of("store"));
        store.users = user.cloned().into_iter().collect();
        store.tls = tls;
        store.replica_set.clone_from(&settings.replica_set);
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
            authority,
            registry,
            store,
            replica_set: settings.replica_set.clone(),
        })
    }

    /// Returns the lines for stderr.
    fn notice(&self, user: Option<&User>, data: &DataPlace) -> String {
        let mut notice = format!(
            "Kafka broker:    {}{}\nSchema Registry: http://{}\nMongoDB store:   mongodb://{}{}\n",
            self.broker.address(),
            self.authority.as_ref().map_or("", |_| " (TLS)"),
            self.registry.address(),
            self.store.address(),
            self.authority.as_ref().map_or("", |_| " (TLS optional)"),
        );
        if let Some(name) = &self.replica_set {
            let _ = writeln!(
                notice,
                "replica set:     {name} (the store is its only member)"
            );
        }
        let _ = match user {
            Some(user) => writeln!(
                notice,
                "user:            {} (password in the `.env`)",
                user.name
            ),
            None => writeln!(notice, "user:            none (authentication is disabled)"),
        };
        if let Some(authority) = &self.authority {
            let ca_file = authority.ca_file().display();
            let _ = writeln!(notice, "CA certificate:  {ca_file} (clients must trust it)");
        }
        let lifetime = if data.is_temporary() {
            " (removed when the servers stop)"
        } else {
            ""
        };
        let _ = writeln!(
            notice,
            "data:            {}{lifetime}",
            data.path().display()
        );
        notice.push_str("stop the servers with Ctrl-C");
        notice
    }

    /// Returns the `.env` for clients.
    fn env_file<'a>(&'a self, user: Option<&'a User>) -> EnvFile<'a> {
        EnvFile {
            broker: self.broker.address(),
            registry: self.registry.address(),
            store: self.store.address(),
            replica_set: self.replica_set.as_deref(),
            ca_file: self.authority.as_ref().map(Authority::ca_file),
            user,
        }
    }

    /// Stops all servers at once; each closes its connections within its own deadline.
    ///
    /// Failures of data that is removed are only logged.
    async fn stop(self, removed: bool) -> Result<(), Error> {
        let (broker, registry, store) =
            tokio::join!(self.broker.stop(), self.registry.stop(), self.store.stop());
        if let Err(error) = registry {
            tracing::warn!(%error, "failed to stop the schema registry in order");
        }
        let stopped = broker.map_err(Error::from).and(store.map_err(Error::from));
        match stopped {
            Err(error) if removed => {
                tracing::info!(%error, "failed to stop a server in order; its data is removed");
                Ok(())
            }
            stopped => stopped,
        }
    }
}

/// Names the option that sets the port, if the server could not listen on it.
fn name_port(flag: &'static str, error: Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if current.is::<convoy_server_kit::Error>() {
            let source = Box::new(error);
            return Error::Port { flag, source };
        }
        cause = current.source();
    }
    error
}
