//! Documents whose observer waits until they are on disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::bson::Doc;
use crate::engine::locks::lock;
use crate::engine::namespace::Namespace;
use crate::engine::position::Position;
use crate::observer::{Ticket, WriteObserver};

/// An observer, and the tickets of documents that are not on disk yet.
#[derive(Debug)]
pub struct Observed {
    observer: Arc<dyn WriteObserver>,
    pending: Mutex<VecDeque<(Position, Ticket)>>,
}

impl Observed {
    pub fn new(observer: Arc<dyn WriteObserver>) -> Self {
        Self {
            observer,
            pending: Mutex::default(),
        }
    }

    /// Shows written documents to the observer. Returns whether it waits for one of them.
    pub fn written(&self, namespace: &Namespace, batch: &[Doc<'_>], position: Position) -> bool {
        let (database, collection) = (&namespace.database, &namespace.collection);
        let shown = batch.iter().filter_map(|document| {
            self.observer
                .written(database, collection, document.bytes())
        });
        let shown: Vec<_> = shown.map(|ticket| (position, ticket)).collect();
        let waits = !shown.is_empty();
        lock(&self.pending).extend(shown);
        waits
    }

    /// Returns the tickets of all documents up to a position, which is on disk.
    pub fn durable(&self, position: Position) {
        let mut pending = lock(&self.pending);
        let known = pending.iter().take_while(|(at, _)| *at <= position);
        let known = known.count();
        let tickets: Vec<Ticket> = pending.drain(..known).map(|(_, ticket)| ticket).collect();
        drop(pending);
        if !tickets.is_empty() {
            self.observer.durable(&tickets);
        }
    }
}
