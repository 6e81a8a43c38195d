//! Values as text, in the format of MongoDB's messages.

use std::fmt::{self, Formatter, Write as _};

use crate::bson::{Doc, Value, subtype};

impl fmt::Display for Value<'_> {
    /// Writes the value in the format of MongoDB's messages.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write_value(formatter, self)
    }
}

/// Writes a value.
pub fn write_value(out: &mut Formatter<'_>, value: &Value<'_>) -> fmt::Result {
    match value {
        Value::Double(number) => out.write_str(&double_text(*number)),
        Value::String(text) | Value::Symbol(text) => write!(out, "\"{text}\""),
        Value::Document(bytes) => write_document(out, Doc::new(bytes)),
        Value::Array(bytes) => write_array(out, Doc::new(bytes)),
        Value::Binary { subtype, bytes } => write_binary(out, *subtype, bytes),
        Value::Undefined => out.write_str("undefined"),
        Value::ObjectId(id) => write!(out, "ObjectId('{id}')"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::DateTime(milliseconds) => write!(out, "new Date({milliseconds})"),
        Value::Null => out.write_str("null"),
        Value::Regex { pattern, options } => write!(out, "/{pattern}/{options}"),
        Value::DbPointer { namespace, id } => write!(out, "DBRef('{namespace}', {id})"),
        Value::Code(code) => out.write_str(code),
        Value::CodeWithScope { code, scope } => {
            write!(out, "CodeWScope( {code}, ")?;
            write_document(out, Doc::new(scope))?;
            out.write_char(')')
        }
        Value::Int32(number) => write!(out, "{number}"),
        Value::Timestamp(stamp) => {
            write!(out, "Timestamp({}, {})", stamp >> 32, stamp & 0xFFFF_FFFF)
        }
        Value::Int64(number) => write!(out, "{number}"),
        Value::Decimal128(number) => write!(out, "{number}"),
        Value::MinKey => out.write_str("MinKey"),
        Value::MaxKey => out.write_str("MaxKey"),
    }
}

/// Returns a double in MongoDB's format: always with a fraction or an exponent.
pub fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "nan.0".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf.0" } else { "-inf.0" }.to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.1}")
    } else {
        ryu::Buffer::new().format(number).to_owned()
    }
}

/// Writes `{ a: 1, b: "x" }`.
pub fn write_document(out: &mut Formatter<'_>, doc: Doc<'_>) -> fmt::Result {
    let mut separator = "{ ";
    for element in doc.elements() {
        write!(out, "{separator}{}: {}", element.name(), element.value())?;
        separator = ", ";
    }
    out.write_str(if doc.is_empty() { "{}" } else { " }" })
}

fn write_array(out: &mut Formatter<'_>, array: Doc<'_>) -> fmt::Result {
    let mut separator = "[ ";
    for value in array.values() {
        write!(out, "{separator}{value}")?;
        separator = ", ";
    }
    out.write_str(if array.is_empty() { "[]" } else { " ]" })
}

fn write_binary(out: &mut Formatter<'_>, subtype: u8, bytes: &[u8]) -> fmt::Result {
    if subtype == subtype::UUID && bytes.len() == 16 {
        out.write_str("UUID(\"")?;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.write_char('-')?;
            }
            write!(out, "{byte:02x}")?;
        }
        return out.write_str("\")");
    }
    write!(out, "BinData({subtype}, ")?;
    for byte in bytes {
        write!(out, "{byte:02X}")?;
    }
    out.write_char(')')
}

/// A document that displays in the format of MongoDB's messages.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub Doc<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write_document(out, self.0)
    }
}
