//! What all connections share: places, and memory for large requests and replies.

use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{Connections, FrameMemory, Limits};

/// A connection that has been idle for this long may be closed in favour of another.
const SPARE: Duration = Duration::from_secs(60);

/// What all connections share: places, and memory for large frames.
#[derive(Debug)]
pub struct Bounds {
    /// Limits of each.
    pub limits: Limits,
    /// Those that are open.
    pub connections: Arc<Connections>,
    /// Memory of requests.
    pub requests: Arc<FrameMemory>,
    /// Memory of replies.
    pub replies: Arc<FrameMemory>,
}

impl Bounds {
    /// Returns what no connection uses yet.
    pub fn new(limits: Limits, frame_memory: usize) -> Self {
        Self {
            limits,
            connections: Arc::new(Connections::new(limits.connections, SPARE)),
            requests: FrameMemory::new(frame_memory),
            replies: FrameMemory::new(frame_memory),
        }
    }
}
