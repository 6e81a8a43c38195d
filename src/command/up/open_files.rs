//! How many files and sockets the process may have open: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets of clients at all three servers, with room for the files of topics.
const WANTED: u64 = 8_192;

/// Raises the soft limit as far as the hard one allows; returns a warning where that is too little.
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
            "warning: this process may open {current} files, so connections beyond that will wait; \
             `ulimit -n {WANTED}` allows more"
        )
    })
}
