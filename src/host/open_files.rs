//! Limit on open files: each connection needs one, and so do the files of topics.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for clients of all three servers and the files of topics.
pub const SERVING: u64 = 8_192;

/// Enough for the servers and clients of a usual run.
pub const RUNNING: u64 = 1_024;

/// With fewer, failures may come from this limit.
const FEW: u64 = 512;

/// Raises the soft limit up to the hard limit; returns a warning if that is not enough.
pub fn allow(wanted: u64) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let current = limit.current.unwrap_or(u64::MAX);
    let reachable = wanted.min(maximum);
    if current < reachable {
        let raised = Rlimit {
            current: Some(reachable),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "failed to raise the limit on open files");
        }
    }
    let current = limit_now();
    tracing::info!(current, "limit on open files");
    (current < wanted).then(|| {
        format!(
            "warning: this process may open only {current} files (its hard limit); connections and \
             topics may fail; raise the limit with `ulimit -n {wanted}`"
        )
    })
}

/// Returns a hint if few open files are allowed, which servers report as other errors.
pub fn hint() -> Option<String> {
    let current = limit_now();
    (current < FEW).then(|| {
        format!(
            "this process may open only {current} files, which may be the cause: raise the hard \
             limit with `ulimit -n {RUNNING}`"
        )
    })
}

fn limit_now() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
