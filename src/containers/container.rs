//! One container: started, watched until what is in it answers, removed.
//!
//! Knows nothing of brokers and stores: they bring the request and the probe. testcontainers is
//! known here and in their `container.rs`.

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

/// How long creating and starting may take; readiness has a deadline of its own.
const START: Duration = Duration::from_secs(60);

/// How long the engine may take to remove one, or to tell how it is.
const ENGINE: Duration = Duration::from_secs(30);

/// Starts with other ports, where a port was taken in between.
const STARTS: u32 = 3;

/// Pause between two probes.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Lines of a dead container's log that an error shows.
const LAST_WORDS: usize = 10;

/// A container did not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port is free to be mapped.
    #[error("failed to find a free port")]
    Port(#[source] std::io::Error),
    /// The engine could not create or start it.
    #[error("failed to start a container of `{image}`")]
    Start {
        /// Its image.
        image: String,
        /// What the engine says.
        #[source]
        source: Box<TestcontainersError>,
    },
    /// The engine did not answer while it was to be started.
    #[error(
        "the container of `{image}` was not started within {}",
        humantime::format_duration(START)
    )]
    StartTimeout {
        /// Its image.
        image: String,
    },
    /// It ended by itself.
    #[error("the container of `{image}` ended before it was ready; it said: {last_words}")]
    Ended {
        /// Its image.
        image: String,
        /// The end of its log.
        last_words: String,
    },
    /// It ended while it was used.
    #[error("the container of `{image}` ended during the run; it said: {last_words}")]
    EndedInUse {
        /// Its image.
        image: String,
        /// The end of its log.
        last_words: String,
    },
    /// What is in it does not answer.
    #[error("the container of `{image}` was not ready within {}", humantime::format_duration(*deadline))]
    NotReady {
        /// Its image.
        image: String,
        /// How long it was waited for.
        deadline: Duration,
        /// What the last probe said, if one came to an end.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// It did not do what the engine was asked for.
    #[error("failed to {intention} the container of `{image}`")]
    Operate {
        /// What was to be done, as a verb.
        intention: &'static str,
        /// Its image.
        image: String,
        /// What the engine says; none if it did not answer.
        #[source]
        source: Option<Box<TestcontainersError>>,
    },
    /// It could not be removed.
    #[error("failed to remove the container `{id}`")]
    Remove {
        /// Its id.
        id: String,
        /// What the engine says.
        #[source]
        source: Box<TestcontainersError>,
    },
}

/// What every container of a run has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// Image, `name:tag`.
    pub image: String,
    /// The run that it belongs to.
    pub run: String,
    /// Host at which its mapped ports are reached.
    pub host: String,
    /// How long what is in it may take until it answers.
    pub deadline: Duration,
    /// Whether it stays when its owner ends.
    pub keep: bool,
}

impl Common {
    /// Returns name and tag of the image.
    pub fn name_and_tag(&self) -> (&str, &str) {
        match self.image.rsplit_once(':') {
            // A colon before a slash belongs to the registry's port.
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (&self.image, "latest"),
        }
    }
}

/// A running container. Dropping it removes it.
#[derive(Debug)]
pub struct Container<I: Image> {
    running: Option<ContainerAsync<I>>,
    image: String,
    runtime: Handle,
}

impl<I: Image> Container<I> {
    /// Starts a container with each of `ports` (host, container) mapped, labelled with its owner.
    pub async fn start(
        request: ContainerRequest<I>,
        ports: &[(u16, u16)],
        common: &Common,
    ) -> Result<Self, Error> {
        let bindings = bindings(ports, &common.host);
        // What is to stay has no owner, so that nobody takes it for left behind.
        let owner = if common.keep {
            Vec::new()
        } else {
            Owner::current().labels()
        };
        let request = request
            .with_labels(owner)
            .with_label(RUN_LABEL, &common.run)
            .with_startup_timeout(START)
            .with_host_config_modifier(move |config| {
                config.port_bindings = Some(bindings.clone());
                config.publish_all_ports = Some(false);
            });
        let image = common.image.clone();
        match timeout(START, request.start()).await {
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

    /// Probes until what is in the container answers; gives up early if the container has ended.
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
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => last = Some(Box::new(error)),
                Err(_elapsed) => continue,
            }
            if self.ended().await {
                return Err(Error::Ended {
                    image: self.image.clone(),
                    last_words: self.last_words().await,
                });
            }
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    }

    /// Stops what is in it, which gets so many seconds to end in order, and starts it again.
    pub async fn restart(&self, grace_seconds: i32) -> Result<(), Error> {
        let Some(container) = &self.running else {
            return Ok(());
        };
        let restarting = async {
            container.stop_with_timeout(Some(grace_seconds)).await?;
            container.start().await
        };
        self.told("restart", timeout(START, restarting).await)
    }

    /// Freezes what is in it while something else goes on.
    pub async fn pause_for(&self, pausing: impl Future<Output = ()>) -> Result<(), Error> {
        let Some(container) = &self.running else {
            return Ok(());
        };
        self.told("pause", timeout(ENGINE, container.pause()).await)?;
        pausing.await;
        self.told("resume", timeout(ENGINE, container.unpause()).await)
    }

    fn told(
        &self,
        intention: &'static str,
        answer: Result<Result<(), TestcontainersError>, tokio::time::error::Elapsed>,
    ) -> Result<(), Error> {
        let source = match answer {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Some(Box::new(error)),
            Err(_elapsed) => None,
        };
        Err(Error::Operate {
            intention,
            image: self.image.clone(),
            source,
        })
    }

    /// Returns how it ended, if the engine says for sure that it does not run any more.
    pub async fn end(&self) -> Option<Error> {
        if !self.ended().await {
            return None;
        }
        Some(Error::EndedInUse {
            image: self.image.clone(),
            last_words: self.last_words().await,
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

    /// Leaves the container where it is and returns its id.
    pub fn keep(mut self) -> Option<String> {
        let container = ManuallyDrop::new(self.running.take()?);
        Some(container.id().to_owned())
    }

    /// Whether the engine says for sure that it does not run any more.
    async fn ended(&self) -> bool {
        let Some(container) = &self.running else {
            return true;
        };
        matches!(timeout(ENGINE, container.is_running()).await, Ok(Ok(false)))
    }

    async fn last_words(&self) -> String {
        let Some(container) = &self.running else {
            return String::new();
        };
        let (stdout, stderr) = tokio::join!(
            timeout(ENGINE, container.stdout_to_vec()),
            timeout(ENGINE, container.stderr_to_vec())
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
        // Removing on drop needs a runtime around it, wherever that happens.
        let _entered = self.runtime.enter();
        drop(self.running.take());
    }
}

/// Takes a port that is free now. Another program can take it before the container does; then the
/// engine refuses, and the start is tried again with another one.
pub fn free_port() -> Result<u16, Error> {
    TcpListener::bind(("0.0.0.0", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::Port)
}

/// Starts a server, and again with other ports where one was taken in between.
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
                if attempt < STARTS && source.to_string().contains("port") =>
            {
                tracing::info!(%source, "starting the {server} again with other ports");
                attempt += 1;
            }
            started => return started,
        }
    }
}

/// Ports of a local engine are mapped on loopback alone: nothing in the containers asks who calls.
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
        return "nothing".to_owned();
    }
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
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
    fn images_have_a_name_and_a_tag() {
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
    fn local_ports_are_mapped_on_loopback_alone() {
        let bound = bindings(&[(40_000, 9_092)], "127.0.0.1");
        let binding = bound["9092/tcp"].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(binding[0].host_port.as_deref(), Some("40000"));
    }

    #[test]
    fn only_the_end_of_a_log_is_shown() {
        let log: Vec<String> = (0..100).map(|line| format!("line {line}\n")).collect();
        assert!(last_lines(&log.join("\n")).starts_with("line 90\n"));
        assert_eq!(last_lines("\n"), "nothing");
    }
}
