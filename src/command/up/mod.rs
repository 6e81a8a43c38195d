//! `convoy up`: runs a broker, a Schema Registry and a store for other programs until Ctrl-C.
//!
//! Stdout gets a `.env` only, with which programs for Confluent Cloud and MongoDB Atlas, and convoy
//! itself, use these servers. With `-- COMMAND` the servers live as long as COMMAND, which gets the
//! variables of the `.env`, and stdout is COMMAND's.
//!
//! | file | owns |
//! |---|---|
//! | `user.rs` | credentials: given, stored in the data directory, or random |
//! | `env_file.rs` | the text of the `.env` |
//! | `content.rs` | topics and documents that the servers start with |
//! | `child.rs` | a command that runs with the servers |
//! | `status.rs` | what clients do with the servers, on the terminal and on a page |

mod child;
mod content;
mod env_file;
mod status;
mod user;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use convoy_kafka_server as broker;
use convoy_kafka_server::KafkaServer;
use convoy_mongodb_server as store;
use convoy_mongodb_server::MongoServer;
use convoy_registry_server as registry;
use convoy_registry_server::RegistryServer;
use convoy_server_kit::tls::Authority;
use convoy_server_kit::{SecretUri, User};
use rustix::process::Pid;

use self::child::Running;
use self::content::Insert;
use self::env_file::{Addresses, EnvFile};
use self::status::{Look, Status};
use crate::error::{Error, ExitStatus};
use crate::host::data_files;
use crate::host::embedded::{self, DataPlace, loopback};
use crate::host::interrupt::{self, Interruptible};
use crate::host::open_files;
use crate::host::published::{self, ReadyFile};
use crate::host::roles::{Role, Runtimes};
use crate::host::{space, sweep};
use crate::measure::RunClock;
use crate::pipeline::Interrupt;
use crate::platform;
use crate::run_id::new_run_id;
use crate::settings::{Invocation, UpSettings};
use crate::terminal::{Terminal, start_logging, start_logging_to_stderr};
use crate::text::quantity::plural;
use crate::web::WebAddress;

/// Directory of the log files.
const LOG_DIRECTORY: &str = "logs";

/// Printed when the user stops the servers.
const STOPPING: &str = "stopping; interrupt again to abort";

/// Printed when the user ends a command.
const ENDING: &str = "interrupted: waiting for the command to end; interrupt again to kill it";

/// Time to stop in order after an interruption.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// The same with a command, which has half of it.
const STOP_COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Where clients on this machine connect to.
    local: Addresses,
    /// Where the clients of the `.env` connect to.
    offered: Addresses,
}

/// Serves until interrupted.
pub fn run(
    settings: &UpSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let parent = platform::parent();
    let clock = RunClock::start();
    let run_id = new_run_id(clock);
    let log_filter = invocation.log_filter.as_deref();
    if settings.command.is_empty() || log_filter.is_some() {
        let log = Path::new(LOG_DIRECTORY).join(format!("{run_id}.log"));
        start_logging(terminal, &log, log_filter);
    } else {
        // Each run of a test suite would leave a file in the user's project.
        start_logging_to_stderr(terminal);
    }
    sweep::sweep_own_directories();
    if let Some(warning) = open_files::allow_clients()? {
        terminal.say(warning);
    }
    if let Some(directory) = settings.data_dir.as_deref().filter(|_| settings.repair) {
        repair(directory, terminal)?;
    }
    let published = &settings.published;
    for path in [&published.env_file, &published.ready_file]
        .into_iter()
        .flatten()
    {
        published::check(path, published.force)?;
    }
    let data = DataPlace::open(settings.data_dir.as_deref(), &run_id)?;
    let mut roles = vec![Role::Broker, Role::Registry, Role::Store];
    roles.extend(invocation.web.as_ref().map(|_| Role::Display));
    let runtimes = Runtimes::start(&roles)?;
    let runs_command = !settings.command.is_empty();
    let what = Interruptible {
        timeout: if runs_command {
            STOP_COMMAND_TIMEOUT
        } else {
            STOP_TIMEOUT
        },
        report: None,
    };
    let notice = if runs_command { ENDING } else { STOPPING };
    let interrupt = interrupt::listen(what, terminal, move || notice)?;
    let requested = &interrupt.requested;
    let user = user::credentials(&settings.access, &data, terminal)?;
    let starting = Box::pin(Serving::start(settings, user.as_ref(), &data, &runtimes));
    let started = runtimes.block_on(requested.run_until_cancelled(starting));
    let Some(serving) = started else {
        runtimes.block_on(runtimes.starts_ended());
        return Ok(ExitStatus::Interrupted);
    };
    let offer = Offer {
        settings,
        web: invocation.web.as_ref(),
        serving: serving?,
        user,
        data,
        runtimes,
        interrupt,
        parent,
        terminal,
    };
    let ended = offer.run();
    let (removed, runtimes) = (offer.data.is_temporary(), offer.runtimes);
    let stopped = runtimes.block_on(offer.serving.stop(removed));
    let status = ended?;
    stopped.map(|()| status)
}

/// Running servers, and everything that is offered with them.
struct Offer<'a> {
    settings: &'a UpSettings,
    /// Where the live page is served.
    web: Option<&'a WebAddress>,
    serving: Serving,
    user: Option<User>,
    data: DataPlace,
    runtimes: Runtimes,
    interrupt: Interrupt,
    /// The process that started this one.
    parent: Option<Pid>,
    terminal: &'a Terminal,
}

impl Offer<'_> {
    /// Fills the servers, says where they are, and waits for the end.
    fn run(&self) -> Result<ExitStatus, Error> {
        self.data.note_files()?;
        content::create_topics(&self.serving.broker, &self.settings.topics)?;
        if !self.load()? {
            return Ok(ExitStatus::Interrupted);
        }
        let env = self
            .serving
            .env_file(self.user.as_ref(), &self.serving.offered);
        let (settings, published) = (self.settings, &self.settings.published);
        if settings.command.is_empty() {
            let notice = self.serving.notice(self.user.as_ref(), &self.data);
            self.terminal.say(notice);
        } else {
            self.terminal.say(self.serving.line(&settings.command));
        }
        if let Some(path) = &published.env_file {
            published::write(path, &env.to_string(), published.force)?;
        } else if settings.command.is_empty() {
            let text = env.to_string();
            let printed = self
                .terminal
                .data(|stdout| stdout.write_all(text.as_bytes()));
            printed.map_err(Error::Stdout)?;
            if self.user.is_some() && env_file::keep_from_other_users() {
                let line = "the file with the `.env` is now readable by its owner alone";
                self.terminal.say(line);
            }
        }
        let ready = published.ready_file.as_ref();
        let ready = ready.map(|path| ReadyFile::write(path, published.force));
        let _removed_at_the_end = ready.transpose()?;
        let status = Status::start(
            self.web,
            settings.command.is_empty(),
            &self.runtimes,
            self.terminal,
        )?;
        let ended = self.wait(&env, &status);
        status.stop();
        ended
    }

    /// Waits for the end of the servers.
    fn wait(&self, env: &EnvFile<'_>, status: &Status) -> Result<ExitStatus, Error> {
        let (settings, requested) = (self.settings, &self.interrupt.requested);
        let space = space::watch(self.data.path(), |warning| self.terminal.say(warning));
        let watching = async {
            tokio::select! {
                () = space => {}
                () = status.watch(|| self.serving.look()) => {}
            }
        };
        let over = Box::pin(over(settings, self.parent));
        if settings.command.is_empty() {
            let waiting = requested.run_until_cancelled(async {
                tokio::select! {
                    () = watching => {}
                    () = over => {}
                }
            });
            self.runtimes.block_on(waiting);
            return Ok(ExitStatus::Success);
        }
        self.runtimes.block_on(async {
            let command = Running::start(&settings.command, env.variables())?;
            if requested.is_cancelled() {
                // The signal came before it could be passed on.
                command.terminate();
            }
            tokio::select! {
                ended = Box::pin(command.finish(over, &self.interrupt, self.terminal)) => ended,
                () = watching => unreachable!("the watch never ends"),
            }
        })
    }

    /// Stores the documents of all files. Returns false if interrupted.
    fn load(&self) -> Result<bool, Error> {
        let here = self
            .serving
            .env_file(self.user.as_ref(), &self.serving.local);
        let uri = SecretUri::new(here.store_uri());
        let requested = &self.interrupt.requested;
        let insert = |insert: Insert<'_>| {
            let inserting = requested.run_until_cancelled(Box::pin(insert.run()));
            let inserted = self.runtimes.block_on(inserting);
            inserted.unwrap_or_else(|| Err("interrupted".to_owned()))
        };
        for file in &self.settings.load {
            let loaded = content::load(file, &uri, &insert);
            if requested.is_cancelled() {
                return Ok(false);
            }
            let documents = plural(loaded?, "document");
            self.terminal.say(format_args!(
                "loaded {documents} into `{}.{}`",
                file.database, file.collection
            ));
        }
        Ok(true)
    }
}

/// Ends when the servers are to end without a signal: after the timeout, or with the parent.
async fn over(settings: &UpSettings, parent: Option<Pid>) {
    let timeout = async {
        match settings.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let orphaned = async {
        if settings.exit_with_parent {
            platform::parent_ended(parent).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = timeout => {}
        () = orphaned => {}
    }
}

/// Repairs a data directory and says what was lost.
fn repair(directory: &Path, terminal: &Terminal) -> Result<(), Error> {
    let losses = data_files::repair(directory)?;
    for loss in &losses {
        tracing::info!(%loss, "repaired a file");
        terminal.say(loss.to_string());
    }
    if losses.is_empty() {
        terminal.say(format!("nothing to repair in `{}`", directory.display()));
    }
    Ok(())
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
        let advertised = settings.advertised.as_ref();
        let at_port = |port| match advertised {
            Some(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            None => loopback(port),
        };
        let mut broker = broker::Settings::default()
            .with_listen(at_port(settings.broker_port))
            .with_data_dir(data.of("broker"))
            .with_default_partitions(settings.partitions.into());
        broker.advertised = advertised.map(|told| (told.host.clone(), told.port));
        broker.auto_create_topics = settings.auto_create;
        broker.group_join_delay = settings.join_delay;
        broker.users = user.cloned().into_iter().collect();
        broker.tls.clone_from(&tls);
        let mut registry = registry::Settings::default()
            .with_listen(at_port(settings.registry_port))
            .with_data_dir(data.of("registry"));
        registry.users = user.cloned().into_iter().collect();
        let mut store = store::Settings::default()
            .with_listen(at_port(settings.store_port))
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
        let ports = [broker.address(), registry.address(), store.address()].map(|at| at.port());
        let [broker_port, registry_port, store_port] = ports;
        let local = addresses("127.0.0.1", broker_port, registry_port, store_port);
        let offered = match advertised {
            Some(told) => addresses(&told.host, told.port, registry_port, store_port),
            None => local.clone(),
        };
        Ok(Self {
            broker,
            authority,
            registry,
            store,
            replica_set: settings.replica_set.clone(),
            local,
            offered,
        })
    }

    /// Returns what the servers hold and do.
    fn look(&self) -> Look {
        Look {
            broker: self.broker.snapshot(),
            store: self.store.snapshot(),
        }
    }

    /// Returns the line for stderr with a command.
    fn line(&self, command: &[OsString]) -> String {
        let name = command.first().map(|name| name.to_string_lossy());
        format!(
            "broker {}, registry {}, store {}: running `{}`",
            self.offered.broker,
            self.offered.registry,
            self.offered.store,
            name.unwrap_or_default()
        )
    }

    /// Returns the lines for stderr.
    fn notice(&self, user: Option<&User>, data: &DataPlace) -> String {
        let mut notice = format!(
            "Kafka broker:    {}{}\nSchema Registry: http://{}\nMongoDB store:   mongodb://{}{}\n",
            self.offered.broker,
            self.authority.as_ref().map_or("", |_| " (TLS)"),
            self.offered.registry,
            self.offered.store,
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

    /// Returns the `.env` for clients that connect to these addresses.
    fn env_file<'a>(&'a self, user: Option<&'a User>, addresses: &'a Addresses) -> EnvFile<'a> {
        EnvFile {
            addresses,
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

/// Returns the addresses of servers on one host.
fn addresses(host: &str, broker: u16, registry: u16, store: u16) -> Addresses {
    Addresses {
        broker: format!("{host}:{broker}"),
        registry: format!("{host}:{registry}"),
        store: format!("{host}:{store}"),
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
