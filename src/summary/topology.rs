//! Topology section of each command's report.

use convoy_server_kit::SecretUri;

use crate::fleet::Key;
use crate::pipeline::Context;
use crate::report::{BackendKind, Topology};
use crate::settings::{
    BrokerChoice, ConsumeSettings, ProduceSettings, SimulateSettings, StoreChoice,
};

/// Returns the topology of `convoy simulate`, with the kinds of servers that it used.
pub(super) fn simulate(
    context: &Context,
    settings: &SimulateSettings,
    broker: BackendKind,
    store: BackendKind,
) -> Topology {
    let mut encrypted = Vec::new();
    if let (BackendKind::External, BrokerChoice::External(broker)) = (broker, &settings.broker) {
        encrypted.push(broker.security_protocol.encrypts());
    }
    if let (BackendKind::External, StoreChoice::External(uri)) = (store, &settings.store) {
        encrypted.push(uses_tls(uri));
    }
    Topology {
        broker,
        store,
        consumers: settings.consumers,
        database: settings.writer.database.clone(),
        collection: settings.writer.collection.clone(),
        key: settings.load.key.to_string(),
        tls: all_encrypted(&encrypted),
        ..topics(context)
    }
}

/// Returns the topology of `convoy produce`.
pub(super) fn produce(context: &Context, settings: &ProduceSettings) -> Topology {
    Topology {
        broker_address: Some(settings.broker.bootstrap.join(",")),
        broker_origin: Some(settings.origins.broker.clone()),
        key: settings.load.key.to_string(),
        tls: settings.broker.security_protocol.encrypts(),
        ..topics(context)
    }
}

/// Returns the topology of `convoy consume`.
pub(super) fn consume(context: &Context, settings: &ConsumeSettings) -> Topology {
    let broker = settings.broker.security_protocol.encrypts();
    Topology {
        store: BackendKind::External,
        broker_address: Some(settings.broker.bootstrap.join(",")),
        broker_origin: Some(settings.origins.broker.clone()),
        store_address: Some(settings.store.redacted()),
        store_origin: Some(settings.origins.store.clone()),
        consumers: 1,
        database: settings.writer.database.clone(),
        collection: settings.writer.collection.clone(),
        tls: all_encrypted(&[broker, uses_tls(&settings.store)]),
        ..topics(context)
    }
}

/// Returns the topology of a process that has an existing broker and no store.
fn topics(context: &Context) -> Topology {
    let topics = &context.settings.topics;
    let partitions = (0..topics.len()).map(|topic| context.partitions_of(topic));
    Topology {
        broker: BackendKind::External,
        store: BackendKind::None,
        broker_address: None,
        broker_origin: None,
        store_address: None,
        store_origin: None,
        topics: topics.clone(),
        partitions: partitions.max().unwrap_or_default(),
        consumers: 0,
        database: String::new(),
        collection: String::new(),
        key: Key::None.to_string(),
        tls: false,
    }
}

/// Returns whether there is a connection to an existing server, and TLS on all of them.
fn all_encrypted(connections: &[bool]) -> bool {
    !connections.is_empty() && connections.iter().all(|encrypted| *encrypted)
}

/// Returns whether the driver uses TLS for a MongoDB connection string: by option, or by default
/// with `mongodb+srv`.
fn uses_tls(uri: &SecretUri) -> bool {
    let uri = uri.reveal();
    let options = uri.split_once('?').map_or("", |(_, options)| options);
    let mut options = options
        .split('&')
        .filter_map(|option| option.split_once('='));
    let tls =
        options.rfind(|(name, _)| ["tls", "ssl"].contains(&name.to_ascii_lowercase().as_str()));
    match tls {
        Some((_, value)) => value == "true",
        None => uri.starts_with("mongodb+srv://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_string_decides_whether_the_store_connection_uses_tls() {
        let encrypted = [
            ("mongodb://localhost:27017", false),
            ("mongodb://localhost/?tls=true&tlsCAFile=ca.pem", true),
            ("mongodb://localhost/?retryWrites=false&ssl=true", true),
            ("mongodb://localhost/?tls=false", false),
            ("mongodb+srv://cluster.example.net", true),
            ("mongodb+srv://cluster.example.net/?tls=false", false),
        ];
        for (uri, expected) in encrypted {
            assert_eq!(uses_tls(&SecretUri::new(uri.to_owned())), expected, "{uri}");
        }
    }

    #[test]
    fn one_plain_connection_makes_a_topology_unencrypted() {
        assert!(all_encrypted(&[true, true]));
        assert!(!all_encrypted(&[true, false]));
        assert!(!all_encrypted(&[]));
    }
}
