//! Settings of `convoy produce` and `convoy consume`.

use crate::cli::args::{BrokerArgs, ConsumeArgs, ProduceArgs, TopicArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::Origins;
use crate::cli::resolve::load::load;
use crate::cli::resolve::servers::{BROKER_DEFAULT, external_broker, external_store};
use crate::settings::{
    ConsumeSettings, CreationSettings, Encoding, ExternalBroker, ProduceSettings,
};

pub(super) fn produce(
    args: ProduceArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ProduceSettings, Error> {
    let broker = broker(&args.broker, origins, environment)?;
    let registry = environment.registry()?;
    if args.producer.encoding == Encoding::Confluent && registry.is_none() {
        return Err(Error::MissingRegistry);
    }
    Ok(ProduceSettings {
        load: load(args.load),
        shard: args.part.shard.map(|shard| shard.0),
        run_id: args.part.run_id,
        request_timeout: args.timeouts.request_timeout,
        broker_timeout: args.timeouts.broker_timeout,
        topic: args.topic.topic,
        creation: creation(&args.topics, origins),
        linger: args.producer.linger,
        compression: args.producer.compression,
        encoding: args.producer.encoding,
        broker,
        registry,
        output: args.report.output,
        format: args.report.format,
    })
}

pub(super) fn consume(
    args: ConsumeArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ConsumeSettings, Error> {
    let broker = broker(&args.broker, origins, environment)?;
    let store = args.store.store.as_deref();
    let store = store.ok_or(Error::MissingEndpoint { option: "store" })?;
    let (beat, dead_after) = (args.group.beat, args.group.dead_after);
    if beat * 2 > dead_after {
        return Err(Error::DeadAfterTooShort { beat, dead_after });
    }
    Ok(ConsumeSettings {
        group: args.group.group,
        from: args.group.from,
        beat,
        dead_after,
        duration: args.length.duration,
        records: args.length.records,
        idle: args.length.idle,
        drain_timeout: args.store_timeouts.drain_timeout,
        request_timeout: args.timeouts.request_timeout,
        broker_timeout: args.timeouts.broker_timeout,
        store_timeout: args.store_timeouts.store_timeout,
        replay_dead_letters: args.pipeline.replay_dead_letters,
        topics: args.pipeline.topic,
        creation: creation(&args.topics, origins),
        batch_records: args.writer.batch_records,
        batch_wait: args.writer.batch_wait,
        database: args.writer.database,
        collection: args.writer.collection,
        broker,
        store: external_store(store, origins)?,
        registry: environment.registry()?,
        output: args.report.output,
        format: args.report.format,
    })
}

fn broker(
    args: &BrokerArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ExternalBroker, Error> {
    // A variable for `convoy simulate` may name a kind of broker instead of an address.
    let addresses = args.broker.as_deref();
    let addresses = addresses.filter(|it| !["embedded", "container"].contains(it));
    let addresses = addresses.ok_or(Error::MissingEndpoint { option: "broker" })?;
    external_broker(&args.security, addresses, origins, environment)
}

fn creation(args: &TopicArgs, origins: &Origins) -> CreationSettings {
    CreationSettings {
        partitions: args.partitions,
        partitions_required: origins.get("partitions").is_some(),
        replication_factor: args.replication_factor.unwrap_or(BROKER_DEFAULT),
    }
}
