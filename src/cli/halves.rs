//! Options of the commands that run one half of the pipeline, or join reports → settings.

use crate::cli::args::{ConnectionArgs, ConsumeArgs, MergeArgs, ProduceArgs, TopicArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::layers::{Layered, Origins};
use crate::cli::resolve::{BROKERS_DEFAULT, bootstrap, external_broker, external_store, load};
use crate::settings::{
    ConsumeSettings, CreationSettings, Encoding, ExternalBroker, MergeSettings, ProduceSettings,
};

/// Resolves the options of `convoy produce`.
pub(super) fn produce(
    layered: Layered<ProduceArgs>,
    environment: &Environment,
) -> Result<ProduceSettings, Error> {
    let Layered { args, origins } = layered;
    let addresses = args.broker.as_deref();
    let broker = broker(addresses, &args.connection, &origins, environment)?;
    let registry = environment.registry()?;
    if args.producer.encoding == Encoding::Confluent && registry.is_none() {
        return Err(Error::MissingRegistry);
    }
    Ok(ProduceSettings {
        load: load(args.fleet, &args.length),
        shard: args.shard.map(|shard| shard.0),
        run_id: args.run_id,
        request_timeout: args.patience.request_timeout,
        broker_timeout: args.patience.broker_timeout,
        topic: args.topic,
        creation: creation(&args.creation, &origins),
        linger: args.producer.linger,
        compression: args.producer.compression,
        encoding: args.producer.encoding,
        broker,
        registry,
        output: args.report.output,
        format: args.report.format,
    })
}

/// Resolves the options of `convoy consume`.
pub(super) fn consume(
    layered: Layered<ConsumeArgs>,
    environment: &Environment,
) -> Result<ConsumeSettings, Error> {
    let Layered { args, origins } = layered;
    let addresses = args.broker.as_deref();
    let broker = broker(addresses, &args.connection, &origins, environment)?;
    let store = args.store.as_deref();
    let store = store.ok_or(Error::MissingEndpoint { option: "store" })?;
    if args.beat * 2 > args.dead_after {
        return Err(Error::HastyBurial {
            beat: args.beat,
            dead_after: args.dead_after,
        });
    }
    Ok(ConsumeSettings {
        group: args.group,
        from: args.from,
        beat: args.beat,
        dead_after: args.dead_after,
        duration: args.duration,
        records: args.records,
        idle: args.idle,
        drain_timeout: args.drain_timeout,
        request_timeout: args.patience.request_timeout,
        broker_timeout: args.patience.broker_timeout,
        store_timeout: args.store_timeout,
        replay_dead_letters: args.replay_dead_letters,
        topics: args.topic,
        creation: creation(&args.creation, &origins),
        batch_records: args.writer.batch_records,
        batch_wait: args.writer.batch_wait,
        database: args.writer.database,
        collection: args.writer.collection,
        broker,
        store: external_store(&origins, store)?,
        registry: environment.registry()?,
        output: args.report.output,
        format: args.report.format,
    })
}

/// Resolves the options of `convoy report merge`; the store's address may be a variable, because
/// it may hold a password.
pub(super) fn merge(args: MergeArgs, environment: &Environment) -> Result<MergeSettings, Error> {
    let variable = environment.option("store").map(|(_name, uri)| uri);
    let uri = args.store.as_deref().or(variable);
    let origins = Origins::default();
    Ok(MergeSettings {
        reports: args.reports,
        store: uri.map(|uri| external_store(&origins, uri)).transpose()?,
        database: args.database,
        collection: args.collection,
        dataset: args.dataset,
        output: args.report.output,
        format: args.report.format,
    })
}

fn broker(
    addresses: Option<&str>,
    connection: &ConnectionArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ExternalBroker, Error> {
    // Words of `convoy simulate`, perhaps from a variable, name no address.
    let addresses = addresses.filter(|it| !["embedded", "container"].contains(it));
    let addresses = addresses.ok_or(Error::MissingEndpoint { option: "broker" })?;
    let bootstrap = bootstrap(origins, addresses)?;
    external_broker(connection, bootstrap, environment)
}

fn creation(args: &TopicArgs, origins: &Origins) -> CreationSettings {
    CreationSettings {
        partitions: args.partitions,
        partitions_required: origins.of("partitions").is_some(),
        replication_factor: args.replication_factor.unwrap_or(BROKERS_DEFAULT),
    }
}
