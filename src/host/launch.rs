//! Starts the servers of a run.

use std::sync::Arc;

use convoy_kafka_server as kafka;
use convoy_mongodb_server as mongodb_server;
use convoy_registry_server::{self as registry_server, RegistryServer};
use convoy_server_kit::SecretUri;
use tokio_util::sync::CancellationToken;

use crate::broker::container::Redpanda;
use crate::containers::container::Common;
use crate::containers::engine::{DockerEnv, Engine};
use crate::error::Error;
use crate::host::backend::{self, Backends, Progress};
use crate::host::broker::Broker;
use crate::host::consumer_watch::ConsumerWatch;
use crate::host::embedded::{DataPlace, loopback, start_broker, start_registry, start_store};
use crate::host::external::{external_endpoint, registry_client};
use crate::host::fault_switch::FaultSwitch;
use crate::host::interrupt;
use crate::host::proxies;
use crate::host::roles::Runtimes;
use crate::host::servers::{Addresses, Servers, decided_lines};
use crate::host::store::Store;
use crate::pipeline::Endpoints;
use crate::registry::{self, Client};
use crate::report::{BackendKind, Durability};
use crate::settings::{
    BrokerChoice, Encoding, ExternalRegistry, ServerOrigins, SimulateSettings, StoreChoice,
};
use crate::store::container::ReplicaSet;

/// Kafka's default of `message.max.bytes`.
const KAFKA_BATCH_BYTES: usize = 1_048_588;

/// Everything needed to start the servers of a run.
pub(crate) struct Launch<'a> {
    /// Settings of the run.
    pub settings: &'a SimulateSettings,
    /// Id of the run.
    pub run_id: &'a str,
    /// Environment variables that lead to container engines.
    pub docker_env: &'a DockerEnv,
    /// Faults to inject; `None` if no run has any.
    pub faults: Option<Arc<FaultSwitch>>,
    /// Watches an external consumer, if the run has one.
    pub watch: Option<&'a ConsumerWatch>,
    /// Prints a line of progress.
    pub progress: Progress<'a>,
    /// Prints which servers the run uses.
    pub announce: Progress<'a>,
    /// Runtimes for the embedded servers.
    pub runtimes: &'a Runtimes,
}

/// A launch that has decided on its backends.
struct Provision<'a> {
    launch: &'a Launch<'a>,
    backends: Backends,
    /// For embedded servers.
    data: Option<DataPlace>,
}

impl Launch<'_> {
    /// Decides which servers the run uses, and prints that.
    pub(crate) async fn decide(&self, interrupted: &CancellationToken) -> Result<Backends, Error> {
        let deciding = backend::decide(self.settings, self.docker_env);
        let decided = interrupted.run_until_cancelled(Box::pin(deciding)).await;
        let backends = decided.ok_or(Error::Interrupted)??;
        let origins = self.origins(&backends);
        for line in decided_lines(self.settings, &backends, &origins) {
            (self.announce)(&line);
        }
        Ok(backends)
    }

    /// Starts the servers concurrently. An interruption cancels the start.
    pub(crate) async fn start(
        &self,
        backends: Backends,
        interrupted: &CancellationToken,
    ) -> Result<Servers, Error> {
        let settling = backend::settle(&backends, self.progress);
        let settled = interrupted.run_until_cancelled(Box::pin(settling)).await;
        settled.ok_or(Error::Interrupted)??;
        if [backends.broker, backends.store].contains(&BackendKind::Container) {
            interrupt::containers_may_run();
        }
        if let Some(faults) = &self.faults {
            faults.check_reach(backends.broker, backends.store)?;
            if self.watch.is_some() {
                faults.check_reach_of_others(backends.broker, backends.store)?;
            }
        }
        let embedded = [backends.broker, backends.store].contains(&BackendKind::Embedded);
        let data = embedded
            .then(|| DataPlace::open(self.settings.data_dir.as_deref(), self.run_id))
            .transpose()?;
        let provision = Provision {
            launch: self,
            backends,
            data,
        };
        let started = tokio::select! {
            started = Box::pin(provision.start()) => started,
            () = interrupted.cancelled() => Err(Error::Interrupted),
        };
        match started {
            Ok(started) => Box::pin(self.connect(started, provision)).await,
            Err(error) => {
                remove_containers(provision.backends.engine.as_ref(), self.run_id).await;
                self.runtimes.starts_ended().await;
                Err(error)
            }
        }
    }

    /// Returns what chose each server.
    fn origins(&self, backends: &Backends) -> ServerOrigins {
        let settings = self.settings;
        let mut origins = settings.origins.clone();
        if let Some(reason) = &backends.reason {
            if settings.broker == BrokerChoice::Auto {
                origins.broker = format!("{}: {reason}", origins.broker);
            }
            if settings.store == StoreChoice::Auto {
                origins.store = format!("{}: {reason}", origins.store);
            }
        }
        origins
    }

    /// Returns the endpoints of the started servers, behind proxies where faults need them.
    async fn connect(&self, started: Started, provision: Provision<'_>) -> Result<Servers, Error> {
        let Started {
            broker,
            registry,
            client,
            store,
        } = started;
        let mut endpoints = Endpoints {
            broker: broker.endpoint(),
            registry: client,
            store: store.uri(),
        };
        let origins = self.origins(&provision.backends);
        let addresses = Addresses {
            broker: endpoints.broker.bootstrap.join(","),
            store: endpoints.store.redacted(),
            broker_origin: origins.broker,
            store_origin: origins.store,
        };
        addresses.announce(&provision.backends, self.announce);
        let kinds = [provision.backends.broker, provision.backends.store];
        let proxies = match &self.faults {
            Some(faults) => proxies::insert(faults, &mut endpoints, kinds, self.runtimes).await?,
            None => Vec::new(),
        };
        Ok(Servers {
            endpoints,
            addresses,
            broker_kind: provision.backends.broker,
            store_kind: provision.backends.store,
            durability: Durability {
                broker: broker.durability().to_owned(),
                store: store.durability().to_owned(),
            },
            broker,
            registry,
            store,
            _proxies: proxies,
            data: provision.data,
        })
    }
}

/// Servers that have started.
struct Started {
    broker: Broker,
    /// The embedded registry, if there is one.
    registry: Option<RegistryServer>,
    /// Client of the registry, if messages need one.
    client: Option<Client>,
    store: Store,
}

impl Provision<'_> {
    async fn start(&self) -> Result<Started, Error> {
        // A broker in a container brings its registry.
        let broker_and_registry = async {
            let broker = self.broker().await?;
            let (registry, client) = self.registry(&broker).await?;
            Ok::<_, Error>((broker, registry, client))
        };
        let ((broker, registry, client), store) =
            tokio::try_join!(broker_and_registry, self.store())?;
        Ok(Started {
            broker,
            registry,
            client,
            store,
        })
    }

    async fn broker(&self) -> Result<Broker, Error> {
        let settings = self.launch.settings;
        if let BrokerChoice::External(external) = &settings.broker {
            return Ok(Broker::External(external_endpoint(external)?));
        }
        if let Some(common) = self.container(self.backends.broker, &settings.redpanda_image) {
            let broker = Redpanda::start(&common).await.map_err(Error::Container)?;
            return Ok(Broker::Container(Box::new(broker)));
        }
        let mut embedded = kafka::Settings::default().with_listen(loopback(settings.broker_port));
        embedded.data_dir = self.data.as_ref().map(|data| data.of("broker"));
        if let Some(faults) = &self.launch.faults {
            embedded.faults = Some(Arc::clone(faults) as Arc<kafka::FaultPlan>);
            // The default limit of brokers: an oversized reading must be rejected.
            embedded.max_batch_bytes = KAFKA_BATCH_BYTES;
        }
        if let Some(watch) = self.launch.watch {
            if let Some(faults) = &self.launch.faults {
                watch.first_fetch.before(faults);
            }
            embedded.faults = Some(Arc::clone(&watch.first_fetch) as Arc<kafka::FaultPlan>);
        }
        let broker = start_broker(embedded, self.launch.runtimes).await?;
        Ok(Broker::Embedded(Box::new(broker)))
    }

    /// Returns a client of the registry, if messages need one: the registry that the user names,
    /// else the one in the broker's container, else an embedded one, which is returned too.
    async fn registry(
        &self,
        broker: &Broker,
    ) -> Result<(Option<RegistryServer>, Option<Client>), Error> {
        let settings = self.launch.settings;
        let encoded = settings.producer.encoding == Encoding::Confluent;
        // Other programs may expect a registry although they do not need one.
        let offered = self.launch.watch.is_some()
            && settings.registry.is_none()
            && matches!(broker, Broker::Embedded(_));
        if !encoded && !offered {
            return Ok((None, None));
        }
        if let Some(external) = &settings.registry {
            return Ok((None, Some(registry_client(external)?)));
        }
        if let Broker::Container(redpanda) = broker {
            let probe = async |url| anonymous_client(url)?.probe().await;
            let url = redpanda.registry(probe).await.map_err(Error::Container)?;
            return Ok((None, Some(anonymous_client(url)?)));
        }
        let mut embedded = registry_server::Settings::default();
        embedded.data_dir = self.data.as_ref().map(|data| data.of("registry"));
        let registry = start_registry(embedded, self.launch.runtimes).await?;
        let client = anonymous_client(registry.url())?;
        Ok((Some(registry), encoded.then_some(client)))
    }

    async fn store(&self) -> Result<Store, Error> {
        let settings = self.launch.settings;
        if let StoreChoice::External(uri) = &settings.store {
            return Ok(Store::External(uri.clone()));
        }
        if let Some(common) = self.container(self.backends.store, &settings.mongo_image) {
            let store = ReplicaSet::start(&common).await.map_err(Error::Container)?;
            return Ok(Store::Container(Box::new(store)));
        }
        let faults = self.launch.faults.as_ref();
        let mut embedded =
            mongodb_server::Settings::default().with_listen(loopback(settings.store_port));
        embedded.data_dir = self.data.as_ref().map(|data| data.of("store"));
        embedded.faults = faults.map(|faults| Arc::clone(faults) as Arc<mongodb_server::FaultPlan>);
        if let Some(watch) = self.launch.watch {
            let arrivals = Arc::clone(&watch.arrivals);
            embedded.observer = Some(arrivals as Arc<dyn mongodb_server::WriteObserver>);
        }
        let store = start_store(embedded, self.launch.runtimes).await?;
        Ok(Store::Embedded(Box::new(store)))
    }

    /// Returns the settings of a server's container, if it is to run in one, and says so.
    fn container(&self, kind: BackendKind, image: &str) -> Option<Common> {
        let engine = self.backends.engine.as_ref()?;
        if kind != BackendKind::Container {
            return None;
        }
        (self.launch.progress)(&format!("starting {image}"));
        Some(Common {
            image: image.to_owned(),
            run: self.launch.run_id.to_owned(),
            host: engine.host().to_owned(),
            deadline: self.launch.settings.start_timeout,
            keep: self.launch.settings.keep,
        })
    }
}

/// Returns a client of a registry without authentication.
fn anonymous_client(url: String) -> Result<Client, registry::Error> {
    registry_client(&ExternalRegistry {
        url: SecretUri::new(url),
        credentials: None,
    })
}

/// Removes the containers of a start that failed.
async fn remove_containers(engine: Option<&Engine>, run_id: &str) {
    if let Some(engine) = engine
        && let Err(error) = engine.remove_run(run_id).await
    {
        tracing::warn!(%error, "failed to remove the run's containers; `convoy clean` removes them");
    }
}
