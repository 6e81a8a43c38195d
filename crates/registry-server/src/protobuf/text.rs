//! Writes a file as text, always in the same form.

use std::collections::BTreeMap;
use std::fmt::Write;

use prost_types::descriptor_proto::ExtensionRange;
use prost_types::field_descriptor_proto::{Label, Type as FieldType};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, ServiceDescriptorProto,
};

use crate::protobuf::options::{self, Options, quoted};

/// Largest number of a field, written as `max`.
const MAX_FIELD: i32 = (1 << 29) - 1;

/// Returns the text of a file.
pub(super) fn file(file: &FileDescriptorProto) -> String {
    let mut text = Text::default();
    let proto3 = file.syntax() == "proto3";
    let syntax = if proto3 { "proto3" } else { "proto2" };
    text.line(&format!("syntax = \"{syntax}\";"));
    if !file.package().is_empty() {
        text.line(&format!("package {};", file.package()));
    }
    imports(file, &mut text);
    if let Some(options) = &file.options {
        let options = options::of_file(options);
        if !options.0.is_empty() {
            text.blank();
        }
        text.options(&options);
    }
    let writer = Writer { proto3 };
    for message in &file.message_type {
        if !is_group(message.name(), &file.extension) {
            text.blank();
            writer.message(message, &mut text);
        }
    }
    for kind in &file.enum_type {
        text.blank();
        enumeration(kind, &mut text);
    }
    writer.extensions(&file.extension, &file.message_type, &mut text);
    for described in &file.service {
        text.blank();
        service(described, &mut text);
    }
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
    depth: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.written.push_str("  ");
        }
        self.written.push_str(line);
        self.written.push('\n');
    }

    fn blank(&mut self) {
        self.written.push('\n');
    }

    fn open(&mut self, line: &str) {
        self.line(&format!("{line} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn options(&mut self, options: &Options) {
        for (name, value) in &options.0 {
            self.line(&format!("option {name} = {value};"));
        }
    }
}

struct Writer {
    proto3: bool,
}

impl Writer {
    fn message(&self, message: &DescriptorProto, text: &mut Text) {
        text.open(&format!("message {}", message.name()));
        self.content(message, text);
        text.close();
    }

    fn content(&self, message: &DescriptorProto, text: &mut Text) {
        if let Some(options) = &message.options {
            text.options(&options::of_message(options));
        }
        let ranges = message.reserved_range.iter();
        // The end of a message's range is not in it.
        let ranges = ranges.map(|range| [range.start(), range.end() - 1]);
        reserved(
            &ranges.collect::<Vec<_>>(),
            MAX_FIELD,
            &message.reserved_name,
            text,
        );
        let written = |field: &&FieldDescriptorProto| oneof_of(field).is_none();
        for field in message.field.iter().filter(written) {
            self.field(field, &message.nested_type, false, text);
        }
        for (index, oneof) in (0..).zip(&message.oneof_decl) {
            let members = message.field.iter();
            let members: Vec<_> = members
                .filter(|field| oneof_of(field) == Some(index))
                .collect();
            if members.is_empty() {
                continue;
            }
            text.blank();
            text.open(&format!("oneof {}", oneof.name()));
            if let Some(options) = &oneof.options {
                text.options(&options::of_oneof(options));
            }
            for field in members {
                self.field(field, &message.nested_type, true, text);
            }
            text.close();
        }
        for range in &message.extension_range {
            extension_range(range, text);
        }
        for nested in &message.nested_type {
            let group = is_group(
                nested.name(),
                message.field.iter().chain(&message.extension),
            );
            if !is_entry(nested) && !group {
                text.blank();
                self.message(nested, text);
            }
        }
        for kind in &message.enum_type {
            text.blank();
            enumeration(kind, text);
        }
        self.extensions(&message.extension, &message.nested_type, text);
    }

    fn field(
        &self,
        field: &FieldDescriptorProto,
        nested: &[DescriptorProto],
        in_oneof: bool,
        text: &mut Text,
    ) {
        let (name, number) = (field.name(), field.number());
        let mut label = match field.label() {
            _ if in_oneof => "",
            Label::Required => "required ",
            Label::Repeated => "repeated ",
            Label::Optional if self.proto3 && !field.proto3_optional() => "",
            Label::Optional => "optional ",
        };
        let simple = field.type_name().rsplit('.').next().unwrap_or_default();
        let found = nested.iter().find(|nested| nested.name() == simple);
        let mut kind = type_name(field);
        if let Some(entry) = found.filter(|nested| is_entry(nested))
            && let [key, value] = entry.field.as_slice()
        {
            label = "";
            kind = format!("map<{}, {}>", type_name(key), type_name(value));
        }
        let options = field_options(field);
        if let Some(group) = found.filter(|_| field.r#type() == FieldType::Group) {
            text.open(&format!("{label}group {simple} = {number}{options}"));
            self.content(group, text);
            text.close();
        } else {
            text.line(&format!("{label}{kind} {name} = {number}{options};"));
        }
    }

    /// Writes extensions, those of one message together.
    fn extensions(
        &self,
        extensions: &[FieldDescriptorProto],
        nested: &[DescriptorProto],
        text: &mut Text,
    ) {
        let mut by_message: BTreeMap<&str, Vec<&FieldDescriptorProto>> = BTreeMap::new();
        for field in extensions {
            by_message.entry(field.extendee()).or_default().push(field);
        }
        for (message, fields) in by_message {
            text.blank();
            text.open(&format!("extend {message}"));
            for field in fields {
                self.field(field, nested, false, text);
            }
            text.close();
        }
    }
}

fn field_options(field: &FieldDescriptorProto) -> String {
    let mut all = Options::default();
    if let Some(value) = &field.default_value {
        let value = match field.r#type() {
            FieldType::String => quoted(value.as_bytes()),
            // Bytes have their escapes already.
            FieldType::Bytes => format!("\"{value}\""),
            _ => value.clone(),
        };
        all.0.push(("default".to_owned(), value));
    }
    if let Some(json) = field.json_name.as_deref()
        && json != json_name(field.name())
    {
        all.0
            .push(("json_name".to_owned(), quoted(json.as_bytes())));
    }
    if let Some(options) = &field.options {
        all.0.extend(options::of_field(options).0);
    }
    in_brackets(&all)
}

fn imports(file: &FileDescriptorProto, text: &mut Text) {
    if !file.dependency.is_empty() {
        text.blank();
    }
    let kinds = [
        ("", None),
        ("public ", Some(&file.public_dependency)),
        ("weak ", Some(&file.weak_dependency)),
    ];
    for (word, chosen) in kinds {
        for (index, name) in (0..).zip(&file.dependency) {
            let public = file.public_dependency.contains(&index);
            let weak = file.weak_dependency.contains(&index);
            let here = chosen.map_or(!public && !weak, |chosen| chosen.contains(&index));
            if here {
                text.line(&format!("import {word}{};", quoted(name.as_bytes())));
            }
        }
    }
}

/// Writes reserved numbers, from first to last, and names.
fn reserved(ranges: &[[i32; 2]], max: i32, names: &[String], text: &mut Text) {
    let ranges = ranges.iter().map(|[first, last]| match last {
        last if last == first => first.to_string(),
        last if *last >= max => format!("{first} to max"),
        last => format!("{first} to {last}"),
    });
    let ranges: Vec<_> = ranges.collect();
    if !ranges.is_empty() {
        text.line(&format!("reserved {};", ranges.join(", ")));
    }
    let names: Vec<_> = names.iter().map(|name| quoted(name.as_bytes())).collect();
    if !names.is_empty() {
        text.line(&format!("reserved {};", names.join(", ")));
    }
}

fn extension_range(range: &ExtensionRange, text: &mut Text) {
    let (first, last) = (range.start(), range.end() - 1);
    let last = match last {
        last if last == first => String::new(),
        last if last >= MAX_FIELD => " to max".to_owned(),
        last => format!(" to {last}"),
    };
    text.line(&format!("extensions {first}{last};"));
}

fn enumeration(kind: &EnumDescriptorProto, text: &mut Text) {
    text.open(&format!("enum {}", kind.name()));
    if let Some(options) = &kind.options {
        text.options(&options::of_enum(options));
    }
    let ranges = kind.reserved_range.iter();
    let ranges: Vec<_> = ranges.map(|range| [range.start(), range.end()]).collect();
    reserved(&ranges, i32::MAX, &kind.reserved_name, text);
    for value in &kind.value {
        let options = value.options.as_ref().map(options::of_value);
        let options = in_brackets(&options.unwrap_or_default());
        text.line(&format!("{} = {}{options};", value.name(), value.number()));
    }
    text.close();
}

fn service(described: &ServiceDescriptorProto, text: &mut Text) {
    text.open(&format!("service {}", described.name()));
    if let Some(options) = &described.options {
        text.options(&options::of_service(options));
    }
    for method in &described.method {
        let stream = |streaming| if streaming { "stream " } else { "" };
        let signature = format!(
            "rpc {} ({}{}) returns ({}{})",
            method.name(),
            stream(method.client_streaming()),
            method.input_type(),
            stream(method.server_streaming()),
            method.output_type(),
        );
        let options = method.options.as_ref().map(options::of_method);
        match options.filter(|options| !options.0.is_empty()) {
            None => text.line(&format!("{signature};")),
            Some(options) => {
                text.open(&signature);
                text.options(&options);
                text.close();
            }
        }
    }
    text.close();
}

fn in_brackets(options: &Options) -> String {
    let mut text = String::new();
    for (number, (name, value)) in options.0.iter().enumerate() {
        let before = if number == 0 { " [" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{before}{name} = {value}");
    }
    if !text.is_empty() {
        text.push(']');
    }
    text
}

fn type_name(field: &FieldDescriptorProto) -> String {
    if let Some(name) = &field.type_name {
        return name.clone();
    }
    let name = field.r#type().as_str_name();
    name.trim_start_matches("TYPE_").to_ascii_lowercase()
}

/// Returns the number of the written oneof that a field is in.
fn oneof_of(field: &FieldDescriptorProto) -> Option<i32> {
    field.oneof_index.filter(|_| !field.proto3_optional())
}

fn is_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(MessageOptions::map_entry)
}

/// Returns whether a message is written where a field of it is.
fn is_group<'a>(message: &str, fields: impl IntoIterator<Item = &'a FieldDescriptorProto>) -> bool {
    let mut fields = fields.into_iter();
    fields.any(|field| {
        let name = field.type_name().rsplit('.').next();
        field.r#type() == FieldType::Group && name == Some(message)
    })
}

/// Returns the name that a field has in JSON unless another is given.
fn json_name(name: &str) -> String {
    let mut json = String::new();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            json.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            json.push(c);
        }
    }
    json
}
