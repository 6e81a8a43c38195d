//! The MongoDB server with MongoDB's own driver.

mod access;
mod driver;
mod faults;
mod lifecycle;

use convoy_mongodb_server::{MongoServer, Settings};
use mongodb::Client;
use mongodb::bson::Document;
use mongodb::error::ErrorKind;

/// Starts a server with a temporary directory, and a client of it.
async fn start() -> (MongoServer, Client) {
    start_with(Settings::default()).await
}

async fn start_with(settings: Settings) -> (MongoServer, Client) {
    let server = MongoServer::start(settings).await.unwrap();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    (server, client)
}

/// Runs a command that must succeed.
async fn run(client: &Client, command: Document) -> Document {
    let reply = client.database("test").run_command(command).await;
    reply.unwrap()
}

/// Runs a command that must fail; returns its code.
async fn error_code(client: &Client, command: Document) -> i32 {
    let reply = client.database("test").run_command(command).await;
    match *reply.unwrap_err().kind {
        ErrorKind::Command(error) => error.code,
        other => panic!("not rejected by the server: {other:?}"),
    }
}
