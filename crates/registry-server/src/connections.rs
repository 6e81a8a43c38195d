//! The connections that are open: how many, and which one is closed if there are too many.
//!
//! A connection that was never authorized is closed first, so that programs that only connect cannot
//! keep the others out; then one that waits for its next request, which HTTP clients expect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Open connections.
#[derive(Debug)]
pub(super) struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    places: Arc<Semaphore>,
    last: AtomicU64,
}

/// An open connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// A request of it was authorized.
    trusted: AtomicBool,
    /// A request of it is being handled.
    busy: AtomicBool,
    /// Closes it.
    evicted: CancellationToken,
}

/// A place among the open connections, freed when dropped.
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    connections: Arc<Connections>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

/// Marks a connection as busy, until dropped.
pub(super) struct Busy<'a>(&'a Connection);

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(limit)),
            last: AtomicU64::new(0),
        }
    }

    /// Waits for a place; closes another connection if there is none. Returns `None` when the server
    /// stops.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<Place> {
        if self.places.available_permits() == 0 {
            self.evict();
        }
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::default());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, Arc::clone(&connection));
        Some(Place {
            connection,
            connections: Arc::clone(self),
            number,
            _permit: permit,
        })
    }

    /// Closes the oldest connection of the kind that is missed least.
    fn evict(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut candidates = open
            .values()
            .filter(|connection| !connection.evicted.is_cancelled());
        let unknown = candidates
            .clone()
            .find(|connection| !connection.is_busy() && !connection.is_trusted());
        let waiting = || candidates.find(|connection| !connection.is_busy());
        if let Some(connection) = unknown.or_else(waiting) {
            connection.evicted.cancel();
        }
    }
}

impl Connection {
    pub(super) fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn busy(&self) -> Busy<'_> {
        self.busy.store(true, Ordering::Relaxed);
        Busy(self)
    }

    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
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
        let connections = Arc::new(Connections::new(3));
        let enter = async || connections.enter().await.expect("there is a place");
        let (trusted, unknown, working) = (enter().await, enter().await, enter().await);
        trusted.connection.trust();
        working.connection.trust();
        let working_on = working.connection.busy();
        for (evicted, place) in [(false, &trusted), (true, &unknown), (false, &working)] {
            if evicted {
                connections.evict();
            }
            assert_eq!(place.connection.evicted.is_cancelled(), evicted);
        }
        connections.evict();
        assert!(trusted.connection.evicted.is_cancelled());
        connections.evict();
        assert!(!working.connection.evicted.is_cancelled());
        drop(working_on);
        drop(unknown);
        let next = enter().await;
        assert!(!next.connection.evicted.is_cancelled());
    }
}
