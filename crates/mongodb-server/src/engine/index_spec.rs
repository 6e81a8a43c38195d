//! Descriptions of indexes.

use crate::bson::{Builder, Doc, Kind, Value};
use crate::engine::special_index::{Special, is_wildcard, ordinary};
use crate::error::{Code, CommandError};
use crate::query::{Direction, Filter, Path, array_index};

/// Largest number of fields of an index.
const MAX_FIELDS: usize = 32;

/// The name of the index that every collection has.
pub const ID_INDEX: &str = "_id_";

#[derive(Debug, Clone)]
pub struct IndexSpec {
    /// Unique in its collection.
    pub name: String,
    /// Paths with their directions.
    pub fields: Vec<(Path, Direction)>,
    pub unique: bool,
    /// Whether new documents must be unique, so that the index can become unique.
    pub prepare_unique: bool,
    /// Whether queries do not use the index.
    pub hidden: bool,
    /// Whether documents without any of the fields are omitted.
    pub sparse: bool,
    /// Filter of the indexed documents, if not all are.
    pub partial: Option<Filter>,
    /// What the index is if it is not an ordinary one.
    pub special: Option<Special>,
    /// Seconds after the indexed date at which a document expires.
    pub expire_after_seconds: Option<i64>,
    /// The description as `listIndexes` shows it.
    document: Vec<u8>,
}

impl IndexSpec {
    /// Returns the index on `_id`.
    pub fn id() -> Self {
        let key = Builder::new().int32("_id", 1);
        Self {
            name: ID_INDEX.to_owned(),
            fields: vec![(Path::new("_id"), Direction::Ascending)],
            unique: true,
            prepare_unique: false,
            hidden: false,
            sparse: false,
            partial: None,
            special: None,
            expire_after_seconds: None,
            document: Builder::new()
                .int32("v", 2)
                .document("key", key)
                .string("name", ID_INDEX)
                .finish(),
        }
    }

    /// Returns the index on `_id` of a clustered collection.
    pub fn clustered(name: &str) -> Self {
        let id = Self::id();
        let document = Builder::new()
            .int32("v", 2)
            .raw_document("key", Doc::new(&id.key_pattern()))
            .string("name", name)
            .bool("unique", true)
            .bool("clustered", true);
        Self {
            name: name.to_owned(),
            document: document.finish(),
            ..id
        }
    }

    /// Reads an entry of `createIndexes`.
    pub fn parse(spec: Doc<'_>) -> Result<Self, CommandError> {
        let key = spec.get("key");
        let key = key.as_ref().and_then(Value::as_document).ok_or_else(|| {
            CommandError::failed_to_parse("The 'key' field is a required property of an index")
        })?;
        let special = Special::parse(key, spec)?;
        let fields = parse_fields(Doc::new(&ordinary(key)))?;
        let name = match spec.get("name") {
            Some(Value::String(name)) if !name.is_empty() => name.into_owned(),
            Some(Value::String(_)) => return Err(cannot("index names cannot be empty")),
            _ => {
                return Err(CommandError::failed_to_parse(
                    "The 'name' field is a required property of an index specification",
                ));
            }
        };
        let mut parsed = Self {
            name,
            fields,
            unique: false,
            prepare_unique: false,
            hidden: false,
            sparse: false,
            partial: None,
            special,
            expire_after_seconds: None,
            document: Vec::new(),
        };
        let mut document = Builder::new()
            .int32("v", 2)
            .raw_document("key", key)
            .string("name", &parsed.name);
        for option in spec.elements() {
            if parsed.read_option(option.name(), &option.value())? {
                document.push_element(option);
            }
        }
        if parsed.is_id() && (parsed.sparse || parsed.partial.is_some()) {
            return Err(cannot("_id index cannot be sparse or partial"));
        }
        parsed.document = document.finish();
        Ok(parsed)
    }

    /// Reads one option; returns whether `listIndexes` shows it.
    fn read_option(&mut self, name: &str, value: &Value<'_>) -> Result<bool, CommandError> {
        match name {
            "key" | "name" | "v" | "ns" | "dropDups" => return Ok(false),
            "unique" => self.unique = value.is_truthy(),
            "sparse" => self.sparse = value.is_truthy(),
            "hidden" | "prepareUnique" => {
                let Value::Bool(flag) = *value else {
                    return Err(CommandError::type_mismatch(format!(
                        "The field '{name}' must be a bool, but got {}",
                        value.kind().alias()
                    )));
                };
                if name == "hidden" && flag && self.is_id() {
                    return Err(CommandError::bad_value("can't hide _id index"));
                }
                if name == "hidden" {
                    self.hidden = flag;
                } else {
                    self.prepare_unique = flag;
                }
                return Ok(flag);
            }
            "background" | "comment" | "wildcardProjection" => {}
            "expireAfterSeconds" => {
                let seconds = value.as_i64().filter(|seconds| *seconds >= 0);
                self.expire_after_seconds = Some(seconds.ok_or_else(|| {
                    cannot(
                        "TTL index 'expireAfterSeconds' option must be within an acceptable range",
                    )
                })?);
                if self.fields.len() != 1 || self.is_id() {
                    return Err(cannot(
                        "TTL indexes are single-field indexes, and not on _id",
                    ));
                }
            }
            "partialFilterExpression" => {
                let filter = value.as_document().ok_or_else(|| {
                    cannot("\"partialFilterExpression\" for an index must be a document")
                })?;
                self.partial = Some(Filter::parse_within(filter)?);
            }
            "collation" if is_simple_collation(value) => return Ok(false),
            "collation"
            | "weights"
            | "default_language"
            | "2dsphereIndexVersion"
            | "bits"
            | "min"
            | "max"
            | "storageEngine"
            | "language_override"
            | "textIndexVersion"
            | "clustered" => {
                return Err(CommandError::unsupported(format!(
                    "the index option {name}"
                )));
            }
            _ => {
                return Err(CommandError::new(
                    Code::INVALID_INDEX_SPECIFICATION,
                    format!("The field '{name}' is not valid for an index specification."),
                ));
            }
        }
        Ok(true)
    }

    /// Returns whether this is the index on `_id`.
    pub fn is_id(&self) -> bool {
        let of_id = matches!(self.fields.as_slice(), [(path, _)] if path.as_str() == "_id");
        of_id && self.special.is_none()
    }

    /// Returns the description.
    pub fn document(&self) -> Doc<'_> {
        Doc::new(&self.document)
    }

    /// Returns the description with options replaced; an option without a value is removed.
    pub fn with_options(
        &self,
        options: &[(&str, Option<Value<'_>>)],
    ) -> Result<Self, CommandError> {
        let mut changed = Builder::new();
        for element in self.document().elements() {
            if !options.iter().any(|(name, _)| *name == element.name()) {
                changed.push_element(element);
            }
        }
        for (name, value) in options {
            if let Some(value) = value {
                changed.push(name, value);
            }
        }
        Self::parse(Doc::new(&changed.finish()))
    }

    /// Returns the key pattern.
    pub fn key_pattern(&self) -> Vec<u8> {
        match self.document().get("key") {
            Some(Value::Document(bytes)) => bytes.into_owned(),
            _ => Builder::new().finish(),
        }
    }

    /// Returns whether two indexes have the same documents under the same keys, so that a collection
    /// cannot have both.
    pub fn equivalent(&self, other: &Self) -> bool {
        let partial = |spec: &Self| match spec.document().get("partialFilterExpression") {
            Some(Value::Document(bytes)) => bytes.into_owned(),
            _ => Vec::new(),
        };
        self.fields == other.fields
            && self.unique == other.unique
            && self.sparse == other.sparse
            && self.special == other.special
            && partial(self) == partial(other)
    }

    /// Returns whether two descriptions are equal but for the names.
    pub fn identical(&self, other: &Self) -> bool {
        self.equivalent(other)
            && self.expire_after_seconds == other.expire_after_seconds
            && self.hidden == other.hidden
    }
}

/// Returns whether a collation is the simple one, which orders text by its bytes.
pub fn is_simple_collation(value: &Value<'_>) -> bool {
    value.as_document().is_some_and(|collation| {
        collation.is_empty()
            || collation
                .get("locale")
                .is_some_and(|locale| locale.as_str() == Some("simple"))
    })
}

fn parse_fields(key: Doc<'_>) -> Result<Vec<(Path, Direction)>, CommandError> {
    let mut fields = Vec::new();
    for element in key.elements() {
        let name = element.name();
        let value = element.value();
        if let Some(plugin) = value.as_str() {
            return Err(match plugin {
                "2dsphere" | "2d" | "geoHaystack" if is_wildcard(name) => {
                    cannot("wildcard indexes cannot be geospatial")
                }
                "text" | "2dsphere" | "2d" | "geoHaystack" => {
                    CommandError::unsupported(format!("{plugin} indexes"))
                }
                "wildcard" if !is_wildcard(name) => {
                    let message = "the type 'wildcard' is only for a wildcard's path";
                    CommandError::location(7_246_202, message)
                }
                _ => cannot(&format!("Unknown index plugin '{plugin}'")),
            });
        }
        check_field_name(name)?;
        let direction = Direction::parse(&value)
            .ok_or_else(|| cannot("Values in v:2 index key pattern cannot be 0 or NaN"))?;
        if element.kind() == Kind::Bool {
            return Err(cannot(
                "Values in v:2 index key pattern cannot be of type bool",
            ));
        }
        fields.push((Path::new(name), direction));
    }
    if fields.is_empty() {
        return Err(cannot("Index keys cannot be an empty object"));
    }
    if fields.len() > MAX_FIELDS {
        return Err(CommandError::location(13_103, "too many compound keys"));
    }
    Ok(fields)
}

fn check_field_name(name: &str) -> Result<(), CommandError> {
    if name.is_empty() || name.split('.').any(str::is_empty) {
        return Err(cannot("Index keys cannot contain an empty field"));
    }
    if is_wildcard(name) {
        return Ok(());
    }
    if name.starts_with('$') || name.split('.').any(|part| part == "$**") {
        return Err(cannot(
            "Index key contains an illegal field name: field name starts with '$'.",
        ));
    }
    if name.split('.').any(|part| array_index(part).is_some()) {
        return Err(CommandError::unsupported("indexes on an array's positions"));
    }
    Ok(())
}

fn cannot(message: &str) -> CommandError {
    CommandError::new(Code::CANNOT_CREATE_INDEX, message)
}
