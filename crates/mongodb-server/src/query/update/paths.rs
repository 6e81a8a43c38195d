//! Update paths, which can select several elements of an array.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::bson::{Builder, Doc, Element, Value};
use crate::error::{Code, CommandError};
use crate::query::filter::Filter;
use crate::query::path::Path;
use crate::query::update::tree::Slot;
use crate::query::update::work::Work;

/// A path that may contain `$`, `$[]` and `$[identifier]`.
#[derive(Debug, Clone)]
pub struct UpdatePath {
    path: Path,
    /// The array elements that each part selects; `None` for a name or an index.
    selections: Vec<Option<Selection>>,
}

/// A selection of array elements.
#[derive(Debug, Clone)]
enum Selection {
    /// `$`: the element that makes the document pass the filter.
    Matched,
    /// `$[]`: all elements.
    All,
    /// `$[identifier]`: the elements that pass an array filter.
    Filtered { identifier: String, filter: Filter },
}

/// Returns the name at the end of a path.
fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// The filters of `arrayFilters`, by identifier.
#[derive(Debug, Default)]
pub struct ArrayFilters {
    filters: BTreeMap<String, Filter>,
    used: RefCell<BTreeSet<String>>,
}

impl ArrayFilters {
    /// Compiles the argument `arrayFilters`.
    pub fn parse(filters: Option<Doc<'_>>) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        for value in filters.into_iter().flat_map(Doc::values) {
            let filter = value.as_document().ok_or_else(|| {
                CommandError::type_mismatch("arrayFilters must contain only documents")
            })?;
            let identifier = identifier_of(filter)?.ok_or_else(|| {
                CommandError::failed_to_parse(
                    "Cannot use an expression without a top-level field name in arrayFilters",
                )
            })?;
            check_identifier(&identifier)?;
            let compiled = Filter::parse_within(filter)?;
            if parsed
                .filters
                .insert(identifier.clone(), compiled)
                .is_some()
            {
                return Err(CommandError::failed_to_parse(format!(
                    "Found multiple array filters with the same top-level field name {identifier}"
                )));
            }
        }
        Ok(parsed)
    }

    /// Rejects filters that no path uses.
    pub fn check_used(&self) -> Result<(), CommandError> {
        let used = self.used.borrow();
        match self.filters.keys().find(|name| !used.contains(*name)) {
            Some(name) => Err(CommandError::failed_to_parse(format!(
                "The array filter for identifier '{name}' was not used in the update"
            ))),
            None => Ok(()),
        }
    }
}

/// Returns the field that all conditions of an array filter are about; `None` if there are none.
fn identifier_of(filter: Doc<'_>) -> Result<Option<String>, CommandError> {
    let mut identifier: Option<String> = None;
    for element in filter.elements() {
        let name = element.name();
        let mut found = Vec::new();
        match (name, element.doc()) {
            ("$and" | "$or" | "$nor", Some(branches)) => {
                for branch in branches.elements().filter_map(Element::doc) {
                    found.extend(identifier_of(branch)?);
                }
            }
            _ if name.starts_with('$') => {
                return Err(CommandError::bad_value(format!(
                    "{name} is not allowed in this context: arrayFilters take conditions on a field"
                )));
            }
            _ => found.extend(name.split('.').next().map(str::to_owned)),
        }
        for name in found {
            match &identifier {
                Some(known) if *known != name => {
                    return Err(CommandError::failed_to_parse(format!(
                        "Error parsing array filter :: caused by :: Expected a single top-level \
                         field name, found '{known}' and '{name}'"
                    )));
                }
                _ => identifier = Some(name),
            }
        }
    }
    Ok(identifier)
}

/// Rejects an identifier with other characters than letters and digits.
fn check_identifier(name: &str) -> Result<(), CommandError> {
    let first = name.starts_with(|first: char| first.is_ascii_lowercase());
    if first && name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "Error parsing array filter :: caused by :: The top-level field name must be an \
         alphanumeric string beginning with a lowercase letter, found '{name}'"
    )))
}

impl UpdatePath {
    /// Compiles a path. `dollar` tells whether its first name may start with a dollar.
    pub fn parse(text: &str, filters: &ArrayFilters, dollar: bool) -> Result<Self, CommandError> {
        if text.is_empty() {
            let message = "An empty update path is not valid.";
            return Err(CommandError::new(Code::EMPTY_FIELD_NAME, message));
        }
        let path = Path::new(text);
        let mut selections = Vec::new();
        for (at, part) in path.parts().iter().enumerate() {
            let name = part.name();
            if name.is_empty() {
                return Err(CommandError::new(
                    Code::EMPTY_FIELD_NAME,
                    format!(
                        "The update path '{text}' contains an empty field name, which is not \
                             allowed."
                    ),
                ));
            }
            let selection = parse_selection(name, text, filters)?;
            if at == 0 && selection.is_none() && !dollar && name.starts_with('$') {
                return Err(CommandError::new(
                    Code::DOLLAR_PREFIXED_FIELD,
                    format!(
                        "The dollar ($) prefixed field '{name}' in '{text}' is not valid for \
                         storage."
                    ),
                ));
            }
            selections.push(selection);
        }
        if let Some(Some(Selection::Matched)) = selections.first() {
            return Err(CommandError::bad_value(format!(
                "Cannot have positional (i.e. '$') element in the first position in path '{text}'"
            )));
        }
        if selections.first().is_some_and(Option::is_some) {
            return Err(CommandError::bad_value(format!(
                "Cannot have array filter identifier (i.e. '$[<id>]') element in the first \
                 position in path '{text}'"
            )));
        }
        let matched = selections.iter().flatten();
        let matched = matched.filter(|selection| matches!(selection, Selection::Matched));
        if matched.count() > 1 {
            return Err(CommandError::bad_value(format!(
                "Too many positional (i.e. '$') elements found in path '{text}'"
            )));
        }
        Ok(Self { path, selections })
    }

    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the path contains `$`.
    pub fn is_positional(&self) -> bool {
        let matched = |selection: &Selection| matches!(selection, Selection::Matched);
        self.selections.iter().flatten().any(matched)
    }

    /// Returns the path; rejects one that selects array elements.
    pub fn plain(&self) -> Result<Path, CommandError> {
        if self.selections.iter().any(Option::is_some) {
            return Err(CommandError::bad_value(format!(
                "The source field for $rename may not be dynamic: {}",
                self.path
            )));
        }
        Ok(self.path.clone())
    }

    /// Returns whether the part at `at` is `$[]` or `$[identifier]`.
    pub fn selects_elements(&self, at: usize) -> bool {
        let selection = self.selections.get(at).and_then(Option::as_ref);
        selection.is_some_and(|selection| !matches!(selection, Selection::Matched))
    }

    /// Returns whether the selected fields depend on the document.
    pub fn is_dynamic(&self) -> bool {
        self.selections.iter().any(Option::is_some)
    }

    /// Compares paths part by part, array indexes as numbers.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (one, other) = (self.path.parts(), other.path.parts());
        for (one, other) in one.iter().zip(other) {
            let ordering = match (one.index(), other.index()) {
                (Some(one), Some(other)) => one.cmp(&other),
                _ => one.name().cmp(other.name()),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        one.len().cmp(&other.len())
    }

    /// Returns the paths of the fields that the path selects in a document.
    ///
    /// `position` is the index of the element that `$` stands for.
    pub fn expand(
        &self,
        root: &mut Slot<'_>,
        position: Option<usize>,
        work: &Work,
    ) -> Result<Vec<Path>, CommandError> {
        let mut found = vec![String::new()];
        for (part, selection) in self.path.parts().iter().zip(&self.selections) {
            let join = |prefix: &str, name: &str| {
                if prefix.is_empty() {
                    name.to_owned()
                } else {
                    format!("{prefix}.{name}")
                }
            };
            let Some(selection) = selection else {
                found = found
                    .iter()
                    .map(|prefix| join(prefix, part.name()))
                    .collect();
                continue;
            };
            let mut longer = Vec::new();
            for prefix in &found {
                let indexes = match selection {
                    Selection::Matched => vec![position.ok_or_else(no_match)?],
                    selection => selection.indexes(root, prefix, work)?,
                };
                longer.extend(indexes.iter().map(|index| join(prefix, &index.to_string())));
            }
            found = longer;
        }
        Ok(found.iter().map(|path| Path::new(path)).collect())
    }
}

impl Selection {
    /// Returns the indexes of the selected elements of the array at `prefix`.
    fn indexes(
        &self,
        root: &mut Slot<'_>,
        prefix: &str,
        work: &Work,
    ) -> Result<Vec<usize>, CommandError> {
        let at = Path::new(prefix);
        let Some(slot) = root.find(at.parts())? else {
            return Err(CommandError::bad_value(format!(
                "The path '{prefix}' must exist in the document in order to apply array updates."
            )));
        };
        slot.open();
        let Slot::Array(items) = slot else {
            let (shown, name) = (slot.to_value(), last_name(prefix));
            return Err(CommandError::bad_value(format!(
                "Cannot apply array updates to non-array element {name}: {shown}"
            )));
        };
        work.count(items.len())?;
        let chosen = items.iter().enumerate().filter(|(_, item)| match self {
            Self::Matched => false,
            Self::All => true,
            Self::Filtered { identifier, filter } => {
                let holder = Builder::new().with(identifier, &item.to_value()).finish();
                filter.matches(Doc::new(&holder))
            }
        });
        Ok(chosen.map(|(index, _)| index).collect())
    }
}

fn no_match() -> CommandError {
    CommandError::bad_value("The positional operator did not find the match needed from the query.")
}

fn parse_selection(
    name: &str,
    path: &str,
    filters: &ArrayFilters,
) -> Result<Option<Selection>, CommandError> {
    if name == "$" {
        return Ok(Some(Selection::Matched));
    }
    if name == "$[]" {
        return Ok(Some(Selection::All));
    }
    let identifier = name
        .strip_prefix("$[")
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(identifier) = identifier {
        let filter = filters.filters.get(identifier).ok_or_else(|| {
            CommandError::bad_value(format!(
                "No array filter found for identifier '{identifier}' in path '{path}'"
            ))
        })?;
        filters.used.borrow_mut().insert(identifier.to_owned());
        return Ok(Some(Selection::Filtered {
            identifier: identifier.to_owned(),
            filter: filter.clone(),
        }));
    }
    Ok(None)
}

/// Formats the `_id` of a document for a message.
pub fn shown_id(doc: Doc<'_>) -> String {
    let id = doc.get("_id").unwrap_or(Value::Null);
    format!("{{_id: {id}}}")
}
