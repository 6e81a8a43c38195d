//! Options, as they are written.
//!
//! A parser of text leaves options as they were written; a descriptor from a compiler has them as
//! fields. Options that are extensions are kept only in text.

use std::fmt::Write;

use prost_types::field_options::{CType, JsType};
use prost_types::file_options::OptimizeMode;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    EnumOptions, EnumValueOptions, FieldOptions, FileDescriptorProto, FileOptions, MessageOptions,
    MethodOptions, OneofOptions, ServiceOptions, UninterpretedOption,
};

/// Options by their names, as they are written.
#[derive(Debug, Default)]
pub(super) struct Options(pub(super) Vec<(String, String)>);

impl Options {
    fn flag(&mut self, name: &str, value: Option<bool>) -> &mut Self {
        self.word(name, value.map(|value| value.to_string()))
    }

    fn text(&mut self, name: &str, value: Option<&String>) -> &mut Self {
        self.word(name, value.map(|value| quoted(value.as_bytes())))
    }

    fn word(&mut self, name: &str, value: Option<impl Into<String>>) -> &mut Self {
        if let Some(value) = value {
            self.0.push((name.to_owned(), value.into()));
        }
        self
    }

    fn written(&mut self, options: &[UninterpretedOption]) {
        for option in options {
            let parts = option.name.iter().map(|part| {
                if part.is_extension {
                    format!("({})", part.name_part)
                } else {
                    part.name_part.clone()
                }
            });
            let name = parts.collect::<Vec<_>>().join(".");
            self.0.push((name, written_value(option)));
        }
    }
}

fn written_value(option: &UninterpretedOption) -> String {
    let whole = option.positive_int_value.map(|value| value.to_string());
    let whole = whole.or(option.negative_int_value.map(|value| value.to_string()));
    let number = whole.or(option.double_value.map(|value| format!("{value:?}")));
    let text = option.string_value.as_ref().map(|value| quoted(value));
    let aggregate = option.aggregate_value.as_ref();
    let aggregate = aggregate.map(|value| format!("{{ {} }}", value.trim()));
    let word = option.identifier_value.clone();
    let value = word.or(number).or(text).or(aggregate);
    value.unwrap_or_default()
}

/// Writes bytes as a string, with escapes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                c if c.is_ascii_control() => {
                    write!(quoted, "\\{:03o}", u32::from(c)).expect("a string grows");
                }
                c => quoted.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(quoted, "\\{byte:03o}").expect("a string grows");
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn of_file(options: &FileOptions) -> Options {
    let mut all = Options::default();
    let speed = options.optimize_for.map(|_| options.optimize_for());
    all.text("java_package", options.java_package.as_ref())
        .text(
            "java_outer_classname",
            options.java_outer_classname.as_ref(),
        )
        .flag("java_multiple_files", options.java_multiple_files)
        .flag("java_string_check_utf8", options.java_string_check_utf8)
        .word(
            "optimize_for",
            speed.map(|mode: OptimizeMode| mode.as_str_name()),
        )
        .text("go_package", options.go_package.as_ref())
        .flag("cc_generic_services", options.cc_generic_services)
        .flag("java_generic_services", options.java_generic_services)
        .flag("py_generic_services", options.py_generic_services)
        .flag("deprecated", options.deprecated)
        .flag("cc_enable_arenas", options.cc_enable_arenas)
        .text("objc_class_prefix", options.objc_class_prefix.as_ref())
        .text("csharp_namespace", options.csharp_namespace.as_ref())
        .text("swift_prefix", options.swift_prefix.as_ref())
        .text("php_class_prefix", options.php_class_prefix.as_ref())
        .text("php_namespace", options.php_namespace.as_ref())
        .text(
            "php_metadata_namespace",
            options.php_metadata_namespace.as_ref(),
        )
        .text("ruby_package", options.ruby_package.as_ref())
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_message(options: &MessageOptions) -> Options {
    let mut all = Options::default();
    all.flag("message_set_wire_format", options.message_set_wire_format)
        .flag(
            "no_standard_descriptor_accessor",
            options.no_standard_descriptor_accessor,
        )
        .flag("deprecated", options.deprecated)
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_field(options: &FieldOptions) -> Options {
    let mut all = Options::default();
    let ctype = options.ctype.map(|_| options.ctype());
    let jstype = options.jstype.map(|_| options.jstype());
    all.word("ctype", ctype.map(|kind: CType| kind.as_str_name()))
        .flag("packed", options.packed)
        .word("jstype", jstype.map(|kind: JsType| kind.as_str_name()))
        .flag("lazy", options.lazy)
        .flag("deprecated", options.deprecated)
        .flag("weak", options.weak)
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_oneof(options: &OneofOptions) -> Options {
    let mut all = Options::default();
    all.written(&options.uninterpreted_option);
    all
}

pub(super) fn of_enum(options: &EnumOptions) -> Options {
    let mut all = Options::default();
    all.flag("allow_alias", options.allow_alias)
        .flag("deprecated", options.deprecated)
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_value(options: &EnumValueOptions) -> Options {
    let mut all = Options::default();
    all.flag("deprecated", options.deprecated)
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_service(options: &ServiceOptions) -> Options {
    let mut all = Options::default();
    all.flag("deprecated", options.deprecated)
        .written(&options.uninterpreted_option);
    all
}

pub(super) fn of_method(options: &MethodOptions) -> Options {
    let mut all = Options::default();
    let level = options
        .idempotency_level
        .map(|_| options.idempotency_level());
    all.flag("deprecated", options.deprecated)
        .word(
            "idempotency_level",
            level.map(|level: IdempotencyLevel| level.as_str_name()),
        )
        .written(&options.uninterpreted_option);
    all
}

/// Turns the written options that change what is valid or what is on the wire into fields, and drops
/// the others, which descriptors of clients do not need.
pub(super) fn interpret(file: &mut FileDescriptorProto) {
    if let Some(options) = &mut file.options {
        options.uninterpreted_option.clear();
    }
    for field in &mut file.extension {
        interpret_field(field.options.as_mut());
    }
    file.enum_type.iter_mut().for_each(interpret_enum);
    for service in &mut file.service {
        service.options = None;
        for method in &mut service.method {
            method.options = None;
        }
    }
    let mut waiting: Vec<_> = file.message_type.iter_mut().collect();
    while let Some(message) = waiting.pop() {
        if let Some(options) = &mut message.options {
            options.uninterpreted_option.clear();
        }
        for field in message.field.iter_mut().chain(&mut message.extension) {
            interpret_field(field.options.as_mut());
        }
        for oneof in &mut message.oneof_decl {
            oneof.options = None;
        }
        for range in &mut message.extension_range {
            range.options = None;
        }
        message.enum_type.iter_mut().for_each(interpret_enum);
        waiting.extend(message.nested_type.iter_mut());
    }
}

fn interpret_field(options: Option<&mut FieldOptions>) {
    if let Some(options) = options {
        options.packed = options
            .packed
            .or(written_flag(&options.uninterpreted_option, "packed"));
        options.uninterpreted_option.clear();
    }
}

fn interpret_enum(kind: &mut prost_types::EnumDescriptorProto) {
    if let Some(options) = &mut kind.options {
        options.allow_alias = options
            .allow_alias
            .or(written_flag(&options.uninterpreted_option, "allow_alias"));
        options.uninterpreted_option.clear();
    }
    for value in &mut kind.value {
        value.options = None;
    }
}

/// Returns the value of a written flag.
pub(super) fn written_flag(options: &[UninterpretedOption], name: &str) -> Option<bool> {
    let mut options = options.iter();
    let option = options.find(|option| match option.name.as_slice() {
        [part] => !part.is_extension && part.name_part == name,
        _ => false,
    })?;
    Some(option.identifier_value() == "true")
}
