//! What the options of a collection say about its documents.

use crate::bson::{Doc, Value};

/// Options of `create`: a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectionOptions(pub Option<Vec<u8>>);

/// What the options of a collection say about its documents.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether the documents before and after a change are kept for change streams.
    pub images: bool,
}

impl Rules {
    /// Reads the options, which were checked before they were stored.
    pub fn read(options: &CollectionOptions) -> Self {
        let options = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
        let images = options.get("changeStreamPreAndPostImages");
        let images = images.as_ref().and_then(Value::as_document);
        Self {
            images: images
                .and_then(|images| images.get("enabled"))
                .is_some_and(|enabled| enabled.is_truthy()),
        }
    }
}
