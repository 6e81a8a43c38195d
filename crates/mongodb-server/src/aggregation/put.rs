//! Sets a field at a path.

use crate::bson::{Builder, Doc, Kind, Value};
use crate::query::Part;

/// Returns a document with a value set at a path. Values on the way that are not documents become
/// documents.
pub fn put(doc: Doc<'_>, parts: &[Part], value: &Value<'_>) -> Vec<u8> {
    let Some((part, rest)) = parts.split_first() else {
        return doc.bytes().to_vec();
    };
    let mut out = Builder::new();
    let mut found = false;
    let enter = |out: &mut Builder, inner: Doc<'_>| {
        if rest.is_empty() {
            out.push(part.name(), value);
        } else {
            let inner = put(inner, rest, value);
            out.push(part.name(), &Value::Document(inner.into()));
        }
    };
    for element in doc.elements() {
        if element.name() == part.name() {
            found = true;
            let inner = element.doc().filter(|_| element.kind() == Kind::Document);
            enter(&mut out, inner.unwrap_or(Doc::EMPTY));
        } else {
            out.push_element(element);
        }
    }
    if !found {
        enter(&mut out, Doc::EMPTY);
    }
    out.finish()
}
