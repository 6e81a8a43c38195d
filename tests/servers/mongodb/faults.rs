//! Injected faults, as MongoDB's own driver sees them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoy_mongodb_server::{ErrorReply, Fault, FaultHook, Interruption, Moment, Settings};
use mongodb::bson::{Document, doc};
use mongodb::error::{ErrorKind, InsertManyError};

use crate::mongodb::{error_code, run, start_with};

/// Injects a fault once, into the next command of a name.
#[derive(Debug)]
struct Once {
    command: &'static str,
    fault: Mutex<Option<Fault>>,
}

impl FaultHook<Moment<'_>, Fault> for Once {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        if moment.command != self.command {
            return None;
        }
        assert_eq!((moment.database, moment.collection), ("test", "c"));
        self.fault.lock().unwrap().take()
    }
}

fn settings(command: &'static str, fault: Fault) -> Settings {
    let fault = Mutex::new(Some(fault));
    Settings::default().with_faults(Arc::new(Once { command, fault }))
}

fn error(code: i32) -> ErrorReply {
    ErrorReply::new(code, "injected")
}

#[tokio::test]
async fn cut_before_applies_nothing_and_cut_after_applies_everything() {
    for (before, stored) in [(true, 0), (false, 1)] {
        let cut = Some(Interruption::Cut);
        let fault = Fault {
            before: cut.filter(|_| before),
            after: cut.filter(|_| !before),
            ..Fault::default()
        };
        let (server, client) = start_with(settings("insert", fault)).await;
        let collection = client.database("test").collection::<Document>("c");
        let failed = collection.insert_one(doc! { "_id": 1 }).await;
        assert!(matches!(*failed.unwrap_err().kind, ErrorKind::Io(_)));
        let counted = run(&client, doc! { "count": "c" }).await;
        assert_eq!(counted.get_i32("n").unwrap(), stored);
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn single_documents_are_rejected_by_their_index() {
    let fault = Fault {
        write_errors: vec![(1, error(121))],
        ..Fault::default()
    };
    let (server, client) = start_with(settings("insert", fault)).await;
    let collection = client.database("test").collection::<Document>("c");
    let documents = (0..3).map(|number| doc! { "_id": number });
    let failed = collection.insert_many(documents).ordered(false).await;
    let ErrorKind::InsertMany(InsertManyError { write_errors, .. }) = *failed.unwrap_err().kind
    else {
        panic!("not an error of single documents");
    };
    let errors = write_errors.unwrap();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.index, error.code))
        .collect();
    assert_eq!(found, [(1, 121)]);
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").unwrap(), 2);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn write_concern_error_is_reported_with_the_write_applied() {
    let fault = Fault {
        write_concern_error: Some(error(64)),
        ..Fault::default()
    };
    let (server, client) = start_with(settings("insert", fault)).await;
    let collection = client.database("test").collection::<Document>("c");
    let failed = collection.insert_many([doc! { "_id": 1 }]).await;
    let failed = failed.unwrap_err();
    assert!(
        matches!(&*failed.kind, ErrorKind::InsertMany(InsertManyError { write_concern_error: Some(error), .. }) if error.code == 64),
        "{failed:?}"
    );
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").unwrap(), 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn hanging_command_is_never_answered_and_delays_no_other() {
    let fault = Fault {
        before: Some(Interruption::Hang),
        ..Fault::default()
    };
    let (server, client) = start_with(settings("insert", fault)).await;
    let collection = client.database("test").collection::<Document>("c");
    let hanging = collection.insert_one(doc! { "_id": 1 });
    let waited = tokio::time::timeout(Duration::from_millis(200), hanging.into_future()).await;
    assert!(waited.is_err());
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").unwrap(), 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn rejected_command_gets_only_the_error() {
    let fault = Fault {
        rejection: Some(error(11_600)),
        ..Fault::default()
    };
    let (server, client) = start_with(settings("find", fault)).await;
    assert_eq!(error_code(&client, doc! { "find": "c" }).await, 11_600);
    server.stop().await.unwrap();
}
