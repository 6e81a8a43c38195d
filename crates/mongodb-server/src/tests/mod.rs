//! The whole server over raw sockets.

mod access;
mod bounds;
mod change_streams;
mod client;
mod data;
mod lifecycle;
mod observer;
mod replica_set;
mod sessions;
mod socket;
mod tailable;

use crate::{MongoServer, Settings};

async fn start(settings: Settings) -> MongoServer {
    MongoServer::start(settings)
        .await
        .expect("the server starts")
}
