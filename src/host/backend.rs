//! Decides the kinds of the broker and the store: as requested, or as this machine allows.

use std::time::Duration;

use crate::cause::chain;
use crate::containers::engine::{self, DockerEnv, Engine};
use crate::error::Error;
use crate::host::sweep;
use crate::report::BackendKind;
use crate::settings::{BrokerChoice, SimulateSettings, Sink, StoreChoice};

/// Timeout for an image registry to start sending an image that the user requires.
const PULL_TIMEOUT: Duration = Duration::from_secs(30);

/// The same if embedded servers can be used instead.
const SHORT_PULL_TIMEOUT: Duration = Duration::from_secs(5);

/// Address that testcontainers uses unless `DOCKER_HOST` is set.
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

/// Prints a line of progress.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Kinds of the broker and the store, and the engine if one of them runs in a container.
#[derive(Debug)]
pub struct Backends {
    /// Kind of the broker.
    pub broker: BackendKind,
    /// Kind of the store.
    pub store: BackendKind,
    /// Engine that has the images.
    pub engine: Option<Engine>,
}

/// Kind requested for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requested {
    /// Exactly this kind.
    Kind(BackendKind),
    /// A container if possible, else an embedded server.
    Auto,
}

impl Requested {
    fn needs_engine(self) -> bool {
        matches!(self, Self::Auto | Self::Kind(BackendKind::Container))
    }

    fn requires_container(self) -> bool {
        self == Self::Kind(BackendKind::Container)
    }

    fn or_auto(self, auto: BackendKind) -> BackendKind {
        match self {
            Self::Kind(kind) => kind,
            Self::Auto => auto,
        }
    }
}

/// Decides the kinds, and pulls images for containers if they are missing.
pub async fn settle(
    settings: &SimulateSettings,
    docker_env: &DockerEnv,
    progress: Progress<'_>,
) -> Result<Backends, Error> {
    let (broker, store) = requested(settings);
    let backends = |auto, engine| Backends {
        broker: broker.or_auto(auto),
        store: store.or_auto(auto),
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
        return Ok(backends(BackendKind::Embedded, None));
    }
    let required = broker.requires_container() || store.requires_container();
    let timeout = if required {
        PULL_TIMEOUT
    } else {
        SHORT_PULL_TIMEOUT
    };
    match prepare(docker_env, &images, timeout, progress).await {
        Ok(engine) => Ok(backends(BackendKind::Container, Some(engine))),
        Err(error) if required => Err(error.into()),
        Err(error) => {
            progress(&format!("using embedded servers: {}", chain(&error)));
            Ok(backends(BackendKind::Embedded, None))
        }
    }
}

/// Returns the address that `DOCKER_HOST` must have for testcontainers, if a run may use containers
/// and the engine is not where testcontainers looks for it.
///
/// testcontainers has no other setting for it than the environment of the process.
pub fn engine_address(settings: &SimulateSettings, docker_env: &DockerEnv) -> Option<String> {
    let (broker, store) = requested(settings);
    let needed = broker.needs_engine() || store.needs_engine();
    if !needed || settings.sink == Sink::Null || docker_env.docker_host.is_some() {
        return None;
    }
    // Dropping the runtime ends its threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let engine = runtime.block_on(Engine::find(docker_env)).ok()?;
    let address = &engine.candidate().address;
    (address != DEFAULT_ADDRESS).then(|| address.clone())
}

fn requested(settings: &SimulateSettings) -> (Requested, Requested) {
    let broker = match settings.broker {
        BrokerChoice::Auto => Requested::Auto,
        BrokerChoice::Embedded => Requested::Kind(BackendKind::Embedded),
        BrokerChoice::Container => Requested::Kind(BackendKind::Container),
        BrokerChoice::External(_) => Requested::Kind(BackendKind::External),
    };
    let store = match settings.store {
        StoreChoice::Auto => Requested::Auto,
        StoreChoice::Embedded => Requested::Kind(BackendKind::Embedded),
        StoreChoice::Container => Requested::Kind(BackendKind::Container),
        StoreChoice::External(_) => Requested::Kind(BackendKind::External),
    };
    (broker, store)
}

/// Finds an engine, removes containers of killed runs, and pulls missing images.
async fn prepare(
    docker_env: &DockerEnv,
    images: &[&str],
    timeout: Duration,
    progress: Progress<'_>,
) -> Result<Engine, engine::Error> {
    let engine = Engine::find(docker_env).await?;
    if let Err(error) = sweep::sweep_own_containers(&engine).await {
        tracing::warn!(%error, "failed to remove containers of killed runs");
    }
    for image in images {
        if !engine.has_image(image).await? {
            pull(&engine, image, timeout, progress).await?;
        }
    }
    Ok(engine)
}

async fn pull(
    engine: &Engine,
    image: &str,
    timeout: Duration,
    progress: Progress<'_>,
) -> Result<(), engine::Error> {
    progress(&format!("pulling {image}"));
    let mut shown = 0;
    let on_progress = |pulled: engine::Pulled| {
        let percent = pulled.current * 100 / pulled.total.max(1);
        if percent >= shown + 10 {
            shown = percent;
            progress(&format!("pulling {image}: {percent} %"));
        }
    };
    engine.pull(image, timeout, on_progress).await
}
