//! The update operators.

use std::cmp::Ordering;

use crate::bson::{Doc, Element, Kind, Value, order};
use crate::error::{Code, CommandError};
use crate::query::path::Path;
use crate::query::update::array_operators::{AddToSet, Pop, Pull, Push};
use crate::query::update::context::UpdateContext;
use crate::query::update::number_operators::{Arithmetic, Bitwise};
use crate::query::update::tree::Slot;

/// A compiled operator on one field.
#[derive(Debug, Clone)]
pub enum Operator {
    Set(Value<'static>),
    SetOnInsert(Value<'static>),
    Unset,
    Arithmetic(Arithmetic),
    Bitwise(Bitwise),
    Min(Value<'static>),
    Max(Value<'static>),
    Rename(Path),
    CurrentDate(Kind),
    Push(Push),
    AddToSet(AddToSet),
    Pull(Pull),
    Pop(Pop),
}

const NAMES: &[&str] = &[
    "$set",
    "$setOnInsert",
    "$unset",
    "$inc",
    "$mul",
    "$bit",
    "$min",
    "$max",
    "$rename",
    "$currentDate",
    "$push",
    "$addToSet",
    "$pull",
    "$pullAll",
    "$pop",
];

/// Rejects the name of an operator that does not exist.
pub fn check_name(name: &str) -> Result<(), CommandError> {
    if NAMES.contains(&name) {
        Ok(())
    } else {
        Err(unknown_operator(name))
    }
}

impl Operator {
    /// Compiles the argument of an operator for one path.
    pub fn parse(name: &str, argument: Element<'_>) -> Result<Self, CommandError> {
        let value = argument.value();
        let owned = || value.clone().into_owned();
        Ok(match name {
            "$set" => Self::Set(owned()),
            "$setOnInsert" => Self::SetOnInsert(owned()),
            "$unset" => Self::Unset,
            "$inc" | "$mul" => {
                Self::Arithmetic(Arithmetic::parse(name == "$mul", argument.name(), &value)?)
            }
            "$bit" => Self::Bitwise(Bitwise::parse(argument)?),
            "$min" => Self::Min(owned()),
            "$max" => Self::Max(owned()),
            "$rename" => Self::Rename(parse_rename(argument)?),
            "$currentDate" => Self::CurrentDate(parse_current_date(&value)?),
            "$push" => Self::Push(Push::parse(argument)?),
            "$addToSet" => Self::AddToSet(AddToSet::parse(argument)?),
            "$pull" => Self::Pull(Pull::parse(argument)?),
            "$pullAll" => Self::Pull(Pull::parse_all(&value)?),
            "$pop" => Self::Pop(Pop::parse(&value)?),
            _ => return Err(unknown_operator(name)),
        })
    }

    /// Returns whether the operator does nothing if the field is missing.
    pub fn needs_target(&self) -> bool {
        matches!(self, Self::Pull(_) | Self::Pop(_))
    }

    /// Changes the value of a field; `existed` is false if the field was missing.
    pub fn apply(
        &self,
        slot: &mut Slot<'_>,
        existed: bool,
        path: &Path,
        doc: Doc<'_>,
        context: UpdateContext,
    ) -> Result<(), CommandError> {
        let set = |slot: &mut Slot<'_>, value: &Value<'static>| *slot = Slot::Value(value.clone());
        match self {
            Self::Set(value) | Self::SetOnInsert(value) => set(slot, value),
            Self::Arithmetic(arithmetic) => {
                let before = existed.then(|| slot.to_value());
                *slot = Slot::Value(arithmetic.apply(before.as_ref(), path, doc)?);
            }
            Self::Bitwise(bitwise) => {
                let before = existed.then(|| slot.to_value());
                *slot = Slot::Value(bitwise.apply(before.as_ref(), path, doc)?);
            }
            Self::Min(value) | Self::Max(value) => {
                let wanted = if matches!(self, Self::Min(_)) {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
                if !existed || order::compare(value, &slot.to_value()) == wanted {
                    set(slot, value);
                }
            }
            Self::CurrentDate(kind) => {
                let value = if *kind == Kind::DateTime {
                    Value::DateTime(context.now_ms)
                } else {
                    let seconds = u64::try_from(context.now_ms / 1_000).unwrap_or_default();
                    Value::Timestamp(seconds << 32 | 1)
                };
                *slot = Slot::Value(value);
            }
            Self::Push(push) => push.apply(slot, existed, path, doc)?,
            Self::AddToSet(add) => add.apply(slot, existed, path, doc)?,
            Self::Pull(pull) => pull.apply(slot)?,
            Self::Pop(pop) => pop.apply(slot, path)?,
            Self::Unset | Self::Rename(_) => {}
        }
        Ok(())
    }
}

fn parse_rename(argument: Element<'_>) -> Result<Path, CommandError> {
    let value = argument.value();
    let Some(to) = value.as_str() else {
        return Err(CommandError::bad_value(format!(
            "The 'to' field for $rename must be a string: {}: {value}",
            argument.name()
        )));
    };
    if to == argument.name() {
        return Err(CommandError::bad_value(format!(
            "The source and target field for $rename must differ: {to}: \"{to}\""
        )));
    }
    if to.is_empty()
        || to
            .split('.')
            .any(|part| part.is_empty() || part.starts_with('$'))
    {
        return Err(CommandError::new(
            Code::BAD_VALUE,
            format!("The destination field for $rename may not be dynamic or empty: {to}"),
        ));
    }
    if to.contains('\0') {
        let message = "The destination field for $rename cannot contain an embedded null byte";
        return Err(CommandError::location(9_867_600, message));
    }
    Ok(Path::new(to))
}

fn parse_current_date(value: &Value<'_>) -> Result<Kind, CommandError> {
    match value {
        Value::Bool(_) => Ok(Kind::DateTime),
        Value::Document(bytes) => match Doc::new(bytes).get("$type") {
            _ if Doc::new(bytes).len() > 1 => {
                let mut names = Doc::new(bytes).elements().map(Element::name);
                let other = names.find(|name| *name != "$type").unwrap_or_default();
                Err(CommandError::bad_value(format!(
                    "Unrecognized $currentDate option: {other}"
                )))
            }
            Some(Value::String(kind)) if kind == "date" => Ok(Kind::DateTime),
            Some(Value::String(kind)) if kind == "timestamp" => Ok(Kind::Timestamp),
            _ => Err(CommandError::bad_value(
                "The '$type' string field is required to be 'date' or 'timestamp': \
                 {$currentDate: {field : {$type: 'date'}}}",
            )),
        },
        other => Err(CommandError::bad_value(format!(
            "{} is not valid type for $currentDate. Please use a boolean ('true') or a $type \
             expression ({{$type: 'timestamp/date'}}).",
            other.kind().alias()
        ))),
    }
}

fn unknown_operator(name: &str) -> CommandError {
    CommandError::failed_to_parse(format!(
        "Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update \
         specified as an array"
    ))
}
