//! Names of types: what a name in a scope stands for.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::Type as FieldType;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Files that registries know without a reference.
const BUILT_IN: [&str; 3] = ["google/protobuf/", "google/type/", "confluent/"];

/// Enums of those files; their other types are messages.
const BUILT_IN_ENUMS: [&str; 7] = [
    ".google.protobuf.NullValue",
    ".google.protobuf.Syntax",
    ".google.protobuf.Field.Kind",
    ".google.protobuf.Field.Cardinality",
    ".google.type.CalendarPeriod",
    ".google.type.DayOfWeek",
    ".google.type.Month",
];

/// The types that a file can name.
#[derive(Debug)]
pub(super) struct Names<'a> {
    imports: &'a [FileDescriptorProto],
    types: HashMap<String, Type<'a>>,
    /// Packages of imported files that are built in.
    built_in: Vec<&'static str>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type<'a> {
    Message(Found<'a>),
    Enum,
    /// A message of a file that is built in.
    BuiltIn,
}

/// A message and the package of its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) message: &'a DescriptorProto,
    pub(super) package: &'a str,
}

/// Which names become full ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those of all types.
    All,
    /// Those of the file's own types.
    Own,
}

impl<'a> Names<'a> {
    pub(super) fn new(file: &'a FileDescriptorProto, imports: &'a [FileDescriptorProto]) -> Self {
        let mut names = Self {
            imports,
            types: HashMap::new(),
            built_in: Vec::new(),
        };
        for file in std::iter::once(file).chain(imports) {
            names.add_file(file);
        }
        names
    }

    fn add_file(&mut self, file: &'a FileDescriptorProto) {
        let package = file.package();
        let scope = scope_of(package);
        for kind in &file.enum_type {
            self.types
                .insert(format!("{scope}.{}", kind.name()), Type::Enum);
        }
        let mut waiting: Vec<(String, &DescriptorProto)> = file
            .message_type
            .iter()
            .map(|message| (scope.clone(), message))
            .collect();
        while let Some((scope, message)) = waiting.pop() {
            let full = format!("{scope}.{}", message.name());
            for kind in &message.enum_type {
                self.types
                    .insert(format!("{full}.{}", kind.name()), Type::Enum);
            }
            let nested = message.nested_type.iter();
            waiting.extend(nested.map(|nested| (full.clone(), nested)));
            let found = Found { message, package };
            self.types.insert(full, Type::Message(found));
        }
        for import in &file.dependency {
            if let Some(package) = built_in_package(import) {
                self.built_in.push(package);
            }
        }
    }

    /// Returns whether an imported file is there.
    pub(super) fn has_import(&self, import: &str) -> bool {
        let mut referenced = self.imports.iter();
        built_in_package(import).is_some() || referenced.any(|file| file.name() == import)
    }

    /// Finds a type by its name in a scope, such as `.package.Message`; returns its full name too.
    pub(super) fn resolve(&self, scope: &str, name: &str) -> Option<(String, Type<'a>)> {
        if name.starts_with('.') {
            return self.full(name.to_owned());
        }
        let mut scope = scope;
        loop {
            let found = self.full(format!("{scope}.{name}"));
            if found.is_some() || scope.is_empty() {
                return found;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    fn full(&self, name: String) -> Option<(String, Type<'a>)> {
        if let Some(found) = self.types.get(&name) {
            return Some((name, *found));
        }
        let in_package = |package: &&str| {
            let rest = name.strip_prefix(*package);
            rest.is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
        };
        self.built_in.iter().find(|package| in_package(package))?;
        let found = if BUILT_IN_ENUMS.contains(&name.as_str()) {
            Type::Enum
        } else {
            Type::BuiltIn
        };
        Some((name, found))
    }

    /// Returns a file with the full names of types.
    pub(super) fn qualified(
        &self,
        file: &FileDescriptorProto,
        which: Which,
    ) -> FileDescriptorProto {
        let mut file = file.clone();
        let scope = scope_of(file.package());
        for field in &mut file.extension {
            self.qualify(&scope, field, which);
        }
        let messages = file.message_type.iter_mut();
        let mut waiting: Vec<_> = messages.map(|message| (scope.clone(), message)).collect();
        while let Some((scope, message)) = waiting.pop() {
            let scope = format!("{scope}.{}", message.name());
            for field in message.field.iter_mut().chain(&mut message.extension) {
                self.qualify(&scope, field, which);
            }
            let nested = message.nested_type.iter_mut();
            waiting.extend(nested.map(|nested| (scope.clone(), nested)));
        }
        let methods = file.service.iter_mut();
        for method in methods.flat_map(|service| service.method.iter_mut()) {
            for name in [&mut method.input_type, &mut method.output_type] {
                self.qualify_name(&scope, name, which);
            }
        }
        file
    }

    fn qualify(&self, scope: &str, field: &mut FieldDescriptorProto, which: Which) {
        self.qualify_name(scope, &mut field.extendee, which);
        let found = self.qualify_name(scope, &mut field.type_name, which);
        if field.r#type.is_none() && which == Which::All {
            match found {
                Some(Type::Enum) => field.set_type(FieldType::Enum),
                Some(Type::Message(_) | Type::BuiltIn) => field.set_type(FieldType::Message),
                None => {}
            }
        }
    }

    fn qualify_name(
        &self,
        scope: &str,
        name: &mut Option<String>,
        which: Which,
    ) -> Option<Type<'a>> {
        let (full, found) = self.resolve(scope, name.as_deref()?)?;
        let own = which == Which::All || self.types.contains_key(&full);
        if own {
            *name = Some(full);
        }
        Some(found)
    }
}

/// Returns the scope of a package: `.package`, or nothing.
pub(super) fn scope_of(package: &str) -> String {
    if package.is_empty() {
        String::new()
    } else {
        format!(".{package}")
    }
}

fn built_in_package(import: &str) -> Option<&'static str> {
    let folder = BUILT_IN
        .iter()
        .find(|folder| import.starts_with(**folder))?;
    Some(match *folder {
        "google/protobuf/" => ".google.protobuf",
        "google/type/" => ".google.type",
        _ => ".confluent",
    })
}
