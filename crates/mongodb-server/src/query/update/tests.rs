//! Laws of updates, for any document.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value, order};
use crate::error::{Code, CommandError};
use crate::query::environment::Environment;
use crate::query::filter::Filter;
use crate::query::path::Path;
use crate::query::strategies::{array, document, name, path, scalar, value};
use crate::query::update::compiled::Update;
use crate::query::update::context::UpdateContext;
use crate::query::update::tree::Slot;

fn parse(spec: Builder) -> Result<Update, CommandError> {
    Update::parse(Doc::new(&spec.finish()), None)
}

fn operator(name: &str, path: &str, argument: &Value<'_>) -> Update {
    let spec = Builder::new().document(name, Builder::new().with(path, argument));
    parse(spec).expect("a valid update")
}

fn apply(update: &Update, doc: &[u8]) -> Result<Vec<u8>, CommandError> {
    let context = UpdateContext {
        now_ms: 1_000,
        inserting: false,
        position: None,
    };
    update.apply(Doc::new(doc), context)
}

fn passes(doc: &[u8], filter: Builder) -> bool {
    let filter = Filter::parse(Doc::new(&filter.finish())).expect("a valid filter");
    filter.matches(Doc::new(doc))
}

fn payload<'a>(doc: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Doc::new(doc).element(name).map(Element::payload)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn applying_an_idempotent_operator_twice_is_applying_it_once(
        doc in document(), path in path(), argument in value()
    ) {
        for name in ["$set", "$unset", "$min", "$max", "$addToSet", "$pull"] {
            let update = operator(name, &path, &argument);
            if let Ok(once) = apply(&update, &doc) {
                let twice = apply(&update, &once).expect("it was applied once");
                prop_assert_eq!(&twice, &once, "{}", name);
            }
        }
    }

    #[test]
    fn set_value_is_found_at_its_path(doc in document(), path in path(), value in value()) {
        if let Ok(changed) = apply(&operator("$set", &path, &value), &doc) {
            prop_assert!(passes(&changed, Builder::new().with(&path, &value)));
        }
    }

    #[test]
    fn unset_field_is_missing(doc in document(), name in name()) {
        let changed = apply(&operator("$unset", &name, &Value::Null), &doc).expect("no conflict");
        prop_assert!(payload(&changed, &name).is_none());
    }

    #[test]
    fn operators_leave_other_fields_unchanged(doc in document(), value in value()) {
        for name in ["$set", "$unset", "$max", "$push"] {
            if let Ok(changed) = apply(&operator(name, "a", &value), &doc) {
                for other in ["_id", "b", "c"] {
                    prop_assert_eq!(payload(&changed, other), payload(&doc, other), "{}", name);
                }
            }
        }
    }

    #[test]
    fn incrementing_there_and_back_restores_an_integer(
        number in -1_000_i32..1_000, by in -1_000_i32..1_000
    ) {
        let doc = Builder::new().int32("_id", 1).int32("a", number).finish();
        let there = operator("$inc", "a", &Value::Int32(by));
        let back = operator("$inc", "a", &Value::Int32(-by));
        let changed = apply(&there, &doc).and_then(|changed| apply(&back, &changed));
        prop_assert_eq!(changed.expect("no overflow"), doc);
    }

    #[test]
    fn min_and_max_keep_the_value_that_sorts_first_and_last(
        before in value(), operand in value()
    ) {
        let doc = Builder::new().int32("_id", 1).with("a", &before).finish();
        let less = order::compare(&operand, &before).is_lt();
        let greater = order::compare(&operand, &before).is_gt();
        for (name, replaced) in [("$min", less), ("$max", greater)] {
            let changed = apply(&operator(name, "a", &operand), &doc).expect("any values compare");
            let kept = if replaced { &operand } else { &before };
            let found = Doc::new(&changed).get("a").expect("the field");
            prop_assert!(order::equal(&found, kept), "{}", name);
        }
    }

    #[test]
    fn renaming_there_and_back_restores_the_value(value in value()) {
        let doc = Builder::new().int32("_id", 1).with("a", &value).finish();
        let there = operator("$rename", "a", &Value::from("b"));
        let back = operator("$rename", "b", &Value::from("a"));
        let renamed = apply(&there, &doc).expect("no conflict");
        prop_assert!(payload(&renamed, "a").is_none());
        prop_assert_eq!(apply(&back, &renamed).expect("no conflict"), doc);
    }

    #[test]
    fn pop_removes_what_push_has_added(items in vec(value(), 0..4), added in value()) {
        let doc = Builder::new().int32("_id", 1).with("a", &array(items)).finish();
        let pushed = apply(&operator("$push", "a", &added), &doc).expect("an array");
        let popped = apply(&operator("$pop", "a", &Value::Int32(1)), &pushed);
        prop_assert_eq!(popped.expect("an array"), doc);
    }

    #[test]
    fn push_sorts_and_then_slices(
        items in vec(scalar(), 0..4), added in vec(scalar(), 0..4), slice in 0_i32..6
    ) {
        let doc = Builder::new().int32("_id", 1).with("a", &array(items.clone())).finish();
        let modifiers = Builder::new()
            .with("$each", &array(added.clone()))
            .int32("$sort", 1)
            .int32("$slice", slice)
            .finish();
        let update = operator("$push", "a", &Value::Document(modifiers.into()));
        let changed = apply(&update, &doc).expect("an array");
        let mut expected = [items, added].concat();
        expected.sort_by(order::compare);
        expected.truncate(usize::try_from(slice).expect("not negative"));
        let found = Doc::new(&changed).get("a").expect("the field");
        prop_assert_eq!(found.to_string(), array(expected).to_string());
    }

    #[test]
    fn added_values_are_in_the_set_once(items in vec(scalar(), 0..4), added in scalar()) {
        let doc = Builder::new().int32("_id", 1).with("a", &array(items.clone())).finish();
        let changed = apply(&operator("$addToSet", "a", &added), &doc).expect("an array");
        let count = |doc: Doc<'_>| doc.values().filter(|item| order::equal(item, &added)).count();
        let found = Doc::new(&changed).get("a").expect("the field");
        let before = items.iter().filter(|item| order::equal(item, &added)).count();
        prop_assert_eq!(count(found.as_array().expect("an array")), before.max(1));
    }

    #[test]
    fn replacement_keeps_only_the_id(doc in document(), replacement in document()) {
        let changed = apply(&Update::Replace(replacement.clone()), &doc).expect("the same _id");
        prop_assert_eq!(changed, replacement);
    }

    #[test]
    fn pipeline_sets_a_field_like_the_operator(doc in document(), name in name(), value in value()) {
        let literal = Builder::new().with("$literal", &value);
        let stage = Builder::new().document("$set", Builder::new().document(&name, literal));
        let mut stages = ArrayBuilder::default();
        stages.push_built(stage);
        let update = Update::parse_pipeline(Doc::new(&stages.finish()), &Environment::default()).expect("a valid pipeline");
        let changed = apply(&update, &doc).expect("no conflict");
        prop_assert_eq!(changed, apply(&operator("$set", &name, &value), &doc).expect("a field"));
    }

    #[test]
    fn overlapping_paths_conflict(one in path(), other in path()) {
        let spec = Builder::new()
            .document("$set", Builder::new().int32(&one, 1))
            .document("$unset", Builder::new().int32(&other, 1));
        let code = parse(spec).map(|_| ()).map_err(|error| error.code());
        let expected = if Path::new(&one).overlaps(&Path::new(&other)) {
            Err(Code::CONFLICTING_UPDATE_OPERATORS)
        } else {
            Ok(())
        };
        prop_assert_eq!(code, expected);
    }

    #[test]
    fn reading_a_path_leaves_the_document_unchanged(doc in document(), path in path()) {
        let mut root = Slot::new(Doc::new(&doc));
        let found = root.find(Path::new(&path).parts()).map(|slot| slot.is_some());
        prop_assert!(found.is_ok());
        prop_assert_eq!(root.into_document(), doc);
    }
}
