//! The seam for faults does what it is told, at the moment it says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{ErrorKind, InsertManyError};

use crate::Settings;
use crate::faults::{Disturbance, FaultPlan, Injected, InjectedError, Occasion};
use crate::tests::{run, start_with};

/// Injects once, into the next command of a name.
#[derive(Debug)]
struct Once {
    command: &'static str,
    injected: Mutex<Option<Injected>>,
}

impl FaultPlan for Once {
    fn inject(&self, occasion: &Occasion<'_>) -> Injected {
        if occasion.command != self.command {
            return Injected::default();
        }
        assert_eq!((occasion.database, occasion.collection), ("test", "c"));
        let mut injected = self.injected.lock().expect("not poisoned");
        injected.take().unwrap_or_default()
    }
}

fn settings(command: &'static str, injected: Injected) -> Settings {
    Settings {
        faults: Some(Arc::new(Once {
            command,
            injected: Mutex::new(Some(injected)),
        })),
        ..Settings::default()
    }
}

fn error(code: i32) -> InjectedError {
    InjectedError {
        code,
        message: "injected".to_owned(),
    }
}

#[tokio::test]
async fn a_cut_before_applies_nothing_and_a_cut_after_applies_everything() {
    for (before, stored) in [(true, 0), (false, 1)] {
        let cut = Some(Disturbance::Cut);
        let injected = Injected {
            before: cut.filter(|_| before),
            after: cut.filter(|_| !before),
            ..Injected::default()
        };
        let (store, client) = start_with(settings("insert", injected)).await;
        let collection = client.database("test").collection::<Document>("c");
        let failed = collection.insert_one(doc! { "_id": 1 }).await;
        assert!(matches!(*failed.expect_err("cut").kind, ErrorKind::Io(_)));
        let counted = run(&client, doc! { "count": "c" }).await;
        assert_eq!(counted.get_i32("n").expect("a number"), stored);
        store.stop().await.expect("the store stops");
    }
}

#[tokio::test]
async fn single_documents_are_refused_by_their_index() {
    let injected = Injected {
        write_errors: vec![(1, error(121))],
        ..Injected::default()
    };
    let (store, client) = start_with(settings("insert", injected)).await;
    let collection = client.database("test").collection::<Document>("c");
    let documents = (0..3).map(|number| doc! { "_id": number });
    let failed = collection.insert_many(documents).ordered(false).await;
    let ErrorKind::InsertMany(InsertManyError { write_errors, .. }) =
        *failed.expect_err("one is refused").kind
    else {
        panic!("not an error of single documents");
    };
    let errors = write_errors.expect("the errors of single documents");
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.index, error.code))
        .collect();
    assert_eq!(found, [(1, 121)]);
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").expect("a number"), 2);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_write_concern_error_comes_with_the_write_applied() {
    let injected = Injected {
        write_concern_error: Some(error(64)),
        ..Injected::default()
    };
    let (store, client) = start_with(settings("insert", injected)).await;
    let collection = client.database("test").collection::<Document>("c");
    let failed = collection.insert_many([doc! { "_id": 1 }]).await;
    let failed = failed.expect_err("the write concern is not met");
    assert!(
        matches!(&*failed.kind, ErrorKind::InsertMany(InsertManyError { write_concern_error: Some(error), .. }) if error.code == 64),
        "{failed:?}"
    );
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").expect("a number"), 1);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_hanging_command_never_answers_and_holds_up_nobody() {
    let injected = Injected {
        before: Some(Disturbance::Hang),
        ..Injected::default()
    };
    let (store, client) = start_with(settings("insert", injected)).await;
    let collection = client.database("test").collection::<Document>("c");
    let hanging = collection.insert_one(doc! { "_id": 1 });
    let waited = tokio::time::timeout(Duration::from_millis(200), hanging.into_future()).await;
    assert!(waited.is_err());
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").expect("a number"), 0);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_refusal_is_the_whole_answer() {
    let injected = Injected {
        refusal: Some(error(11_600)),
        ..Injected::default()
    };
    let (store, client) = start_with(settings("find", injected)).await;
    assert_eq!(
        crate::tests::refused(&client, doc! { "find": "c" }).await,
        11_600
    );
    store.stop().await.expect("the store stops");
}
