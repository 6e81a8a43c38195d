//! The broker as clients see it: `rskafka` for what must work, raw sockets for what must not.

mod bytes;
mod client;
mod faults;
mod security;

use crate::{Broker, Settings};

/// Starts a broker with small segments in a temporary directory.
async fn start() -> Broker {
    let settings = Settings {
        segment_bytes: 64 * 1024,
        ..Settings::default()
    };
    Broker::start(settings).await.unwrap()
}
