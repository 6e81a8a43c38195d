//! Users and passwords, checked by MongoDB's own driver.

use convoy_mongodb_server::{MongoServer, Settings, User};
use mongodb::Client;
use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};

async fn start() -> MongoServer {
    let settings = Settings::default()
        .with_user(User::new("fleet", "p,a=ss"))
        .with_user(User::new("other", "pencil"));
    MongoServer::start(settings).await.unwrap()
}

async fn insert_as(server: &MongoServer, credentials: &str) -> Result<(), Error> {
    let uri = format!("mongodb://{credentials}{}/?maxPoolSize=2", server.address());
    let client = Client::with_uri_str(uri).await.unwrap();
    let collection = client.database("test").collection("readings");
    collection.insert_one(doc! { "a": 1 }).await?;
    Ok(())
}

#[tokio::test]
async fn only_a_user_with_the_right_password_may_write() {
    let server = start().await;
    insert_as(&server, "fleet:p%2Ca%3Dss@").await.unwrap();
    insert_as(&server, "other:pencil@").await.unwrap();
    for credentials in ["fleet:pencil@", "nobody:pencil@"] {
        let error = insert_as(&server, credentials).await.unwrap_err();
        assert!(
            matches!(*error.kind, ErrorKind::Authentication { .. }),
            "{error:?}"
        );
    }
    let error = insert_as(&server, "").await.unwrap_err();
    assert!(
        matches!(&*error.kind, ErrorKind::Command(rejected) if rejected.code == 13),
        "{error:?}"
    );
    server.stop().await.unwrap();
}
