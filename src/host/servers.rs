//! The broker and the store of a run: started here, or somebody else's.

use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server as embedded_broker;
use convoy_mongodb_server as embedded_store;
use convoy_mongodb_server::faults::FaultPlan;
use convoy_registry_server as embedded_registry;
use convoy_server_kit::SecretUri;
use tokio_util::sync::CancellationToken;

use crate::broker::container::Redpanda;
use crate::broker::{Endpoint, Login, Tls};
use crate::containers::container::Common;
use crate::containers::engine::{Engine, Surroundings};
use crate::error::Error;
use crate::host::backend::{self, Backends};
use crate::host::embedded::{DataPlace, loopback, start_broker, start_registry, start_store};
use crate::host::faults::{Injector, through_proxies};
use crate::host::roles::Runtimes;
use crate::pipeline::{self, Endpoints, TerminatedServers};
use crate::proxy::Proxy;
use crate::registry::{self, Client};
use crate::report::{BackendKind, Durability};
use crate::settings::{
    BrokerChoice, Encoding, ExternalBroker, ExternalRegistry, SimulateSettings, StoreChoice,
};
use crate::store::container::ReplicaSet;
use crate::terminal::Terminal;

/// What every run of a command has in common with the servers it starts.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// What was asked for.
    pub settings: &'a SimulateSettings,
    /// The run.
    pub run_id: &'a str,
    /// Where container engines may be.
    pub surroundings: &'a Surroundings,
    /// What goes wrong on purpose.
    pub injector: Option<&'a Injector>,
    /// Gets a line for the user.
    pub tell: &'a (dyn Fn(&str) + Send + Sync),
}

/// Kafka's `message.max.bytes` unless somebody sets it.
const KAFKA_BATCH_BYTES: usize = 1_048_588;

/// Pause between two looks at containers while requests fail.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// How long the registry may take to answer.
const REGISTRY_DEADLINE: Duration = Duration::from_secs(10);

/// Live servers, or the addresses of existing ones.
#[derive(Debug)]
pub struct Servers {
    /// Where clients connect.
    pub endpoints: Endpoints,
    /// What kind the broker is.
    pub broker_kind: BackendKind,
    /// What kind the store is.
    pub store_kind: BackendKind,
    /// What an acknowledgement means at each end.
    pub durability: Durability,
    pub(crate) broker: Broker,
    registry: Option<embedded_registry::Registry>,
    pub(crate) store: Store,
    /// Between the run and servers that cannot be made to fail otherwise.
    _proxies: Vec<Proxy>,
    /// Outlives the embedded servers, whose data it holds.
    _data: Option<DataPlace>,
}

/// A broker, by where it is.
#[derive(Debug)]
pub(crate) enum Broker {
    Embedded(Box<embedded_broker::Broker>),
    Container(Box<Redpanda>),
    External(Endpoint),
    /// It was not there any more after a fault.
    Away,
}

/// A store, by where it is; an embedded one with what it was started with.
#[derive(Debug)]
pub(crate) enum Store {
    Embedded(Box<embedded_store::Store>, Box<embedded_store::Settings>),
    Container(Box<ReplicaSet>),
    External(SecretUri),
    /// It was not there any more after a fault.
    Away,
}

impl Servers {
    /// Starts what is to be started, both ends side by side; an interruption ends the start.
    pub(crate) async fn start(
        situation: Situation<'_>,
        interrupted: &CancellationToken,
        runtimes: &Runtimes,
    ) -> Result<Self, Error> {
        let Situation {
            settings,
            run_id,
            surroundings,
            injector,
            tell,
        } = situation;
        let backends = backend::settle(settings, surroundings, tell).await?;
        if let Some(injector) = injector {
            injector.check_reach(backends.broker, backends.store)?;
        }
        let embedded = [backends.broker, backends.store].contains(&BackendKind::Embedded);
        let data = embedded
            .then(|| DataPlace::open(settings.data_dir.as_deref(), run_id))
            .transpose()?;
        let starting = async {
            tokio::try_join!(
                provide_broker_and_registry(situation, &backends, data.as_ref(), runtimes),
                provide_store(situation, &backends, data.as_ref(), runtimes)
            )
        };
        let started = tokio::select! {
            started = starting => started,
            () = interrupted.cancelled() => Err(Error::Interrupted),
        };
        let ((broker, (registry, client)), store) = match started {
            Ok(started) => started,
            Err(error) => {
                sweep(backends.engine.as_ref(), run_id).await;
                runtimes.starts_ended().await;
                return Err(error);
            }
        };
        let mut endpoints = Endpoints {
            broker: broker.endpoint(),
            registry: client,
            store: store.uri(),
        };
        let proxies = match injector {
            Some(injector) => {
                let kinds = [backends.broker, backends.store];
                through_proxies(injector, &mut endpoints, kinds, runtimes).await?
            }
            None => Vec::new(),
        };
        Ok(Self {
            endpoints,
            _proxies: proxies,
            broker_kind: backends.broker,
            store_kind: backends.store,
            durability: Durability {
                broker: broker.durability().to_owned(),
                store: store.durability().to_owned(),
            },
            broker,
            registry,
            store,
            _data: data,
        })
    }

    /// Looks after containers whenever requests fail, and tells when one has ended. Never returns.
    pub async fn watch(&self, terminated: &TerminatedServers) {
        loop {
            terminated.request_failed().await;
            let broker = async {
                match &self.broker {
                    Broker::Container(broker) => broker.end().await,
                    Broker::Embedded(_) | Broker::External(_) | Broker::Away => None,
                }
            };
            let store = async {
                match &self.store {
                    Store::Container(store) => store.end().await,
                    Store::Embedded(..) | Store::External(_) | Store::Away => None,
                }
            };
            let (broker, store) = tokio::join!(broker, store);
            if let Some(reason) = broker.or(store) {
                terminated.report(reason);
            }
            tokio::time::sleep(LOOK_AROUND).await;
        }
    }

    /// Stops what was started, or leaves containers where they are and says how to reach them.
    pub async fn stop(self, keep: bool, terminal: &Terminal) -> Result<(), Error> {
        match self.broker {
            Broker::Embedded(broker) => broker.stop().await?,
            Broker::Container(broker) if keep => {
                let address = broker.endpoint().bootstrap.join(",");
                tell_kept(terminal, "broker", &address, broker.keep());
            }
            Broker::Container(broker) => broker.stop().await.map_err(Error::Container)?,
            Broker::External(_) | Broker::Away => {}
        }
        if let Some(registry) = self.registry
            && !registry.stop().await
        {
            tracing::warn!("connections of the schema registry did not end in time");
        }
        match self.store {
            Store::Embedded(store, _) => store.stop().await?,
            Store::Container(store) if keep => {
                let address = store.uri().to_string();
                tell_kept(terminal, "store", &address, store.keep());
            }
            Store::Container(store) => store.stop().await.map_err(Error::Container)?,
            Store::External(_) | Store::Away => {}
        }
        Ok(())
    }
}

impl Broker {
    fn endpoint(&self) -> Endpoint {
        match self {
            Self::Away => Endpoint::plain(String::new()),
            Self::Embedded(broker) => Endpoint::plain(broker.address().to_string()),
            Self::Container(broker) => broker.endpoint().clone(),
            Self::External(endpoint) => endpoint.clone(),
        }
    }

    fn durability(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "acks=all, in the page cache of this machine",
            Self::Container(_) => "acks=all, fsync before each acknowledgement",
            Self::External(_) | Self::Away => "acks=all, as the cluster is configured",
        }
    }
}

impl Store {
    fn uri(&self) -> SecretUri {
        match self {
            Self::Away => SecretUri::new(String::new()),
            Self::Embedded(store, _) => SecretUri::new(format!("mongodb://{}", store.address())),
            Self::Container(store) => store.uri().clone(),
            Self::External(uri) => uri.clone(),
        }
    }

    fn durability(&self) -> &'static str {
        match self {
            Self::Embedded(..) | Self::Container(_) => {
                "w: majority, j: true, journal synced to disk"
            }
            Self::External(_) | Self::Away => "w: majority, j: true",
        }
    }
}

/// A broker in a container brings its registry.
async fn provide_broker_and_registry(
    situation: Situation<'_>,
    backends: &Backends,
    data: Option<&DataPlace>,
    runtimes: &Runtimes,
) -> Result<
    (
        Broker,
        (Option<embedded_registry::Registry>, Option<Client>),
    ),
    Error,
> {
    let broker = provide_broker(situation, backends, data, runtimes).await?;
    let registry = provide_registry(situation.settings, &broker, data, runtimes).await?;
    Ok((broker, registry))
}

async fn provide_broker(
    situation: Situation<'_>,
    backends: &Backends,
    data: Option<&DataPlace>,
    runtimes: &Runtimes,
) -> Result<Broker, Error> {
    let settings = situation.settings;
    if let BrokerChoice::External(external) = &settings.broker {
        return Ok(Broker::External(external_endpoint(external)?));
    }
    if let (BackendKind::Container, Some(engine)) = (backends.broker, &backends.engine) {
        let common = common(situation, engine, &settings.redpanda_image);
        (situation.tell)(&format!("starting {}", common.image));
        let broker = Redpanda::start(&common).await.map_err(Error::Container)?;
        return Ok(Broker::Container(Box::new(broker)));
    }
    let mut embedded = embedded_broker::Settings {
        listen: loopback(settings.broker_port),
        data_dir: data.map(|data| data.of("broker")),
        ..embedded_broker::Settings::default()
    };
    if let Some(injector) = situation.injector {
        embedded.faults = Some(Arc::clone(&injector.points) as Arc<dyn embedded_broker::Faults>);
        // What brokers take unless told otherwise: an oversized reading must be refused.
        embedded.max_batch_bytes = KAFKA_BATCH_BYTES;
    }
    let broker = start_broker(embedded, runtimes).await?;
    Ok(Broker::Embedded(Box::new(broker)))
}

/// Returns how to reach an existing broker.
pub(crate) fn external_endpoint(external: &ExternalBroker) -> Result<Endpoint, Error> {
    let login = external.credentials.as_ref().map(|credentials| Login {
        mechanism: external.sasl_mechanism,
        user: credentials.username.clone(),
        password: credentials.password.clone(),
    });
    let tls = if external.security_protocol.encrypts() {
        let trusted = Tls::trusting(external.ca_file.as_deref());
        Some(trusted.map_err(pipeline::Error::Broker)?)
    } else {
        None
    };
    Ok(Endpoint {
        bootstrap: external.bootstrap.clone(),
        tls,
        login,
        socks_proxy: None,
    })
}

/// Returns a client of the registry that messages need, if they need one: the one the user names,
/// else the one in the broker's container, else one of our own, which is returned too.
async fn provide_registry(
    settings: &SimulateSettings,
    broker: &Broker,
    data: Option<&DataPlace>,
    runtimes: &Runtimes,
) -> Result<(Option<embedded_registry::Registry>, Option<Client>), Error> {
    if settings.producer.encoding == Encoding::Json {
        return Ok((None, None));
    }
    if let Some(external) = &settings.registry {
        return Ok((None, Some(registry_client(external)?)));
    }
    if let Broker::Container(redpanda) = broker {
        let probe = async |url| open_registry(url)?.probe().await;
        let url = redpanda.registry(probe).await.map_err(Error::Container)?;
        return Ok((None, Some(open_registry(url)?)));
    }
    let embedded = embedded_registry::Settings {
        data_dir: data.map(|data| data.of("registry")),
        ..embedded_registry::Settings::default()
    };
    let registry = start_registry(embedded, runtimes).await?;
    let client = open_registry(format!("http://{}", registry.address()))?;
    Ok((Some(registry), Some(client)))
}

/// Returns a client of a registry that asks nobody who they are.
fn open_registry(url: String) -> Result<Client, registry::Error> {
    registry_client(&ExternalRegistry {
        url: SecretUri::new(url),
        credentials: None,
    })
}

/// Returns a client of a registry that exists already.
pub(crate) fn registry_client(external: &ExternalRegistry) -> Result<Client, registry::Error> {
    Client::new(&registry::client::Settings {
        url: external.url.reveal().to_owned(),
        credentials: external.credentials.as_ref().map(Into::into),
        ca_pem: None,
        deadline: REGISTRY_DEADLINE,
    })
}

async fn provide_store(
    situation: Situation<'_>,
    backends: &Backends,
    data: Option<&DataPlace>,
    runtimes: &Runtimes,
) -> Result<Store, Error> {
    let settings = situation.settings;
    if let StoreChoice::External(uri) = &settings.store {
        return Ok(Store::External(uri.clone()));
    }
    if let (BackendKind::Container, Some(engine)) = (backends.store, &backends.engine) {
        let common = common(situation, engine, &settings.mongo_image);
        (situation.tell)(&format!("starting {}", common.image));
        let store = ReplicaSet::start(&common).await.map_err(Error::Container)?;
        return Ok(Store::Container(Box::new(store)));
    }
    let points = situation.injector.map(|injector| &injector.points);
    let embedded = embedded_store::Settings {
        listen: loopback(settings.store_port),
        data_dir: data.map(|data| data.of("store")),
        faults: points.map(|points| Arc::clone(points) as Arc<dyn FaultPlan>),
        ..embedded_store::Settings::default()
    };
    let store = start_store(embedded.clone(), runtimes).await?;
    Ok(Store::Embedded(Box::new(store), Box::new(embedded)))
}

fn common(situation: Situation<'_>, engine: &Engine, image: &str) -> Common {
    Common {
        image: image.to_owned(),
        run: situation.run_id.to_owned(),
        host: engine.host().to_owned(),
        deadline: situation.settings.start_timeout,
        keep: situation.settings.keep,
    }
}

/// Removes what a start that failed half-way left in the engine.
pub(crate) async fn sweep(engine: Option<&Engine>, run_id: &str) {
    if let Some(engine) = engine
        && let Err(error) = engine.remove_run(run_id).await
    {
        tracing::warn!(%error, "cannot remove the run's containers; `convoy clean` will");
    }
}

fn tell_kept(terminal: &Terminal, server: &str, address: &str, id: Option<String>) {
    let id = id.unwrap_or_default();
    let id = id.get(..12).unwrap_or(&id);
    terminal.say(format_args!(
        "the {server} keeps running at {address}; remove it by `docker rm --force --volumes {id}`"
    ));
}
