//! The parameters of a server that clients set.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bson::Value;

/// Parameters that were set, by name.
#[derive(Debug, Default)]
pub struct Parameters(Mutex<Vec<(String, Value<'static>)>>);

impl Parameters {
    fn set(&self) -> MutexGuard<'_, Vec<(String, Value<'static>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value that was set.
    pub fn get(&self, name: &str) -> Option<Value<'static>> {
        let set = self.set();
        let found = set.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Sets a value.
    pub fn put(&self, name: &str, value: Value<'static>) {
        let mut set = self.set();
        set.retain(|(known, _)| known != name);
        set.push((name.to_owned(), value));
    }
}
