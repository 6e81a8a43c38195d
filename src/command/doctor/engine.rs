//! The container engine and the images.

use crate::cause::chain;
use crate::command::doctor::Finding;
use crate::containers::engine::{DockerEnv, Engine};
use crate::settings::{Backend, DoctorSettings};

/// Checks what `--backend containers` needs.
pub(super) async fn examine(settings: &DoctorSettings, docker_env: &DockerEnv) -> Vec<Finding> {
    if matches!(settings.backend, Backend::Embedded | Backend::External) {
        return Vec::new();
    }
    // `auto` falls back to embedded servers.
    let missing = if settings.backend == Backend::Containers {
        Finding::broken
    } else {
        Finding::limited
    };
    let engine = match Engine::find(docker_env).await {
        Ok(engine) => engine,
        Err(error) => return vec![missing("engine", chain(&error), error.hint())],
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
    for image in [&settings.redpanda_image, &settings.mongo_image] {
        findings.push(match engine.has_image(image).await {
            Ok(true) => Finding::ok("image", format!("`{image}` is pulled")),
            Ok(false) => Finding::limited(
                "image",
                format!("`{image}` is missing; the first run pulls it"),
                format!("docker pull {image}"),
            ),
            Err(error) => missing("image", chain(&error), error.hint()),
        });
    }
    findings
}
