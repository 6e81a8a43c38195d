//! The connections that are open: how many, and which one is closed if there are too many.
//!
//! A connection that is not trusted is closed first, so that programs that only connect cannot keep the
//! others out; then one that has been idle for long enough. Of several, the one that has been idle for
//! longest is closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::RunClock;

/// Open connections.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Guest>>>,
    places: Arc<Semaphore>,
    last: AtomicU64,
    clock: RunClock,
    spare: Duration,
}

/// What is known of an open connection.
#[derive(Debug)]
pub struct Guest {
    trusted: AtomicBool,
    busy: AtomicBool,
    /// Nanoseconds on the clock of all connections.
    active: AtomicU64,
    clock: RunClock,
    evicted: CancellationToken,
}

/// A place among the open connections, freed when dropped.
#[derive(Debug)]
pub struct Place {
    guest: Arc<Guest>,
    connections: Arc<Connections>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

/// Marks a connection as busy until dropped.
#[derive(Debug)]
pub struct Busy<'a>(&'a Guest);

impl Connections {
    /// Number of connections that a server should accept above the limit: they wait for a place.
    pub const WAITING: usize = 64;

    /// Starts with no connection of `limit`. If all places are taken, a trusted connection is closed if
    /// it has been idle for `spare`.
    pub fn new(limit: usize, spare: Duration) -> Self {
        Self {
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(limit)),
            last: AtomicU64::new(0),
            clock: RunClock::start(),
            spare,
        }
    }

    /// Waits for a place; closes another connection if there is none.
    ///
    /// # Panics
    ///
    /// Never: the semaphore is not closed.
    pub async fn enter(self: &Arc<Self>) -> Place {
        if self.places.available_permits() == 0 {
            self.evict();
        }
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let guest = Arc::new(Guest {
            trusted: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            active: AtomicU64::new(self.clock.now()),
            clock: self.clock,
            evicted: CancellationToken::new(),
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, Arc::clone(&guest));
        Place {
            guest,
            connections: Arc::clone(self),
            number,
            _permit: permit,
        }
    }

    /// Closes the connection that is missed least.
    fn evict(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let spare = u64::try_from(self.spare.as_nanos()).unwrap_or(u64::MAX);
        let missed_least = open
            .values()
            .filter(|guest| !guest.evicted.is_cancelled() && !guest.busy.load(Ordering::Relaxed))
            .map(|guest| {
                (
                    guest,
                    guest.is_trusted(),
                    guest.active.load(Ordering::Relaxed),
                )
            })
            .filter(|(_, trusted, active)| !trusted || now.saturating_sub(*active) >= spare)
            .min_by_key(|(_, trusted, active)| (*trusted, *active));
        if let Some((guest, _, _)) = missed_least {
            guest.evicted.cancel();
        }
    }
}

impl Guest {
    /// Notes that the client is one to serve: it logged in, or sent a request if there are no users.
    pub fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    /// Whether [`trust`](Self::trust) was called.
    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    /// Marks the connection as busy with a request: it is not closed meanwhile.
    pub fn busy(&self) -> Busy<'_> {
        self.busy.store(true, Ordering::Relaxed);
        Busy(self)
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Waits until the connection must be closed in favour of another.
    pub async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Place {
    /// Returns the connection that has the place.
    pub fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.active.store(self.0.clock.now(), Ordering::Relaxed);
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = self.connections.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_that_are_missed_least_are_closed_first() {
        let connections = Arc::new(Connections::new(3, Duration::ZERO));
        let (trusted, unknown) = (connections.enter().await, connections.enter().await);
        let working = connections.enter().await;
        trusted.guest().trust();
        working.guest().trust();
        let working_on = working.guest().busy();
        for (evicted, place) in [(false, &trusted), (true, &unknown), (false, &working)] {
            if evicted {
                connections.evict();
            }
            assert_eq!(place.guest().evicted.is_cancelled(), evicted);
        }
        connections.evict();
        assert!(trusted.guest().evicted.is_cancelled());
        connections.evict();
        assert!(!working.guest().evicted.is_cancelled());
        drop(working_on);
        drop(unknown);
        let next = connections.enter().await;
        assert!(!next.guest().evicted.is_cancelled());
    }

    #[tokio::test]
    async fn of_several_the_one_idle_for_longest_is_closed() {
        let connections = Arc::new(Connections::new(3, Duration::ZERO));
        let (first, second) = (connections.enter().await, connections.enter().await);
        drop(first.guest().busy());
        connections.evict();
        assert!(!first.guest().evicted.is_cancelled());
        assert!(second.guest().evicted.is_cancelled());
    }

    #[tokio::test]
    async fn trusted_connection_that_was_active_is_not_closed() {
        let connections = Arc::new(Connections::new(1, Duration::from_secs(60)));
        let trusted = connections.enter().await;
        trusted.guest().trust();
        connections.evict();
        assert!(!trusted.guest().evicted.is_cancelled());
    }
}
