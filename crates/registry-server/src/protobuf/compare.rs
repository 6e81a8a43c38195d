//! Compatibility of two files by the rules of Confluent's registry.
//!
//! What matters is what is on the wire: fields are compared by their numbers, scalars by their
//! encodings, messages by their names without the package.

use std::collections::{BTreeMap, HashSet};

use prost_types::field_descriptor_proto::{Label, Type as FieldType};
use prost_types::{DescriptorProto, FieldDescriptorProto, MessageOptions};

use crate::finding::{Finding, Found};
use crate::protobuf::File;
use crate::protobuf::names::{Names, Type, scope_of};

pub(super) fn findings(reader: &File, writer: &File) -> Vec<Finding> {
    let mut comparison = Comparison {
        old: Side::new(writer),
        new: Side::new(reader),
        compared: HashSet::new(),
    };
    let mut found = Found::default();
    if writer.descriptor.package() != reader.descriptor.package() {
        found.add("PACKAGE_CHANGED", "", "has another package");
    }
    let (old, new) = (&writer.descriptor, &reader.descriptor);
    let scopes = [old, new].map(|file| scope_of(file.package()));
    let messages = [&old.message_type[..], &new.message_type[..]];
    comparison.messages(messages, &scopes, &mut found);
    found.into_inner()
}

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    /// Pairs of messages that are or were compared, by their full names.
    compared: HashSet<[String; 2]>,
}

/// One of the two files.
struct Side<'a> {
    names: Names<'a>,
    proto3: bool,
}

/// A field, as far as it matters on the wire.
#[derive(Debug)]
enum Kind<'a> {
    Scalar(Scalar),
    Map(Box<[FieldDescriptorProto; 2]>, String),
    Message(Named<'a>),
}

/// Encodings of scalars: within one, values of one type can be read as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Number,
    Signed,
    Text,
    Fixed32,
    Fixed64,
    Float,
    Double,
}

/// A message by its name.
#[derive(Debug)]
struct Named<'a> {
    full: String,
    message: Option<(&'a DescriptorProto, &'a str)>,
}

/// The fields of a message by number.
struct Fields<'a> {
    by_number: BTreeMap<i32, &'a FieldDescriptorProto>,
    oneofs: BTreeMap<i32, &'a str>,
}

impl<'a> Side<'a> {
    fn new(file: &'a File) -> Self {
        Self {
            names: file.names(),
            proto3: file.descriptor.syntax() == "proto3",
        }
    }

    fn kind(&self, scope: &str, field: &FieldDescriptorProto) -> Kind<'a> {
        let Some(name) = &field.type_name else {
            return Kind::Scalar(scalar(field.r#type()));
        };
        match self.names.resolve(scope, name) {
            Some((_, Type::Enum)) => Kind::Scalar(Scalar::Number),
            Some((full, Type::Message(found))) => {
                let entry = found.message;
                let is_map = entry
                    .options
                    .as_ref()
                    .is_some_and(MessageOptions::map_entry);
                match (is_map, entry.field.as_slice()) {
                    (true, [key, value]) => Kind::Map(Box::new([key.clone(), value.clone()]), full),
                    _ => Kind::Message(Named {
                        full,
                        message: Some((entry, found.package)),
                    }),
                }
            }
            Some((full, Type::BuiltIn)) => Kind::Message(Named {
                full,
                message: None,
            }),
            None => Kind::Message(Named {
                full: name.clone(),
                message: None,
            }),
        }
    }

    /// Returns the label, if one is written.
    fn label(&self, field: &FieldDescriptorProto, in_oneof: bool) -> Option<Label> {
        let implied = self.proto3 && !field.proto3_optional();
        match field.label() {
            Label::Optional if implied || in_oneof => None,
            label => Some(label),
        }
    }
}

impl Named<'_> {
    /// Returns the name without its package.
    fn local(&self) -> &str {
        let package = self.message.map(|(_, package)| scope_of(package));
        let local = package.and_then(|package| self.full.strip_prefix(package.as_str()));
        local.unwrap_or(&self.full).trim_start_matches('.')
    }
}

impl<'a> Fields<'a> {
    fn of(message: &'a DescriptorProto) -> Self {
        let mut fields = Self {
            by_number: BTreeMap::new(),
            oneofs: BTreeMap::new(),
        };
        for field in &message.field {
            fields.by_number.insert(field.number(), field);
            // Optional fields of proto3 are alone in a oneof that is not written.
            let index = field.oneof_index.filter(|_| !field.proto3_optional());
            let index = index.and_then(|index| usize::try_from(index).ok());
            if let Some(oneof) = index.and_then(|index| message.oneof_decl.get(index)) {
                fields.oneofs.insert(field.number(), oneof.name());
            }
        }
        fields
    }
}

impl<'a> Comparison<'a> {
    fn messages(
        &mut self,
        [old, new]: [&'a [DescriptorProto]; 2],
        scopes: &[String; 2],
        found: &mut Found,
    ) {
        for before in old.iter().filter(|message| !is_entry(message)) {
            let name = before.name();
            match new.iter().find(|after| after.name() == name) {
                None => found.add("MESSAGE_REMOVED", name, "lacks the message"),
                Some(after) => {
                    let scopes = [0, 1].map(|side| {
                        let scope = scopes.get(side).map_or("", String::as_str);
                        format!("{scope}.{name}")
                    });
                    let mut within = Found::default();
                    self.message([before, after], &scopes, &mut within);
                    let nested = [&before.nested_type[..], &after.nested_type[..]];
                    self.messages(nested, &scopes, &mut within);
                    found.extend(name, &within.into_inner());
                }
            }
        }
    }

    /// Compares the fields of two messages, unless that was done or is being done.
    fn message(
        &mut self,
        [old, new]: [&'a DescriptorProto; 2],
        scopes: &[String; 2],
        found: &mut Found,
    ) {
        if !self.compared.insert(scopes.clone()) {
            return;
        }
        let (before, after) = (Fields::of(old), Fields::of(new));
        moved_into_oneofs(new, &before, &after, found);
        for (number, field) in &before.by_number {
            match after.by_number.get(number) {
                Some(other) => {
                    let oneof = after.oneofs.get(number);
                    let path = oneof
                        .map_or_else(|| number.to_string(), |oneof| format!("{oneof}/{number}"));
                    let labels = [
                        self.old.label(field, before.oneofs.contains_key(number)),
                        self.new.label(other, oneof.is_some()),
                    ];
                    let differences = self.fields([*field, *other], labels, scopes);
                    found.extend(&path, &differences.into_inner());
                }
                None => removed(*number, field, &before, &after, found),
            }
        }
        for (number, field) in &after.by_number {
            let added = !before.by_number.contains_key(number);
            if added && field.label() == Label::Required && !after.oneofs.contains_key(number) {
                let text = "adds a required field";
                found.add("REQUIRED_FIELD_ADDED", &number.to_string(), text);
            }
        }
    }

    /// Compares two fields; paths start at the field.
    fn fields(
        &mut self,
        [old, new]: [&FieldDescriptorProto; 2],
        labels: [Option<Label>; 2],
        [old_scope, new_scope]: &[String; 2],
    ) -> Found {
        let mut found = Found::default();
        let before = self.old.kind(old_scope, old);
        let after = self.new.kind(new_scope, new);
        match (before, after) {
            (Kind::Scalar(before), Kind::Scalar(after)) if before != after => {
                let text = "has a field of another scalar type";
                found.add("FIELD_SCALAR_KIND_CHANGED", "", text);
            }
            (Kind::Scalar(kind), Kind::Scalar(_)) => {
                let changed = matches!(labels, [Some(old), Some(new)] if old != new);
                if changed && kind != Scalar::Text {
                    let text = "has a numeric field with another label";
                    found.add("FIELD_NUMERIC_LABEL_CHANGED", "", text);
                }
            }
            (Kind::Map(before, old_entry), Kind::Map(after, new_entry)) => {
                let scopes = [old_entry, new_entry];
                for (old, new) in before.iter().zip(after.iter()) {
                    let differences = self.fields([old, new], [None, None], &scopes);
                    found.extend("", &differences.into_inner());
                }
            }
            (Kind::Message(before), Kind::Message(after)) => {
                self.named(&before, &after, &mut found);
            }
            _ => found.add("FIELD_KIND_CHANGED", "", "has a field of another kind"),
        }
        found
    }

    fn named(&mut self, old: &Named<'a>, new: &Named<'a>, found: &mut Found) {
        if old.local() != new.local() {
            let text = "has a field of another message";
            found.add("FIELD_NAMED_TYPE_CHANGED", "", text);
            return;
        }
        let (Some((before, _)), Some((after, _))) = (old.message, new.message) else {
            return;
        };
        let scopes = [old.full.clone(), new.full.clone()];
        let mut within = Found::default();
        self.message([before, after], &scopes, &mut within);
        let within = within.into_inner();
        if !within.is_empty() {
            found.extend("", &within);
            let text = "has a field of a message that is not compatible";
            found.add("FIELD_NAMED_TYPE_CHANGED", "", text);
        }
    }
}

/// Finds fields that exclude each other now and did not before.
fn moved_into_oneofs(
    new: &DescriptorProto,
    before: &Fields<'_>,
    after: &Fields<'_>,
    found: &mut Found,
) {
    for oneof in &new.oneof_decl {
        let members = after.oneofs.iter();
        let members = members.filter(|(_, name)| **name == oneof.name());
        let (mut alone, mut earlier) = (0, HashSet::new());
        for (number, _) in members {
            match before.oneofs.get(number) {
                Some(name) => drop(earlier.insert(*name)),
                None => alone += usize::from(before.by_number.contains_key(number)),
            }
        }
        if alone + earlier.len() > 1 {
            let (kind, text) = if alone > 1 {
                (
                    "MULTIPLE_FIELDS_MOVED_TO_ONEOF",
                    "moves several fields into a oneof",
                )
            } else {
                (
                    "FIELD_MOVED_TO_EXISTING_ONEOF",
                    "moves a field into a oneof of others",
                )
            };
            found.add(kind, oneof.name(), text);
        }
    }
}

fn removed(
    number: i32,
    field: &FieldDescriptorProto,
    before: &Fields<'_>,
    after: &Fields<'_>,
    found: &mut Found,
) {
    match before.oneofs.get(&number) {
        None if field.label() == Label::Required => {
            let text = "lacks a required field";
            found.add("REQUIRED_FIELD_REMOVED", &number.to_string(), text);
        }
        None => {}
        Some(oneof) => {
            let kept = after.oneofs.values().any(|name| name == oneof);
            let mut members = before.oneofs.iter();
            let survives =
                members.any(|(number, name)| name == oneof && after.by_number.contains_key(number));
            // A oneof may go with all of its fields.
            if kept || survives {
                let path = format!("{oneof}/{number}");
                found.add("ONEOF_FIELD_REMOVED", &path, "lacks a field of a oneof");
            }
        }
    }
}

fn is_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(MessageOptions::map_entry)
}

fn scalar(kind: FieldType) -> Scalar {
    match kind {
        FieldType::Sint32 | FieldType::Sint64 => Scalar::Signed,
        FieldType::String | FieldType::Bytes => Scalar::Text,
        FieldType::Fixed32 | FieldType::Sfixed32 => Scalar::Fixed32,
        FieldType::Fixed64 | FieldType::Sfixed64 => Scalar::Fixed64,
        FieldType::Float => Scalar::Float,
        FieldType::Double => Scalar::Double,
        _ => Scalar::Number,
    }
}
