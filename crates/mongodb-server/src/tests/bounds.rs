//! Bounds over all connections, and of clients that only connect.

use std::time::Duration;

use convoy_server_kit::Secret;
use convoy_server_kit::scram::{ClientExchange, Hash};
use convoy_server_kit::{Limits, RunClock, nanos};

use crate::bounds::Deadlines;
use crate::bson::{Builder, Doc, Value};
use crate::tests::client::{Client, REPLY_HEAD, TIMEOUT, command, is_ok, list, must, number};
use crate::tests::start;
use crate::{MongoServer, Settings, User};

/// Bytes of a large command.
const LARGE: usize = 400 * 1024;

#[tokio::test]
async fn half_sent_commands_give_their_memory_to_a_whole_one() {
    let settings = Settings {
        frame_memory: 2 * 1024 * 1024,
        ..Settings::default()
    };
    let server = start(settings).await;
    let large = Builder::new()
        .int32("ping", 1)
        .string("comment", &"x".repeat(LARGE))
        .string("$db", "test")
        .finish();
    let large = command(&large);
    let mut half_sent = Vec::new();
    for _ in 0..12 {
        let mut client = Client::connect(server.address()).await;
        client.send(&large[..large.len() - 1]).await;
        half_sent.push(client);
    }
    let mut small = Client::connect(server.address()).await;
    assert!(is_ok(
        &small.must_answer(Builder::new().int32("ping", 1)).await
    ));
    let mut whole = Client::connect(server.address()).await;
    whole.send(&large).await;
    let reply = whole.receive(REPLY_HEAD).await.expect("a reply");
    assert!(is_ok(&reply));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn connections_that_only_connect_do_not_keep_others_out() {
    let mut settings = Settings::default().with_user(User::new("fleet", "pencil"));
    settings.limits = Limits {
        connections: 3,
        ..settings.limits
    };
    let server = start(settings).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Client::connect(server.address()).await);
    }
    let mut client = Client::connect(server.address()).await;
    let hello = client.must_answer(Builder::new().int32("hello", 1)).await;
    assert!(is_ok(&hello));
    assert_eq!(silent[0].receive(REPLY_HEAD).await, None);
    server.stop().await.expect("the server stops");
}

/// Logs in; returns whether the server accepted the password.
async fn log_in(server: &MongoServer, password: &str) -> bool {
    let mut client = Client::connect(server.address()).await;
    log_in_by(&mut client, password).await
}

/// Logs in on a connection; returns whether the server accepted the password.
async fn log_in_by(client: &mut Client, password: &str) -> bool {
    let payload = |text: &str| Value::Binary {
        subtype: 0,
        bytes: text.as_bytes().to_vec().into(),
    };
    let (exchange, first) = ClientExchange::begin(Hash::Sha256, "fleet", &Secret::new(password));
    let start = Builder::new()
        .int32("saslStart", 1)
        .string("mechanism", "SCRAM-SHA-256")
        .with("payload", &payload(&first));
    let challenge = client.must_answer(start).await;
    let Some(Value::Binary { bytes, .. }) = Doc::new(&challenge).get("payload") else {
        panic!("there is no challenge");
    };
    let (_, last) = exchange.prove(&bytes).expect("a valid challenge");
    let proof = Builder::new()
        .int32("saslContinue", 1)
        .int32("conversationId", 1)
        .with("payload", &payload(&last));
    is_ok(&client.must_answer(proof).await)
}

#[tokio::test]
async fn answers_to_wrong_passwords_are_delayed_and_those_to_the_right_one_are_not() {
    let settings = Settings::default().with_user(User::new("fleet", "pencil"));
    let server = start(settings).await;
    let clock = RunClock::start();
    for _ in 0..7 {
        assert!(!log_in(&server, "wrong").await);
    }
    assert!(clock.now() >= nanos(Duration::from_millis(300)));
    let right = tokio::time::timeout(TIMEOUT, log_in(&server, "pencil")).await;
    assert_eq!(right, Ok(true));
    server.stop().await.expect("the server stops");
}

/// Settings with deadlines before a login that a test can wait for.
fn impatient(users: bool, before_login: Duration) -> Settings {
    let deadlines = Deadlines {
        first_frame: Duration::from_secs(1),
        before_login,
    };
    let settings = Settings {
        deadlines,
        ..Settings::default()
    };
    if users {
        settings.with_user(User::new("fleet", "pencil"))
    } else {
        settings
    }
}

/// Sends bytes, reads answers, and waits until the server closes the connection.
async fn closes_after(sent: Vec<u8>, users: bool, answers: usize) {
    let server = start(impatient(users, Duration::from_secs(1))).await;
    let mut client = Client::connect(server.address()).await;
    client.send(&sent).await;
    for _ in 0..answers {
        assert!(client.receive(REPLY_HEAD).await.is_some());
    }
    assert_eq!(client.receive(REPLY_HEAD).await, None, "{sent:?}");
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn connections_that_do_not_log_in_are_closed() {
    let hello = command(&Builder::new().int32("hello", 1).string("$db", "a").finish());
    let find = command(
        &Builder::new()
            .string("find", "c")
            .string("$db", "a")
            .finish(),
    );
    let mut cases = tokio::task::JoinSet::new();
    // A command before the login is answered, and does not replace the login.
    cases.spawn(closes_after(Vec::new(), true, 0));
    cases.spawn(closes_after(Vec::new(), false, 0));
    cases.spawn(closes_after(hello[..1].to_vec(), true, 0));
    cases.spawn(closes_after(hello[..15].to_vec(), false, 0));
    cases.spawn(closes_after(hello, true, 1));
    cases.spawn(closes_after(find, true, 1));
    cases.join_all().await;
}

#[tokio::test]
async fn clients_that_have_sent_a_command_or_logged_in_stay() {
    for users in [false, true] {
        // The login itself takes a while.
        let server = start(impatient(users, TIMEOUT)).await;
        let mut client = Client::connect(server.address()).await;
        if users {
            assert!(log_in_by(&mut client, "pencil").await);
        } else {
            client.must_answer(Builder::new().int32("ping", 1)).await;
        }
        // A later connection that stays silent reaches its deadline after that of the first.
        let mut silent = Client::connect(server.address()).await;
        assert_eq!(silent.receive(REPLY_HEAD).await, None);
        let ping = client.must_answer(Builder::new().int32("ping", 1)).await;
        assert!(is_ok(&ping));
        server.stop().await.expect("the server stops");
    }
}

/// Returns a document of `currentOp` about commands on a collection.
async fn running_on(client: &mut Client, collection: &str) -> Option<Vec<u8>> {
    let request = Builder::new()
        .int32("currentOp", 1)
        .string("ns", &format!("test.{collection}"))
        .string("$db", "admin");
    client.send(&command(&request.finish())).await;
    let reply = client.receive(REPLY_HEAD).await.expect("a reply");
    let operations = Doc::new(&reply).get("inprog").expect("a list");
    let operations = operations.as_array().expect("a list");
    let mut documents = operations.values();
    documents
        .next()
        .and_then(|first| first.as_document().map(|doc| doc.bytes().to_vec()))
}

#[tokio::test]
async fn password_is_normalized_as_drivers_do() {
    // A soft hyphen is left out, a no-break space becomes a space, and a ligature its letters.
    let user = User::new("fleet", "pen\u{ad}cil\u{a0}\u{fb01}");
    let server = start(Settings::default().with_user(user)).await;
    assert!(log_in(&server, "pencil fi").await);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn query_that_runs_is_listed_and_can_be_killed() {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let documents = list((0..300).map(|id| Builder::new().int32("_id", id)));
    let insert = Builder::new()
        .string("insert", "c")
        .array("documents", documents);
    must(&mut client, insert).await;
    let lookup = || {
        Builder::new().document(
            "$lookup",
            Builder::new()
                .string("from", "c")
                .array("pipeline", list([]))
                .string("as", "o"),
        )
    };
    let unwind = || Builder::new().string("$unwind", "$o");
    let stages = [lookup(), unwind(), lookup(), unwind(), lookup(), unwind()];
    let endless = Builder::new()
        .string("aggregate", "c")
        .array(
            "pipeline",
            list(
                stages
                    .into_iter()
                    .chain([Builder::new().string("$count", "n")]),
            ),
        )
        .document("cursor", Builder::new());
    let address = server.address();
    let running = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        client.must_answer(endless).await
    });
    let operation = tokio::time::timeout(TIMEOUT, async {
        loop {
            if let Some(operation) = running_on(&mut client, "c").await {
                return operation;
            }
        }
    });
    let operation = operation.await.expect("the query is listed");
    let id = number(&operation, "opid").expect("a number");
    let kill = Builder::new()
        .int32("killOp", 1)
        .int64("op", id)
        .string("$db", "admin");
    client.send(&command(&kill.finish())).await;
    assert!(is_ok(&client.receive(REPLY_HEAD).await.expect("a reply")));
    let killed = tokio::time::timeout(TIMEOUT, running).await;
    let killed = killed.expect("the query ends").expect("no panic");
    assert_eq!(number(&killed, "code"), Some(11_601));
    assert_eq!(running_on(&mut client, "c").await, None);
    server.stop().await.expect("the server stops");
}
