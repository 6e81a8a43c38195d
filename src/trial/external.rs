//! A run whose consumer is another program: told of the servers, started, watched and stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::Secret;

use crate::error::Error;
use crate::host::consumer_command::{CommandSpec, ConsumerCommand};
use crate::host::consumer_watch::{ConsumerWatch, FirstFetch};
use crate::host::published::{self, ReadyFile, env_line};
use crate::host::servers::Servers;
use crate::pipeline::{
    self, Arrivals, ConsumerProcess, Context, ExternalRun, ExternalSettings, Interrupt, Observer,
    Outcome, Roles, Settled, SimulationSettings,
};
use crate::report::{BackendKind, External};
use crate::settings::{BrokerChoice, SimulateSettings};
use crate::terminal::Terminal;

/// Name of the file with the output of the command.
const LOG: &str = "consumer.log";

/// Dummy user and password for programs that need some, if authentication is disabled.
const ANYONE: &str = "anyone";

/// Time between SIGTERM and SIGKILL at the end of a run.
const GRACE: Duration = Duration::from_secs(10);

/// The same after an interruption.
const HURRIED_GRACE: Duration = Duration::from_secs(1);

/// Interval between two looks at whether the command has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Returns what the embedded servers are to watch.
pub fn watch_consumer(context: &Arc<Context>, settings: &SimulateSettings) -> ConsumerWatch {
    let writer = &settings.writer;
    let arrivals = Arrivals::new(
        context,
        settings.load.vehicles,
        &writer.database,
        &writer.collection,
    );
    ConsumerWatch {
        first_fetch: FirstFetch::new(),
        arrivals: Arc::new(arrivals),
    }
}

/// What a run with an external consumer has besides.
#[derive(Debug, Clone, Copy)]
pub struct ExternalParts<'a> {
    /// What the servers tell of the consumer.
    pub watch: &'a ConsumerWatch,
    /// Directory for the output of the command.
    pub directory: &'a Path,
    /// Tells the user what to start, and what has ended.
    pub terminal: &'a Terminal,
}

/// The consumer of a run.
#[derive(Debug)]
pub(super) struct Consumer<'a> {
    settings: &'a SimulateSettings,
    context: &'a Arc<Context>,
    terminal: &'a Terminal,
    watch: &'a ConsumerWatch,
    broker: BackendKind,
    store: BackendKind,
    /// What it needs to find the servers.
    variables: Vec<(&'static str, Secret)>,
    command: Option<Arc<ConsumerCommand>>,
}

impl<'a> Consumer<'a> {
    /// Prepares the consumer of running servers; nothing runs yet.
    pub(super) fn new(
        settings: &'a SimulateSettings,
        context: &'a Arc<Context>,
        servers: &Servers,
        parts: ExternalParts<'a>,
    ) -> Self {
        let terminal = parts.terminal;
        let variables = variables(settings, context, servers);
        let command = settings.consumer.command.as_ref().map(|text| {
            let spec = CommandSpec {
                text: text.clone(),
                variables: variables.clone(),
                log: parts.directory.join(LOG),
            };
            ConsumerCommand::new(spec, context.clock, terminal)
        });
        Self {
            settings,
            context,
            terminal,
            watch: parts.watch,
            broker: servers.broker_kind,
            store: servers.store_kind,
            variables,
            command,
        }
    }

    /// Returns the command, if convoy runs it.
    pub(super) fn command(&self) -> Option<&Arc<ConsumerCommand>> {
        self.command.as_ref()
    }

    /// Runs the load, and audits what the consumer stored.
    pub(super) async fn run(
        &self,
        simulation: SimulationSettings,
        endpoints: pipeline::Endpoints,
        roles: Roles,
        observer: Arc<dyn Observer>,
        interrupt: Interrupt,
    ) -> Result<Outcome, Error> {
        let settings = ExternalSettings {
            emission: simulation.emission,
            storage: simulation.storage,
            settle: self.settings.consumer.settle,
            process: self
                .command
                .clone()
                .map(|it| it as Arc<dyn ConsumerProcess>),
        };
        let embedded = self.store == BackendKind::Embedded;
        let arrivals = embedded.then(|| Arc::clone(&self.watch.arrivals));
        let context = self.context;
        let prepared =
            ExternalRun::prepare(context, settings, endpoints, &roles, arrivals, &interrupt);
        let prepared = Box::pin(prepared).await?;
        let _ready = self.publish()?;
        if let Some(command) = &self.command {
            command.start().await?;
        }
        let waiting = Box::pin(self.wait_for_consumer());
        interrupt.requested.run_until_cancelled(waiting).await;
        let loaded = Box::pin(prepared.load(&observer, &interrupt)).await;
        if let Some(command) = &self.command {
            let hurry = async {
                interrupt.requested.cancelled().await;
                tokio::time::sleep(HURRIED_GRACE).await;
            };
            command.stop(GRACE, hurry).await;
        }
        Ok(Box::pin(loaded.audit(&observer, &interrupt)).await)
    }

    /// Writes the files that tell of the servers.
    fn publish(&self) -> Result<Option<ReadyFile>, Error> {
        let files = &self.settings.consumer.published;
        if let Some(path) = &files.env_file {
            let lines = self.variables.iter();
            let text: String = lines
                .map(|(name, value)| env_line(name, value.reveal()))
                .collect();
            published::write(path, &text, files.force)?;
        }
        let ready = files.ready_file.as_ref();
        ready
            .map(|path| ReadyFile::write(path, files.force))
            .transpose()
    }

    /// Waits until the consumer reads the topic, so that no reading waits for its start. Only the
    /// embedded broker tells that.
    async fn wait_for_consumer(&self) {
        let topics = self.context.settings.topics.join("`, `");
        let writer = &self.settings.writer;
        let shown = self.settings.consumer.shown_command();
        let who = match &shown {
            Some(command) => format!("started `{command}`"),
            None => format!(
                "start your consumer now: topic `{topics}`, into the collection `{}.{}`",
                writer.database, writer.collection
            ),
        };
        if self.broker != BackendKind::Embedded {
            self.terminal.say(who);
            return;
        }
        self.terminal
            .say(format!("{who}; waiting until it reads `{topics}`"));
        let timeout = self.settings.start_timeout;
        let waited = tokio::select! {
            waited = tokio::time::timeout(timeout, self.watch.first_fetch.wait()) => waited,
            () = self.command_ended() => return,
        };
        if waited.is_err() {
            let timeout = humantime::format_duration(timeout);
            self.terminal.say(format!(
                "warning: no consumer has read `{topics}` within {timeout} (`--start-timeout`); emitting now"
            ));
        }
    }

    async fn command_ended(&self) {
        loop {
            let command = self.command.as_ref();
            if command.is_some_and(|command| !command.history().exits.is_empty()) {
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Returns how many records the consumer's group has not committed.
    fn uncommitted(&self, servers: &Servers) -> Option<u64> {
        let group = pipeline::group_name(&self.context.settings.run_id);
        servers.uncommitted(&group, &self.context.settings.topics)
    }

    /// Returns the report's section.
    pub(super) fn section(&self, outcome: &Outcome, servers: &Servers) -> Option<External> {
        let collected = outcome.collected.clone()?;
        let command = self.command.as_ref();
        let history = command.map(|it| it.history()).unwrap_or_default();
        let embedded = self.broker == BackendKind::Embedded;
        Some(External {
            command: self.settings.consumer.shown_command(),
            starts: history.starts,
            exits: history.exits,
            log: command.map(|it| it.log().display().to_string()),
            settled: match collected.settled {
                Settled::AllPresent => "all_present",
                Settled::Quiet => "quiet",
                Settled::Interrupted => "interrupted",
            }
            .to_owned(),
            documents: collected.documents,
            other_documents: collected.other_documents,
            unnamed: collected.unnamed.map(|it| it.to_string()),
            elsewhere: collected.elsewhere,
            topic_read: embedded.then(|| self.watch.first_fetch.is_fetched()),
            latency_measured: self.store == BackendKind::Embedded,
            order_judged: collected.order_judged,
            appended_again: collected.appended_again,
            uncommitted: self.uncommitted(servers),
            missing: collected.missing,
            reordered: collected.reordered,
            changed: collected.changed,
        })
    }
}

/// Checks the files before anything starts.
pub fn check_consumer_files(settings: &SimulateSettings) -> Result<(), Error> {
    let files = &settings.consumer.published;
    let paths: Vec<&PathBuf> = [&files.env_file, &files.ready_file]
        .into_iter()
        .flatten()
        .collect();
    paths
        .into_iter()
        .try_for_each(|path| published::check(path, files.force))
}

/// Returns the variables that `convoy up -- COMMAND` gives, and the names of the run.
fn variables(
    settings: &SimulateSettings,
    context: &Context,
    servers: &Servers,
) -> Vec<(&'static str, Secret)> {
    let external = match &settings.broker {
        BrokerChoice::External(broker) => Some(broker),
        _ => None,
    };
    let user = external.and_then(|broker| broker.credentials.as_ref());
    let (name, password) = user.map_or((ANYONE, ANYONE), |user| {
        (user.name.as_str(), user.password.reveal())
    });
    let protocol = match external {
        Some(broker) => broker.security_protocol.to_string(),
        // Programs for Confluent Cloud always authenticate; this broker accepts any credentials.
        None if servers.broker_kind == BackendKind::Embedded => "sasl_plaintext".to_owned(),
        None => "plaintext".to_owned(),
    };
    let mechanism = external.map_or_else(|| "plain".to_owned(), |it| it.sasl_mechanism.to_string());
    let (registry, registry_user) = registry(settings, servers);
    let mut all = vec![
        ("BOOTSTRAP_SERVER", servers.addresses.broker.clone()),
        ("SECURITY_PROTOCOL", protocol.to_uppercase()),
        ("SASL_MECHANISM", mechanism.to_uppercase()),
        ("API_KEY", name.to_owned()),
        ("API_SECRET_KEY", password.to_owned()),
    ];
    if let Some(url) = registry {
        let (name, password) = registry_user;
        all.push(("ENDPOINT_SCHEMA_URL", url));
        all.push(("SCHEMA_REGISTRY_API_KEY", name));
        all.push(("SCHEMA_REGISTRY_API_SECRET", password));
    }
    all.push(("MONGO_DB_URL", servers.store_uri().reveal().to_owned()));
    if let Some(ca_file) = external.and_then(|broker| broker.ca_file.as_ref()) {
        let ca_file = ca_file.display().to_string();
        all.push(("SSL_CA_LOCATION", ca_file.clone()));
        all.push(("CONVOY_CA_FILE", ca_file));
    }
    all.push(("CONVOY_SECURITY_PROTOCOL", protocol));
    all.push(("CONVOY_SASL_MECHANISM", mechanism));
    let run = &context.settings.run_id;
    all.push(("CONVOY_TOPIC", context.settings.topics.join(",")));
    all.push(("CONVOY_DATABASE", settings.writer.database.clone()));
    all.push(("CONVOY_COLLECTION", settings.writer.collection.clone()));
    all.push(("CONVOY_GROUP", pipeline::group_name(run)));
    all.push(("CONVOY_RUN_ID", run.clone()));
    let secret = all.into_iter();
    secret
        .map(|(name, value)| (name, Secret::new(value)))
        .collect()
}

/// Returns the URL of the registry, and its user and password.
fn registry(settings: &SimulateSettings, servers: &Servers) -> (Option<String>, (String, String)) {
    let anyone = (ANYONE.to_owned(), ANYONE.to_owned());
    let Some(external) = &settings.registry else {
        return (servers.registry_url(), anyone);
    };
    let user = external.credentials.as_ref();
    let user = user.map(|user| (user.name.clone(), user.password.reveal().to_owned()));
    (
        Some(external.url.reveal().to_owned()),
        user.unwrap_or(anyone),
    )
}
