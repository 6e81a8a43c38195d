//! What all connections share: places, and memory for large requests and responses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use convoy_server_kit::{Connections, Exhausted, FrameMemory, Limits, Share};

/// A connection that has been idle for this long may be closed in favour of another.
const SPARE: Duration = Duration::from_secs(60);

/// What all connections share.
#[derive(Debug)]
pub struct Bounds {
    /// Limits of each.
    pub limits: Limits,
    /// Those that are open.
    pub connections: Arc<Connections>,
    /// Memory of requests.
    pub requests: Arc<FrameMemory>,
    /// Memory of responses.
    pub responses: Arc<FrameMemory>,
}

impl Bounds {
    /// Returns what no connection uses yet.
    pub fn new(limits: Limits, frame_memory: usize) -> Self {
        Self {
            limits,
            connections: Arc::new(Connections::new(limits.connections, SPARE)),
            requests: FrameMemory::new(frame_memory),
            responses: FrameMemory::new(frame_memory),
        }
    }
}

/// The memory of one connection's next response.
#[derive(Debug)]
pub struct ResponseMemory {
    memory: Arc<FrameMemory>,
    share: Mutex<Option<Share>>,
}

impl ResponseMemory {
    /// Starts without a response.
    pub fn new(memory: Arc<FrameMemory>) -> Self {
        Self {
            memory,
            share: Mutex::default(),
        }
    }

    /// Waits until a response of about this many bytes may be written.
    pub async fn reserve(&self, bytes: usize) -> Result<(), Exhausted> {
        let share = self.memory.reserve(bytes).await?;
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = share;
        Ok(())
    }

    /// Takes the share of the response that was written.
    pub fn take(&self) -> Option<Share> {
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        share.take()
    }
}
