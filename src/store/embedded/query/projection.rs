//! Which fields of a document a client gets.

use super::super::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use super::super::error::CommandError;
use super::filter::Filter;
use super::parse_filter;

/// A compiled projection.
#[derive(Debug, Clone)]
pub struct Projection {
    inclusive: bool,
    id: bool,
    root: Node,
}

/// What happens to the fields of one document.
#[derive(Debug, Clone, Default)]
struct Node {
    fields: Vec<(String, Action)>,
}

/// What happens to one field.
#[derive(Debug, Clone)]
enum Action {
    /// Kept in an inclusive projection, left out of an exclusive one.
    Select,
    /// Goes into the document.
    Descend(Node),
    /// `$slice`
    Slice { skip: i64, limit: Option<i64> },
    /// `$elemMatch`
    FirstMatch(Box<Filter>),
    /// A constant in place of the field.
    Constant(Value<'static>),
}

impl Projection {
    /// Compiles a projection; `None` if it keeps everything.
    pub fn parse(spec: Doc<'_>) -> Result<Option<Self>, CommandError> {
        if spec.is_empty() {
            return Ok(None);
        }
        let mut parser = Parser::default();
        parser.read(spec, "")?;
        let inclusive = parser.inclusive.unwrap_or(parser.id == Some(true));
        Ok(Some(Self {
            inclusive,
            id: parser.id.unwrap_or(true),
            root: parser.root,
        }))
    }

    /// Returns the projected document.
    pub fn apply(&self, doc: Doc<'_>) -> Vec<u8> {
        let mut out = Builder::new();
        for element in doc.elements() {
            if element.name_bytes() == b"_id" {
                if self.id {
                    out.push_element(element);
                }
            } else {
                self.project(element, &self.root, &mut out);
            }
        }
        self.add_constants(&self.root, doc, &mut out);
        out.finish()
    }

    fn project(&self, element: Element<'_>, node: &Node, out: &mut Builder) {
        let name = element.name();
        let action = node.fields.iter().find(|(field, _)| field == name);
        let array = element.doc().filter(|_| element.kind() == Kind::Array);
        match action.map(|(_, action)| action) {
            None if !self.inclusive => out.push_element(element),
            None | Some(Action::Constant(_)) => {}
            Some(Action::Select) if self.inclusive => out.push_element(element),
            Some(Action::Select) => {}
            Some(Action::Descend(inner)) => match element.kind() {
                Kind::Document | Kind::Array => {
                    let projected = self.project_inner(element, inner);
                    out.push_raw(element.kind(), element.name_bytes(), &projected);
                }
                _ if !self.inclusive => out.push_element(element),
                _ => {}
            },
            Some(Action::Slice { skip, limit }) => match array {
                Some(array) => out.push(name, &slice(array, *skip, *limit)),
                None => out.push_element(element),
            },
            Some(Action::FirstMatch(filter)) => {
                let matching = |item: &Element<'_>| {
                    item.doc()
                        .is_some_and(|doc| item.kind() == Kind::Document && filter.matches(doc))
                };
                if let Some(item) = array.and_then(|array| array.elements().find(matching)) {
                    out.push(
                        name,
                        &std::iter::once(item.value())
                            .collect::<ArrayBuilder>()
                            .into_value(),
                    );
                }
            }
        }
    }

    /// Projects a document, or every document of an array.
    fn project_inner(&self, element: Element<'_>, node: &Node) -> Vec<u8> {
        let doc = element.doc().unwrap_or(Doc::EMPTY);
        if element.kind() == Kind::Document {
            let mut out = Builder::new();
            for inner in doc.elements() {
                self.project(inner, node, &mut out);
            }
            self.add_constants(node, doc, &mut out);
            return out.finish();
        }
        let mut items = ArrayBuilder::default();
        for item in doc.elements() {
            match item.kind() {
                Kind::Document => items.push_doc(Doc::new(&self.project_inner(item, node))),
                Kind::Array => {
                    items.push(&Value::Array(self.project_inner(item, node).into()));
                }
                _ if !self.inclusive => items.push(&item.value()),
                _ => {}
            }
        }
        items.finish()
    }

    /// Adds constants, which come after what the document had.
    fn add_constants(&self, node: &Node, _doc: Doc<'_>, out: &mut Builder) {
        for (name, action) in &node.fields {
            if let Action::Constant(value) = action {
                out.push(name, value);
            }
        }
    }
}

#[derive(Default)]
struct Parser {
    inclusive: Option<bool>,
    id: Option<bool>,
    root: Node,
}

impl Parser {
    fn read(&mut self, spec: Doc<'_>, prefix: &str) -> Result<(), CommandError> {
        for element in spec.elements() {
            let path = if prefix.is_empty() {
                element.name().to_owned()
            } else {
                format!("{prefix}.{}", element.name())
            };
            self.read_field(&path, element)?;
        }
        Ok(())
    }

    fn read_field(&mut self, path: &str, element: Element<'_>) -> Result<(), CommandError> {
        check_path(path)?;
        let value = element.value();
        if value.is_number() || matches!(value, Value::Bool(_)) {
            let keep = value.is_truthy();
            if path == "_id" {
                self.id = Some(keep);
                return Ok(());
            }
            self.choose(keep, path)?;
            return self.root.add(path, Action::Select);
        }
        if let Some(doc) = element.doc().filter(|_| element.kind() == Kind::Document) {
            return match doc.elements().next() {
                Some(first) if first.name().starts_with('$') => self.read_operator(path, first),
                Some(_) => self.read(doc, path),
                None => Err(CommandError::location(
                    51_270,
                    "An empty sub-projection is not a valid value. Found empty object at path",
                )),
            };
        }
        if value.as_str().is_some_and(|text| text.starts_with('$')) {
            return Err(CommandError::unsupported(
                "expressions in the projection of find; use the $project stage of aggregate",
            ));
        }
        self.choose(true, path)?;
        self.root.add(path, Action::Constant(value.into_owned()))
    }

    fn read_operator(&mut self, path: &str, operator: Element<'_>) -> Result<(), CommandError> {
        let value = operator.value();
        match operator.name() {
            "$slice" => {
                let action = parse_slice(&value)?;
                self.root.add(path, action)
            }
            "$elemMatch" => {
                let condition = value.as_document().ok_or_else(|| {
                    CommandError::bad_value("elemMatch: Invalid argument, object required")
                })?;
                let filter = parse_filter::parse(condition)?;
                self.choose(true, path)?;
                self.root.add(path, Action::FirstMatch(Box::new(filter)))
            }
            name => Err(CommandError::unsupported(format!(
                "{name} in the projection of find; use the $project stage of aggregate"
            ))),
        }
    }

    /// Settles whether fields are kept or left out; the two do not mix.
    fn choose(&mut self, keep: bool, path: &str) -> Result<(), CommandError> {
        match self.inclusive {
            Some(chosen) if chosen != keep => {
                let (doing, other) = if keep {
                    ("inclusion", "exclusion")
                } else {
                    ("exclusion", "inclusion")
                };
                let number = if keep { 31_253 } else { 31_254 };
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

impl Node {
    fn add(&mut self, path: &str, action: Action) -> Result<(), CommandError> {
        let collision = || CommandError::location(31_250, format!("Path collision at {path}"));
        let Some((head, rest)) = path.split_once('.') else {
            if self.fields.iter().any(|(name, _)| name == path) {
                return Err(collision());
            }
            self.fields.push((path.to_owned(), action));
            return Ok(());
        };
        if !self.fields.iter().any(|(name, _)| name == head) {
            let node = Action::Descend(Self::default());
            self.fields.push((head.to_owned(), node));
        }
        let found = self.fields.iter_mut().find(|(name, _)| name == head);
        match found {
            Some((_, Action::Descend(node))) => node.add(rest, action),
            _ => Err(collision()),
        }
    }
}

fn check_path(path: &str) -> Result<(), CommandError> {
    if path.split('.').any(str::is_empty) {
        let message = "FieldPath field names may not be empty strings.";
        return Err(CommandError::location(40_352, message));
    }
    if path.split('.').any(|part| part == "$") {
        return Err(CommandError::unsupported("the positional projection"));
    }
    if path.split('.').any(|part| part.starts_with('$')) {
        return Err(CommandError::location(
            16_410,
            "FieldPath field names may not start with '$'. Consider using $getField or $setField.",
        ));
    }
    Ok(())
}

fn parse_slice(value: &Value<'_>) -> Result<Action, CommandError> {
    let wrong = || {
        CommandError::location(
            28_667,
            format!("Invalid $slice syntax. The given syntax {{ $slice: {value} }} did not match"),
        )
    };
    if let Some(count) = value.as_i64() {
        return Ok(if count < 0 {
            Action::Slice {
                skip: count,
                limit: None,
            }
        } else {
            Action::Slice {
                skip: 0,
                limit: Some(count),
            }
        });
    }
    let array = value.as_array().ok_or_else(wrong)?;
    let numbers: Vec<i64> = array.values().filter_map(|item| item.as_i64()).collect();
    match numbers[..] {
        [skip, limit] if array.len() == 2 && limit > 0 => Ok(Action::Slice {
            skip,
            limit: Some(limit),
        }),
        _ => Err(wrong()),
    }
}

/// Returns part of an array; a negative start counts from the end.
pub fn slice(array: Doc<'_>, skip: i64, limit: Option<i64>) -> Value<'static> {
    let length = i64::try_from(array.len()).unwrap_or(i64::MAX);
    let start = if skip < 0 {
        length.saturating_add(skip).max(0)
    } else {
        skip
    };
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    let kept = array
        .values()
        .skip(count(start))
        .take(limit.map_or(usize::MAX, count));
    kept.collect::<ArrayBuilder>().into_value()
}
