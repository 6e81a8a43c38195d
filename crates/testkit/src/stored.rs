//! Whether the records of a topic and the documents of a collection belong to each other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::{DataError, KafkaServer, Record};
use convoy_mongodb_server::bson::Value;
use convoy_mongodb_server::{DataError as StoreError, MongoServer};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::error::Error;
use crate::kafka::Kafka;
use crate::mongo::{Document, Mongo};

/// Interval of looking.
const INTERVAL: Duration = Duration::from_millis(5);

/// Records and documents of each kind that an error names.
const SHOWN: usize = 5;

/// Characters of a record or document in an error.
const WIDTH: usize = 120;

/// How a record and its document are recognised.
///
/// Both sides become text: so the key `17` belongs to the document with the number 17. Records with
/// the same identity are expected once: the last one counts. Records whose last value is null
/// (tombstones) are expected not to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// The record's key is in this field of the document, such as `_id`.
    Key(String),
    /// The field of the record's JSON value is in a field of the document.
    Field {
        /// Path in the record's value, such as `order.id`.
        record: String,
        /// Path in the document.
        document: String,
    },
    /// The document has fields `topic`, `partition` and `offset` in this sub-document, as sinks
    /// write them; an empty name means the document itself.
    Position(String),
}

impl Identity {
    /// The record's key is in this field of the document.
    pub fn key(document: impl Into<String>) -> Self {
        Self::Key(document.into())
    }

    /// A field of the record's JSON value is in the document's field of the same name.
    pub fn field(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::Field {
            record: name.clone(),
            document: name,
        }
    }

    /// The document has the record's topic, partition and offset in this sub-document.
    pub fn position(document: impl Into<String>) -> Self {
        Self::Position(document.into())
    }

    /// Returns the identity of a record; `None` if it has none.
    fn of_record(&self, topic: &str, record: &Record) -> Option<String> {
        match self {
            Self::Key(_) => {
                let key = record.key.as_deref()?;
                Some(String::from_utf8_lossy(key).into_owned())
            }
            Self::Field { record: path, .. } => {
                let json: Json = serde_json::from_slice(record.value.as_deref()?).ok()?;
                let mut names = path.split('.');
                let found = names.try_fold(&json, |at, name| match at {
                    Json::Array(items) => items.get(name.parse::<usize>().ok()?),
                    at => at.get(name),
                });
                text_of_json(found?)
            }
            Self::Position(_) => Some(format!("{topic}[{}]@{}", record.partition, record.offset)),
        }
    }

    /// Returns the identity of a document; `None` if it has none.
    fn of_document(&self, document: &Document) -> Option<String> {
        match self {
            Self::Key(path) | Self::Field { document: path, .. } => text(&document.get(path)?),
            Self::Position(path) => {
                let at = |name: &str| match path.as_str() {
                    "" => name.to_owned(),
                    path => format!("{path}.{name}"),
                };
                let topic = document.str(&at("topic"))?;
                let partition = document.i64(&at("partition"))?;
                let offset = document.i64(&at("offset"))?;
                Some(format!("{topic}[{partition}]@{offset}"))
            }
        }
    }
}

fn text_of_json(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => number.to_string(),
            None => number.to_string(),
        }),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        Value::Double(number) => Some(number.to_string()),
        Value::Int32(number) => Some(number.to_string()),
        Value::Int64(number) | Value::DateTime(number) => Some(number.to_string()),
        Value::Decimal128(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::ObjectId(id) => Some(id.to_string()),
        Value::Binary { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// How the records of a topic and the documents of a collection differ; shown as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    topic: String,
    namespace: String,
    /// Identities that are stored exactly once.
    once: usize,
    missing: Vec<String>,
    twice: Vec<String>,
    unexpected: Vec<String>,
    unidentified: Vec<String>,
}

impl Difference {
    /// Compares; `None` if there is no difference.
    fn between(
        topic: &str,
        records: &[Record],
        namespace: &str,
        documents: &[Document],
        identity: &Identity,
    ) -> Option<Self> {
        let mut difference = Self {
            topic: topic.to_owned(),
            namespace: namespace.to_owned(),
            once: 0,
            missing: Vec::new(),
            twice: Vec::new(),
            unexpected: Vec::new(),
            unidentified: Vec::new(),
        };
        let mut expected = BTreeMap::new();
        for record in records {
            match identity.of_record(topic, record) {
                Some(identity) => drop(expected.insert(identity, record)),
                // A tombstone has no value to find a field in.
                None if record.value.is_none() => {}
                None => difference.unidentified.push(shown(record)),
            }
        }
        let mut stored: BTreeMap<String, Vec<&Document>> = BTreeMap::new();
        for document in documents {
            let found = identity.of_document(document);
            match found.filter(|it| expected.get(it).is_some_and(|it| it.value.is_some())) {
                Some(identity) => stored.entry(identity).or_default().push(document),
                None => difference.unexpected.push(cut(&document.to_string())),
            }
        }
        for (identity, record) in expected {
            match stored.get(&identity).map_or(0, Vec::len) {
                0 if record.value.is_none() => {}
                0 => difference.missing.push(shown(record)),
                1 => difference.once += 1,
                times => {
                    let line = format!("{} ({times} documents)", shown(record));
                    difference.twice.push(line);
                }
            }
        }
        let same = difference.lists().iter().all(|(_, lines)| lines.is_empty());
        (!same).then_some(difference)
    }

    fn lists(&self) -> [(&'static str, &[String]); 4] {
        [
            ("missing", &self.missing),
            ("stored more than once", &self.twice),
            ("documents without a record", &self.unexpected),
            ("records without an identity", &self.unidentified),
        ]
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic, namespace, ..
        } = self;
        write!(
            out,
            "the records of topic `{topic}` are not all stored in `{namespace}`: {} stored once",
            self.once
        )?;
        let lists = self.lists();
        let lists = lists.iter().filter(|(_, lines)| !lines.is_empty());
        for (name, lines) in lists.clone() {
            write!(out, ", {} {name}", lines.len())?;
        }
        for (name, lines) in lists {
            write!(out, "\n  {name}:")?;
            for line in lines.iter().take(SHOWN) {
                write!(out, "\n    {line}")?;
            }
            if lines.len() > SHOWN {
                write!(out, "\n    and {} more", lines.len().saturating_sub(SHOWN))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Difference {}

fn shown(record: &Record) -> String {
    let text = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => format!("\"{}\"", cut(&String::from_utf8_lossy(bytes))),
        None => "null".to_owned(),
    };
    format!(
        "partition {}, offset {}, key {}, value {}",
        record.partition,
        record.offset,
        text(record.key.as_deref()),
        text(record.value.as_deref())
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Asserts that each record of a topic is stored exactly once in a collection, and nothing else.
/// `namespace` is `database.collection`.
///
/// Read without clients: no fault gets in the way.
///
/// # Panics
///
/// If records are missing or stored more than once, or if documents belong to no record: the message
/// names them.
#[track_caller]
#[expect(clippy::panic, reason = "it is an assertion")]
pub fn assert_all_stored(
    kafka: &Kafka,
    topic: &str,
    mongo: &Mongo,
    namespace: &str,
    identity: &Identity,
) {
    let compared = || {
        let (database, collection) = split(namespace)?;
        let records = kafka.records(topic)?;
        let documents = mongo.documents(database, collection)?;
        let difference = Difference::between(topic, &records, namespace, &documents, identity);
        Ok::<_, Error>(difference)
    };
    match compared() {
        Ok(None) => {}
        Ok(Some(difference)) => panic!("{difference}"),
        Err(error) => panic!("{error:?}"),
    }
}

fn split(namespace: &str) -> Result<(&str, &str), Error> {
    let names = namespace.split_once('.');
    names.ok_or_else(|| Error::Namespace(namespace.to_owned()))
}

/// What is waited for.
#[derive(Debug)]
pub struct Wait {
    topic: String,
    database: String,
    collection: String,
    identity: Identity,
    deadline: Duration,
}

impl Wait {
    pub fn new(
        topic: &str,
        namespace: &str,
        identity: &Identity,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let (database, collection) = split(namespace)?;
        Ok(Self {
            topic: topic.to_owned(),
            database: database.to_owned(),
            collection: collection.to_owned(),
            identity: identity.clone(),
            deadline,
        })
    }

    /// Waits until there is no difference, or until the deadline.
    pub async fn until(
        self,
        kafka: Arc<Mutex<Option<KafkaServer>>>,
        mongo: Arc<Mutex<Option<MongoServer>>>,
    ) -> Result<(), Error> {
        let mut last = DataError::Stopped.into();
        let reaching = async {
            loop {
                let records = match &*kafka.lock().await {
                    Some(server) => server.records(&self.topic)?,
                    None => return Err(DataError::Stopped.into()),
                };
                let documents = match &*mongo.lock().await {
                    Some(server) => server.documents(&self.database, &self.collection)?,
                    None => return Err(StoreError::Stopped.into()),
                };
                let documents: Vec<_> = documents.into_iter().map(Document::new).collect();
                let namespace = format!("{}.{}", self.database, self.collection);
                let (topic, identity) = (&self.topic, &self.identity);
                let found = Difference::between(topic, &records, &namespace, &documents, identity);
                match found {
                    None => return Ok(()),
                    Some(difference) => last = Error::NotStored(Box::new(difference)),
                }
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let reached = tokio::time::timeout(self.deadline, reaching).await;
        reached.unwrap_or(Err(last))
    }
}

#[cfg(test)]
mod tests;
