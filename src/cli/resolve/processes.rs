//! Settings of `convoy produce` and `convoy consume`.

use std::time::Duration;

use crate::cli::args::{BrokerArgs, ConsumeArgs, ProduceArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::Origins;
use crate::cli::resolve::groups::{creation, report, writer};
use crate::cli::resolve::load::load;
use crate::cli::resolve::servers::{BROKER_DEFAULT, external_broker, external_store};
use crate::pipeline::{Length, Participation, Timing};
use crate::settings::{ConsumeSettings, Encoding, ExternalBroker, ProduceSettings, ServerOrigins};

/// Times `--session-timeout`: how long a live member may take to give up partitions, at most
/// [`MAX_REBALANCE_TIMEOUT`].
const REBALANCE_FACTOR: u32 = 5;

/// What Kafka's clients allow by default.
const MAX_REBALANCE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

pub(super) fn produce(
    args: ProduceArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ProduceSettings, Error> {
    let broker = broker(&args.broker, origins, environment)?;
    let registry = environment.registry(Some(&broker.bootstrap.join(",")))?;
    if args.producer.encoding == Encoding::Confluent && registry.is_none() {
        return Err(Error::MissingRegistry);
    }
    Ok(ProduceSettings {
        load: load(args.load, args.read),
        shard: args.part.shard.map(|shard| shard.0),
        run_id: args.part.run_id,
        timeouts: args.timeouts.into(),
        topic: args.topic.topic,
        creation: creation(&args.topics, origins, BROKER_DEFAULT),
        producer: args.producer.into(),
        broker,
        origins: ServerOrigins {
            broker: origins.brief("broker"),
            store: String::new(),
        },
        registry,
        report: report(args.report, args.output.events, environment),
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
    let registry = environment.registry(Some(&broker.bootstrap.join(",")))?;
    Ok(ConsumeSettings {
        participation: participation(&args)?,
        group: args.group.group,
        timeouts: args.timeouts.into(),
        topics: distinct(args.pipeline.topic),
        creation: creation(&args.topics, origins, BROKER_DEFAULT),
        writer: writer(args.writer, &args.store_timeouts),
        extended_json: args.records.extended_json,
        on_error: args.records.on_error,
        max_dead_letters: args.records.max_dead_letters,
        broker,
        store: external_store(store, origins)?,
        origins: ServerOrigins {
            broker: origins.brief("broker"),
            store: origins.brief("store"),
        },
        registry,
        report: report(args.report, args.output.events, environment),
    })
}

/// Returns each topic once: a topic that is named twice is read once.
fn distinct(topics: Vec<String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for topic in topics {
        if !distinct.contains(&topic) {
            distinct.push(topic);
        }
    }
    distinct
}

fn participation(args: &ConsumeArgs) -> Result<Participation, Error> {
    let (heartbeat, session_timeout) = (args.group.heartbeat_interval, args.group.session_timeout);
    if heartbeat.saturating_mul(2) > session_timeout {
        return Err(Error::SessionTimeoutTooShort {
            heartbeat,
            session_timeout,
        });
    }
    Ok(Participation {
        start: args.group.from,
        isolation: args.records.isolation,
        timing: Timing {
            heartbeat,
            session_timeout,
            rebalance_timeout: session_timeout
                .saturating_mul(REBALANCE_FACTOR)
                .min(MAX_REBALANCE_TIMEOUT),
        },
        instance: args.group.instance.clone(),
        length: Length {
            duration: args.length.duration,
            records: args.length.records,
            idle: args.length.idle,
        },
        replay_dead_letters: args.pipeline.replay_dead_letters,
    })
}

fn broker(
    args: &BrokerArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<ExternalBroker, Error> {
    // A variable for `convoy simulate` may name a kind of broker instead of an address.
    let addresses = args.broker.join(",");
    if ["", "embedded", "container"].contains(&addresses.as_str()) {
        return Err(Error::MissingEndpoint { option: "broker" });
    }
    external_broker(&args.security, &addresses, origins, environment)
}
