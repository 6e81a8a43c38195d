//! What all connections share: places, and memory for large requests and replies.

use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{Connections, FrameMemory, Limits};

/// A connection that has been idle for this long may be closed in favour of another.
const SPARE: Duration = Duration::from_secs(60);

/// Time limits of clients that have not logged in.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Time limit for a new connection to send its first frame.
    pub first_frame: Duration,
    /// How long a client that has not logged in may be idle. Drivers monitor a server on connections
    /// that never log in, by a command every few seconds.
    pub before_login: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            first_frame: Duration::from_secs(30),
            before_login: Duration::from_secs(120),
        }
    }
}

/// What all connections share: places, and memory for large frames.
#[derive(Debug)]
pub struct Bounds {
    /// Limits of each.
    pub limits: Limits,
    /// Time limits before a login.
    pub deadlines: Deadlines,
    /// Those that are open.
    pub connections: Arc<Connections>,
    /// Memory of requests.
    pub requests: Arc<FrameMemory>,
    /// Memory of replies.
    pub replies: Arc<FrameMemory>,
}

impl Bounds {
    /// Returns what no connection uses yet.
    pub fn new(limits: Limits, deadlines: Deadlines, frame_memory: usize) -> Self {
        Self {
            limits,
            deadlines,
            connections: Arc::new(Connections::new(limits.connections, SPARE)),
            requests: FrameMemory::new(frame_memory),
            replies: FrameMemory::new(frame_memory),
        }
    }
}
