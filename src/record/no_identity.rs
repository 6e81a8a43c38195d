//! Why a document that another program stored does not name its reading.

use std::fmt;

use convoy_mongodb_server::bson::{Doc, Element};
use memchr::memmem;

use crate::record::payload_identity::{RUN, field_index};

/// Documents in documents that are looked into.
const DEEPEST: usize = 16;

/// Fields of a document that are named.
const NAMED_FIELDS: usize = 5;

/// Why `find_identity` finds no identity in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoIdentity {
    /// A field has a whole payload as text or bytes.
    Encoded {
        /// Path of the field.
        field: String,
    },
    /// The fields are further down than one level.
    TooDeep {
        /// Path of the document that has them.
        holder: String,
    },
    /// The name of the run is in a field with another name.
    Renamed {
        /// Path of the field.
        field: String,
    },
    /// Nothing of the identity is there.
    LeftOut {
        /// Names of the first fields.
        fields: Vec<String>,
        /// Number of the other fields.
        more: usize,
    },
}

/// Returns why a document has no identity of a run.
pub fn explain_no_identity(document: Doc<'_>, run: &str) -> NoIdentity {
    look(document, run, &mut Vec::new()).unwrap_or_else(|| {
        let names = document.elements().map(|it| it.name().to_owned());
        let fields: Vec<String> = names.take(NAMED_FIELDS).collect();
        let more = document.len() - fields.len();
        NoIdentity::LeftOut { fields, more }
    })
}

fn look<'a>(holder: Doc<'a>, run: &str, path: &mut Vec<&'a str>) -> Option<NoIdentity> {
    holder.elements().find_map(|element| {
        if path.len() > 1 && field_index(element.name_bytes()) == Some(0) {
            let holder = path.join(".");
            return Some(NoIdentity::TooDeep { holder });
        }
        path.push(element.name());
        let found = match element.doc() {
            Some(nested) if path.len() < DEEPEST => look(nested, run, path),
            _ => value(element, run, &path.join(".")),
        };
        path.pop();
        found
    })
}

/// Looks for the name of the run in a text or in bytes.
fn value(element: Element<'_>, run: &str, field: &str) -> Option<NoIdentity> {
    let text = element.text().map(str::as_bytes);
    let bytes = text.or_else(|| element.binary().map(|(_, bytes)| bytes))?;
    let field = field.to_owned();
    if bytes == run.as_bytes() {
        return Some(NoIdentity::Renamed { field });
    }
    let has = |wanted: &str| memmem::find(bytes, wanted.as_bytes()).is_some();
    (has(RUN) || has(run)).then_some(NoIdentity::Encoded { field })
}

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoded { field } => write!(
                f,
                "`{field}` has the payload as text or bytes; parse it, and store its fields"
            ),
            Self::TooDeep { holder } => write!(
                f,
                "the identity is in `{holder}`; store a document for each reading, \
                 with the identity at its top level or one level below"
            ),
            Self::Renamed { field } => write!(
                f,
                "`{field}` has the name of the run; keep the field name `{RUN}`"
            ),
            Self::LeftOut { fields, more } => {
                let fields: Vec<String> = fields.iter().map(|it| format!("`{it}`")).collect();
                let fields = fields.join(", ");
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                write!(
                    f,
                    "one has {fields}{more}, but not `{RUN}`; copy `{RUN}`, `convoy_vehicle` \
                     and `convoy_sequence` into each document"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::{ArrayBuilder, Builder, Value};

    use super::*;

    const ID: &str = "20261129-143007-5be1";

    fn explained(document: Builder) -> String {
        let document = document.int32("_id", 1).finish();
        explain_no_identity(Doc::new(&document), ID).to_string()
    }

    fn reading() -> Builder {
        Builder::new().int32("speed", 5).string(RUN, ID)
    }

    #[test]
    fn way_of_storing_is_named() {
        let payload = format!(r#"{{"speed":5,"{RUN}":"{ID}"}}"#);
        let value = || Value::Binary {
            subtype: 0,
            bytes: payload.as_bytes().into(),
        };
        let bytes = || Builder::new().with("raw", &value());
        let nested = Builder::new().document("b", reading());
        let mut array = ArrayBuilder::default();
        array.push_built(reading());
        for (document, expected) in [
            (Builder::new().string("payload", &payload), "`payload` has"),
            (bytes(), "`raw` has the payload"),
            (Builder::new().document("in", bytes()), "`in.raw` has"),
            (Builder::new().document("a", nested), "in `a.b`;"),
            (Builder::new().array("all", array), "in `all.0`;"),
            (Builder::new().string("rid", ID), "`rid` has the name"),
            (
                Builder::new().int32("speed", 5),
                "one has `speed`, `_id`, but not `convoy_run`;",
            ),
            (
                ["a", "b", "c", "d", "e"]
                    .iter()
                    .fold(Builder::new(), |all, name| all.int32(name, 1)),
                "`e` and 1 more, but",
            ),
        ] {
            let explained = explained(document);
            assert!(explained.contains(expected), "{explained}");
        }
    }

    #[test]
    fn deep_documents_are_not_followed_to_their_end() {
        let deep = (0..200).fold(reading(), |inner, _| Builder::new().document("d", inner));
        let explained = explained(deep);
        assert!(explained.starts_with("one has `d`"), "{explained}");
    }
}
