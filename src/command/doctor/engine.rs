//! The container engine and the images.

use crate::command::doctor::Finding;
use crate::containers::engine::{DockerEnv, Engine};
use crate::host::backend::chain;
use crate::settings::{Backend, DoctorSettings};

/// Looks at everything that `--backend containers` needs.
pub(super) async fn examine(settings: &DoctorSettings, docker_env: &DockerEnv) -> Vec<Finding> {
    if matches!(settings.backend, Backend::Embedded | Backend::External) {
        return Vec::new();
    }
    // Where containers are a wish, embedded servers take their place.
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
            Ok(true) => Finding::ok("image", format!("`{image}` is here")),
            Ok(false) => Finding::limited(
                "image",
                format!("`{image}` is not here; the first run pulls it"),
                format!("docker pull {image}"),
            ),
            Err(error) => missing("image", chain(&error), error.hint()),
        });
    }
    findings
}
