//! Change events: what an entry of the oplog says to a stream.

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use crate::change_stream::options::{Options, Wanted, Watched, is_internal};
use crate::change_stream::token::{Token, TokenKind};
use crate::engine::{Engine, Namespace};
use crate::error::{Code, CommandError};

/// An event with the token that its `_id` is.
#[derive(Debug)]
pub struct Event {
    pub token: Token,
    pub document: Vec<u8>,
}

/// An entry of the oplog.
#[derive(Debug, Clone, Copy)]
struct Entry<'e> {
    doc: Doc<'e>,
    stamp: u64,
    /// `o`: the document or the command.
    object: Doc<'e>,
}

impl Options {
    /// Returns the events of an entry: none if the stream does not watch it, two if it ends the
    /// stream.
    pub fn events(
        &self,
        engine: &Engine,
        stamp: u64,
        entry: Doc<'_>,
    ) -> Result<Vec<Event>, CommandError> {
        let object = entry.get("o");
        let Some(object) = object.as_ref().and_then(Value::as_document) else {
            return Ok(Vec::new());
        };
        let read = Entry {
            doc: entry,
            stamp,
            object,
        };
        let (described, ends) = match entry.get("op").as_ref().and_then(Value::as_str) {
            Some("i" | "u" | "d") => (self.change(engine, read)?, false),
            Some("c") => self.command(read),
            _ => (None, false),
        };
        let Some(described) = described else {
            return Ok(Vec::new());
        };
        let mut events = vec![Event {
            token: read.token(TokenKind::Event),
            document: described.finish(),
        }];
        if ends {
            events.push(Event {
                token: read.token(TokenKind::Invalidate),
                document: read
                    .head("invalidate", TokenKind::Invalidate, false)
                    .finish(),
            });
        }
        Ok(events)
    }

    /// Returns whether the stream watches a collection.
    fn watches(&self, namespace: &Namespace) -> bool {
        let ordinary = !namespace.collection.starts_with("system.");
        match &self.watched {
            Watched::Collection(watched) => watched == namespace,
            Watched::Database(database) => *database == namespace.database && ordinary,
            Watched::Cluster => !is_internal(&namespace.database) && ordinary,
        }
    }

    fn change(&self, engine: &Engine, entry: Entry<'_>) -> Result<Option<Builder>, CommandError> {
        let Some(namespace) = namespace_in(entry.doc, "ns") else {
            return Ok(None);
        };
        if !self.watches(&namespace) {
            return Ok(None);
        }
        let operation = entry.doc.get("op");
        let operation = operation.as_ref().and_then(Value::as_str);
        let replaced = entry.doc.element("replace").is_some();
        let name = match operation {
            Some("i") => "insert",
            Some("d") => "delete",
            _ if replaced => "replace",
            _ => "update",
        };
        let head = entry.head(name, TokenKind::Event, self.expanded);
        let key = match operation {
            Some("d") => Some(entry.object),
            _ => entry.document("o2"),
        };
        let key = key.unwrap_or(Doc::EMPTY);
        let place = |event: Builder| {
            event
                .document("ns", name_of(&namespace))
                .raw_document("documentKey", key)
        };
        let event = match name {
            "insert" | "replace" => place(head.raw_document("fullDocument", entry.object)),
            "delete" => place(head),
            _ => {
                let event = place(head).document("updateDescription", self.description(entry));
                self.with_full_document(engine, event, entry, &namespace, key)?
            }
        };
        if name == "insert" {
            return Ok(Some(event));
        }
        self.with_before(event, entry).map(Some)
    }

    fn description(&self, entry: Entry<'_>) -> Builder {
        let mut description = Builder::new();
        for element in entry.object.elements() {
            if self.expanded || element.name() != "disambiguatedPaths" {
                description.push_element(element);
            }
        }
        description
    }

    fn with_full_document(
        &self,
        engine: &Engine,
        event: Builder,
        entry: Entry<'_>,
        namespace: &Namespace,
        key: Doc<'_>,
    ) -> Result<Builder, CommandError> {
        let found = match self.full_document {
            Wanted::None => return Ok(event),
            Wanted::Lookup => look_up(engine, entry, namespace, key)?,
            Wanted::WhenAvailable | Wanted::Required => {
                entry.document("after").map(|after| after.bytes().to_vec())
            }
        };
        match found {
            Some(document) => Ok(event.raw_document("fullDocument", Doc::new(&document))),
            None if self.full_document == Wanted::Required => Err(not_kept("post-image")),
            None => Ok(event.with("fullDocument", &Value::Null)),
        }
    }

    fn with_before(&self, event: Builder, entry: Entry<'_>) -> Result<Builder, CommandError> {
        match (self.before, entry.document("before")) {
            (Wanted::None, _) => Ok(event),
            (_, Some(before)) => Ok(event.raw_document("fullDocumentBeforeChange", before)),
            (Wanted::Required, None) => Err(not_kept("pre-image")),
            (_, None) => Ok(event.with("fullDocumentBeforeChange", &Value::Null)),
        }
    }

    /// Returns the event of a command, and whether it ends the stream.
    fn command(&self, entry: Entry<'_>) -> (Option<Builder>, bool) {
        let Some(first) = entry.object.elements().next() else {
            return (None, false);
        };
        match first.name() {
            "dropDatabase" => self.drop_database(entry),
            "renameCollection" => self.rename(entry),
            "drop" => {
                let Some(namespace) = self.subject(entry) else {
                    return (None, false);
                };
                let event = entry
                    .head("drop", TokenKind::Event, self.expanded)
                    .document("ns", name_of(&namespace));
                (Some(event), self.ends_with_collection())
            }
            name => (self.expanded_command(entry, name), false),
        }
    }

    /// Returns the collection of a command, if the stream watches it.
    fn subject(&self, entry: Entry<'_>) -> Option<Namespace> {
        let namespace = namespace_in(entry.document("o2")?, "ns")?;
        self.watches(&namespace).then_some(namespace)
    }

    fn ends_with_collection(&self) -> bool {
        matches!(self.watched, Watched::Collection(_))
    }

    fn drop_database(&self, entry: Entry<'_>) -> (Option<Builder>, bool) {
        let namespace = entry.doc.get("ns");
        let namespace = namespace
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let database = namespace.split('.').next().unwrap_or_default();
        let ends = match &self.watched {
            Watched::Collection(_) => return (None, false),
            Watched::Database(watched) if watched != database => return (None, false),
            Watched::Database(_) => true,
            Watched::Cluster if is_internal(database) => return (None, false),
            Watched::Cluster => false,
        };
        let event = entry
            .head("dropDatabase", TokenKind::Event, false)
            .document("ns", Builder::new().string("db", database));
        (Some(event), ends)
    }

    fn rename(&self, entry: Entry<'_>) -> (Option<Builder>, bool) {
        let from = namespace_in(entry.object, "renameCollection");
        let to = namespace_in(entry.object, "to");
        let (Some(from), Some(to)) = (from, to) else {
            return (None, false);
        };
        if !self.watches(&from) && !self.watches(&to) {
            return (None, false);
        }
        let mut event = entry
            .head("rename", TokenKind::Event, self.expanded)
            .document("ns", name_of(&from))
            .document("to", name_of(&to));
        if self.expanded {
            let mut description = Builder::new().document("to", name_of(&to));
            if let Some(target) = entry.object.element("dropTarget") {
                description.push_element(target);
            }
            event = event.document("operationDescription", description);
        }
        (Some(event), self.ends_with_collection())
    }

    /// Returns the event of a command that a stream shows only if it is asked to.
    fn expanded_command(&self, entry: Entry<'_>, command: &str) -> Option<Builder> {
        let namespace = self.subject(entry).filter(|_| self.expanded)?;
        let (name, description) = match command {
            "create" => ("create", without_first(entry.object)),
            "createIndexes" => {
                let index = without_first(entry.object);
                (
                    "createIndexes",
                    Builder::new().array("indexes", only(index)),
                )
            }
            "dropIndexes" => {
                let spec = entry.object.element("spec").and_then(Element::doc);
                let spec = Builder::new().extended(spec.unwrap_or(Doc::EMPTY));
                ("dropIndexes", Builder::new().array("indexes", only(spec)))
            }
            "collMod" => ("modify", without_first(entry.object)),
            _ => return None,
        };
        let event = entry
            .head(name, TokenKind::Event, true)
            .document("ns", name_of(&namespace))
            .document("operationDescription", description);
        Some(match entry.document("before") {
            Some(before) if name == "modify" => event.raw_document("stateBeforeChange", before),
            _ => event,
        })
    }
}

impl<'e> Entry<'e> {
    fn token(self, kind: TokenKind) -> Token {
        Token {
            stamp: self.stamp,
            kind,
        }
    }

    /// Returns the first fields of an event.
    fn head(self, operation: &str, kind: TokenKind, expanded: bool) -> Builder {
        let mut event = Builder::new()
            .raw_document("_id", Doc::new(&self.token(kind).document()))
            .string("operationType", operation)
            .with("clusterTime", &Value::Timestamp(self.stamp));
        if let (true, Some(uuid)) = (expanded, self.doc.get("ui")) {
            event = event.with("collectionUUID", &uuid);
        }
        if let Some(wall) = self.doc.get("wall") {
            event = event.with("wallTime", &wall);
        }
        event
    }

    fn document(self, name: &str) -> Option<Doc<'e>> {
        let element = self.doc.element(name)?;
        element.doc().filter(|_| element.kind() == Kind::Document)
    }
}

/// Returns the collection that a field names in full.
fn namespace_in(doc: Doc<'_>, field: &str) -> Option<Namespace> {
    Namespace::parse(doc.get(field)?.as_str()?).ok()
}

fn name_of(namespace: &Namespace) -> Builder {
    Builder::new()
        .string("db", &namespace.database)
        .string("coll", &namespace.collection)
}

fn without_first(doc: Doc<'_>) -> Builder {
    let mut rest = Builder::new();
    for element in doc.elements().skip(1) {
        rest.push_element(element);
    }
    rest
}

fn only(document: Builder) -> ArrayBuilder {
    let mut array = ArrayBuilder::default();
    array.push_built(document);
    array
}

/// Returns the document as it is now; `None` if it was removed, or its collection dropped.
fn look_up(
    engine: &Engine,
    entry: Entry<'_>,
    namespace: &Namespace,
    key: Doc<'_>,
) -> Result<Option<Vec<u8>>, CommandError> {
    let (Some(collection), Some(id)) = (engine.collection(namespace), key.get("_id")) else {
        return Ok(None);
    };
    let uuid = match entry.doc.get("ui") {
        Some(Value::Binary { bytes, .. }) => bytes.into_owned(),
        _ => return Ok(None),
    };
    if uuid != collection.uuid() {
        return Ok(None);
    }
    Ok(collection
        .find(engine.log(), &id)?
        .map(|found| found.to_vec()))
}

fn not_kept(image: &str) -> CommandError {
    CommandError::new(
        Code::NO_MATCHING_DOCUMENT,
        format!(
            "Change stream was configured to require a {image} for all update, delete and replace \
             events, but the {image} was not found for an event: the collection's option \
             changeStreamPreAndPostImages was not enabled when the document was changed"
        ),
    )
}
