//! Wakes fetches that wait for a partition to grow.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The fetches that wait for one partition.
#[derive(Debug, Default)]
pub struct Watchers {
    waiting: Mutex<Vec<Arc<Notify>>>,
}

impl Watchers {
    /// Wakes all waiting fetches.
    pub fn wake(&self) {
        for notify in self.lock().iter() {
            notify.notify_one();
        }
    }

    /// Adds a waiting fetch, until [`remove`](Self::remove).
    pub fn add(&self, notify: &Arc<Notify>) {
        self.lock().push(Arc::clone(notify));
    }

    /// Removes a waiting fetch.
    pub fn remove(&self, notify: &Arc<Notify>) {
        self.lock().retain(|waiting| !Arc::ptr_eq(waiting, notify));
    }

    /// Returns the number of waiting fetches.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
