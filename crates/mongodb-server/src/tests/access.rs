//! Users and passwords, proved by the official driver.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Settings, Store, User};

/// Nothing here takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(20);

async fn start() -> Store {
    let settings = Settings {
        users: vec![User::new("fleet", "p,a=ss"), User::new("other", "pencil")],
        ..Settings::default()
    };
    Store::start(settings).await.expect("the store starts")
}

async fn ask(store: &Store, credentials: &str) -> Result<(), Error> {
    let uri = format!("mongodb://{credentials}{}/?maxPoolSize=2", store.address());
    let client = Client::with_uri_str(uri).await.expect("a valid address");
    let collection = client.database("test").collection("readings");
    collection.insert_one(doc! { "a": 1 }).await?;
    Ok(())
}

#[tokio::test]
async fn the_right_password_opens_and_a_wrong_one_does_not() {
    let store = start().await;
    ask(&store, "fleet:p%2Ca%3Dss@")
        .await
        .expect("the password is right");
    ask(&store, "other:pencil@")
        .await
        .expect("the password is right");
    for credentials in ["fleet:pencil@", "nobody:pencil@"] {
        let error = ask(&store, credentials)
            .await
            .expect_err("the password is wrong");
        assert!(
            matches!(*error.kind, ErrorKind::Authentication { .. }),
            "{error:?}"
        );
    }
    let error = ask(&store, "").await.expect_err("a password is needed");
    assert!(
        matches!(&*error.kind, ErrorKind::Command(refused) if refused.code == 13),
        "{error:?}"
    );
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_stranger_may_not_send_large_frames() {
    let store = start().await;
    let mut stream = TcpStream::connect(store.address())
        .await
        .expect("the store listens");
    let mut header = 1_000_000_i32.to_le_bytes().to_vec();
    header.extend([0; 8]);
    header.extend(2013_i32.to_le_bytes());
    stream.write_all(&header).await.expect("the store reads");
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    closed.expect("in time").expect("an orderly end");
    assert!(answer.is_empty());
}

#[tokio::test]
async fn an_address_that_others_reach_needs_users() {
    let settings = Settings {
        listen: "0.0.0.0:0".parse().expect("an address"),
        ..Settings::default()
    };
    let refused = Store::start(settings).await;
    assert!(matches!(refused, Err(crate::Error::Unprotected { .. })));
}

#[test]
fn passwords_are_not_shown() {
    let shown = format!("{:?}", User::new("fleet", "sentinel"));
    assert!(
        shown.contains("fleet") && !shown.contains("sentinel"),
        "{shown}"
    );
}
