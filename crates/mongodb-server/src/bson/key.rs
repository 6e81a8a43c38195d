//! Values as bytes whose plain order is MongoDB's order of values.
//!
//! Indexes, sorting and grouping compare these bytes and nothing else. Two values have the same
//! bytes exactly if they are equal to MongoDB, so `1`, `1.0` and a decimal `1` are one key.
//!
//! ```text
//! value   := rank payload            rank: place of the type in the order, one byte
//! number  := class [exponent groups] class: NaN < −∞ < negative < 0 < positive < ∞
//! group   := 7 bits of the mantissa, 1 bit "more follows"; negative numbers are inverted
//! text    := bytes, 00 as 00 FF, closed by 00 00
//! object  := (rank name payload)* 00
//! ```
//!
//! Each encoding has its own end, so a compound key is a sequence of them. A descending field has the
//! same bytes inverted.

use std::borrow::Borrow;
use std::fmt;

use crate::bson::decimal::{Binary, Parts};
use crate::bson::{Decimal128, Doc, Value};

/// Bytes that a [`Key`] holds without an allocation: enough for a UUID or an identifier.
const INLINE: usize = 22;

const NAN: u8 = 1;
const MINUS_INFINITY: u8 = 2;
const NEGATIVE: u8 = 3;
const ZERO: u8 = 4;
const POSITIVE: u8 = 5;
const INFINITY: u8 = 6;

/// Bits of the mantissa below its leading one.
const FRACTION_BITS: u32 = 63;

/// An encoded value or tuple of values; 24 bytes if it is short.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Key {
    /// Returns a key of encoded bytes.
    pub fn new(encoded: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..encoded.len()), u8::try_from(encoded.len())) {
            (Some(inline), Ok(length)) => {
                inline.copy_from_slice(encoded);
                Self(Repr::Inline { length, bytes })
            }
            _ => Self(Repr::Heap(encoded.into())),
        }
    }

    /// Encodes one value.
    pub fn of(value: &Value<'_>) -> Self {
        let mut bytes = Vec::with_capacity(INLINE);
        encode(value, &mut bytes);
        Self::new(&bytes)
    }

    /// Returns the encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({:02x?})", self.bytes())
    }
}

/// Appends a value's bytes.
pub fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    out.push(value.kind().rank());
    encode_payload(value, out);
}

/// Appends a value's bytes inverted, so that greater values come first.
pub fn encode_descending(value: &Value<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    encode(value, out);
    out[start..].iter_mut().for_each(|byte| *byte = !*byte);
}

fn encode_payload(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::MinKey | Value::MaxKey | Value::Null | Value::Undefined => {}
        Value::Int32(number) => encode_integer(i64::from(*number), out),
        Value::Int64(number) => encode_integer(*number, out),
        Value::Double(number) => encode_double(*number, out),
        Value::Decimal128(number) => encode_decimal(*number, out),
        Value::String(text) | Value::Symbol(text) | Value::Code(text) => {
            encode_bytes(text.as_bytes(), out);
        }
        Value::Document(bytes) => encode_object(Doc::new(bytes), out),
        Value::Array(bytes) => {
            Doc::new(bytes).values().for_each(|item| encode(&item, out));
            out.push(0);
        }
        Value::Binary { subtype, bytes } => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            match u8::try_from(length) {
                Ok(short) if short < u8::MAX => out.push(short),
                _ => {
                    out.push(u8::MAX);
                    out.extend_from_slice(&length.to_be_bytes());
                }
            }
            out.push(*subtype);
            out.extend_from_slice(bytes);
        }
        Value::ObjectId(id) => out.extend_from_slice(&id.0),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::DateTime(milliseconds) => {
            out.extend_from_slice(&(milliseconds ^ i64::MIN).to_be_bytes());
        }
        Value::Timestamp(stamp) => out.extend_from_slice(&stamp.to_be_bytes()),
        Value::Regex { pattern, options } => {
            encode_bytes(pattern.as_bytes(), out);
            encode_bytes(options.as_bytes(), out);
        }
        Value::DbPointer { namespace, id } => {
            encode_bytes(namespace.as_bytes(), out);
            out.extend_from_slice(&id.0);
        }
        Value::CodeWithScope { code, scope } => {
            encode_bytes(code.as_bytes(), out);
            encode_object(Doc::new(scope), out);
        }
    }
}

fn encode_object(doc: Doc<'_>, out: &mut Vec<u8>) {
    for element in doc.elements() {
        out.push(element.kind().rank());
        encode_bytes(element.name_bytes(), out);
        encode_payload(&element.value(), out);
    }
    out.push(0);
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(u8::MAX);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn encode_integer(number: i64, out: &mut Vec<u8>) {
    let magnitude = number.unsigned_abs();
    if magnitude == 0 {
        return out.push(ZERO);
    }
    let shift = magnitude.leading_zeros();
    let exponent = FRACTION_BITS.cast_signed() - shift.cast_signed();
    encode_finite(number < 0, magnitude << shift, exponent, None, out);
}

fn encode_double(number: f64, out: &mut Vec<u8>) {
    const MANTISSA_BITS: u32 = 52;
    if number.is_nan() {
        return out.push(NAN);
    }
    if number.is_infinite() {
        return out.push(if number > 0.0 {
            INFINITY
        } else {
            MINUS_INFINITY
        });
    }
    let bits = number.to_bits();
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    let biased = u32::try_from(bits >> MANTISSA_BITS & 0x7FF).unwrap_or_default();
    // Subnormal numbers have no implicit one and the smallest exponent.
    let (mantissa, scale) = if biased == 0 {
        (fraction, -1_074)
    } else {
        (fraction | 1 << MANTISSA_BITS, biased.cast_signed() - 1_075)
    };
    if mantissa == 0 {
        return out.push(ZERO);
    }
    let shift = mantissa.leading_zeros();
    let exponent = scale + FRACTION_BITS.cast_signed() - shift.cast_signed();
    encode_finite(number < 0.0, mantissa << shift, exponent, None, out);
}

fn encode_decimal(number: Decimal128, out: &mut Vec<u8>) {
    match number.parts() {
        Parts::NaN { .. } => out.push(NAN),
        Parts::Infinity { negative } => out.push(if negative { MINUS_INFINITY } else { INFINITY }),
        Parts::Finite { coefficient: 0, .. } => out.push(ZERO),
        Parts::Finite {
            negative,
            coefficient,
            exponent,
        } => {
            let binary = Binary::of_decimal(coefficient, exponent);
            let rest = (!binary.exact).then(|| decimal_digits(coefficient, exponent));
            encode_finite(negative, binary.mantissa, binary.exponent, rest, out);
        }
    }
}

/// Orders decimals with equal first 64 bits: position of the first digit, then 34 digits.
fn decimal_digits(mut coefficient: u128, exponent: i32) -> [u8; 18] {
    let mut leading = exponent + 33;
    while coefficient < 10_u128.pow(33) {
        coefficient *= 10;
        leading -= 1;
    }
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&biased(leading));
    bytes[2..].copy_from_slice(&coefficient.to_be_bytes());
    bytes
}

/// Appends `mantissa / 2^63 × 2^exponent`; `rest` orders numbers with equal mantissas.
fn encode_finite(
    negative: bool,
    mantissa: u64,
    exponent: i32,
    rest: Option<[u8; 18]>,
    out: &mut Vec<u8>,
) {
    out.push(if negative { NEGATIVE } else { POSITIVE });
    let start = out.len();
    out.extend_from_slice(&biased(exponent));
    let mut fraction = mantissa << 1;
    for group in 1..=FRACTION_BITS / 7 {
        let bits = u8::try_from(fraction >> 57).unwrap_or_default() << 1;
        fraction <<= 7;
        let last = group == FRACTION_BITS / 7;
        let more = rest.is_some() || (!last && fraction != 0);
        out.push(bits | u8::from(more));
        if !more {
            break;
        }
    }
    out.extend(rest.into_iter().flatten());
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// Returns an exponent as two bytes in order; decimals reach ±20,500.
fn biased(exponent: i32) -> [u8; 2] {
    u16::try_from(exponent + 0x8000)
        .unwrap_or(u16::MAX)
        .to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::{order, strategies};

    proptest! {
        #[test]
        fn bytes_order_as_values_do(
            left in strategies::value(), right in strategies::value()
        ) {
            let (left, right) = (left.as_value(), right.as_value());
            prop_assert_eq!(
                Key::of(&left).cmp(&Key::of(&right)),
                order::compare(&left, &right),
                "{} and {}", left, right
            );
        }

        #[test]
        fn descending_bytes_order_the_other_way_round(
            left in strategies::value(), right in strategies::value()
        ) {
            let encoded = |value: &Value<'_>| {
                let mut bytes = Vec::new();
                encode_descending(value, &mut bytes);
                bytes
            };
            let (left, right) = (left.as_value(), right.as_value());
            prop_assert_eq!(
                encoded(&left).cmp(&encoded(&right)),
                order::compare(&right, &left)
            );
        }

        #[test]
        fn numbers_order_alike_whatever_their_types(left in any::<i64>(), right in any::<f64>()) {
            let (long, double) = (Value::Int64(left), Value::Double(right));
            let decimal = Value::Decimal128(Decimal128::from_i64(left));
            prop_assert_eq!(Key::of(&long), Key::of(&decimal));
            prop_assert_eq!(
                Key::of(&long).cmp(&Key::of(&double)),
                order::compare(&long, &double)
            );
        }
    }

    #[test]
    fn key_of_a_uuid_or_object_id_needs_no_allocation() {
        let uuid = Value::Binary {
            subtype: 4,
            bytes: vec![7; 16].into(),
        };
        assert!(matches!(Key::of(&uuid).0, Repr::Inline { .. }));
        assert_eq!(size_of::<Key>(), 24);
    }
}
