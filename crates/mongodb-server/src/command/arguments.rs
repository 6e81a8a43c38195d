//! The arguments of a command, checked as they are read.

use crate::bson::{Doc, Invalid, Kind, Value, validate};
use crate::command::kinds;
use crate::command::limits::MAX_WRITE_BATCH;
use crate::engine::Namespace;
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::frame::Request;
use crate::left::Left;
use crate::query::saturated;

/// Arguments that every command takes.
const GENERIC: &[&str] = &[
    "$db",
    "$readPreference",
    "$clusterTime",
    "lsid",
    "comment",
    "maxTimeMS",
    "readConcern",
    "writeConcern",
    "apiVersion",
    "apiStrict",
    "apiDeprecationErrors",
    "autocommit",
    "startTransaction",
    "txnNumber",
    "rawData",
];

/// The fault of a command until the hook decides.
static NO_FAULT: Fault = Fault {
    before: None,
    after: None,
    rejection: None,
    write_errors: Vec::new(),
    write_concern_error: None,
};

/// A command as the client sent it.
#[derive(Debug)]
pub struct Call<'a> {
    pub name: &'a str,
    /// The whole command.
    pub body: Doc<'a>,
    /// The command's database.
    pub database: &'a str,
    /// On a replica set, the time of the last change.
    pub cluster_time: Option<u64>,
    /// What goes wrong with the command.
    pub fault: &'a Fault,
    /// Whether the client has left or the command was killed; `None` before that is known.
    pub left: Option<Left>,
    sequences: &'a [(&'a str, &'a [u8])],
}

impl<'a> Call<'a> {
    /// Reads a request.
    pub fn new(request: &'a Request<'a>) -> Result<Self, CommandError> {
        let body = request.command;
        let first = body
            .elements()
            .next()
            .ok_or_else(|| CommandError::failed_to_parse("a command needs a name"))?;
        let named = || body.get("$db").and_then(Value::into_borrowed_str);
        let database = request.query_database.or_else(named).ok_or_else(|| {
            CommandError::location(40_571, "OP_MSG requests require a $db argument")
        })?;
        let call = Self {
            name: first.name(),
            body,
            database,
            cluster_time: None,
            fault: &NO_FAULT,
            left: None,
            sequences: &request.sequences,
        };
        if request.query_database.is_some()
            && !matches!(call.name, "hello" | "isMaster" | "ismaster")
        {
            return Err(CommandError::new(
                Code::UNSUPPORTED_OP_QUERY,
                format!(
                    "Unsupported OP_QUERY command: {}. The client driver may require an upgrade.",
                    call.name
                ),
            ));
        }
        Ok(call)
    }

    /// Returns a command that is an argument of this one, as in `explain`.
    pub fn inner(&self, name: &'a str, body: Doc<'a>) -> Self {
        Self {
            name,
            body,
            database: self.database,
            cluster_time: self.cluster_time,
            fault: self.fault,
            left: self.left.clone(),
            sequences: &[],
        }
    }

    /// Returns the id of the session that the command belongs to.
    pub fn session(&self) -> Option<Vec<u8>> {
        let session = self.body.get("lsid")?;
        match session.as_document()?.get("id")? {
            Value::Binary { bytes, .. } => Some(bytes.into_owned()),
            _ => None,
        }
    }

    /// Returns whether every command takes an argument of this name.
    pub fn is_generic(name: &str) -> bool {
        GENERIC.contains(&name)
    }

    /// Rejects arguments that are neither generic nor in `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), CommandError> {
        for element in self.body.elements().skip(1) {
            let name = element.name();
            if !GENERIC.contains(&name) && !known.contains(&name) {
                return Err(self.unknown(name));
            }
            kinds::check(self.name, name, &element.value())?;
        }
        let unknown = |(name, _): &&(&str, &[u8])| !known.contains(name);
        match self.sequences.iter().find(unknown) {
            Some((name, _)) => Err(self.unknown(name)),
            None => Ok(()),
        }
    }

    /// Rejects the command on other databases than `admin`.
    pub fn only_of_admin(&self) -> Result<(), CommandError> {
        if self.database == "admin" {
            return Ok(());
        }
        let name = self.name;
        let message = format!("{name} may only be run against the admin database.");
        Err(CommandError::new(Code::UNAUTHORIZED, message))
    }

    fn unknown(&self, name: &str) -> CommandError {
        let message = format!("BSON field '{}.{name}' is an unknown field.", self.name);
        CommandError::location(40_415, message)
    }

    /// Rejects arguments that MongoDB has and this server does not, unless their value is empty.
    pub fn refuse(&self, names: &[&str]) -> Result<(), CommandError> {
        for name in names {
            let asks = |value: &Value<'_>| {
                let empty = value.as_document().is_some_and(Doc::is_empty);
                value.is_truthy() && !empty
            };
            if self.body.get(name).as_ref().is_some_and(asks) {
                let what = format!("the argument {name} of {}", self.name);
                return Err(CommandError::unsupported(what));
            }
        }
        self.check_collation()
    }

    /// Rejects collations other than the simple one.
    fn check_collation(&self) -> Result<(), CommandError> {
        match self.body.get("collation") {
            Some(collation) if !crate::engine::is_simple_collation(&collation) => {
                Err(CommandError::unsupported("collations other than simple"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the name of the collection that the command reads or writes, if any.
    pub fn collection_name(&self) -> Option<String> {
        let name = if self.name == "getMore" {
            "collection"
        } else {
            self.name
        };
        match self.body.get(name) {
            Some(Value::String(collection)) => Some(collection.into_owned()),
            _ => None,
        }
    }

    /// Returns the collection named by the command's first argument.
    pub fn namespace(&self) -> Result<Namespace, CommandError> {
        match self.body.get(self.name) {
            Some(Value::String(collection)) => Namespace::new(self.database, &collection),
            other => {
                let kind = other.map_or("missing", |value| value.kind().alias());
                Err(CommandError::new(
                    Code::INVALID_NAMESPACE,
                    format!("collection name has invalid type {kind}"),
                ))
            }
        }
    }

    /// Returns an argument; null counts as absent.
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        self.body.get(name).filter(|value| !value.is_nullish())
    }

    pub fn document(&self, name: &str) -> Result<Option<Doc<'a>>, CommandError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => {
                let kind = value.kind();
                let document = value.into_borrowed_document();
                document
                    .map(Some)
                    .ok_or_else(|| self.wrong_type(name, kind, "object"))
            }
        }
    }

    /// Returns a required document.
    pub fn required_document(&self, name: &str) -> Result<Doc<'a>, CommandError> {
        self.document(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn array(&self, name: &str) -> Result<Option<Doc<'a>>, CommandError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => {
                let kind = value.kind();
                let array = value.into_borrowed_array();
                array
                    .map(Some)
                    .ok_or_else(|| self.wrong_type(name, kind, "array"))
            }
        }
    }

    /// Returns an integer: a fraction of a double is cut off, a decimal is rounded to the nearest.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, CommandError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        if !value.is_number() {
            let numbers = "long', 'int', 'decimal', 'double";
            return Err(self.wrong_type(name, value.kind(), numbers));
        }
        Ok(Some(saturated(&value)))
    }

    /// Returns the size of the first batch in the argument `cursor`.
    pub fn batch_size(&self) -> Result<Option<u64>, CommandError> {
        let cursor = self.document("cursor")?.unwrap_or(Doc::EMPTY);
        if let Some(unknown) = cursor.elements().find(|it| it.name() != "batchSize") {
            return Err(self.unknown(&format!("cursor.{}", unknown.name())));
        }
        let Some(size) = cursor.get("batchSize").filter(|size| !size.is_nullish()) else {
            return Ok(None);
        };
        if !size.is_number() {
            let numbers = "long', 'int', 'decimal', 'double";
            return Err(self.wrong_type("cursor.batchSize", size.kind(), numbers));
        }
        let size = u64::try_from(saturated(&size));
        let negative = |_| CommandError::bad_value("cursor.batchSize must not be negative");
        size.map(Some).map_err(negative)
    }

    /// Returns a non-negative integer.
    pub fn natural(&self, name: &str) -> Result<Option<u64>, CommandError> {
        let number = self.integer(name)?;
        let negative = |number| {
            CommandError::location(
                51_024,
                format!("BSON field '{name}' value must be >= 0, actual value '{number}'"),
            )
        };
        number
            .map(|number| u64::try_from(number).map_err(|_negative| negative(number)))
            .transpose()
    }

    /// Returns a boolean; numbers count as booleans.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, CommandError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) if value.is_number() || matches!(value, Value::Bool(_)) => {
                Ok(Some(value.is_truthy()))
            }
            Some(value) => Err(self.wrong_type(
                name,
                value.kind(),
                "bool', 'long', 'int', 'decimal', 'double",
            )),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, CommandError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.into_owned())),
            Some(value) => Err(self.wrong_type(name, value.kind(), "string")),
        }
    }

    /// Returns the documents of a batch, from a message section or an array, each validated.
    pub fn documents(&self, name: &str) -> Result<Vec<Doc<'a>>, CommandError> {
        let documents = self.list(name)?;
        if documents.is_empty() || documents.len() > MAX_WRITE_BATCH {
            return Err(CommandError::new(
                Code::INVALID_LENGTH,
                format!(
                    "Write batch sizes must be between 1 and {MAX_WRITE_BATCH}. Got {} operations.",
                    documents.len()
                ),
            ));
        }
        Ok(documents)
    }

    /// Returns documents of any number, from a message section or an array, each validated.
    pub fn list(&self, name: &str) -> Result<Vec<Doc<'a>>, CommandError> {
        let mut documents = Vec::new();
        let sequence = self.sequences.iter().find(|(known, _)| *known == name);
        if let Some(&(_, mut rest)) = sequence {
            while !rest.is_empty() {
                let (document, after) =
                    validate::split_document(rest).map_err(|invalid| invalid_document(&invalid))?;
                documents.push(Doc::new(document));
                rest = after;
            }
        } else {
            let array = self.array(name)?.ok_or_else(|| self.missing(name))?;
            for element in array.elements() {
                let document = element.doc().filter(|_| element.kind() == Kind::Document);
                let path = format!("{name}.{}", element.name());
                let wrong = || self.wrong_type(&path, element.kind(), "object");
                documents.push(document.ok_or_else(wrong)?);
            }
        }
        Ok(documents)
    }

    /// Returns the error for an argument of the wrong type.
    pub fn wrong_type(&self, name: &str, kind: Kind, expected: &str) -> CommandError {
        let list = if expected.contains('\'') {
            format!("types '['{expected}']'")
        } else {
            format!("type '{expected}'")
        };
        CommandError::type_mismatch(format!(
            "BSON field '{}.{name}' is the wrong type '{}', expected {list}",
            self.name,
            kind.alias()
        ))
    }

    /// Returns the error for a missing argument.
    pub fn missing(&self, name: &str) -> CommandError {
        let message = format!(
            "BSON field '{}.{name}' is missing but a required field",
            self.name
        );
        CommandError::location(40_414, message)
    }
}

/// Returns the error for a document that is not valid BSON.
pub fn invalid_document(invalid: &Invalid) -> CommandError {
    let code = match invalid {
        Invalid::Depth => Code::OVERFLOW,
        _ => Code::INVALID_BSON,
    };
    CommandError::new(code, invalid.to_string())
}
