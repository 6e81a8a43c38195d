//! Limit on open files: each connection needs one, and each partition of an embedded broker some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Error;

/// Enough for clients of all three servers and the files of topics.
const WANTED: u64 = 8_192;

/// Embedded servers with few topics and clients do not start with fewer.
const NEEDED: u64 = 128;

/// With fewer, a run with many partitions or consumers fails.
const AMPLE: u64 = 1_024;

/// Raises the soft limit up to the hard limit; returns a warning if that is not enough for the
/// clients of `convoy up`.
pub(super) fn allow_clients() -> Option<String> {
    let limit = raise();
    (limit < WANTED).then(|| {
        format!(
            "warning: this process may open only {limit} files; more connections must wait; \
             raise the limit with `ulimit -n {WANTED}`"
        )
    })
}

/// Raises the soft limit up to the hard limit; returns a warning if some runs need more, and an
/// error if the embedded servers of any run need more.
pub(super) fn allow_run(embedded: bool) -> Result<Option<String>, Error> {
    judge(raise(), embedded)
}

fn judge(limit: u64, embedded: bool) -> Result<Option<String>, Error> {
    if embedded && limit < NEEDED {
        return Err(Error::OpenFiles {
            limit,
            needed: NEEDED,
        });
    }
    Ok((limit < AMPLE).then(|| {
        format!(
            "warning: this process may open only {limit} files at once (hard limit): many \
             partitions or consumers need more; raise it with `ulimit -n {AMPLE}`"
        )
    }))
}

/// Raises the soft limit up to the hard limit, and returns the limit.
fn raise() -> u64 {
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
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_that_is_too_low_is_named_before_the_run() {
        let error = judge(64, true).unwrap_err();
        assert!(error.to_string().contains("64"), "{error}");
        assert!(error.hint().unwrap().contains("ulimit -n"), "{error}");
        assert!(judge(64, false).unwrap().unwrap().contains("only 64 files"));
        assert!(judge(256, true).unwrap().is_some());
        assert_eq!(judge(8_192, true).unwrap(), None);
    }
}
