//! Limit on open files: each connection needs one, and each partition of an embedded broker some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Error;

/// Enough for clients of all three servers and the files of topics.
const WANTED: u64 = 8_192;

/// Embedded servers with few topics and clients do not start with fewer.
const NEEDED: u64 = 128;

/// With fewer, a run with many partitions or consumers fails.
const AMPLE: u64 = 1_024;

/// With fewer, failures may come from this limit.
const FEW: u64 = 512;

/// Raises the soft limit up to the hard limit; returns a warning if that is not enough for the
/// clients of `convoy up`, and an error if its servers need more.
pub fn allow_clients() -> Result<Option<String>, Error> {
    let limit = raise();
    require(limit)?;
    Ok((limit < WANTED).then(|| {
        format!(
            "warning: this process may open only {limit} files; more connections must wait; \
             raise the limit with `ulimit -n {WANTED}`"
        )
    }))
}

/// Raises the soft limit up to the hard limit; returns a warning if some runs need more, and an
/// error if the embedded servers of any run need more.
pub fn allow_run(embedded: bool) -> Result<Option<String>, Error> {
    judge(raise(), embedded)
}

/// Returns a hint if few open files are allowed, which servers report as other errors.
pub fn hint() -> Option<String> {
    let current = limit_now();
    (current < FEW).then(|| {
        format!(
            "this process may open only {current} files at once (hard limit), which may be the \
             cause: raise it with `ulimit -n {AMPLE}`"
        )
    })
}

fn judge(limit: u64, embedded: bool) -> Result<Option<String>, Error> {
    if embedded {
        require(limit)?;
    }
    Ok((limit < AMPLE).then(|| {
        format!(
            "warning: this process may open only {limit} files at once (hard limit): many \
             partitions or consumers need more; raise it with `ulimit -n {AMPLE}`"
        )
    }))
}

/// Fails if embedded servers would not start.
fn require(limit: u64) -> Result<(), Error> {
    if limit < NEEDED {
        return Err(Error::OpenFiles {
            limit,
            needed: NEEDED,
        });
    }
    Ok(())
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
    let current = limit_now();
    tracing::info!(current, "limit on open files");
    current
}

fn limit_now() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
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
