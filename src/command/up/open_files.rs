//! Limit on open files: each connection needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for clients of all three servers and the files of topics.
const WANTED: u64 = 8_192;

/// Raises the soft limit up to the hard limit; returns a warning if that is not enough.
pub(super) fn allow() -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let current = limit.current.unwrap_or(u64::MAX);
    let wanted = WANTED.min(maximum);
    if current < wanted {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "failed to raise the limit on open files");
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    tracing::info!(current, "limit on open files");
    (current < WANTED).then(|| {
        format!(
            "warning: this process may open only {current} files; more connections must wait; \
             raise the limit with `ulimit -n {WANTED}`"
        )
    })
}
