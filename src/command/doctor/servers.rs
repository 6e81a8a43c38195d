//! The servers of the run: resolved as `simulate` does, then started or connected to.

use convoy_kafka_server as kafka;
use convoy_mongodb_server as mongodb_server;
use convoy_server_kit::SecretUri;

use crate::broker::Connector;
use crate::command::doctor::{Finding, engine};
use crate::containers::engine::DockerEnv;
use crate::error::Error;
use crate::faults::Plan;
use crate::host::backend::{self, Backends};
use crate::host::embedded::{DataPlace, loopback, start_broker, start_store};
use crate::host::external::{external_endpoint, registry_client};
use crate::host::fault_switch::FaultSwitch;
use crate::host::roles::{Role, Runtimes};
use crate::measure::RunClock;
use crate::pipeline;
use crate::report::BackendKind;
use crate::run_id::new_run_id;
use crate::settings::{
    BrokerChoice, Encoding, ExternalBroker, SimulateSettings, Sink, StoreChoice,
};
use crate::store::Connection;

/// Decides on the servers, then starts embedded ones and connects to existing ones.
pub(super) fn examine(
    settings: &SimulateSettings,
    topics: &[String],
    docker_env: &DockerEnv,
) -> Result<Vec<Finding>, Error> {
    if settings.sink == Sink::Null {
        return Ok(vec![Finding::ok(
            "servers",
            "none, because of `--sink null`",
        )]);
    }
    let runtimes = Runtimes::start(&[Role::Broker, Role::Store])?;
    Ok(runtimes.block_on(async {
        let backends = match backend::decide(settings, docker_env).await {
            Ok(backends) => backends,
            Err(error) => return vec![Finding::failed("engine", &error)],
        };
        let mut findings = engine::examine(settings, &backends, docker_env).await;
        if let Some(plan) = &settings.faults
            && let Err(error) = reach(plan, &backends)
        {
            findings.push(Finding::failed("faults", &error));
        }
        findings.extend(embedded(settings, &backends, &runtimes).await);
        let (broker, store) =
            tokio::join!(existing_broker(settings, topics), existing_store(settings));
        findings.extend(broker.into_iter().chain(store));
        findings
    }))
}

/// Checks that the planned faults can be injected into these servers.
fn reach(plan: &Plan, backends: &Backends) -> Result<(), Error> {
    FaultSwitch::new(vec![plan.clone()]).check_reach(backends.broker, backends.store)
}

/// Starts and stops the servers that the run would start in its own process.
async fn embedded(
    settings: &SimulateSettings,
    backends: &Backends,
    runtimes: &Runtimes,
) -> Vec<Finding> {
    let kinds = [backends.broker, backends.store];
    if !kinds.contains(&BackendKind::Embedded) {
        return Vec::new();
    }
    let clock = RunClock::start();
    let id = new_run_id(clock);
    // A directory that does not exist yet is not created by looking at it.
    let named = settings.data_dir.as_deref().filter(|path| path.exists());
    let data = match DataPlace::open(named, &id) {
        Ok(data) => data,
        Err(error) => return vec![Finding::failed("temporary data", &error)],
    };
    let mut findings = Vec::new();
    if kinds[0] == BackendKind::Embedded {
        let mut broker = kafka::Settings::default().with_listen(loopback(settings.broker_port));
        broker.data_dir = Some(data.of("broker"));
        findings.push(match start_broker(broker, runtimes).await {
            Ok(broker) => {
                let stopped = broker.stop().await.map_err(Error::from);
                stopped.map_or_else(
                    |error| Finding::failed("broker", &error),
                    |()| Finding::ok("broker", "embedded, starts"),
                )
            }
            Err(error) => Finding::failed("broker", &error),
        });
    }
    if kinds[1] == BackendKind::Embedded {
        let mut store =
            mongodb_server::Settings::default().with_listen(loopback(settings.store_port));
        store.data_dir = Some(data.of("store"));
        findings.push(match start_store(store, runtimes).await {
            Ok(store) => {
                let stopped = store.stop().await.map_err(Error::from);
                stopped.map_or_else(
                    |error| Finding::failed("store", &error),
                    |()| Finding::ok("store", "embedded, starts"),
                )
            }
            Err(error) => Finding::failed("store", &error),
        });
    }
    runtimes.starts_ended().await;
    findings
}

async fn existing_broker(settings: &SimulateSettings, topics: &[String]) -> Option<Finding> {
    let BrokerChoice::External(broker) = &settings.broker else {
        return None;
    };
    let seen = format!(
        "external {} ({}), connected",
        broker.bootstrap.join(","),
        settings.origins.broker
    );
    Some(match reach_broker(settings, topics, broker).await {
        Ok(()) => Finding::ok("broker", seen),
        Err(error) => Finding::failed("broker", &error),
    })
}

async fn reach_broker(
    settings: &SimulateSettings,
    topics: &[String],
    broker: &ExternalBroker,
) -> Result<(), Error> {
    let connector =
        Connector::new(external_endpoint(broker)?).with_request_timeout(settings.timeouts.request);
    let existing = connector.topics().await.map_err(pipeline::Error::Broker)?;
    if let (Encoding::Confluent, Some(registry)) = (settings.producer.encoding, &settings.registry)
    {
        registry_client(registry)?.probe().await?;
    }
    let creation = settings.creation;
    for topic in topics {
        let found = existing.get(topic).copied().unwrap_or_default();
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        if creation.partitions_required && found > 0 && found != creation.partitions {
            let wanted = creation.partitions;
            return Err(pipeline::Error::Partitions {
                topic: topic.clone(),
                found,
                wanted,
            }
            .into());
        }
    }
    Ok(())
}

async fn existing_store(settings: &SimulateSettings) -> Option<Finding> {
    let StoreChoice::External(uri) = &settings.store else {
        return None;
    };
    let seen = format!("external {uri} ({}), connected", settings.origins.store);
    Some(match reach_store(settings, uri).await {
        Ok(()) => Finding::ok("store", seen),
        Err(error) => Finding::failed("store", &error),
    })
}

/// Connects, and reads: a store that wants a user refuses that, but not a ping.
async fn reach_store(settings: &SimulateSettings, uri: &SecretUri) -> Result<(), Error> {
    let writer = &settings.writer;
    let connection = Connection::open(uri, &writer.database, 1)
        .await
        .map_err(pipeline::Error::Store)?
        .with_command_timeout(settings.timeouts.request);
    let documents = connection.documents(&writer.collection);
    documents
        .identities(&[], settings.timeouts.request)
        .await
        .map_err(pipeline::Error::Store)?;
    Ok(())
}
