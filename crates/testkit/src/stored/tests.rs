use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_mongodb_server::bson::Builder;
use proptest::prelude::*;

use super::*;
use crate::blocking;

/// Returns the records of a new topic with these keys and values.
fn records(records: &[(&str, &str)]) -> Vec<Record> {
    static KAFKA: LazyLock<blocking::Kafka> = LazyLock::new(|| blocking::Kafka::start().unwrap());
    static TOPICS: AtomicU32 = AtomicU32::new(0);
    let topic = format!("topic-{}", TOPICS.fetch_add(1, Ordering::Relaxed));
    KAFKA.create_topic(&topic, 1).unwrap();
    KAFKA.produce(&topic, records.iter().copied()).unwrap();
    KAFKA.records(&topic).unwrap()
}

fn document(id: &str) -> Document {
    Document::new(Builder::new().string("_id", id).finish().into())
}

fn compare(records: &[Record], documents: &[Document], identity: &Identity) -> Option<String> {
    let found = Difference::between("orders", records, "shop.orders", documents, identity);
    found.map(|difference| difference.to_string())
}

#[test]
fn difference_names_what_is_missing_doubled_and_unexpected() {
    let records = records(&[("k1", "a"), ("k2", "b"), ("k3", "c"), ("k1", "d")]);
    let documents = ["k1", "k3", "k3", "zz"].map(document);
    let text = compare(&records, &documents, &Identity::key("_id")).unwrap();
    let expected = "the records of topic `orders` are not all stored in `shop.orders`: 1 stored \
        once, 1 missing, 1 stored more than once, 1 documents without a record\
        \n  missing:\
        \n    partition 0, offset 1, key \"k2\", value \"b\"\
        \n  stored more than once:\
        \n    partition 0, offset 2, key \"k3\", value \"c\" (2 documents)\
        \n  documents without a record:\
        \n    { _id: \"zz\" }";
    assert_eq!(text, expected);
    assert_eq!(
        compare(
            &records,
            &["k1", "k2", "k3"].map(document),
            &Identity::key("_id")
        ),
        None
    );
}

#[test]
fn long_lists_and_long_texts_are_cut() {
    let long = "é".repeat(500);
    let many: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|key| (key.as_str(), long.as_str()))
        .collect();
    let text = compare(&records(&many), &[], &Identity::key("_id")).unwrap();
    assert!(text.contains("and 45 more") && text.len() < 2_000, "{text}");
}

#[test]
fn fields_of_json_find_numbers_and_texts() {
    let records = records(&[
        ("a", r#"{"order": {"id": 7}}"#),
        ("b", r#"{"order": {"id": "x"}}"#),
        ("c", r#"{"order": {"id": 1.5}}"#),
    ]);
    let identity = Identity::Field {
        record: "order.id".to_owned(),
        document: "number".to_owned(),
    };
    let documents = [
        Builder::new().int64("number", 7).finish(),
        Builder::new().string("number", "x").finish(),
        Builder::new().double("number", 1.5).finish(),
    ];
    let documents = documents.map(|bytes| Document::new(bytes.into()));
    assert_eq!(compare(&records, &documents, &identity), None);
    // A value that is not JSON, or has no such field, is told, not skipped.
    let broken = tests::records(&[("a", "not JSON"), ("b", r#"{"order": 7}"#)]);
    let text = compare(&broken, &[], &identity).unwrap();
    assert!(
        text.contains("0 stored once, 2 records without an identity"),
        "{text}"
    );
}

#[test]
fn positions_are_found_in_a_sub_document() {
    let records = records(&[("a", "1"), ("b", "2")]);
    let stored = |offset| {
        let position = Builder::new()
            .string("topic", "orders")
            .int32("partition", 0);
        let position = position.int64("offset", offset);
        let bytes = Builder::new().document("kafka", position).finish();
        Document::new(bytes.into())
    };
    let identity = Identity::position("kafka");
    assert_eq!(compare(&records, &[stored(0), stored(1)], &identity), None);
    let text = compare(&records, &[stored(0), stored(2)], &identity).unwrap();
    assert!(
        text.contains("1 missing, 1 documents without a record"),
        "{text}"
    );
}

#[test]
fn wrong_namespace_is_named() {
    let error = Wait::new("orders", "orders", &Identity::key("_id"), Duration::ZERO).unwrap_err();
    let expected = "`orders` is not the name of a collection: expected `database.collection`";
    assert_eq!(format!("{error:?}"), expected);
}

proptest! {
    #[test]
    fn difference_counts_what_a_model_counts(
        keys in proptest::collection::vec(0_u16..20, 0..40),
        ids in proptest::collection::vec(0_u16..20, 0..40),
    ) {
        let records: Vec<Record> = {
            let texts: Vec<String> = keys.iter().map(|key| format!("k{key}")).collect();
            let pairs: Vec<(&str, &str)> = texts.iter().map(|key| (key.as_str(), "v")).collect();
            records(&pairs)
        };
        let documents: Vec<Document> = ids.iter().map(|id| document(&format!("k{id}"))).collect();
        let found = Difference::between(
            "orders", &records, "shop.orders", &documents, &Identity::key("_id"),
        );
        let times = |key: &u16| ids.iter().filter(|id| *id == key).count();
        let distinct: std::collections::BTreeSet<u16> = keys.iter().copied().collect();
        let missing = distinct.iter().filter(|key| times(key) == 0).count();
        let twice = distinct.iter().filter(|key| times(key) > 1).count();
        let unexpected = ids.iter().filter(|id| !distinct.contains(id)).count();
        match found {
            None => prop_assert_eq!((missing, twice, unexpected), (0, 0, 0)),
            Some(found) => prop_assert_eq!(
                (found.missing.len(), found.twice.len(), found.unexpected.len()),
                (missing, twice, unexpected)
            ),
        }
    }
}
