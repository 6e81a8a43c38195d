//! Outages of broker and store, seen by a process from its counts per second.
//!
//! A server is out in a second in which records waited for it from the first to the last moment
//! and none of them passed, or in which requests failed and no record passed.

use serde::{Deserialize, Serialize};

/// Seconds without a failed request that are a slow server rather than an outage, beyond the time
/// for which the client gathers records.
const SLOW_SECONDS: u64 = 2;

/// A server of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// The broker.
    Broker,
    /// The store.
    Store,
}

/// Period in which records waited for a server and none passed it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Server that did not serve.
    pub server: Server,
    /// Start of the first such second, in seconds after the run's epoch.
    pub from_s: f64,
    /// End of the last one.
    pub to_s: f64,
    /// Requests that failed until one second after it; each was retried.
    pub failed_requests: u64,
}

/// Counts since the start of a run, at the end of a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Readings emitted.
    pub emitted: u64,
    /// Records acknowledged, and readings that are dead letters.
    pub published: u64,
    /// Records acknowledged or fetched.
    pub served: u64,
    /// Records fetched.
    pub fetched: u64,
    /// Fetched records that are stored, were stored before, or are dead letters.
    pub settled: u64,
    /// Requests to the broker that failed.
    pub broker_failures: u64,
    /// Requests to the store that failed.
    pub store_failures: u64,
}

/// Finds outages, one second after the other.
#[derive(Debug, Clone)]
pub struct OutageDetector {
    before: Flow,
    seconds: u64,
    broker: Watch,
    store: Watch,
    found: Vec<Outage>,
}

/// What is known about one server.
#[derive(Debug, Clone)]
struct Watch {
    server: Server,
    /// Seconds without progress that are no outage if no request failed.
    usual: u64,
    /// The current outage: its first second, and failed requests.
    current: Option<(u64, u64)>,
}

impl OutageDetector {
    /// Starts before the first second. Clients gather records for at most `linger` before they
    /// publish, and for `batch_wait` before they store, both in nanoseconds.
    pub fn new(linger: u64, batch_wait: u64) -> Self {
        let watch = |server, gathering: u64| Watch {
            server,
            usual: gathering.div_ceil(1_000_000_000) + SLOW_SECONDS,
            current: None,
        };
        Self {
            before: Flow::default(),
            seconds: 0,
            broker: watch(Server::Broker, linger),
            store: watch(Server::Store, batch_wait),
            found: Vec::new(),
        }
    }

    /// Adds one second, which ended with these counts.
    pub fn second(&mut self, after: Flow) {
        let before = self.before;
        let failed = after.broker_failures - before.broker_failures;
        let waited = before.emitted.saturating_sub(before.published) > 0;
        let passed = after.published > before.published;
        let served = after.served > before.served;
        let out = (waited && !passed) || (failed > 0 && !served);
        self.found
            .extend(self.broker.second(self.seconds, out, failed));

        let failed = after.store_failures - before.store_failures;
        let waited = before.fetched.saturating_sub(before.settled) > 0;
        let passed = after.settled > before.settled;
        let out = (waited || failed > 0) && !passed;
        self.found
            .extend(self.store.second(self.seconds, out, failed));
        self.before = after;
        self.seconds += 1;
    }

    /// Returns the outages so far; one that lasts ends now.
    pub fn so_far(&self) -> Vec<Outage> {
        self.clone().finish()
    }

    /// Returns the outages, those at the end of the run last.
    pub fn finish(mut self) -> Vec<Outage> {
        for watch in [&mut self.broker, &mut self.store] {
            self.found.extend(watch.second(self.seconds, false, 0));
        }
        self.found
    }
}

impl Watch {
    /// Adds a second; returns the outage that ended before it.
    fn second(&mut self, second: u64, out: bool, failed: u64) -> Option<Outage> {
        if out {
            let (_, failures) = self.current.get_or_insert((second, 0));
            *failures += failed;
            return None;
        }
        let (first, failures) = self.current.take()?;
        let failed_requests = failures + failed;
        let significant = failed_requests > 0 || second - first > self.usual;
        significant.then_some(Outage {
            server: self.server,
            from_s: first as f64,
            to_s: second as f64,
            failed_requests,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 20 s at 100 records/s. A server passes nothing in its seconds; `failures` of its
    /// requests fail in each of them.
    fn run(out: Server, seconds: std::ops::Range<u64>, failures: u64) -> Vec<Outage> {
        let mut detector = OutageDetector::new(20_000_000, 100_000_000);
        let mut flow = Flow::default();
        for second in 0..20 {
            let is_out = seconds.contains(&second);
            let out = is_out.then_some(out);
            flow.emitted += 100;
            if out == Some(Server::Broker) {
                flow.broker_failures += failures;
            } else {
                flow.published = flow.emitted - 2;
                flow.fetched = flow.published - 1;
                flow.served = flow.published + flow.fetched;
            }
            if out == Some(Server::Store) {
                flow.store_failures += failures;
            } else {
                flow.settled = flow.fetched;
            }
            detector.second(flow);
        }
        detector.finish()
    }

    #[test]
    fn steady_run_has_no_outage() {
        assert_eq!(run(Server::Broker, 0..0, 0), []);
    }

    #[test]
    fn outage_has_its_server_and_its_window() {
        for server in [Server::Broker, Server::Store] {
            let found = run(server, 8..18, 1);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].server, server);
            assert!((found[0].from_s - 8.0).abs() < 1.5, "{found:?}");
            assert!((found[0].to_s - 18.0).abs() < 0.5, "{found:?}");
            assert!(found[0].failed_requests >= 9, "{found:?}");
        }
    }

    #[test]
    fn outage_that_lasts_is_known_before_it_ends() {
        let mut detector = OutageDetector::new(0, 0);
        let mut flow = Flow::default();
        for second in 0..6 {
            flow.emitted += 100;
            if second < 2 {
                flow.published = flow.emitted - 2;
                flow.served = flow.published;
            } else {
                flow.broker_failures += 1;
            }
            detector.second(flow);
        }
        let found = detector.so_far();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].to_s - 6.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found, detector.finish());
    }

    #[test]
    fn hang_without_a_failed_request_is_an_outage_if_it_is_long() {
        assert_eq!(run(Server::Store, 8..10, 0), []);
        let found = run(Server::Store, 8..13, 0);
        assert_eq!((found.len(), found[0].failed_requests), (1, 0));
    }

    #[test]
    fn outage_at_the_end_of_the_run_is_found() {
        let found = run(Server::Broker, 15..20, 1);
        assert!((found[0].to_s - 20.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn clients_that_gather_records_for_seconds_are_no_outage() {
        let mut detector = OutageDetector::new(0, 5_000_000_000);
        for second in 1..=20_u64 {
            detector.second(Flow {
                fetched: second * 10,
                settled: (second / 5) * 50,
                ..Flow::default()
            });
        }
        assert_eq!(detector.finish(), []);
    }

    #[test]
    fn failed_fetches_of_a_consumer_are_an_outage_of_the_broker() {
        let mut detector = OutageDetector::new(0, 0);
        for second in 1..=6_u64 {
            detector.second(Flow {
                broker_failures: second.min(4).saturating_sub(1),
                ..Flow::default()
            });
        }
        let found = detector.finish();
        assert!((found[0].from_s - 1.0).abs() < 1e-9, "{found:?}");
        assert!((found[0].to_s - 4.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found[0].server, Server::Broker);
    }
}
