//! Removes directories and containers of killed runs. Each run begins with it.

use crate::containers::engine::{self, Engine};
use crate::containers::owner::Life;
use crate::host::scratch;

/// Removes the data directories of runs that have ended. Errors go to the log.
pub fn sweep_own_directories() {
    for path in scratch::abandoned(&std::env::temp_dir()) {
        match scratch::remove_abandoned(&path) {
            Ok(removed) => {
                tracing::info!(path = %path.display(), removed, "removed the data of a run that has ended");
            }
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "failed to remove the data of a run");
            }
        }
    }
}

/// Removes the containers of runs that have ended.
pub async fn sweep_own_containers(engine: &Engine) -> Result<(), engine::Error> {
    for leftover in engine.leftovers().await? {
        if leftover.life == Life::Dead {
            engine.remove(&leftover).await?;
            tracing::warn!(
                name = leftover.name,
                run = leftover.run,
                "removed a container whose run was killed"
            );
        }
    }
    Ok(())
}
