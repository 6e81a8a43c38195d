//! Random documents and paths for property tests of queries.
//!
//! Names and values collide often, and no document has a name twice.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};

/// Returns a value nested up to two levels.
pub fn value() -> impl Strategy<Value = Value<'static>> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            fields(inner.clone()).prop_map(|document| Value::Document(document.into())),
            vec(inner, 0..4).prop_map(array),
        ]
    })
}

/// Returns a value that is neither a document nor an array.
pub fn scalar() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        4 => (-2_i32..3).prop_map(Value::Int32),
        1 => (-2_i64..3).prop_map(Value::Int64),
        1 => (-3_i32..4).prop_map(|half| Value::Double(f64::from(half) / 2.0)),
        1 => Just(Value::Null),
        1 => "[ab]{0,2}".prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

/// Returns a document with `_id` and some of the fields `a`, `b` and `c`.
pub fn document() -> impl Strategy<Value = Vec<u8>> {
    fields(value()).prop_map(|fields| {
        let id = Builder::new().int32("_id", 1);
        id.extended(Doc::new(&fields)).finish()
    })
}

/// Returns a document without arrays.
pub fn document_without_arrays() -> impl Strategy<Value = Vec<u8>> {
    let value = scalar().prop_recursive(2, 8, 3, |inner| {
        fields(inner).prop_map(|document| Value::Document(document.into()))
    });
    fields(value)
}

/// Returns a path of up to three parts.
pub fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => name(), 1 => "[01]"];
    (name(), vec(part, 0..3)).prop_map(|(first, rest)| [vec![first], rest].concat().join("."))
}

pub fn name() -> impl Strategy<Value = String> {
    "[abc]"
}

pub fn array(values: Vec<Value<'static>>) -> Value<'static> {
    values.into_iter().collect::<ArrayBuilder>().into_value()
}

fn fields(value: impl Strategy<Value = Value<'static>>) -> impl Strategy<Value = Vec<u8>> {
    btree_map(name(), value, 0..4).prop_map(|fields| {
        let mut builder = Builder::new();
        for (name, value) in fields {
            builder.push(&name, &value);
        }
        builder.finish()
    })
}
