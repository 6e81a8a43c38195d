//! Limit on the size of files that this process writes (`RLIMIT_FSIZE`): embedded servers append to files.

use crate::pipeline::{self, TerminatedServers};
use crate::platform::{OversizedWrites, file_size_limit};

/// With less, the files of embedded servers may reach the limit in an ordinary run.
const AMPLE: u64 = 8 * 1024 * 1024 * 1024;

/// Returns a warning if embedded servers may reach the limit.
pub fn warning() -> Option<String> {
    text(file_size_limit())
}

fn text(limit: Option<u64>) -> Option<String> {
    let limit = limit.filter(|limit| *limit < AMPLE)?;
    let megabytes = limit as f64 / 1e6;
    Some(format!(
        "warning: this process may write files of up to {megabytes:.1} MB; embedded servers refuse \
         writes when a file reaches this limit; raise it with `ulimit -f unlimited`"
    ))
}

/// Reports the first write that exceeds the limit.
pub async fn watch(terminated: &TerminatedServers) {
    let mut writes = match OversizedWrites::register() {
        Ok(writes) => writes,
        Err(error) => {
            tracing::warn!(%error, "failed to watch the limit on file sizes");
            return;
        }
    };
    writes.next().await;
    if let Some(limit) = file_size_limit() {
        terminated.report(pipeline::Error::FileSizeLimit { limit });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_limit_is_a_warning_that_names_it() {
        let warning = text(Some(2_048_000)).unwrap();
        assert!(warning.contains("up to 2.0 MB"), "{warning}");
        assert_eq!(text(None), None);
        assert_eq!(text(Some(AMPLE)), None);
    }
}
