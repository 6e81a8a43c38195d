//! `convoy clean`: removes containers and data of runs whose process has ended.

use std::fmt::Write as _;
use std::path::Path;

use crate::containers::engine::{self, DockerEnv, Engine, Leftover};
use crate::containers::owner::Life;
use crate::error::{Error, ExitStatus};
use crate::host::scratch;
use crate::settings::CleanSettings;
use crate::terminal::Terminal;

/// Names of containers and directories, by what happened to them.
#[derive(Debug, Default)]
struct Cleanup {
    removed: Vec<String>,
    kept: Vec<String>,
    failed: Vec<String>,
}

/// Removes leftovers from this machine and its container engine, and prints their names.
pub fn run(
    settings: &CleanSettings,
    docker_env: &DockerEnv,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let mut cleanup = Cleanup::default();
    clean_directories(settings, &std::env::temp_dir(), &mut cleanup);
    match runtime.block_on(clean_engine(settings, docker_env, &mut cleanup)) {
        // Without an engine there are no containers.
        Ok(()) | Err(engine::Error::None) => {}
        Err(error) => return Err(error.into()),
    }
    terminal
        .data(|stdout| stdout.write_all(cleanup.text(settings.dry_run).as_bytes()))
        .map_err(Error::Stdout)?;
    Ok(if cleanup.failed.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Environment
    })
}

fn clean_directories(settings: &CleanSettings, parent: &Path, cleanup: &mut Cleanup) {
    for path in scratch::abandoned(parent) {
        let name = format!("directory {}", path.display());
        if settings.dry_run {
            cleanup.removed.push(name);
            continue;
        }
        match scratch::remove_abandoned(&path) {
            Ok(true) => cleanup.removed.push(name),
            Ok(false) => cleanup.kept.push(format!("{name}: in use")),
            Err(error) => cleanup.failed.push(format!("{name}: {error}")),
        }
    }
}

async fn clean_engine(
    settings: &CleanSettings,
    docker_env: &DockerEnv,
    cleanup: &mut Cleanup,
) -> Result<(), engine::Error> {
    let engine = Engine::find(docker_env).await?;
    for leftover in engine.leftovers().await? {
        let name = format!("container {} of run {}", leftover.name, leftover.run);
        match leftover.life {
            Life::Dead if settings.dry_run => cleanup.removed.push(name),
            Life::Dead => remove(&engine, &leftover, name, cleanup).await,
            Life::Alive => cleanup.kept.push(format!("{name}: its process is running")),
            Life::Unknown => cleanup.kept.push(format!(
                "{name}: cannot tell whether its process is running"
            )),
        }
    }
    Ok(())
}

async fn remove(engine: &Engine, leftover: &Leftover, name: String, cleanup: &mut Cleanup) {
    match engine.remove(leftover).await {
        Ok(()) => cleanup.removed.push(name),
        Err(error) => cleanup.failed.push(format!("{name}: {error}")),
    }
}

impl Cleanup {
    fn text(&self, dry_run: bool) -> String {
        let removed = if dry_run { "would remove" } else { "removed" };
        let groups = [
            (removed, &self.removed),
            ("kept", &self.kept),
            ("failed to remove", &self.failed),
        ];
        let mut text = String::new();
        for (what, names) in groups {
            for name in names {
                let _ = writeln!(text, "{what} {name}");
            }
        }
        if text.is_empty() {
            text.push_str("nothing to remove\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leftover_gets_a_line() {
        assert_eq!(Cleanup::default().text(false), "nothing to remove\n");
        let cleanup = Cleanup {
            removed: vec!["directory /tmp/convoy-1".to_owned()],
            kept: vec!["container a of run 2: its process is running".to_owned()],
            failed: Vec::new(),
        };
        assert_eq!(
            cleanup.text(true),
            "would remove directory /tmp/convoy-1\nkept container a of run 2: its process is running\n"
        );
    }
}
