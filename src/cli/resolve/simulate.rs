//! Settings of `convoy simulate`.

use std::time::Duration;

use convoy_server_kit::redact_uri;

use crate::cli::args::SimulateArgs;
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::Origins;
use crate::cli::resolve::external::{check_faults, consumer, fitting};
use crate::cli::resolve::groups::{creation, report, writer};
use crate::cli::resolve::load::load;
use crate::cli::resolve::servers::{BROKER_DEFAULT, external_broker, external_store, invalid};
use crate::faults::{ChaosBounds, DataKind, Plan, Reach, Spec, SpecError};
use crate::fleet::Key;
use crate::settings::{
    Backend, BrokerChoice, Encoding, ServerOrigins, SimulateSettings, Sink, StoreChoice,
};

/// Time over which chaos spreads if the length of the emission is not known in advance.
const CHAOS: Duration = Duration::from_secs(5);

/// Default number of consumers.
const CONSUMERS: u32 = 2;

pub fn settings(
    args: SimulateArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<SimulateSettings, Error> {
    let broker = broker(&args, origins, environment)?;
    let store = store(&args, origins)?;
    let consumer = consumer(&args, origins)?;
    let consumers = consumers(&args)?;
    let addresses = match &broker {
        BrokerChoice::External(broker) => Some(broker.bootstrap.join(",")),
        _ => None,
    };
    let external = addresses.is_some();
    let registry = environment.registry(addresses.as_deref())?;
    if args.producer.encoding == Encoding::Confluent && registry.is_none() && external {
        return Err(Error::MissingRegistry);
    }
    let replication_factor = if external { BROKER_DEFAULT } else { 1 };
    let mut settings = SimulateSettings {
        load: load(args.load, args.read),
        timeouts: args.timeouts.into(),
        run_id: args.run.run_id,
        topic: args.pipeline.topic,
        creation: creation(&args.topics, origins, replication_factor),
        consumer,
        consumers,
        producer: args.producer.into(),
        writer: writer(args.writer, &args.store_timeouts),
        sink: args.pipeline.sink,
        backend: args.servers.backend,
        broker,
        broker_port: args.servers.broker_port.unwrap_or(0),
        store,
        store_port: args.servers.store_port.unwrap_or(0),
        redpanda_image: args.servers.redpanda_image,
        mongo_image: args.servers.mongo_image,
        start_timeout: args.servers.start_timeout,
        keep: args.servers.keep,
        data_dir: args.servers.data_dir,
        origins: ServerOrigins {
            broker: chosen_by(origins, ["broker", "broker-port", "backend", "data-dir"]),
            store: chosen_by(origins, ["store", "store-port", "backend", "data-dir"]),
        },
        registry,
        report: report(args.report, args.output.events, environment),
        max_end_to_end_p99: args.thresholds.max_end_to_end_p99,
        min_throughput: args.thresholds.min_throughput,
        max_dead_letters: args.thresholds.max_dead_letters,
        faults: None,
    };
    if !args.pipeline.faults.is_empty() {
        let text = args.pipeline.faults.join(",");
        let spec = text
            .parse()
            .map_err(|error: SpecError| invalid(origins, "faults", &text, &error.to_string()))?;
        settings.faults = Some(plan(spec, &settings)?);
    }
    Ok(settings)
}

/// Names the source of the first option that is set and decides the kind of a server.
fn chosen_by(origins: &Origins, options: [&str; 4]) -> String {
    let set = options.iter().find(|option| origins.get(option).is_some());
    set.map_or_else(|| "default".to_owned(), |option| origins.brief(option))
}

/// Draws a plan for `chaos`, and checks what does not depend on the servers.
fn plan(spec: Spec, settings: &SimulateSettings) -> Result<Plan, Error> {
    if settings.sink == Sink::Null {
        return Err(Error::FaultsWithoutPipeline);
    }
    let ordered = settings.load.key == Key::Vehicle;
    let plan = match spec {
        Spec::Plan(plan) => plan,
        Spec::Chaos => {
            let emission = settings.load.emission().unwrap_or(CHAOS);
            let bounds = ChaosBounds { emission, ordered };
            let plan = Plan::draw_chaos(settings.load.seed, &bounds);
            // What `auto` will find is not known yet; both kinds can have the faults of containers.
            let broker = match settings.broker {
                BrokerChoice::Embedded => Reach::Embedded,
                BrokerChoice::Auto | BrokerChoice::Container => Reach::Container,
                BrokerChoice::External(_) => Reach::External,
            };
            let store = match settings.store {
                StoreChoice::Embedded => Reach::Embedded,
                StoreChoice::Auto | StoreChoice::Container => Reach::Container,
                StoreChoice::External(_) => Reach::External,
            };
            fitting(plan.within(broker, store), &settings.consumer)
        }
    };
    check_faults(&plan, &settings.consumer)?;
    let disorder = |(kind, _): &(DataKind, _)| *kind == DataKind::OutOfOrder;
    if !ordered && plan.data.iter().any(disorder) {
        return Err(Error::NoOrder {
            key: settings.load.key,
        });
    }
    Ok(plan)
}

fn consumers(args: &SimulateArgs) -> Result<u32, Error> {
    let partitions = args.topics.partitions;
    match args.pipeline.consumers {
        Some(consumers) if consumers > partitions => Err(Error::IdleConsumers {
            consumers,
            partitions,
        }),
        Some(consumers) => Ok(consumers),
        None => Ok(CONSUMERS.min(partitions)),
    }
}

fn broker(
    args: &SimulateArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<BrokerChoice, Error> {
    let port = args.servers.broker_port;
    let addresses = args.servers.broker.join(",");
    let choice = match addresses.as_str() {
        "" => match args.servers.backend {
            Backend::Auto if needs_embedded(port, args) => BrokerChoice::Embedded,
            Backend::Auto => BrokerChoice::Auto,
            Backend::Embedded => BrokerChoice::Embedded,
            Backend::Containers => BrokerChoice::Container,
            Backend::External => return Err(Error::MissingAddress { option: "broker" }),
        },
        "embedded" => BrokerChoice::Embedded,
        "container" => BrokerChoice::Container,
        addresses => {
            check_backend("broker", addresses, args, origins)?;
            let broker = external_broker(&args.security, addresses, origins, environment)?;
            BrokerChoice::External(broker)
        }
    };
    if port.is_some() && choice != BrokerChoice::Embedded {
        return Err(Error::NotEmbedded {
            option: "broker-port",
            server: "broker",
            choice: choice.to_string(),
        });
    }
    Ok(choice)
}

fn store(args: &SimulateArgs, origins: &Origins) -> Result<StoreChoice, Error> {
    let port = args.servers.store_port;
    let choice = match args.servers.store.as_deref() {
        None => match args.servers.backend {
            Backend::Auto if needs_embedded(port, args) => StoreChoice::Embedded,
            Backend::Auto => StoreChoice::Auto,
            Backend::Embedded => StoreChoice::Embedded,
            Backend::Containers => StoreChoice::Container,
            Backend::External => return Err(Error::MissingAddress { option: "store" }),
        },
        Some("embedded") => StoreChoice::Embedded,
        Some("container") => StoreChoice::Container,
        Some(uri) => {
            check_backend("store", uri, args, origins)?;
            StoreChoice::External(external_store(uri, origins)?)
        }
    };
    if port.is_some() && choice != StoreChoice::Embedded {
        return Err(Error::NotEmbedded {
            option: "store-port",
            server: "store",
            choice: choice.to_string(),
        });
    }
    Ok(choice)
}

/// Returns whether an option is set that only embedded servers have.
fn needs_embedded(port: Option<u16>, args: &SimulateArgs) -> bool {
    port.is_some() || args.servers.data_dir.is_some()
}

/// Rejects an address beside a kind of servers that convoy starts, if one source sets both.
fn check_backend(
    option: &'static str,
    value: &str,
    args: &SimulateArgs,
    origins: &Origins,
) -> Result<(), Error> {
    let backend = args.servers.backend;
    let provisioned = matches!(backend, Backend::Embedded | Backend::Containers);
    let together = origins
        .get("backend")
        .zip(origins.get(option))
        .is_some_and(|(backend, address)| backend.same_source(address));
    if provisioned && together {
        return Err(Error::AddressWithBackend {
            option,
            value: redact_uri(value),
            backend: backend.to_string(),
        });
    }
    Ok(())
}
