//! One container: started, probed until its server responds, restarted, paused, removed.
//!
//! Brokers and stores bring the request and the probe. testcontainers is used only here and in their
//! `container.rs`.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::time::Duration;

use testcontainers_modules::testcontainers::bollard::models::PortBinding;
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{
    ContainerAsync, ContainerRequest, Image, ImageExt, TestcontainersError,
};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::containers::engine::RUN_LABEL;
use crate::containers::owner::Owner;
use crate::measure::RunClock;

/// Timeout for creating and starting; readiness has its own deadline.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Timeout of other requests to the engine.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(30);

/// Attempts with other ports, if a port was taken in the meantime.
const MAX_ATTEMPTS: u32 = 3;

/// Pause between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Lines of an ended container's log that an error shows.
const LOG_LINES: usize = 10;

/// An operation on a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No free port to map.
    #[error("failed to find a free port")]
    Port(#[source] std::io::Error),
    /// The engine could not create or start the container.
    #[error("failed to start a container of `{image}`")]
    Start {
        /// Image of the container.
        image: String,
        /// Error of the engine.
        #[source]
        source: Box<TestcontainersError>,
    },
    /// The engine did not start the container in time.
    #[error(
        "the container of `{image}` was not started within {}",
        humantime::format_duration(START_TIMEOUT)
    )]
    StartTimeout {
        /// Image of the container.
        image: String,
    },
    /// The container ended before it was ready.
    #[error("the container of `{image}` ended before it was ready; its log ends with: {log}")]
    Ended {
        /// Image of the container.
        image: String,
        /// Last lines of its log.
        log: String,
    },
    /// The container ended while it was in use.
    #[error("the container of `{image}` ended during the run; its log ends with: {log}")]
    EndedInUse {
        /// Image of the container.
        image: String,
        /// Last lines of its log.
        log: String,
    },
    /// The server in the container did not respond.
    #[error("the container of `{image}` was not ready within {}", humantime::format_duration(*deadline))]
    NotReady {
        /// Image of the container.
        image: String,
        /// Deadline that has passed.
        deadline: Duration,
        /// Error of the last probe that ended, if any.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The engine could not do this to the container.
    #[error("failed to {action} the container of `{image}`")]
    Operate {
        /// What was requested, as a verb.
        action: &'static str,
        /// Image of the container.
        image: String,
        /// Error of the engine; none if it did not respond.
        #[source]
        source: Option<Box<TestcontainersError>>,
    },
    /// The container could not be removed.
    #[error("failed to remove the container `{id}`")]
    Remove {
        /// Id of the container.
        id: String,
        /// Error of the engine.
        #[source]
        source: Box<TestcontainersError>,
    },
}

/// Settings that all containers of a run share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// Image, `name:tag`.
    pub image: String,
    /// Id of the run.
    pub run: String,
    /// Host at which mapped ports are reachable.
    pub host: String,
    /// Deadline for the server in the container to respond.
    pub deadline: Duration,
    /// Keep the container when the run ends.
    pub keep: bool,
}

impl Common {
    /// Returns name and tag of the image.
    pub fn name_and_tag(&self) -> (&str, &str) {
        match self.image.rsplit_once(':') {
            // A colon before a slash precedes the port of an image registry.
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (&self.image, "latest"),
        }
    }
}

/// A running container. Dropping this value removes it.
#[derive(Debug)]
pub struct Container<I: Image> {
    running: Option<ContainerAsync<I>>,
    image: String,
    runtime: Handle,
}

impl<I: Image> Container<I> {
    /// Starts a container with `ports` (host, container) mapped, and labels it with its owner.
    pub async fn start(
        request: ContainerRequest<I>,
        ports: &[(u16, u16)],
        common: &Common,
    ) -> Result<Self, Error> {
        let bindings = bindings(ports, &common.host);
        // A container to keep has no owner, so that it is never removed as left behind.
        let owner = if common.keep {
            Vec::new()
        } else {
            Owner::current().labels()
        };
        let request = request
            .with_labels(owner)
            .with_label(RUN_LABEL, &common.run)
            .with_startup_timeout(START_TIMEOUT)
            .with_host_config_modifier(move |config| {
                config.port_bindings = Some(bindings.clone());
                config.publish_all_ports = Some(false);
            });
        let image = common.image.clone();
        match timeout(START_TIMEOUT, request.start()).await {
            Ok(Ok(container)) => Ok(Self {
                running: Some(container),
                image,
                runtime: Handle::current(),
            }),
            Ok(Err(source)) => Err(Error::Start {
                image,
                source: Box::new(source),
            }),
            Err(_elapsed) => Err(Error::StartTimeout { image }),
        }
    }

    /// Probes until the server in the container responds. Fails early if the container has ended.
    pub async fn until_ready<T, E, F>(
        &self,
        deadline: Duration,
        mut probe: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        E: StdError + Send + Sync + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let clock = RunClock::start();
        let mut last: Option<Box<dyn StdError + Send + Sync>> = None;
        loop {
            let left = deadline.saturating_sub(Duration::from_nanos(clock.now()));
            if left.is_zero() {
                return Err(Error::NotReady {
                    image: self.image.clone(),
                    deadline,
                    source: last,
                });
            }
            match timeout(left, probe()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => last = Some(Box::new(error)),
                Err(_elapsed) => continue,
            }
            if self.ended().await {
                return Err(Error::Ended {
                    image: self.image.clone(),
                    log: self.log_end().await,
                });
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// Stops the server in the container, killing it after `grace_seconds`, and starts it again.
    pub async fn restart(&self, grace_seconds: i32) -> Result<(), Error> {
        let Some(container) = &self.running else {
            return Ok(());
        };
        let restarting = async {
            container.stop_with_timeout(Some(grace_seconds)).await?;
            container.start().await
        };
        self.operated("restart", timeout(START_TIMEOUT, restarting).await)
    }

    /// Pauses the container until `pausing` ends.
    pub async fn pause_for(&self, pausing: impl Future<Output = ()>) -> Result<(), Error> {
        let Some(container) = &self.running else {
            return Ok(());
        };
        self.operated("pause", timeout(ENGINE_TIMEOUT, container.pause()).await)?;
        pausing.await;
        self.operated("resume", timeout(ENGINE_TIMEOUT, container.unpause()).await)
    }

    fn operated(
        &self,
        action: &'static str,
        result: Result<Result<(), TestcontainersError>, tokio::time::error::Elapsed>,
    ) -> Result<(), Error> {
        let source = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Some(Box::new(error)),
            Err(_elapsed) => None,
        };
        Err(Error::Operate {
            action,
            image: self.image.clone(),
            source,
        })
    }

    /// Returns an error if the engine reports that the container has ended.
    pub async fn end(&self) -> Option<Error> {
        if !self.ended().await {
            return None;
        }
        Some(Error::EndedInUse {
            image: self.image.clone(),
            log: self.log_end().await,
        })
    }

    /// Removes the container.
    pub async fn remove(mut self) -> Result<(), Error> {
        let Some(container) = self.running.take() else {
            return Ok(());
        };
        let id = container.id().to_owned();
        container.rm().await.map_err(|source| Error::Remove {
            id,
            source: Box::new(source),
        })
    }

    /// Leaves the container running and returns its id.
    pub fn keep(mut self) -> Option<String> {
        let container = ManuallyDrop::new(self.running.take()?);
        Some(container.id().to_owned())
    }

    /// Returns whether the engine reports that the container has ended.
    async fn ended(&self) -> bool {
        let Some(container) = &self.running else {
            return true;
        };
        matches!(
            timeout(ENGINE_TIMEOUT, container.is_running()).await,
            Ok(Ok(false))
        )
    }

    async fn log_end(&self) -> String {
        let Some(container) = &self.running else {
            return String::new();
        };
        let (stdout, stderr) = tokio::join!(
            timeout(ENGINE_TIMEOUT, container.stdout_to_vec()),
            timeout(ENGINE_TIMEOUT, container.stderr_to_vec())
        );
        let mut log = Vec::new();
        for bytes in [stdout, stderr].into_iter().flatten().flatten() {
            log.extend(bytes);
        }
        last_lines(&String::from_utf8_lossy(&log))
    }
}

impl<I: Image> Drop for Container<I> {
    fn drop(&mut self) {
        // Removal on drop needs a runtime.
        let _entered = self.runtime.enter();
        drop(self.running.take());
    }
}

/// Returns a port that is free now. If another program takes it before the container does, the engine
/// reports an error and the start is retried with another port.
pub fn free_port() -> Result<u16, Error> {
    TcpListener::bind(("0.0.0.0", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::Port)
}

/// Starts a server; retries with other ports if one was taken in the meantime.
pub async fn start_on_free_ports<T, F>(
    server: &str,
    mut start: impl FnMut() -> F + Send,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>> + Send,
    T: Send,
{
    let mut attempt = 1;
    loop {
        match start().await {
            Err(Error::Start { source, .. })
                if attempt < MAX_ATTEMPTS && source.to_string().contains("port") =>
            {
                tracing::info!(%source, "retrying to start the {server} with other ports");
                attempt += 1;
            }
            started => return started,
        }
    }
}

/// Maps ports of a local engine on the loopback interface only, because the servers in the containers
/// have no authentication.
fn bindings(ports: &[(u16, u16)], host: &str) -> HashMap<String, Option<Vec<PortBinding>>> {
    let interface = if host == "127.0.0.1" { host } else { "0.0.0.0" };
    ports
        .iter()
        .map(|(mapped, inner)| {
            let binding = PortBinding {
                host_ip: Some(interface.to_owned()),
                host_port: Some(mapped.to_string()),
            };
            (format!("{inner}/tcp"), Some(vec![binding]))
        })
        .collect()
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "(empty)".to_owned();
    }
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(image: &str) -> (String, String) {
        let common = Common {
            image: image.to_owned(),
            run: "run-1".to_owned(),
            host: "127.0.0.1".to_owned(),
            deadline: Duration::from_secs(1),
            keep: false,
        };
        let (name, tag) = common.name_and_tag();
        (name.to_owned(), tag.to_owned())
    }

    #[test]
    fn image_is_split_into_name_and_tag() {
        let pair = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(image("mongo:8.0.4"), pair("mongo", "8.0.4"));
        assert_eq!(image("mongo"), pair("mongo", "latest"));
        assert_eq!(
            image("registry:5000/redpanda"),
            pair("registry:5000/redpanda", "latest")
        );
        assert_eq!(
            image("registry:5000/redpanda:v25"),
            pair("registry:5000/redpanda", "v25")
        );
    }

    #[test]
    fn local_ports_are_mapped_on_the_loopback_interface_only() {
        let bound = bindings(&[(40_000, 9_092)], "127.0.0.1");
        let binding = bound["9092/tcp"].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(binding[0].host_port.as_deref(), Some("40000"));
    }

    #[test]
    fn error_shows_only_the_end_of_a_log() {
        let log: Vec<String> = (0..100).map(|line| format!("line {line}\n")).collect();
        assert!(last_lines(&log.join("\n")).starts_with("line 90\n"));
        assert_eq!(last_lines("\n"), "(empty)");
    }
}
