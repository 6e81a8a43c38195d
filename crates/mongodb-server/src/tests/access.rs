//! Limits of clients that have not logged in.

use crate::bson::{Builder, Doc};
use crate::tests::client::{Client, OP_MSG, REPLY_HEAD, is_ok, message};
use crate::tests::start;
use crate::{Error, MongoServer, Settings, User};

fn with_user() -> Settings {
    Settings::default().with_user(User::new("fleet", "pencil"))
}

#[tokio::test]
async fn large_frame_before_login_closes_the_connection() {
    let server = start(with_user()).await;
    let mut client = Client::connect(server.address()).await;
    let mut header = message(OP_MSG, &[]);
    header[..4].copy_from_slice(&1_000_000_i32.to_le_bytes());
    client.send(&header).await;
    assert_eq!(client.receive(REPLY_HEAD).await, None);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn commands_before_login_are_rejected_but_for_the_handshake() {
    let server = start(with_user()).await;
    let mut client = Client::connect(server.address()).await;
    let hello = client.run(Builder::new().int32("hello", 1)).await;
    assert!(is_ok(&hello.expect("a reply")));
    let find = client.run(Builder::new().string("find", "readings")).await;
    let find = find.expect("a reply");
    let code = Doc::new(&find).get("code").and_then(|code| code.as_i64());
    assert_eq!(code, Some(13));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn address_that_other_machines_reach_needs_users() {
    let address = "0.0.0.0:0".parse().expect("an address");
    let rejected = MongoServer::start(Settings::default().with_listen(address)).await;
    assert!(matches!(rejected, Err(Error::Unprotected { .. })));
}
