//! The broker and the store of a run: started here, or somebody else's.

use std::time::Duration;

use super::embedded::{DataPlace, loopback, start_broker, start_registry, start_store};
use super::roles::Runtimes;
use super::settings::{BrokerChoice, Encoding, SimulateSettings, StoreChoice};
use crate::broker::embedded as embedded_broker;
use crate::broker::{Endpoint, Login, Tls};
use crate::error::Error;
use crate::net::SecretUri;
use crate::pipeline::{self, Endpoints};
use crate::registry::embedded as embedded_registry;
use crate::registry::{self, Client};
use crate::report::{BackendKind, Durability};
use crate::store::embedded as embedded_store;

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
    broker: Option<embedded_broker::Broker>,
    registry: Option<embedded_registry::Registry>,
    store: Option<embedded_store::Store>,
    /// Outlives the embedded servers, whose data it holds.
    _data: DataPlace,
}

impl Servers {
    /// Starts what is to be started.
    pub async fn start(
        settings: &SimulateSettings,
        run_id: &str,
        runtimes: &Runtimes,
    ) -> Result<Self, Error> {
        let data = DataPlace::open(settings.data_dir.as_deref(), run_id)?;
        let (broker, broker_kind, broker_durability, endpoint) =
            provide_broker(settings, &data, runtimes).await?;
        let (store, store_kind, store_durability, uri) =
            provide_store(settings, &data, runtimes).await?;
        let (registry, client) = provide_registry(settings, &data, runtimes).await?;
        Ok(Self {
            endpoints: Endpoints {
                broker: endpoint,
                registry: client,
                store: uri,
            },
            broker_kind,
            store_kind,
            durability: Durability {
                broker: broker_durability,
                store: store_durability,
            },
            broker,
            registry,
            store,
            _data: data,
        })
    }

    /// Stops what was started.
    pub async fn stop(self) -> Result<(), Error> {
        if let Some(broker) = self.broker {
            broker.stop().await?;
        }
        if let Some(registry) = self.registry
            && !registry.stop().await
        {
            tracing::warn!("connections of the schema registry did not end in time");
        }
        if let Some(store) = self.store {
            store.stop().await?;
        }
        Ok(())
    }
}

type StartedBroker = (
    Option<embedded_broker::Broker>,
    BackendKind,
    String,
    Endpoint,
);
type StartedStore = (
    Option<embedded_store::Store>,
    BackendKind,
    String,
    SecretUri,
);

async fn provide_broker(
    settings: &SimulateSettings,
    data: &DataPlace,
    runtimes: &Runtimes,
) -> Result<StartedBroker, Error> {
    if let BrokerChoice::External(external) = &settings.broker {
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
        let bootstrap = external.bootstrap.clone();
        let endpoint = Endpoint {
            bootstrap,
            tls,
            login,
        };
        let durability = "acks=all, as the cluster is configured".to_owned();
        return Ok((None, BackendKind::External, durability, endpoint));
    }
    let embedded = embedded_broker::Settings {
        listen: loopback(settings.broker_port),
        data_dir: Some(data.of("broker")),
        ..embedded_broker::Settings::default()
    };
    let broker = start_broker(embedded, runtimes).await?;
    let endpoint = Endpoint::plain(broker.address().to_string());
    let durability = "acks=all, in the page cache of this machine".to_owned();
    Ok((Some(broker), BackendKind::Embedded, durability, endpoint))
}

/// Returns a client of the registry that messages need, if they need one, and the registry itself
/// where the user names none.
async fn provide_registry(
    settings: &SimulateSettings,
    data: &DataPlace,
    runtimes: &Runtimes,
) -> Result<(Option<embedded_registry::Registry>, Option<Client>), Error> {
    if settings.encoding == Encoding::Json {
        return Ok((None, None));
    }
    let (registry, url, credentials) = if let Some(external) = &settings.registry {
        let credentials = external.credentials.as_ref().map(Into::into);
        (None, external.url.reveal().to_owned(), credentials)
    } else {
        let embedded = embedded_registry::Settings {
            data_dir: Some(data.of("registry")),
            ..embedded_registry::Settings::default()
        };
        let registry = start_registry(embedded, runtimes).await?;
        let url = format!("http://{}", registry.address());
        (Some(registry), url, None)
    };
    let client = Client::new(&registry::client::Settings {
        url,
        credentials,
        ca_pem: None,
        deadline: REGISTRY_DEADLINE,
    })?;
    Ok((registry, Some(client)))
}

async fn provide_store(
    settings: &SimulateSettings,
    data: &DataPlace,
    runtimes: &Runtimes,
) -> Result<StartedStore, Error> {
    let durability = "w: majority, j: true".to_owned();
    if let StoreChoice::External(uri) = &settings.store {
        return Ok((None, BackendKind::External, durability, uri.clone()));
    }
    let embedded = embedded_store::Settings {
        listen: loopback(settings.store_port),
        data_dir: Some(data.of("store")),
        ..embedded_store::Settings::default()
    };
    let store = start_store(embedded, runtimes).await?;
    let uri = SecretUri::new(format!("mongodb://{}", store.address()));
    let durability = format!("{durability}, journal synced to disk");
    Ok((Some(store), BackendKind::Embedded, durability, uri))
}
