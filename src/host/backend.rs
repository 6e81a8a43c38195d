//! Decides the kinds of the broker and the store: as requested, or as this machine allows.

use std::net::IpAddr;
use std::time::Duration;

use crate::cause::chain;
use crate::containers::engine::{self, DockerEnv, Engine};
use crate::error::Error;
use crate::host::sweep;
use crate::report::BackendKind;
use crate::settings::{BrokerChoice, SimulateSettings, Sink, StoreChoice};

/// Timeout for an image registry to start sending an image that the user requires.
const PULL_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// Engine that has the images, or pulls them.
    pub engine: Option<Engine>,
    /// Images that the run pulls.
    pub missing: Vec<String>,
    /// Why `auto` chose embedded servers.
    pub reason: Option<String>,
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

/// Removes containers of killed runs, and pulls missing images.
pub async fn settle(backends: &Backends, progress: Progress<'_>) -> Result<(), Error> {
    if let Some(engine) = &backends.engine {
        if let Err(error) = sweep::sweep_own_containers(engine).await {
            tracing::warn!(%error, "failed to remove containers of killed runs");
        }
        for image in &backends.missing {
            pull(engine, image, progress).await?;
        }
    }
    Ok(())
}

/// Decides the kinds, and changes nothing on this machine.
///
/// `auto` uses containers only if the engine runs on this machine and has every image.
pub async fn decide(
    settings: &SimulateSettings,
    docker_env: &DockerEnv,
) -> Result<Backends, Error> {
    let (broker, store) = requested(settings);
    let backends = |auto, engine| Backends {
        broker: broker.or_auto(auto),
        store: store.or_auto(auto),
        engine,
        missing: Vec::new(),
        reason: None,
    };
    let images = [
        (broker, settings.redpanda_image.as_str()),
        (store, settings.mongo_image.as_str()),
    ];
    if !broker.needs_engine() && !store.needs_engine() {
        return Ok(backends(BackendKind::Embedded, None));
    }
    let required = broker.requires_container() || store.requires_container();
    let engine = match Engine::find(docker_env).await {
        Ok(engine) => engine,
        Err(error) if required => return Err(error.into()),
        Err(error) => {
            let embedded = backends(BackendKind::Embedded, None);
            let reason = Some(chain(&error));
            return Ok(Backends { reason, ..embedded });
        }
    };
    let (mut missing, mut reason) = (Vec::new(), None);
    if !is_here(engine.host()) {
        reason = Some(format!(
            "the container engine at `{}` is not on this machine",
            engine.candidate().address
        ));
    }
    for (requested, image) in images {
        if !requested.needs_engine() {
            continue;
        }
        match engine.has_image(image).await {
            Ok(true) => {}
            Ok(false) if requested.requires_container() => missing.push(image.to_owned()),
            Ok(false) => {
                reason = Some(format!(
                    "`{image}` is not on this machine; `--backend containers` pulls it"
                ));
            }
            Err(error) if requested.requires_container() => return Err(error.into()),
            Err(error) => reason = Some(chain(&error)),
        }
    }
    let auto = match reason {
        Some(_) => BackendKind::Embedded,
        None => BackendKind::Container,
    };
    let is_auto = [broker, store].contains(&Requested::Auto);
    Ok(Backends {
        missing,
        reason: reason.filter(|_| is_auto),
        ..backends(auto, Some(engine))
    })
}

/// Returns whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
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

async fn pull(engine: &Engine, image: &str, progress: Progress<'_>) -> Result<(), engine::Error> {
    progress(&format!("pulling {image}"));
    let mut shown = 0;
    let on_progress = |pulled: engine::Pulled| {
        let percent = pulled.current * 100 / pulled.total.max(1);
        if percent >= shown + 10 {
            shown = percent;
            progress(&format!("pulling {image}: {percent} %"));
        }
    };
    engine.pull(image, PULL_TIMEOUT, on_progress).await
}
