//! Options of `convoy simulate` → settings: addresses, defaults that depend on other options, and
//! cross-checks.

use std::time::Duration;

use convoy_server_kit::SecretUri;
use convoy_server_kit::secret::redact_uri;

use crate::broker::SecurityProtocol;
use crate::cli::args::{ConnectionArgs, FleetArgs, LengthArgs, RecordsArg, SimulateArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::layers::{Layered, Origin, Origins};
use crate::faults::{ChaosBounds, DataKind, Plan, Reach, Spec};
use crate::fleet::Key;
use crate::load::Bound;
use crate::settings::{
    Backend, BrokerChoice, Encoding, ExternalBroker, LoadSettings, SimulateSettings, Sink,
    StoreChoice,
};

/// Load before measuring a duration, so that connections, caches and batches are as they will be.
const WARMUP: Duration = Duration::from_secs(2);

/// Replicas of a topic as the broker is configured.
pub(super) const BROKERS_DEFAULT: i16 = -1;

/// Time that chaos spreads over where nobody knows how long readings will be emitted.
const CHAOS: Duration = Duration::from_secs(5);

/// Consumers where the user names no number.
const CONSUMERS: u32 = 2;

/// Resolves the options of `convoy simulate`.
pub(super) fn simulate(
    layered: Layered<SimulateArgs>,
    environment: &Environment,
) -> Result<SimulateSettings, Error> {
    let broker = broker(&layered, environment)?;
    let store = store(&layered)?;
    let registry = environment.registry()?;
    let consumers = consumers(&layered.args)?;
    let partitions_required = layered.origins.of("partitions").is_some();
    let args = layered.args;
    let strangers_read = matches!(broker, BrokerChoice::External(_));
    if args.producer.encoding == Encoding::Confluent && registry.is_none() && strangers_read {
        return Err(Error::MissingRegistry);
    }
    let replication_factor = args.creation.replication_factor.unwrap_or(match broker {
        BrokerChoice::External(_) => BROKERS_DEFAULT,
        _ => 1,
    });
    let faults = args.faults;
    let mut settings = SimulateSettings {
        load: load(args.fleet, &args.length),
        drain_timeout: args.drain_timeout,
        request_timeout: args.patience.request_timeout,
        broker_timeout: args.patience.broker_timeout,
        store_timeout: args.store_timeout,
        topic: args.topic,
        partitions: args.creation.partitions,
        partitions_required,
        replication_factor,
        consumers,
        linger: args.producer.linger,
        compression: args.producer.compression,
        encoding: args.producer.encoding,
        batch_records: args.writer.batch_records,
        batch_wait: args.writer.batch_wait,
        database: args.writer.database,
        collection: args.writer.collection,
        sink: args.sink,
        backend: args.backend,
        broker,
        broker_port: args.broker_port.unwrap_or(0),
        store,
        store_port: args.store_port.unwrap_or(0),
        redpanda_image: args.redpanda_image,
        mongo_image: args.mongo_image,
        start_timeout: args.start_timeout,
        keep: args.keep,
        data_dir: args.data_dir,
        registry,
        output: args.report.output,
        format: args.report.format,
        max_end_to_end_p99: args.max_end_to_end_p99,
        min_throughput: args.min_throughput,
        max_dead_letters: args.max_dead_letters,
        faults: None,
    };
    if let Some(spec) = faults {
        settings.faults = Some(plan(spec, &settings)?);
    }
    Ok(settings)
}

/// Draws a plan where one is to be drawn, and checks what does not depend on the servers.
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
            // What `auto` will find is not known yet: both kinds can have what containers can.
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
            plan.within(broker, store)
        }
    };
    let disorder = |(kind, _): &(DataKind, _)| *kind == DataKind::OutOfOrder;
    if !ordered && plan.data.iter().any(disorder) {
        return Err(Error::NoOrder {
            key: settings.load.key,
        });
    }
    Ok(plan)
}

/// Resolves what a fleet emits and for how long.
pub(super) fn load(fleet: FleetArgs, length: &LengthArgs) -> LoadSettings {
    let bound = match length.records {
        Some(RecordsArg::Number(records)) => Bound::Records(records),
        Some(RecordsArg::All) => Bound::Rows,
        None => Bound::Duration(length.duration),
    };
    let warmup = match bound {
        Bound::Duration(_) => WARMUP,
        Bound::Records(_) | Bound::Rows => Duration::ZERO,
    };
    LoadSettings {
        vehicles: fleet.vehicles,
        rate: fleet.rate,
        total_rate: fleet.total_rate,
        arrival: fleet.arrival,
        key: fleet.key,
        dataset: fleet.dataset,
        seed: fleet.seed,
        bound,
        warmup: length.warmup.unwrap_or(warmup),
    }
}

fn consumers(args: &SimulateArgs) -> Result<u32, Error> {
    match args.consumers {
        Some(consumers) if consumers > args.creation.partitions => Err(Error::IdleConsumers {
            consumers,
            partitions: args.creation.partitions,
        }),
        Some(consumers) => Ok(consumers),
        None => Ok(CONSUMERS.min(args.creation.partitions)),
    }
}

fn broker(
    layered: &Layered<SimulateArgs>,
    environment: &Environment,
) -> Result<BrokerChoice, Error> {
    let args = &layered.args;
    let embedded_only = embedded_only(args.broker_port.map(|_| "broker-port"), args);
    let choice = match args.broker.as_deref() {
        None => match args.backend {
            Backend::Auto if embedded_only.is_some() => BrokerChoice::Embedded,
            Backend::Auto => BrokerChoice::Auto,
            Backend::Embedded => BrokerChoice::Embedded,
            Backend::Containers => BrokerChoice::Container,
            Backend::External => return Err(Error::MissingAddress { option: "broker" }),
        },
        Some("embedded") => BrokerChoice::Embedded,
        Some("container") => BrokerChoice::Container,
        Some(addresses) => {
            contradiction(layered, "broker", addresses)?;
            let bootstrap = bootstrap(&layered.origins, addresses)?;
            BrokerChoice::External(external_broker(&args.connection, bootstrap, environment)?)
        }
    };
    match embedded_only {
        Some("broker-port") if choice != BrokerChoice::Embedded => Err(Error::NotEmbedded {
            option: "broker-port",
            server: "broker",
            choice: choice.to_string(),
        }),
        _ => Ok(choice),
    }
}

/// Resolves an existing broker from its addresses.
pub(super) fn external_broker(
    args: &ConnectionArgs,
    bootstrap: Vec<String>,
    environment: &Environment,
) -> Result<ExternalBroker, Error> {
    let credentials = environment.broker_credentials()?;
    let security_protocol = args.security_protocol.unwrap_or(match &credentials {
        Some(_) => SecurityProtocol::SaslSsl,
        None => SecurityProtocol::Plaintext,
    });
    if security_protocol.authenticates() && credentials.is_none() {
        return Err(Error::MissingCredentials { security_protocol });
    }
    Ok(ExternalBroker {
        bootstrap,
        credentials: credentials.filter(|_| security_protocol.authenticates()),
        security_protocol,
        sasl_mechanism: args.sasl_mechanism,
        ca_file: args.ca_file.clone(),
    })
}

fn store(layered: &Layered<SimulateArgs>) -> Result<StoreChoice, Error> {
    let args = &layered.args;
    let embedded_only = embedded_only(args.store_port.map(|_| "store-port"), args);
    let choice = match args.store.as_deref() {
        None => match args.backend {
            Backend::Auto if embedded_only.is_some() => StoreChoice::Embedded,
            Backend::Auto => StoreChoice::Auto,
            Backend::Embedded => StoreChoice::Embedded,
            Backend::Containers => StoreChoice::Container,
            Backend::External => return Err(Error::MissingAddress { option: "store" }),
        },
        Some("embedded") => StoreChoice::Embedded,
        Some("container") => StoreChoice::Container,
        Some(uri) => {
            contradiction(layered, "store", uri)?;
            StoreChoice::External(external_store(&layered.origins, uri)?)
        }
    };
    match embedded_only {
        Some("store-port") if choice != StoreChoice::Embedded => Err(Error::NotEmbedded {
            option: "store-port",
            server: "store",
            choice: choice.to_string(),
        }),
        _ => Ok(choice),
    }
}

/// Resolves an existing store from its address.
pub(super) fn external_store(origins: &Origins, uri: &str) -> Result<SecretUri, Error> {
    if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") {
        return Ok(SecretUri::new(uri));
    }
    Err(invalid(
        origins,
        "store",
        uri,
        "expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`",
    ))
}

/// The option, if any, that only an embedded server can obey.
fn embedded_only(port: Option<&'static str>, args: &SimulateArgs) -> Option<&'static str> {
    port.or(args.data_dir.as_ref().map(|_| "data-dir"))
}

/// An address beside a kind of server that convoy starts itself, both from the same source.
fn contradiction(
    layered: &Layered<SimulateArgs>,
    option: &'static str,
    value: &str,
) -> Result<(), Error> {
    let backend = layered.args.backend;
    let provisioned = matches!(backend, Backend::Embedded | Backend::Containers);
    let together = layered
        .origins
        .of("backend")
        .zip(layered.origins.of(option))
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

/// Resolves the addresses of a broker.
pub(super) fn bootstrap(origins: &Origins, addresses: &str) -> Result<Vec<String>, Error> {
    addresses
        .split(',')
        .map(|address| {
            let address = address.trim();
            let well_formed = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            if well_formed && !address.contains("://") {
                Ok(address.to_owned())
            } else {
                Err(invalid(
                    origins,
                    "broker",
                    addresses,
                    "expected `embedded`, `container` or HOST:PORT, several with commas between",
                ))
            }
        })
        .collect()
}

fn invalid(origins: &Origins, option: &str, value: &str, reason: &str) -> Error {
    Error::Value {
        option: option.to_owned(),
        value: redact_uri(value),
        origin: origins.of(option).cloned().unwrap_or(Origin::Flag),
        reason: reason.to_owned(),
    }
}
