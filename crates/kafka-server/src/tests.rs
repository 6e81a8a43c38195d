//! The server in raw bytes.

mod access;
mod bounds;
mod bytes;
mod damage;
#[cfg(feature = "tls")]
mod encryption;
mod snapshot;

use crate::{KafkaServer, Settings};

async fn start() -> KafkaServer {
    KafkaServer::start(Settings::default()).await.unwrap()
}
