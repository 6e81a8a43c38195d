//! The whole store, spoken to by the official driver and by raw bytes on a socket.

mod access;
mod driver;
mod faults;
mod socket;

use mongodb::Client;
use mongodb::bson::Document;

use crate::{Settings, Store};

/// Starts a store with a temporary directory, and a client of it.
async fn start() -> (Store, Client) {
    start_with(Settings::default()).await
}

async fn start_with(settings: Settings) -> (Store, Client) {
    let store = Store::start(settings).await.expect("the store starts");
    let client = connect(&store).await;
    (store, client)
}

async fn connect(store: &Store) -> Client {
    let uri = format!("mongodb://{}/?directConnection=true", store.address());
    Client::with_uri_str(uri).await.expect("a valid address")
}

/// Runs a command that must succeed.
async fn run(client: &Client, command: Document) -> Document {
    let answer = client.database("test").run_command(command).await;
    answer.expect("the command succeeds")
}

/// Runs a command that must fail; returns its code.
async fn refused(client: &Client, command: Document) -> i32 {
    let answer = client.database("test").run_command(command).await;
    let error = answer.expect_err("the command is refused");
    match *error.kind {
        mongodb::error::ErrorKind::Command(error) => error.code,
        other => panic!("not refused by the server: {other:?}"),
    }
}
