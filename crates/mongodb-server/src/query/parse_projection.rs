//! Compiles projections.

use crate::bson::{Doc, Element, Kind, Value};
use crate::error::CommandError;
use crate::query::environment::Environment;
use crate::query::expression::Expression;
use crate::query::field_path::check_field_path;
use crate::query::parse_filter::parse_element_match;
use crate::query::projection::{Action, Mode, Node, Projection};

impl Projection {
    /// Compiles the projection of `find`; `None` if it keeps all fields.
    pub fn parse_find(
        spec: Doc<'_>,
        environment: &Environment,
    ) -> Result<Option<Self>, CommandError> {
        if spec.is_empty() {
            return Ok(None);
        }
        Parser::new(true, environment).finish(spec).map(Some)
    }

    /// Compiles `$project`.
    pub fn parse_project(spec: Doc<'_>, environment: &Environment) -> Result<Self, CommandError> {
        if spec.is_empty() {
            let message = "projection specification must have at least one field";
            return Err(CommandError::location(51_272, message));
        }
        Parser::new(false, environment).finish(spec)
    }

    /// Compiles `$addFields`.
    pub fn parse_add_fields(
        spec: Doc<'_>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let mut root = Node::default();
        add_fields(spec, "", &mut root, environment)?;
        Ok(Self {
            mode: Mode::Add,
            keeps_id: true,
            root,
            query: None,
        })
    }

    /// Compiles `$unset`.
    pub fn parse_unset(spec: &Value<'_>) -> Result<Self, CommandError> {
        let wrong = || {
            let message = "$unset specification must be a string or an array";
            CommandError::location(31_002, message)
        };
        let wrong_item = || {
            let message =
                "$unset specification must be a string or an array containing only string values";
            CommandError::location(31_120, message)
        };
        let mut root = Node::default();
        let mut keeps_id = true;
        let mut add = |path: &str| {
            if path.contains('\0') {
                let message = "$unset: a field path must not contain an embedded null byte";
                return Err(CommandError::location(9_527_900, message));
            }
            check_field_path(path)?;
            if path == "_id" {
                keeps_id = false;
                return Ok(());
            }
            root.add(path, Action::Select)
        };
        match spec {
            Value::String(path) => add(path)?,
            Value::Array(bytes) if !Doc::new(bytes).is_empty() => {
                for path in Doc::new(bytes).values() {
                    add(path.as_str().ok_or_else(wrong_item)?)?;
                }
            }
            _ => return Err(wrong()),
        }
        Ok(Self {
            mode: Mode::Exclude,
            keeps_id,
            root,
            query: None,
        })
    }
}

fn add_fields(
    spec: Doc<'_>,
    prefix: &str,
    root: &mut Node,
    environment: &Environment,
) -> Result<(), CommandError> {
    for element in spec.elements() {
        let path = join(prefix, element.name());
        check_field_path(&path)?;
        if !prefix.is_empty() && element.name().contains('.') {
            let message = format!(
                "FieldPath field names may not contain '.' in a nested object: {}",
                element.name()
            );
            return Err(CommandError::location(40_183, message));
        }
        match plain_document(element) {
            Some(inner) if !inner.is_empty() => add_fields(inner, &path, root, environment)?,
            _ => {
                let expression = Expression::parse_in(&element.value(), environment)?;
                root.add(&path, Action::Compute(expression))?;
            }
        }
    }
    Ok(())
}

/// Returns the embedded document, unless it is an operator expression.
fn plain_document(element: Element<'_>) -> Option<Doc<'_>> {
    let doc = element.doc().filter(|_| element.kind() == Kind::Document)?;
    let first = doc.elements().next();
    let operator = first.is_some_and(|first| first.name().starts_with('$'));
    (!operator).then_some(doc)
}

/// The fields of a projection compiled so far.
struct Parser<'e> {
    environment: &'e Environment,
    /// Whether the operators of `find` are allowed.
    find: bool,
    /// Whether the projection is an inclusion, if a field has determined it.
    inclusive: Option<bool>,
    /// Whether `_id` is included, if the projection says so.
    id: Option<bool>,
    /// Whether a field has `$elemMatch`, which both modes allow.
    first_match: bool,
    /// Whether a field has `$`.
    positional: bool,
    root: Node,
}

impl<'e> Parser<'e> {
    fn new(find: bool, environment: &'e Environment) -> Self {
        Self {
            environment,
            find,
            inclusive: None,
            id: None,
            first_match: false,
            positional: false,
            root: Node::default(),
        }
    }

    fn finish(mut self, spec: Doc<'_>) -> Result<Projection, CommandError> {
        self.parse_fields(spec, "")?;
        // `_id` determines the mode only if no other field does.
        let default = self.first_match || self.id == Some(true);
        let inclusive = self.inclusive.unwrap_or(default);
        Ok(Projection {
            mode: if inclusive {
                Mode::Include
            } else {
                Mode::Exclude
            },
            keeps_id: self.id.unwrap_or(true),
            root: self.root,
            query: None,
        })
    }

    fn parse_fields(&mut self, spec: Doc<'_>, prefix: &str) -> Result<(), CommandError> {
        for element in spec.elements() {
            let path = join(prefix, element.name());
            self.parse_field(&path, element)?;
        }
        Ok(())
    }

    fn parse_field(&mut self, path: &str, element: Element<'_>) -> Result<(), CommandError> {
        let value = element.value();
        if self.find && path.split('.').any(|part| part == "$") {
            return self.parse_positional(path, &value);
        }
        check_field_path(path)?;
        if value.is_number() || matches!(value, Value::Bool(_)) {
            let keep = value.is_truthy();
            if path == "_id" {
                self.id = Some(keep);
                return Ok(());
            }
            self.set_mode(keep, path)?;
            return self.root.add(path, Action::Select);
        }
        if let Some(inner) = plain_document(element) {
            if inner.is_empty() {
                let message = "An empty sub-projection is not a valid value. Found empty object \
                               at path";
                return Err(CommandError::location(51_270, format!("{message} {path}")));
            }
            return self.parse_fields(inner, path);
        }
        if self.find
            && let Some(operator) = element.doc().and_then(|doc| doc.elements().next())
            && element.kind() == Kind::Document
        {
            // With other fields next to it, it is taken for the name of a field.
            let alone = element.doc().is_some_and(|doc| doc.len() == 1);
            if !alone && matches!(operator.name(), "$elemMatch" | "$slice" | "$meta") {
                check_field_path(&join(path, operator.name()))?;
            }
            if self.parse_find_operator(path, operator)? {
                return Ok(());
            }
        }
        let expression = Expression::parse_in(&value, self.environment)?;
        if self.inclusive == Some(false) {
            let message =
                format!("Cannot use an expression {path}: {value} in an exclusion projection");
            return Err(CommandError::location(31_310, message));
        }
        self.inclusive = Some(true);
        self.root.add(path, Action::Compute(expression))
    }

    /// Compiles an operator that only `find` has; returns false for other operators.
    fn parse_find_operator(
        &mut self,
        path: &str,
        operator: Element<'_>,
    ) -> Result<bool, CommandError> {
        let value = operator.value();
        match operator.name() {
            "$slice" => {
                let Some(action) = parse_slice(&value)? else {
                    return Ok(false);
                };
                self.root.add(path, action)?;
            }
            "$elemMatch" => {
                if value.as_document().is_none() {
                    let message = "elemMatch: Invalid argument, object required";
                    return Err(CommandError::location(31_274, message));
                }
                if path.contains('.') {
                    let message = "Cannot use $elemMatch projection on a nested field";
                    return Err(CommandError::location(31_275, message));
                }
                let test = parse_element_match(operator)?;
                self.first_match = true;
                self.root.add(path, Action::FirstMatch(Box::new(test)))?;
            }
            "$meta" => return Err(CommandError::unsupported("$meta")),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Compiles `a.$: 1`.
    fn parse_positional(&mut self, path: &str, value: &Value<'_>) -> Result<(), CommandError> {
        let array = path
            .strip_suffix(".$")
            .filter(|array| !array.split('.').any(|part| part == "$"));
        let Some(array) = array else {
            let message = "Positional projection may only be used at the end, for example: a.b.$";
            return Err(CommandError::location(31_394, message));
        };
        check_field_path(array)?;
        if !value.is_truthy() || !(value.is_number() || matches!(value, Value::Bool(_))) {
            let message = format!("positional projection {path} must be included");
            return Err(CommandError::location(31_395, message));
        }
        if self.positional {
            let message = "Cannot specify more than one positional projection per query.";
            return Err(CommandError::location(31_276, message));
        }
        self.positional = true;
        self.set_mode(true, path)?;
        self.root.add(array, Action::Matched)
    }

    /// Sets the mode to inclusion or exclusion; rejects a mix of both.
    fn set_mode(&mut self, keep: bool, path: &str) -> Result<(), CommandError> {
        match self.inclusive {
            Some(chosen) if chosen != keep => {
                let (number, doing, other) = if keep {
                    (31_253, "inclusion", "exclusion")
                } else {
                    (31_254, "exclusion", "inclusion")
                };
                let message = format!("Cannot do {doing} on field {path} in {other} projection");
                Err(CommandError::location(number, message))
            }
            _ => {
                self.inclusive = Some(keep);
                Ok(())
            }
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

/// Reads `$slice: count` or `$slice: [skip, count]`; `None` for the expression `$slice`.
fn parse_slice(value: &Value<'_>) -> Result<Option<Action>, CommandError> {
    if let Some(count) = value.as_i64() {
        let (skip, limit) = if count < 0 {
            (count, None)
        } else {
            (0, Some(count))
        };
        return Ok(Some(Action::Slice { skip, limit }));
    }
    let Some(array) = value.as_array() else {
        let message = format!("Invalid $slice syntax. The given syntax {value} did not match");
        return Err(CommandError::location(28_667, message));
    };
    if !array.values().all(|item| item.is_number()) {
        return Ok(None);
    }
    let numbers: Vec<i64> = array.values().filter_map(|item| item.as_i64()).collect();
    match numbers[..] {
        [skip, limit] if limit > 0 => Ok(Some(Action::Slice {
            skip,
            limit: Some(limit),
        })),
        // The expression, which rejects a number as its array.
        [_, _] | [_, _, _] => Ok(None),
        _ => {
            let message = format!("Invalid $slice syntax. The given syntax {value} did not match");
            Err(CommandError::location(28_667, message))
        }
    }
}
