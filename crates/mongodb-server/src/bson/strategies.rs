//! Random documents for property tests.

use proptest::prelude::*;

use crate::bson::{ArrayBuilder, Builder, Decimal128, Doc, ObjectId, Value};

/// Owns a value, as a document with one element.
#[derive(Debug, Clone)]
pub struct Holder(Vec<u8>);

impl Holder {
    pub fn as_value(&self) -> Value<'_> {
        Doc::new(&self.0).get("v").expect("the holder's element")
    }
}

/// Any value, nested up to three levels.
pub fn value() -> impl Strategy<Value = Holder> {
    owned_value().prop_map(|value| Holder(Builder::new().with("v", &value).finish()))
}

pub fn document() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((name(), owned_value()), 0..5).prop_map(build)
}

/// Names that collide often.
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), "[a-cß]{0,3}"]
}

/// Decodes every value of a document.
pub fn touch(doc: Doc<'_>) {
    for element in doc.elements() {
        drop(element.name().to_owned());
        match element.doc() {
            Some(inner) => touch(inner),
            None => drop(element.value()),
        }
    }
}

fn build(fields: Vec<(String, Value<'static>)>) -> Vec<u8> {
    let mut builder = Builder::new();
    for (name, value) in fields {
        builder.push(&name, &value);
    }
    builder.finish()
}

fn owned_value() -> impl Strategy<Value = Value<'static>> {
    scalar().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec((name(), inner.clone()), 0..4)
                .prop_map(|fields| Value::Document(build(fields).into())),
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| items.into_iter().collect::<ArrayBuilder>().into_value()),
        ]
    })
}

fn scalar() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        4 => number(),
        1 => "[a-b\u{0}\u{1}ß]{0,3}".prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::DateTime),
        1 => any::<u64>().prop_map(Value::Timestamp),
        1 => any::<[u8; 12]>().prop_map(|bytes| Value::ObjectId(ObjectId(bytes))),
        1 => (0_u8..6, proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(subtype, bytes)| Value::Binary { subtype, bytes: bytes.into() }),
        1 => ("[a-b]{0,2}", "[im]{0,2}").prop_map(|(pattern, options)| Value::Regex {
            pattern: pattern.into(),
            options: options.into(),
        }),
        1 => Just(Value::MinKey),
        1 => Just(Value::MaxKey),
        1 => Just(Value::Undefined),
    ]
}

fn number() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        (-3_i32..4).prop_map(Value::Int32),
        any::<i32>().prop_map(Value::Int32),
        (-3_i64..4).prop_map(Value::Int64),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_map(Value::Double),
        (-6_i32..7).prop_map(|half| Value::Double(f64::from(half) / 2.0)),
        any::<u128>()
            .prop_map(|bits| { Value::Decimal128(Decimal128::from_bytes(bits.to_le_bytes())) }),
        (-30_i64..31, -2_i32..2)
            .prop_map(|(coefficient, exponent)| { decimal(coefficient, exponent) }),
    ]
}

/// Returns `coefficient × 10^exponent`.
fn decimal(coefficient: i64, exponent: i32) -> Value<'static> {
    let (negative, coefficient) = (coefficient < 0, coefficient.unsigned_abs());
    Value::Decimal128(Decimal128::new(negative, coefficient.into(), exponent))
}
