//! Addresses of container engines: `DOCKER_HOST`, Docker's contexts, and the usual sockets.
//!
//! If the user names an address, it is the only one, as for Docker's own command. Otherwise the usual
//! sockets are tried in order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Environment variables that lead to container engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerEnv {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_directory: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

/// An address at which an engine may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Address, such as `unix:///var/run/docker.sock`.
    pub address: String,
    /// Origin of the address, such as `DOCKER_HOST`.
    pub source: String,
}

impl Candidate {
    fn new(address: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            source: source.into(),
        }
    }

    /// Returns the path of its Unix socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.address.strip_prefix("unix://").map(Path::new)
    }
}

/// The current context in Docker's `config.json`.
#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Context {
    #[serde(rename = "Endpoints")]
    endpoints: BTreeMap<String, ContextEndpoint>,
}

#[derive(Debug, Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host")]
    host: Option<String>,
}

impl DockerEnv {
    /// Returns the addresses to try, in order.
    pub fn candidates(&self) -> Vec<Candidate> {
        if let Some(host) = &self.docker_host {
            return vec![Candidate::new(host, "DOCKER_HOST")];
        }
        if let Some((name, address)) = self.context() {
            return vec![Candidate::new(address, format!("context `{name}`"))];
        }
        self.sockets()
            .into_iter()
            .map(|(path, source)| Candidate::new(format!("unix://{}", path.display()), source))
            .collect()
    }

    /// Returns the selected context and its address, unless it is the default one.
    fn context(&self) -> Option<(String, String)> {
        let directory = self
            .docker_config
            .clone()
            .or_else(|| Some(self.home.as_ref()?.join(".docker")))?;
        let name = self.docker_context.clone().or_else(|| {
            let file = std::fs::read(directory.join("config.json")).ok()?;
            let configuration: Configuration = serde_json::from_slice(&file).ok()?;
            configuration.current_context
        })?;
        if name.is_empty() || name == "default" {
            return None;
        }
        // A context without a valid file becomes an address that cannot be reached.
        let unreadable = || (name.clone(), format!("context://{name}"));
        let meta = directory
            .join("contexts/meta")
            .join(digest(&name))
            .join("meta.json");
        let Ok(file) = std::fs::read(meta) else {
            return Some(unreadable());
        };
        let address = serde_json::from_slice::<Context>(&file)
            .ok()
            .and_then(|mut context| context.endpoints.remove("docker")?.host);
        Some(address.map_or_else(unreadable, |address| (name.clone(), address)))
    }

    fn sockets(&self) -> Vec<(PathBuf, &'static str)> {
        let runtime = |path| self.runtime_directory.as_ref().map(|dir| dir.join(path));
        let home = |path| self.home.as_ref().map(|dir| dir.join(path));
        let places = [
            (Some("/var/run/docker.sock".into()), "Docker"),
            (runtime("docker.sock"), "rootless Docker"),
            (home(".docker/run/docker.sock"), "Docker Desktop"),
            (home(".docker/desktop/docker.sock"), "Docker Desktop"),
            (home(".orbstack/run/docker.sock"), "OrbStack"),
            (home(".colima/default/docker.sock"), "Colima"),
            (home(".config/colima/default/docker.sock"), "Colima"),
            (home(".rd/docker.sock"), "Rancher Desktop"),
            (runtime("podman/podman.sock"), "rootless Podman"),
            (
                home(".local/share/containers/podman/machine/podman.sock"),
                "Podman machine",
            ),
            (Some("/run/podman/podman.sock".into()), "Podman"),
        ];
        places
            .into_iter()
            .filter_map(|(path, source)| Some((path?, source)))
            .collect()
    }
}

/// Returns the name of a context's directory: the SHA-256 of its name.
fn digest(name: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(name.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn addresses(docker_env: &DockerEnv) -> Vec<(String, String)> {
        let candidates = docker_env.candidates().into_iter();
        candidates.map(|c| (c.address, c.source)).collect()
    }

    fn with_contexts(current: &str) -> (tempfile::TempDir, DockerEnv) {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let meta = docker.join("contexts/meta").join(digest("colima"));
        fs::create_dir_all(&meta).unwrap();
        fs::write(
            meta.join("meta.json"),
            r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///home/u/.colima/docker.sock"}}}"#,
        )
        .unwrap();
        let config = format!(r#"{{"auths":{{}},"currentContext":"{current}"}}"#);
        fs::write(docker.join("config.json"), config).unwrap();
        let docker_env = DockerEnv {
            home: Some(home.path().to_owned()),
            ..DockerEnv::default()
        };
        (home, docker_env)
    }

    #[test]
    fn docker_host_is_the_only_candidate() {
        let docker_env = DockerEnv {
            docker_host: Some("tcp://10.0.0.1:2375".to_owned()),
            docker_context: Some("colima".to_owned()),
            ..DockerEnv::default()
        };
        let expected = ("tcp://10.0.0.1:2375".to_owned(), "DOCKER_HOST".to_owned());
        assert_eq!(addresses(&docker_env), [expected]);
    }

    #[test]
    fn current_context_is_the_only_candidate() {
        let (_home, docker_env) = with_contexts("colima");
        let expected = (
            "unix:///home/u/.colima/docker.sock".to_owned(),
            "context `colima`".to_owned(),
        );
        assert_eq!(addresses(&docker_env), [expected]);
    }

    #[test]
    fn missing_context_is_named() {
        let (_home, docker_env) = with_contexts("gone");
        assert_eq!(addresses(&docker_env)[0].1, "context `gone`");
        assert_eq!(addresses(&docker_env).len(), 1);
    }

    #[test]
    fn usual_sockets_are_tried_in_order() {
        let (_home, mut docker_env) = with_contexts("default");
        docker_env.runtime_directory = Some("/run/user/1000".into());
        let sources: Vec<String> = addresses(&docker_env).into_iter().map(|c| c.1).collect();
        assert_eq!(
            sources,
            [
                "Docker",
                "rootless Docker",
                "Docker Desktop",
                "Docker Desktop",
                "OrbStack",
                "Colima",
                "Colima",
                "Rancher Desktop",
                "rootless Podman",
                "Podman machine",
                "Podman"
            ]
        );
    }
}
