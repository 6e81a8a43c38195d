//! Client of the container engine: finds it, pulls images, lists and removes containers.
//!
//! Containers are started by [`crate::containers::container`].
//!
//! # References
//!
//! Docker Engine API 1.41: `/_ping`, `/version`, `/images/{name}/json`, `/containers/json`,
//! `POST /images/create`, `DELETE /containers/{id}`. Podman serves the same paths.

mod address;
mod pull;

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Refusal;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::time::timeout;

pub use address::{Candidate, DockerEnv};
pub use pull::Pulled;

use crate::containers::owner::{Life, Owner};

/// Label of all containers of a run; its value is the run's id.
pub const RUN_LABEL: &str = "convoy.run";

/// Timeout for an engine to return its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(1);

/// Timeout of a list or an inspection.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for removing a container.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout of the client itself, in seconds; all timeouts above are shorter.
const CLIENT_SECONDS: u64 = 120;

/// The container engine could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No engine listens at any of the addresses.
    #[error("no container engine found")]
    None,
    /// The engine did not respond, or refused access.
    #[error("cannot reach the container engine at `{address}` ({source_name})")]
    Unreachable {
        /// Address of the engine.
        address: String,
        /// Origin of the address.
        source_name: String,
        /// Cause.
        #[source]
        source: Cause,
    },
    /// A request to the engine failed.
    #[error("the container engine failed to {action}")]
    Failed {
        /// What the request was for, as a verb.
        action: String,
        /// Cause.
        #[source]
        source: Cause,
    },
}

/// Cause of a failed request to an engine.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The engine did not respond in time.
    #[error("no response within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The engine, or its client, returned an error.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Error {
    /// Returns a hint for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::None => "start Docker or Podman, or use `--backend embedded`".to_owned(),
            Self::Unreachable { .. } => "start the engine and give this user access to it, correct `DOCKER_HOST` or the Docker context, or use `--backend embedded`".to_owned(),
            Self::Failed { .. } => "check the log of the engine, or use `--backend embedded`".to_owned(),
        }
    }
}

/// A container engine that responds.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    candidate: Candidate,
    version: String,
}

/// A container of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Id of the run.
    pub run: String,
    /// State of the process that started it.
    pub life: Life,
}

impl Engine {
    /// Finds the engine that the environment leads to.
    pub async fn find(docker_env: &DockerEnv) -> Result<Self, Error> {
        let mut refusal = Error::None;
        for candidate in docker_env.candidates() {
            // Most of the usual sockets do not exist, which is not an error.
            if candidate.socket().is_some_and(|path| !path.exists())
                && docker_env.docker_host.is_none()
            {
                continue;
            }
            match Self::connect(candidate).await {
                Ok(engine) => return Ok(engine),
                Err(error) => {
                    if matches!(refusal, Error::None) {
                        refusal = error;
                    }
                }
            }
        }
        Err(refusal)
    }

    async fn connect(candidate: Candidate) -> Result<Self, Error> {
        let unreachable = |source: Cause| Error::Unreachable {
            address: candidate.address.clone(),
            source_name: candidate.source.clone(),
            source,
        };
        let docker = client(&candidate).map_err(|refused| unreachable(refused.into()))?;
        let version = within(VERSION_TIMEOUT, docker.version())
            .await
            .map_err(unreachable)?;
        let version = version.version.unwrap_or_else(|| "unknown".to_owned());
        Ok(Self {
            docker,
            candidate,
            version,
        })
    }

    /// Returns its address and the origin of that.
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Returns the engine's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the host at which mapped ports of containers are reachable.
    pub fn host(&self) -> &str {
        let address = self.candidate.address.as_str();
        match address.split_once("://") {
            Some(("tcp" | "http" | "https", rest)) => {
                rest.rsplit_once(':').map_or(rest, |(host, _port)| host)
            }
            _ => "127.0.0.1",
        }
    }

    /// Returns whether the engine has an image.
    pub async fn has_image(&self, image: &str) -> Result<bool, Error> {
        match within(LIST_TIMEOUT, self.docker.inspect_image(image)).await {
            Ok(_) => Ok(true),
            Err(Cause::Refused(Refusal::DockerResponseServerError {
                status_code: 404, ..
            })) => Ok(false),
            Err(source) => Err(failed(format!("inspect the image `{image}`"), source)),
        }
    }

    /// Returns the containers of all runs.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>, Error> {
        self.labelled(RUN_LABEL.to_owned()).await
    }

    /// Removes all containers of a run, even if its process is running.
    pub async fn remove_run(&self, run: &str) -> Result<(), Error> {
        for container in self.labelled(format!("{RUN_LABEL}={run}")).await? {
            self.remove(&container).await?;
        }
        Ok(())
    }

    /// Removes a container with its volumes. It is not an error if it has been removed already.
    pub async fn remove(&self, leftover: &Leftover) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let removed = within(
            REMOVE_TIMEOUT,
            self.docker.remove_container(&leftover.id, Some(options)),
        );
        match removed.await {
            // 409: it is being removed by another client.
            Ok(())
            | Err(Cause::Refused(Refusal::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            })) => Ok(()),
            Err(source) => Err(failed(
                format!("remove the container `{}`", leftover.name),
                source,
            )),
        }
    }

    async fn labelled(&self, label: String) -> Result<Vec<Leftover>, Error> {
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let containers = within(LIST_TIMEOUT, self.docker.list_containers(Some(options)))
            .await
            .map_err(|source| failed("list containers".to_owned(), source))?;
        Ok(containers
            .into_iter()
            .filter_map(|container| {
                let labels = container.labels.unwrap_or_default();
                let owner = Owner::from_labels(|name| labels.get(name).map(String::as_str));
                let id = container.id?;
                let name = container.names.and_then(|names| names.into_iter().next());
                Some(Leftover {
                    name: name.map_or_else(|| id.clone(), |name| name.replace('/', "")),
                    id,
                    run: labels.get(RUN_LABEL)?.clone(),
                    life: owner.map_or(Life::Unknown, |owner| owner.life()),
                })
            })
            .collect())
    }
}

fn client(candidate: &Candidate) -> Result<Docker, Refusal> {
    let docker = Docker::connect_with_host(&candidate.address)?;
    Ok(docker.with_timeout(Duration::from_secs(CLIENT_SECONDS)))
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Cause> {
    match timeout(deadline, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(refused)) => Err(Cause::Refused(refused)),
        Err(_elapsed) => Err(Cause::Timeout(deadline)),
    }
}

fn failed(action: String, source: Cause) -> Error {
    Error::Failed { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: String) -> DockerEnv {
        DockerEnv {
            docker_host: Some(address),
            ..DockerEnv::default()
        }
    }

    #[tokio::test]
    async fn missing_sockets_mean_no_engine() {
        let home = tempfile::tempdir().unwrap();
        let docker_env = DockerEnv {
            docker_context: Some("default".to_owned()),
            home: Some(home.path().to_owned()),
            ..DockerEnv::default()
        };
        // The system-wide sockets cannot be hidden, so an engine there is valid too.
        match Engine::find(&docker_env).await {
            Err(error) => assert!(error.hint().contains("--backend embedded")),
            Ok(engine) => assert!(!engine.version().is_empty()),
        }
    }

    #[tokio::test]
    async fn missing_engine_is_reported_with_its_origin() {
        let place = tempfile::tempdir().unwrap();
        let address = format!("unix://{}/docker.sock", place.path().display());
        let error = Engine::find(&at(address)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("docker.sock` (DOCKER_HOST)"), "{text}");
    }

    #[tokio::test]
    async fn silent_engine_times_out_after_a_second() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", silent.local_addr().unwrap());
        let error = Engine::find(&at(address)).await.unwrap_err();
        let Error::Unreachable { source, .. } = error else {
            panic!("{error}");
        };
        assert!(
            matches!(source, Cause::Timeout(VERSION_TIMEOUT)),
            "{source}"
        );
    }
}
