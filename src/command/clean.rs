//! `convoy clean`: removes what runs left behind whose process is provably gone, and nothing else.

use std::fmt::Write as _;
use std::path::Path;

use crate::containers::engine::{self, DockerEnv, Engine, Leftover};
use crate::containers::owner::Life;
use crate::error::{Error, ExitStatus};
use crate::host::scratch;
use crate::settings::CleanSettings;
use crate::terminal::Terminal;

/// What was found and what became of it.
#[derive(Debug, Default)]
struct Swept {
    removed: Vec<String>,
    kept: Vec<String>,
    failed: Vec<String>,
}

/// Sweeps this machine and its container engine, and says what was found.
pub fn run(
    settings: &CleanSettings,
    docker_env: &DockerEnv,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let mut swept = Swept::default();
    sweep_directories(settings, &std::env::temp_dir(), &mut swept);
    match runtime.block_on(sweep_engine(settings, docker_env, &mut swept)) {
        // Without an engine there is nothing of ours in one.
        Ok(()) | Err(engine::Error::None) => {}
        Err(error) => return Err(error.into()),
    }
    terminal
        .data(|stdout| stdout.write_all(swept.text(settings.dry_run).as_bytes()))
        .map_err(Error::Stdout)?;
    Ok(if swept.failed.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Environment
    })
}

fn sweep_directories(settings: &CleanSettings, parent: &Path, swept: &mut Swept) {
    for path in scratch::abandoned(parent) {
        let name = format!("directory {}", path.display());
        if settings.dry_run {
            swept.removed.push(name);
            continue;
        }
        match scratch::remove_abandoned(&path) {
            Ok(true) => swept.removed.push(name),
            Ok(false) => swept.kept.push(format!("{name}: in use")),
            Err(error) => swept.failed.push(format!("{name}: {error}")),
        }
    }
}

async fn sweep_engine(
    settings: &CleanSettings,
    docker_env: &DockerEnv,
    swept: &mut Swept,
) -> Result<(), engine::Error> {
    let engine = Engine::find(docker_env).await?;
    for leftover in engine.leftovers().await? {
        let name = format!("container {} of run {}", leftover.name, leftover.run);
        match leftover.life {
            Life::Dead if settings.dry_run => swept.removed.push(name),
            Life::Dead => remove(&engine, &leftover, name, swept).await,
            Life::Alive => swept.kept.push(format!("{name}: its process runs")),
            Life::Unknown => swept
                .kept
                .push(format!("{name}: cannot tell whether its process runs")),
        }
    }
    Ok(())
}

async fn remove(engine: &Engine, leftover: &Leftover, name: String, swept: &mut Swept) {
    match engine.remove(leftover).await {
        Ok(()) => swept.removed.push(name),
        Err(error) => swept.failed.push(format!("{name}: {error}")),
    }
}

impl Swept {
    fn text(&self, dry_run: bool) -> String {
        let removed = if dry_run { "would remove" } else { "removed" };
        let groups = [
            (removed, &self.removed),
            ("kept", &self.kept),
            ("cannot remove", &self.failed),
        ];
        let mut text = String::new();
        for (what, names) in groups {
            for name in names {
                let _ = writeln!(text, "{what} {name}");
            }
        }
        if text.is_empty() {
            text.push_str("nothing left behind\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_line_by_line() {
        assert_eq!(Swept::default().text(false), "nothing left behind\n");
        let swept = Swept {
            removed: vec!["directory /tmp/convoy-1".to_owned()],
            kept: vec!["container a of run 2: its process runs".to_owned()],
            failed: Vec::new(),
        };
        assert_eq!(
            swept.text(true),
            "would remove directory /tmp/convoy-1\nkept container a of run 2: its process runs\n"
        );
    }
}
