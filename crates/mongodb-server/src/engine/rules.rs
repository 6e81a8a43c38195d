//! What the options of a collection say about its documents.

use tracing::warn;

use crate::bson::{Builder, Doc, Value};
use crate::error::{Code, CommandError};
use crate::query::{Filter, explain_violation};

/// Options of `create`: a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectionOptions(pub Option<Vec<u8>>);

/// What the options of a collection say about its documents.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether the documents before and after a change are kept for change streams.
    pub images: bool,
    /// Limits beyond which the oldest documents are removed.
    pub capped: Option<Capped>,
    /// The name of the index on `_id`, if the documents are in its order.
    pub clustered: Option<String>,
    validator: Option<Validator>,
}

/// Limits of a capped collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capped {
    pub bytes: u64,
    /// Largest number of documents.
    pub documents: Option<u64>,
}

/// Which documents a collection takes.
#[derive(Debug, Clone)]
struct Validator {
    filter: Filter,
    text: Vec<u8>,
    /// Whether documents that break the rules already may be changed.
    moderate: bool,
    /// Whether documents that break the rules are only logged.
    warns: bool,
}

impl Rules {
    /// Reads options, which were checked before they were stored.
    pub fn read(options: &CollectionOptions) -> Self {
        let options = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
        let images = options.get("changeStreamPreAndPostImages");
        let images = images.as_ref().and_then(Value::as_document);
        let images = images.and_then(|images| images.get("enabled"));
        Self {
            images: images.is_some_and(|enabled| enabled.is_truthy()),
            capped: Capped::read(options),
            clustered: clustered(options),
            validator: Validator::read(options),
        }
    }

    /// Rejects a document that breaks the rules. `before` is the document that it replaces.
    pub fn check(&self, before: Option<Doc<'_>>, after: Doc<'_>) -> Result<(), CommandError> {
        let Some(validator) = &self.validator else {
            return Ok(());
        };
        let passes = |doc: Doc<'_>| validator.filter.matches(doc);
        let excused = validator.moderate && before.is_some_and(|before| !passes(before));
        if excused || passes(after) {
            return Ok(());
        }
        if validator.warns {
            let id = after.get("_id").unwrap_or(Value::Null);
            warn!(%id, "a document does not pass the validator of its collection");
            return Ok(());
        }
        let mut info = Builder::new();
        if let Some(id) = after.get("_id") {
            info = info.with("failingDocumentId", &id);
        }
        let details = explain_violation(Doc::new(&validator.text), after);
        let info = info.document("details", details);
        let message = "Document failed validation";
        let error = CommandError::new(Code::DOCUMENT_VALIDATION_FAILURE, message);
        Err(error.with_details(Builder::new().document("errInfo", info).finish()))
    }
}

/// Returns the name of the index of a clustered collection.
fn clustered(options: Doc<'_>) -> Option<String> {
    let index = options.get("clusteredIndex")?;
    let name = index.as_document()?.get("name")?;
    name.as_str().map(str::to_owned)
}

impl Capped {
    fn read(options: Doc<'_>) -> Option<Self> {
        let number = |name| u64::try_from(options.get(name)?.as_i64()?).ok();
        let capped = options.get("capped")?.is_truthy();
        capped.then(|| Self {
            bytes: number("size").unwrap_or(u64::MAX),
            documents: number("max").filter(|&max| max > 0),
        })
    }
}

impl Validator {
    fn read(options: Doc<'_>) -> Option<Self> {
        let text = |name| {
            let value = options.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let validator = options.get("validator")?;
        let validator = validator.as_document().filter(|doc| !doc.is_empty())?;
        let level = text("validationLevel");
        if level.as_deref() == Some("off") {
            return None;
        }
        let filter = Filter::parse(validator);
        let filter = filter.inspect_err(|error| warn!(%error, "ignored an invalid validator"));
        Some(Self {
            filter: filter.ok()?,
            text: validator.bytes().to_vec(),
            moderate: level.as_deref() == Some("moderate"),
            warns: text("validationAction").as_deref() == Some("warn"),
        })
    }
}
