//! The server in raw bytes.

mod access;
mod bytes;

use crate::{KafkaServer, Settings};

async fn start() -> KafkaServer {
    KafkaServer::start(Settings::default()).await.unwrap()
}
