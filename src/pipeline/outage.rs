//! Outages of a server: one line when requests begin to fail, and one when all succeed again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::measure::nanos;

/// Minimum time between the lines about two outages of one server.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Target of the lines; the terminal shows each of them.
const TARGET: &str = "convoy::outage";

/// Requests to one server that fail and are retried.
#[derive(Debug)]
pub struct Outage {
    server: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks whose last request failed.
    failing: usize,
    /// When the first of them failed.
    since: u64,
    /// Whether a line says so.
    announced: bool,
    /// Time of the last such line.
    last_line: Option<u64>,
}

/// A task whose last request failed. Dropping it means that the task no longer needs the server.
#[derive(Debug)]
pub struct Failing {
    server: &'static str,
    state: Arc<Mutex<State>>,
}

impl Outage {
    /// Starts without an outage of `server`.
    pub fn new(server: &'static str) -> Self {
        Self {
            server,
            state: Arc::default(),
        }
    }

    /// Records that a request of a task failed.
    pub fn failed(&self, task: &mut Option<Failing>, now: u64, cause: &dyn fmt::Display) {
        let mut state = lock(&self.state);
        if task.is_none() {
            if state.failing == 0 {
                state.since = now;
            }
            state.failing += 1;
            *task = Some(Failing {
                server: self.server,
                state: Arc::clone(&self.state),
            });
        }
        let recent = |line: u64| now.saturating_sub(line) < nanos(LINE_PERIOD);
        if !state.announced && !state.last_line.is_some_and(recent) {
            state.announced = true;
            state.last_line = Some(now);
            tracing::warn!(target: TARGET, "a request to the {} failed; retrying: {cause}", self.server);
        }
    }

    /// Records that the request of a task succeeded.
    pub fn end(task: &mut Option<Failing>, now: u64) {
        let Some(task) = task.take() else {
            return;
        };
        let state = lock(&task.state);
        if state.failing == 1 && state.announced {
            let outage = Duration::from_nanos(now.saturating_sub(state.since));
            let seconds = outage.as_secs_f64();
            tracing::warn!(target: TARGET, "the {} responded again, {seconds:.1} s after the first failed request", task.server);
        }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.failing = state.failing.saturating_sub(1);
        state.announced &= state.failing > 0;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(outage: &Outage) -> (usize, bool) {
        let state = lock(&outage.state);
        (state.failing, state.announced)
    }

    #[test]
    fn outage_ends_with_the_last_failing_task() {
        let outage = Outage::new("broker");
        let (mut first, mut second) = (None, None);
        outage.failed(&mut first, 1, &"refused");
        outage.failed(&mut first, 2, &"refused");
        outage.failed(&mut second, 3, &"refused");
        assert_eq!(announced(&outage), (2, true));
        Outage::end(&mut first, 4);
        assert_eq!(announced(&outage), (1, true));
        Outage::end(&mut second, 5);
        Outage::end(&mut second, 6);
        assert_eq!(announced(&outage), (0, false));
    }

    #[test]
    fn outage_soon_after_another_is_announced_once_it_lasts() {
        let outage = Outage::new("store");
        let mut task = None;
        outage.failed(&mut task, 1, &"refused");
        Outage::end(&mut task, 2);
        outage.failed(&mut task, 3, &"refused");
        assert_eq!(announced(&outage), (1, false));
        outage.failed(&mut task, 1 + nanos(LINE_PERIOD), &"refused");
        assert_eq!(announced(&outage), (1, true));
        drop(task);
        assert_eq!(announced(&outage), (0, false));
    }
}
