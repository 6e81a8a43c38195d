//! The container engine and the images.

use crate::cause::chain;
use crate::command::doctor::Finding;
use crate::containers::engine::{DockerEnv, Engine};
use crate::host::backend::Backends;
use crate::settings::{BrokerChoice, SimulateSettings, StoreChoice};

/// Describes the engine that the run may use. It limits nothing if the run uses none.
pub(super) async fn examine(
    settings: &SimulateSettings,
    backends: &Backends,
    docker_env: &DockerEnv,
) -> Vec<Finding> {
    let broker = matches!(
        settings.broker,
        BrokerChoice::Auto | BrokerChoice::Container
    );
    let store = matches!(settings.store, StoreChoice::Auto | StoreChoice::Container);
    if !broker && !store {
        return Vec::new();
    }
    let found = match &backends.engine {
        Some(engine) => Ok(engine.clone()),
        None => Engine::find(docker_env).await,
    };
    let engine = match found {
        Ok(engine) => engine,
        Err(error) => return vec![Finding::limited("engine", chain(&error), error.hint())],
    };
    let candidate = engine.candidate();
    let mut findings = vec![Finding::ok(
        "engine",
        format!(
            "version {} at `{}` ({})",
            engine.version(),
            candidate.address,
            candidate.source
        ),
    )];
    let pulled = backends.missing.iter().map(|image| {
        Finding::limited(
            "image",
            format!("`{image}` is missing; the run pulls it"),
            format!("docker pull {image}"),
        )
    });
    findings.extend(pulled);
    if let Some(reason) = &backends.reason {
        findings.push(Finding::ok("engine", format!("not used: {reason}")));
    }
    findings
}
