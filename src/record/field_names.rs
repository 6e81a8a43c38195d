//! Names of the fields of documents that were read before: most documents of a collection have the
//! same names in the same order, so a name becomes JSON once, not for every document.

use crate::record::names::payload_name;
use crate::record::payload::write_json_string;

/// Fields whose names are kept. Those after them are encoded for every document.
const MAX_KEPT: usize = 4_096;

/// Names by the position of their field.
#[derive(Debug, Default)]
pub(super) struct FieldNames {
    label_column: Option<String>,
    kept: Vec<FieldName>,
    /// The name of the last field after those that are kept.
    other: FieldName,
}

/// A name as it is in a document and in its payload.
#[derive(Debug, Default)]
pub(super) struct FieldName {
    stored: String,
    /// The bytes `,"name":` of the payload.
    pub(super) prefix: Vec<u8>,
    /// Whether it is the name of the label column.
    pub(super) is_label: bool,
}

impl FieldNames {
    pub(super) fn with_label(label_column: Option<String>) -> Self {
        Self {
            label_column,
            ..Self::default()
        }
    }

    /// Returns the name of the field at a position. Positions are passed in order.
    #[inline]
    pub(super) fn at(&mut self, position: usize, stored: &str) -> &FieldName {
        if position == self.kept.len() && position < MAX_KEPT {
            self.kept.push(FieldName::default());
        }
        let name = self.kept.get_mut(position).unwrap_or(&mut self.other);
        if name.prefix.is_empty() || name.stored != stored {
            name.set(stored, self.label_column.as_deref());
        }
        name
    }
}

impl FieldName {
    #[cold]
    fn set(&mut self, stored: &str, label_column: Option<&str>) {
        let name = payload_name(stored);
        self.is_label = label_column == Some(name);
        stored.clone_into(&mut self.stored);
        self.prefix.clear();
        self.prefix.push(b',');
        write_json_string(&mut self.prefix, name);
        self.prefix.push(b':');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_encoded_alike_whatever_was_read_before(
            documents in prop::collection::vec(prop::collection::vec("_{0,2}(id|a|b\"|)", 0..6), 0..6),
        ) {
            let mut names = FieldNames::with_label(Some("a".to_owned()));
            for document in documents {
                for (position, stored) in document.iter().enumerate() {
                    let name = names.at(position, stored);
                    let payload_name = payload_name(stored);
                    let json = serde_json::to_string(payload_name).unwrap();
                    prop_assert_eq!(&name.prefix, &format!(",{json}:").into_bytes());
                    prop_assert_eq!(name.is_label, payload_name == "a");
                }
            }
        }
    }

    #[test]
    fn names_after_those_that_are_kept_are_encoded_alike() {
        let mut names = FieldNames::default();
        for _ in 0..2 {
            for position in 0..MAX_KEPT + 3 {
                let stored = format!("c{position}");
                let name = names.at(position, &stored);
                assert_eq!(name.prefix, format!(",\"{stored}\":").into_bytes());
            }
        }
        assert_eq!(names.kept.len(), MAX_KEPT);
    }
}
