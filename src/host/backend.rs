//! Which kind of broker and of store a run gets: what was asked for, or what this machine has.

use std::error::Error as StdError;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use crate::containers::engine::{self, Engine, Surroundings};
use crate::error::Error;
use crate::host::sweep;
use crate::report::BackendKind;
use crate::settings::{BrokerChoice, SimulateSettings, Sink, StoreChoice};

/// How long a registry may take to say that it has an image that was asked for by name.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same where embedded servers can take the containers' place.
const LITTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Where testcontainers looks for an engine unless `DOCKER_HOST` says otherwise.
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

/// The kinds of both ends, and the engine if one of them is a container.
#[derive(Debug)]
pub struct Backends {
    /// Kind of the broker.
    pub broker: BackendKind,
    /// Kind of the store.
    pub store: BackendKind,
    /// The engine that has the images.
    pub engine: Option<Engine>,
}

/// What was asked for one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// That and nothing else.
    Kind(BackendKind),
    /// A container if that can be had, else an embedded server.
    Auto,
}

impl Wish {
    fn needs_engine(self) -> bool {
        matches!(self, Self::Auto | Self::Kind(BackendKind::Container))
    }

    fn insists(self) -> bool {
        self == Self::Kind(BackendKind::Container)
    }

    fn settle(self, otherwise: BackendKind) -> BackendKind {
        match self {
            Self::Kind(kind) => kind,
            Self::Auto => otherwise,
        }
    }
}

/// Decides the kinds, fetching images where it takes that; `tell` gets a line for the user.
pub async fn settle(
    settings: &SimulateSettings,
    surroundings: &Surroundings,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<Backends, Error> {
    let (broker, store) = wishes(settings);
    let settled = |otherwise, engine| Backends {
        broker: broker.settle(otherwise),
        store: store.settle(otherwise),
        engine,
    };
    let mut images = Vec::new();
    if broker.needs_engine() {
        images.push(settings.redpanda_image.as_str());
    }
    if store.needs_engine() {
        images.push(settings.mongo_image.as_str());
    }
    if images.is_empty() {
        return Ok(settled(BackendKind::Embedded, None));
    }
    let insists = broker.insists() || store.insists();
    let patience = if insists { PATIENCE } else { LITTLE_PATIENCE };
    match prepare(surroundings, &images, patience, tell).await {
        Ok(engine) => Ok(settled(BackendKind::Container, Some(engine))),
        Err(error) if insists => Err(error.into()),
        Err(error) => {
            tell(&format!("using embedded servers: {}", chain(&error)));
            Ok(settled(BackendKind::Embedded, None))
        }
    }
}

/// Starts the program anew with `DOCKER_HOST` set, if containers are wished for and the engine is
/// at another place than testcontainers looks. Returns in every other case.
///
/// testcontainers reads the process's own environment, which a program in Rust can only change
/// before it begins.
pub fn adopt_engine(settings: &SimulateSettings, surroundings: &Surroundings) {
    let (broker, store) = wishes(settings);
    let wished = broker.needs_engine() || store.needs_engine();
    if !wished || settings.sink == Sink::Null || surroundings.docker_host.is_some() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let Ok(engine) = runtime.block_on(Engine::find(surroundings)) else {
        return;
    };
    let address = &engine.candidate().address;
    if address == DEFAULT_ADDRESS {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = Command::new(program)
            .args(std::env::args_os().skip(1))
            .env("DOCKER_HOST", address)
            .exec();
        tracing::warn!(%error, "cannot start anew with `DOCKER_HOST` set");
    }
}

fn wishes(settings: &SimulateSettings) -> (Wish, Wish) {
    let broker = match settings.broker {
        BrokerChoice::Auto => Wish::Auto,
        BrokerChoice::Embedded => Wish::Kind(BackendKind::Embedded),
        BrokerChoice::Container => Wish::Kind(BackendKind::Container),
        BrokerChoice::External(_) => Wish::Kind(BackendKind::External),
    };
    let store = match settings.store {
        StoreChoice::Auto => Wish::Auto,
        StoreChoice::Embedded => Wish::Kind(BackendKind::Embedded),
        StoreChoice::Container => Wish::Kind(BackendKind::Container),
        StoreChoice::External(_) => Wish::Kind(BackendKind::External),
    };
    (broker, store)
}

/// Finds an engine, frees it of what killed runs left, and sees that it has the images.
async fn prepare(
    surroundings: &Surroundings,
    images: &[&str],
    patience: Duration,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<Engine, engine::Error> {
    let engine = Engine::find(surroundings).await?;
    if let Err(error) = sweep::sweep_own_containers(&engine).await {
        tracing::warn!(%error, "cannot remove what killed runs left");
    }
    for image in images {
        if !engine.has_image(image).await? {
            pull(&engine, image, patience, tell).await?;
        }
    }
    Ok(engine)
}

async fn pull(
    engine: &Engine,
    image: &str,
    patience: Duration,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), engine::Error> {
    tell(&format!("pulling {image}"));
    let mut told = 0;
    let progress = |pulled: engine::pull::Pulled| {
        let percent = pulled.current * 100 / pulled.total.max(1);
        if percent >= told + 10 {
            told = percent;
            tell(&format!("pulling {image}: {percent} %"));
        }
    };
    engine.pull(image, patience, progress).await
}

/// Returns an error and its causes in one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
