//! Wildcard and hashed indexes: described, listed and hinted, but without keys. Queries that name one read
//! the collection.

use crate::bson::{Builder, Doc, Element, Kind, Value};
use crate::error::{Code, CommandError};
use crate::query::{Filter, Test};

/// The last part of the path of a wildcard.
const WILDCARD: &str = "$**";

/// What an index is if it is not an ordinary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Special {
    Wildcard(Scope),
    /// The path whose values are hashed.
    Hashed(String),
}

/// The paths of a wildcard index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The path before the wildcard; empty for all.
    root: String,
    /// The fields beside the wildcard.
    regular: Vec<String>,
    /// Paths that `wildcardProjection` includes or excludes.
    projection: Vec<(String, bool)>,
}

impl Special {
    /// Reads an entry of `createIndexes`; `None` for an ordinary index.
    pub fn parse(key: Doc<'_>, spec: Doc<'_>) -> Result<Option<Self>, CommandError> {
        let hashed = |value: Value<'_>| value.as_str() == Some("hashed");
        let mut hashes = key.elements().filter(|element| hashed(element.value()));
        let first = hashes.next();
        let mut wild = key.elements().filter(|element| is_wildcard(element.name()));
        let wildcard = wild.next();
        if wild.next().is_some() {
            let message = "wildcard indexes do not allow more than one wildcard field";
            return Err(CommandError::location(7_246_201, message));
        }
        let projection = spec.get("wildcardProjection");
        match (wildcard, first) {
            (Some(_), Some(_)) => Err(cannot("wildcard indexes cannot be hashed")),
            (Some(wildcard), None) => {
                let scope = Scope::parse(wildcard.name(), key, projection.as_ref())?;
                check_options(spec)?;
                Ok(Some(Self::Wildcard(scope)))
            }
            (None, _) if projection.is_some() => Err(CommandError::bad_value(
                "The field 'wildcardProjection' is only allowed in a wildcard index",
            )),
            (None, Some(_)) if hashes.next().is_some() => {
                let message = "A maximum of one index field is allowed to be hashed";
                Err(CommandError::location(31_303, message))
            }
            (None, Some(first)) => {
                if spec.get("unique").is_some_and(|unique| unique.is_truthy()) {
                    let message = "Currently hashed indexes cannot guarantee uniqueness. Use a \
                                   regular index.";
                    return Err(CommandError::location(16_764, message));
                }
                Ok(Some(Self::Hashed(first.name().to_owned())))
            }
            (None, None) => Ok(None),
        }
    }

    /// Rejects a document with an array where the index cannot have one.
    pub fn check(&self, doc: Doc<'_>) -> Result<(), CommandError> {
        match self {
            Self::Wildcard(scope) => {
                let array = scope.regular.iter().any(|path| has_array(path, doc));
                if array {
                    let message = "compound wildcard indexes do not allow arrays in their other \
                                   fields";
                    return Err(CommandError::location(7_246_301, message));
                }
            }
            Self::Hashed(path) if has_array(path, doc) => {
                let message = "hashed indexes do not currently support array values";
                return Err(CommandError::location(16_766, message));
            }
            Self::Hashed(_) => {}
        }
        Ok(())
    }

    /// Returns whether MongoDB can answer a filter by the index.
    pub fn supports(&self, filter: &Filter) -> bool {
        let Self::Wildcard(scope) = self else {
            return true;
        };
        scope.supports(filter)
    }
}

/// Returns whether the values that pass a test are in a wildcard index.
fn is_indexed(test: &Test) -> bool {
    let known = |value: &Value<'_>| match value {
        Value::Document(bytes) | Value::Array(bytes) => Doc::new(bytes).is_empty(),
        value => !value.is_nullish(),
    };
    match test {
        Test::Equal(value) => known(value),
        Test::In(choices) => choices.values.iter().all(known),
        Test::Exists(wanted) => *wanted,
        _ => true,
    }
}

impl Scope {
    fn parse(
        wildcard: &str,
        key: Doc<'_>,
        projection: Option<&Value<'_>>,
    ) -> Result<Self, CommandError> {
        let root = wildcard.strip_suffix(WILDCARD).unwrap_or_default();
        let root = root.strip_suffix('.').unwrap_or(root);
        let names = key.elements().map(Element::name);
        let regular = names.filter(|name| *name != wildcard).map(str::to_owned);
        let regular: Vec<String> = regular.collect();
        let projection = match projection.map(Value::as_document) {
            None if root.is_empty() && !regular.is_empty() => {
                let message = "compound wildcard indexes of all fields need a wildcardProjection";
                return Err(cannot(message));
            }
            None => Vec::new(),
            Some(_) if !root.is_empty() => {
                return Err(CommandError::failed_to_parse(format!(
                    "The field 'wildcardProjection' is only allowed when 'key' is {{\"$**\": 1}}, \
                     not with '{root}'"
                )));
            }
            Some(doc) => read_projection(doc.unwrap_or(Doc::EMPTY))?,
        };
        let scope = Self {
            root: root.to_owned(),
            regular: Vec::new(),
            projection,
        };
        if let Some(path) = regular.iter().find(|path| scope.covers(path)) {
            let message = format!(
                "wildcardProjection must exclude all regular index fields, such as '{path}'"
            );
            return Err(CommandError::location(7_246_209, message));
        }
        Ok(Self { regular, ..scope })
    }

    fn supports(&self, filter: &Filter) -> bool {
        match filter {
            Filter::And(filters) => filters.iter().any(|filter| self.supports(filter)),
            Filter::Or(filters) => filters.iter().all(|filter| self.supports(filter)),
            Filter::Not(inner) => match inner.as_ref() {
                Filter::Field {
                    path,
                    test: Test::Equal(value),
                } => value.is_nullish() && self.covers(path.as_str()),
                _ => false,
            },
            filter => {
                let mut supported = false;
                filter.consequences(&mut |path, test| {
                    supported |= self.covers(path.as_str()) && is_indexed(test);
                });
                supported
            }
        }
    }

    /// Returns whether the values of a path are in the index.
    fn covers(&self, path: &str) -> bool {
        if self.regular.iter().any(|regular| regular == path) {
            return true;
        }
        if !self.root.is_empty() {
            return is_within(path, &self.root);
        }
        let named = |wanted: bool| {
            let mut paths = self.projection.iter();
            paths.any(|(known, included)| *included == wanted && is_within(path, known))
        };
        if is_within(path, "_id") {
            return named(true);
        }
        let mut others = self.projection.iter().filter(|(known, _)| known != "_id");
        if others.any(|(_, included)| *included) {
            named(true)
        } else {
            !named(false)
        }
    }
}

/// Returns whether a path is another one or leads into it.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns whether a path of a key is a wildcard.
pub fn is_wildcard(name: &str) -> bool {
    let mut parts: Vec<&str> = name.split('.').collect();
    parts.pop() == Some(WILDCARD) && !parts.contains(&WILDCARD) && !parts.contains(&"")
}

fn has_array(path: &str, doc: Doc<'_>) -> bool {
    let mut outer = doc.bytes().to_vec();
    for part in path.split('.') {
        match Doc::new(&outer).get(part) {
            Some(Value::Array(_)) => return true,
            Some(Value::Document(inner)) => outer = inner.into_owned(),
            _ => return false,
        }
    }
    false
}

/// Rejects options that a wildcard index cannot have.
fn check_options(spec: Doc<'_>) -> Result<(), CommandError> {
    for name in ["unique", "sparse"] {
        if spec.get(name).is_some_and(|flag| flag.is_truthy()) {
            return Err(cannot(&format!(
                "Index type 'wildcard' does not support the '{name}' option"
            )));
        }
    }
    if spec.get("expireAfterSeconds").is_some() {
        return Err(cannot("Index type 'wildcard' cannot be a TTL index"));
    }
    if spec
        .get("v")
        .is_some_and(|version| version.as_f64() != Some(2.0))
    {
        return Err(cannot("Index type 'wildcard' needs version 2"));
    }
    Ok(())
}

/// Reads `wildcardProjection`: paths that are included or excluded.
fn read_projection(doc: Doc<'_>) -> Result<Vec<(String, bool)>, CommandError> {
    if doc.is_empty() {
        let message = "The 'wildcardProjection' field cannot be an empty object";
        return Err(CommandError::failed_to_parse(message));
    }
    let mut paths = Vec::new();
    add_paths(doc, "", &mut paths)?;
    for (at, (path, _)) in paths.iter().enumerate() {
        for (earlier, _) in &paths[..at] {
            let number = if is_within(path, earlier) {
                31_249
            } else if is_within(earlier, path) {
                31_250
            } else {
                continue;
            };
            let message = format!("Path collision at {path}");
            return Err(CommandError::location(number, message));
        }
    }
    let mut others = paths.iter().filter(|(path, _)| path != "_id");
    let first = others.next().is_none_or(|(_, included)| *included);
    if let Some((path, included)) = others.find(|(_, included)| *included != first) {
        let (number, kind) = if *included {
            (31_253, "exclusion")
        } else {
            (31_254, "inclusion")
        };
        let message = format!("Cannot mix '{path}' into an {kind} projection");
        return Err(CommandError::location(number, message));
    }
    Ok(paths)
}

fn add_paths(
    doc: Doc<'_>,
    outer: &str,
    paths: &mut Vec<(String, bool)>,
) -> Result<(), CommandError> {
    for element in doc.elements() {
        let name = element.name();
        let path = if outer.is_empty() {
            name.to_owned()
        } else {
            format!("{outer}.{name}")
        };
        let value = element.value();
        if value.is_number() || element.kind() == Kind::Bool {
            paths.push((path, value.is_truthy()));
            continue;
        }
        let Some(inner) = value.as_document().filter(|inner| !inner.is_empty()) else {
            let message = "Bad projection specification, cannot use computed fields here";
            return Err(CommandError::location(51_271, message));
        };
        add_paths(inner, &path, paths)?;
    }
    Ok(())
}

/// Returns the fields of a key with the kinds of its values; a hashed field counts as ascending.
pub fn ordinary(key: Doc<'_>) -> Vec<u8> {
    let mut plain = Builder::new();
    for element in key.elements() {
        if element.value().as_str() == Some("hashed") {
            plain.push(element.name(), &Value::Int32(1));
        } else {
            plain.push_element(element);
        }
    }
    plain.finish()
}

fn cannot(message: &str) -> CommandError {
    CommandError::new(Code::CANNOT_CREATE_INDEX, message)
}
