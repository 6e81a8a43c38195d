//! Signals by which a user or a supervisor ends the process.

use std::io;

use rustix::process::{Resource, Signal as Number, getrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Stream of Ctrl-C (SIGINT), SIGTERM and SIGHUP (the terminal was closed).
#[derive(Debug)]
pub struct Interruptions {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the process was started with SIGHUP ignored, as `nohup` does.
    hangup: Option<Signal>,
}

impl Interruptions {
    /// Installs handlers. Needs a tokio runtime.
    pub fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: (!ignores_hangup())
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Number {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _interrupted = self.interrupt.recv() => Number::INT,
            _terminated = self.terminate.recv() => Number::TERM,
            _hung_up = hangup => Number::HUP,
        }
    }
}

/// Stream of writes that would have exceeded the limit on file sizes (SIGXFSZ).
#[derive(Debug)]
pub struct OversizedWrites(Signal);

impl OversizedWrites {
    /// Installs a handler. Needs a tokio runtime.
    pub fn register() -> io::Result<Self> {
        signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        let _signal = self.0.recv().await;
    }
}

/// Makes a write beyond the limit on file sizes an error, as on a full disk. Without a handler SIGXFSZ
/// ends the process.
pub fn fail_oversized_writes() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _entered = runtime.enter();
    // The handler stays installed.
    OversizedWrites::register().map(drop)
}

/// Returns the largest file that this process may write, in bytes; `None` without a limit.
pub fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Returns whether SIGHUP is ignored. False if the platform does not tell.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| is_ignored(&status, Number::HUP))
}

/// Looks a signal up in the mask of ignored signals of `/proc/self/status`, proc(5).
fn is_ignored(status: &str, signal: Number) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_tells_which_signals_are_ignored() {
        let status = "Name:\tconvoy\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(is_ignored(status, Number::HUP));
        assert!(!is_ignored(status, Number::INT));
        assert!(!is_ignored("Name:\tconvoy\n", Number::HUP));
    }
}
