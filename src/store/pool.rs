//! The driver's client and its connection pool. A client that is stuck is replaced.
//!
//! The driver waits without a deadline for the handshake of a new connection, and opens only a few
//! at once. If a server hangs during the handshake and the bytes sent to it are lost, the client
//! sends no further command, even after the server has recovered. So a client is replaced after
//! several commands in a row have timed out.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::Client;
use mongodb::error::Error as DriverError;
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::ClientOptions;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::cause::{Cause, within};
use crate::store::failure::cause;

/// Timeouts in a row after which a client counts as stuck.
const STUCK_AFTER: u32 = 2;

/// A checkout that takes this long while every connection is in use has waited for one.
const WAIT: Duration = Duration::from_millis(1);

/// A pool is saturated if more than one checkout in this many has waited.
const SATURATED: u64 = 100;

/// Connections to one deployment. Clones share them.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    client: Mutex<Client>,
    timed_out: AtomicU32,
    counts: Arc<Counts>,
    /// Runtime that waits for the sockets of the connections.
    runtime: Handle,
}

/// How often and how long commands waited for a connection of the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkouts {
    /// Checkouts of a connection, one per command.
    pub all: u64,
    /// Checkouts that waited because every connection was in use.
    pub waited: u64,
    /// Time that those waited in total.
    pub wait: Duration,
}

impl Checkouts {
    /// Returns whether more than 1 % of the checkouts waited for a connection.
    pub fn saturated(&self) -> bool {
        self.waited > self.all / SATURATED
    }
}

/// Checkouts of every client that the pool has had. One addition per command.
#[derive(Debug, Default)]
struct Counts {
    all: AtomicU64,
    waited: AtomicU64,
    wait_ns: AtomicU64,
}

impl Counts {
    /// Returns a handler that counts the checkouts of one client.
    fn handler(self: &Arc<Self>, options: &ClientOptions) -> EventHandler<CmapEvent> {
        /// The driver's default.
        const MAX_POOL_SIZE: u32 = 10;
        let counts = Arc::clone(self);
        let most = options.max_pool_size.unwrap_or(MAX_POOL_SIZE) as usize;
        // By id, because the driver also checks new connections in that were never checked out.
        let in_use = Mutex::new(BTreeSet::new());
        EventHandler::callback(move |event| {
            let mut in_use = in_use.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                CmapEvent::ConnectionCheckedOut(checkout) => {
                    in_use.insert(checkout.connection_id);
                    counts.count(in_use.len() >= most, checkout.duration);
                }
                CmapEvent::ConnectionCheckedIn(checkin) => {
                    in_use.remove(&checkin.connection_id);
                }
                _ => {}
            }
        })
    }

    /// Counts a checkout; `exhausted` says that it took the last free connection.
    fn count(&self, exhausted: bool, took: Duration) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if exhausted && took >= WAIT {
            let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.waited.fetch_add(1, Ordering::Relaxed);
            self.wait_ns.fetch_add(took_ns, Ordering::Relaxed);
        }
    }
}

impl Pool {
    pub fn new(options: ClientOptions) -> Result<Self, DriverError> {
        let counts = Arc::default();
        let client = open(&options, &counts)?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                client: Mutex::new(client),
                timed_out: AtomicU32::new(0),
                counts,
                runtime: Handle::current(),
            }),
        })
    }

    /// Starts a task that reads much: where its sockets are waited for, no other thread is woken for
    /// each part of a response.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.shared.runtime.spawn(task)
    }

    /// Returns the current client, for one command.
    pub fn client(&self) -> Client {
        let client = &self.shared.client;
        client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns how often and how long commands have waited for a connection so far.
    pub fn checkouts(&self) -> Checkouts {
        let counts = &self.shared.counts;
        Checkouts {
            all: counts.all.load(Ordering::Relaxed),
            waited: counts.waited.load(Ordering::Relaxed),
            wait: Duration::from_nanos(counts.wait_ns.load(Ordering::Relaxed)),
        }
    }

    /// Waits for the response to a command, which may be an error.
    pub async fn answer<T>(
        &self,
        deadline: Duration,
        command: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<Result<T, DriverError>, Cause> {
        let answered = within(deadline, command).await;
        let timed_out = &self.shared.timed_out;
        if answered.is_ok() {
            timed_out.store(0, Ordering::Relaxed);
        } else if timed_out.fetch_add(1, Ordering::Relaxed) + 1 >= STUCK_AFTER {
            timed_out.store(0, Ordering::Relaxed);
            self.replace_client();
        }
        answered
    }

    /// Waits for a command to succeed.
    pub async fn within<T>(
        &self,
        deadline: Duration,
        command: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<T, Cause> {
        self.answer(deadline, command)
            .await?
            .map_err(|error| cause(&error))
    }

    fn replace_client(&self) {
        match open(&self.shared.options, &self.shared.counts) {
            Ok(fresh) => {
                tracing::info!("replaced the connections to the store after repeated timeouts");
                let mut client = self
                    .shared
                    .client
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *client = fresh;
            }
            Err(error) => tracing::warn!(%error, "failed to replace the connections to the store"),
        }
    }
}

fn open(options: &ClientOptions, counts: &Arc<Counts>) -> Result<Client, DriverError> {
    let mut options = options.clone();
    options.cmap_event_handler = Some(counts.handler(&options));
    Client::with_options(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slow_checkouts_from_an_exhausted_pool_count_as_waits() {
        let counts = Counts::default();
        for (exhausted, took) in [(true, WAIT / 2), (false, WAIT), (true, WAIT)] {
            counts.count(exhausted, took);
        }
        assert_eq!(counts.waited.load(Ordering::Relaxed), 1);
        assert_eq!(counts.wait_ns.load(Ordering::Relaxed), 1_000_000);
    }

    #[test]
    fn a_pool_is_saturated_above_one_wait_in_a_hundred_checkouts() {
        let checkouts = |all, waited| Checkouts {
            all,
            waited,
            wait: WAIT,
        };
        assert!(!checkouts(0, 0).saturated());
        assert!(!checkouts(200, 2).saturated());
        assert!(checkouts(200, 3).saturated());
    }
}
