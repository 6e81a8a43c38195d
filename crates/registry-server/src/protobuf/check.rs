//! Checks of a file that its syntax does not decide: imports, names and numbers.

use std::collections::BTreeSet;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use crate::protobuf::names::{Names, Type, scope_of};

/// Largest field number.
const MAX_NUMBER: i32 = (1 << 29) - 1;

/// Checks a file; the error says what is wrong with it.
pub(super) fn check(file: &FileDescriptorProto, names: &Names<'_>) -> Result<(), String> {
    for import in &file.dependency {
        if !names.has_import(import) {
            return Err(format!("import \"{import}\" is not among the references"));
        }
    }
    let scope = scope_of(file.package());
    let proto3 = file.syntax() == "proto3";
    distinct_types(&file.message_type, &file.enum_type, &scope)?;
    for kind in &file.enum_type {
        enumeration(kind, proto3)?;
    }
    for field in &file.extension {
        named_type(field, &scope, names)?;
    }
    let messages = file.message_type.iter();
    let mut waiting: Vec<_> = messages.map(|message| (scope.clone(), message)).collect();
    while let Some((scope, message)) = waiting.pop() {
        let scope = format!("{scope}.{}", message.name());
        check_message(message, &scope, names, proto3)?;
        let nested = message.nested_type.iter();
        waiting.extend(nested.map(|nested| (scope.clone(), nested)));
    }
    for service in &file.service {
        for method in &service.method {
            for name in [method.input_type(), method.output_type()] {
                let found = names.resolve(&scope, name);
                if !matches!(found, Some((_, Type::Message(_) | Type::BuiltIn))) {
                    let service = service.name();
                    return Err(format!("\"{name}\" in service {service} is not a message"));
                }
            }
        }
    }
    Ok(())
}

fn check_message(
    message: &DescriptorProto,
    scope: &str,
    names: &Names<'_>,
    proto3: bool,
) -> Result<(), String> {
    distinct_types(&message.nested_type, &message.enum_type, scope)?;
    for kind in &message.enum_type {
        enumeration(kind, proto3)?;
    }
    let within = scope.trim_start_matches('.');
    let (mut numbers, mut known) = (BTreeSet::new(), BTreeSet::new());
    for field in &message.field {
        let (name, number) = (field.name(), field.number());
        if !(1..=MAX_NUMBER).contains(&number) || (19_000..20_000).contains(&number) {
            return Err(format!("field {within}.{name} cannot have number {number}"));
        }
        if !numbers.insert(number) {
            return Err(format!("number {number} is used twice in message {within}"));
        }
        if !known.insert(name) {
            return Err(format!("field {within}.{name} is defined twice"));
        }
        let reserved = |number: i32| {
            let mut ranges = message.reserved_range.iter();
            ranges.any(|range| (range.start()..range.end()).contains(&number))
        };
        if reserved(number) || message.reserved_name.iter().any(|other| other == name) {
            return Err(format!(
                "field {within}.{name} uses a reserved name or number"
            ));
        }
        named_type(field, scope, names)?;
    }
    for field in &message.extension {
        named_type(field, scope, names)?;
    }
    Ok(())
}

fn named_type(field: &FieldDescriptorProto, scope: &str, names: &Names<'_>) -> Result<(), String> {
    for name in [&field.type_name, &field.extendee].into_iter().flatten() {
        if names.resolve(scope, name).is_none() {
            let within = scope.trim_start_matches('.');
            let field = field.name();
            return Err(format!(
                "type \"{name}\" of field {within}.{field} is not defined"
            ));
        }
    }
    Ok(())
}

fn distinct_types(
    messages: &[DescriptorProto],
    enums: &[EnumDescriptorProto],
    scope: &str,
) -> Result<(), String> {
    let mut known = BTreeSet::new();
    let messages = messages.iter().map(DescriptorProto::name);
    for name in messages.chain(enums.iter().map(EnumDescriptorProto::name)) {
        if !known.insert(name) {
            let full = format!("{scope}.{name}");
            return Err(format!("{} is defined twice", full.trim_start_matches('.')));
        }
    }
    Ok(())
}

fn enumeration(kind: &EnumDescriptorProto, proto3: bool) -> Result<(), String> {
    let first = kind.value.first();
    let name = kind.name();
    match first {
        None => Err(format!("enum {name} has no values")),
        Some(first) if proto3 && first.number() != 0 => Err(format!(
            "the first value of enum {name} must be 0 in proto3"
        )),
        Some(_) => Ok(()),
    }
}
