//! The container engine: found, asked and cleaned up. Starting containers is the business of the
//! rooms that know what is in them.
//!
//! # References
//!
//! Docker Engine API 1.41: `/_ping`, `/version`, `/images/{name}/json`, `/containers/json`,
//! `POST /images/create`, `DELETE /containers/{id}`. Podman serves the same paths.

pub mod address;
pub mod pull;

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Refusal;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::time::timeout;

pub use address::{Candidate, Surroundings};

use crate::containers::owner::{Life, Owner};

/// Label of everything that a run starts in an engine; its value is the run's id.
pub const RUN_LABEL: &str = "convoy.run";

/// How long an engine may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(1);

/// How long an engine may take for a list or an inspection.
const LISTING: Duration = Duration::from_secs(10);

/// How long an engine may take to remove one container.
const REMOVAL: Duration = Duration::from_secs(30);

/// Seconds after which the client itself gives up; the deadlines above are all shorter.
const CLIENT_SECONDS: u64 = 120;

/// No engine could be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing listens at any place where engines listen.
    #[error("no container engine found")]
    None,
    /// What listens there is not an engine, or does not let us in.
    #[error("cannot reach the container engine at `{address}` ({source_name})")]
    Unreachable {
        /// Where.
        address: String,
        /// What named the place.
        source_name: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The engine did not do what it was asked.
    #[error("the container engine failed to {intention}")]
    Failed {
        /// What it was asked.
        intention: String,
        /// Why not.
        #[source]
        source: Cause,
    },
}

/// Why an engine did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// In time.
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// At all.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::None => "start Docker or Podman, or use `--backend embedded`".to_owned(),
            Self::Unreachable { .. } => "start the engine and allow this user to use it, or correct `DOCKER_HOST` or the Docker context, or use `--backend embedded`".to_owned(),
            Self::Failed { .. } => "see the engine's own log, or use `--backend embedded`".to_owned(),
        }
    }
}

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    candidate: Candidate,
    version: String,
}

/// A container that some run of convoy started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Id of the container.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The run.
    pub run: String,
    /// What is known of the process that started it.
    pub life: Life,
}

impl Engine {
    /// Finds the engine that the user's surroundings lead to.
    pub async fn find(surroundings: &Surroundings) -> Result<Self, Error> {
        let mut refusal = Error::None;
        for candidate in surroundings.candidates() {
            // Most of the usual sockets are not there, which is not worth a word.
            if candidate.socket().is_some_and(|path| !path.exists())
                && surroundings.docker_host.is_none()
            {
                continue;
            }
            match Self::ask(candidate).await {
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

    async fn ask(candidate: Candidate) -> Result<Self, Error> {
        let unreachable = |source: Cause| Error::Unreachable {
            address: candidate.address.clone(),
            source_name: candidate.source.clone(),
            source,
        };
        let docker = connect(&candidate).map_err(|refused| unreachable(refused.into()))?;
        let version = within(ANSWER, docker.version())
            .await
            .map_err(unreachable)?;
        let version = version.version.unwrap_or_else(|| "unknown".to_owned());
        Ok(Self {
            docker,
            candidate,
            version,
        })
    }

    /// Returns where it listens and what named the place.
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Returns the engine's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the host at which mapped ports of its containers are reached.
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
        match within(LISTING, self.docker.inspect_image(image)).await {
            Ok(_) => Ok(true),
            Err(Cause::Refused(Refusal::DockerResponseServerError {
                status_code: 404, ..
            })) => Ok(false),
            Err(source) => Err(failed(format!("inspect the image `{image}`"), source)),
        }
    }

    /// Returns every container that runs of convoy started and that is still there.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>, Error> {
        self.labelled(RUN_LABEL.to_owned()).await
    }

    /// Removes every container of one run, whoever holds it.
    pub async fn remove_run(&self, run: &str) -> Result<(), Error> {
        for container in self.labelled(format!("{RUN_LABEL}={run}")).await? {
            self.remove(&container).await?;
        }
        Ok(())
    }

    /// Removes a container with its volumes; one that is gone already is no error.
    pub async fn remove(&self, leftover: &Leftover) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let removed = within(
            REMOVAL,
            self.docker.remove_container(&leftover.id, Some(options)),
        );
        match removed.await {
            // 409: somebody else removes it at this moment.
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
        let containers = within(LISTING, self.docker.list_containers(Some(options)))
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

fn connect(candidate: &Candidate) -> Result<Docker, Refusal> {
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

fn failed(intention: String, source: Cause) -> Error {
    Error::Failed { intention, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: String) -> Surroundings {
        Surroundings {
            docker_host: Some(address),
            ..Surroundings::default()
        }
    }

    #[tokio::test]
    async fn no_socket_at_all_is_no_engine() {
        let home = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            docker_context: Some("default".to_owned()),
            home: Some(home.path().to_owned()),
            ..Surroundings::default()
        };
        // The system-wide sockets are not ours to hide, so an engine there is as good an answer.
        match Engine::find(&surroundings).await {
            Err(error) => assert!(error.hint().contains("--backend embedded")),
            Ok(engine) => assert!(!engine.version().is_empty()),
        }
    }

    #[tokio::test]
    async fn a_named_engine_that_is_not_there_is_told_with_its_name() {
        let place = tempfile::tempdir().unwrap();
        let address = format!("unix://{}/docker.sock", place.path().display());
        let error = Engine::find(&at(address)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("docker.sock` (DOCKER_HOST)"), "{text}");
    }

    #[tokio::test]
    async fn an_engine_that_never_answers_costs_a_second() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", silent.local_addr().unwrap());
        let error = Engine::find(&at(address)).await.unwrap_err();
        let Error::Unreachable { source, .. } = error else {
            panic!("{error}");
        };
        assert!(matches!(source, Cause::Timeout(ANSWER)), "{source}");
    }
}
