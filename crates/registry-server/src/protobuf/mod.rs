//! Protobuf schemas: from text or from a descriptor, checked, written and compared.
//!
//! ```text
//!  text ──────────────┐                    ┌─▶ text (canonical)
//!                     ├─▶ file descriptor ─┼─▶ descriptor as base64, with full names
//!  base64 descriptor ─┘    │               └─▶ compare (with another file)
//!                          └─ names: types of the file and of its imports
//! ```
//!
//! Clients send schemas as text, or as the base64 of a `FileDescriptorProto`. Files that come with
//! Protobuf itself (`google/protobuf/…`, `google/type/…`, `confluent/…`) need no reference.
//!
//! # References
//!
//! - <https://protobuf.dev/reference/protobuf/proto3-spec/>
//! - <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-protobuf.html>

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod check;
mod compare;
mod names;
mod options;
mod text;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_types::FileDescriptorProto;
use serde_json::Value;

use crate::finding::Finding;
use crate::protobuf::names::Names;
use crate::references::References;

/// A schema with the files that it imports.
#[derive(Debug)]
pub(super) struct File {
    descriptor: FileDescriptorProto,
    /// The imported files, directly or through others, by the names of the imports.
    imports: Vec<FileDescriptorProto>,
}

impl File {
    /// Parses a schema and checks it.
    pub(super) fn parse(schema: &str, references: &References) -> Result<Self, String> {
        let mut imports = Vec::new();
        for (name, document) in &references.0 {
            let text = document.as_str().unwrap_or_default();
            let mut import = descriptor(text).map_err(|error| format!("`{name}`: {error}"))?;
            import.name = Some(name.clone());
            imports.push(import);
        }
        let file = Self {
            descriptor: descriptor(schema)?,
            imports,
        };
        check::check(&file.descriptor, &file.names())?;
        Ok(file)
    }

    /// Returns the base64 of the descriptor, with the full names of all types.
    pub(super) fn serialized(&self, name: &str) -> String {
        let mut descriptor = self.names().qualified(&self.descriptor, names::Which::All);
        descriptor.name = Some(name.to_owned());
        options::interpret(&mut descriptor);
        STANDARD.encode(descriptor.encode_to_vec())
    }

    fn names(&self) -> Names<'_> {
        Names::new(&self.descriptor, &self.imports)
    }
}

/// Returns the canonical text of a schema.
pub(super) fn canonical(schema: &str, normalize: bool) -> Option<String> {
    let mut file = descriptor(schema).ok()?;
    if normalize {
        file = Names::new(&file, &[]).qualified(&file, names::Which::Own);
        sort(&mut file);
    }
    Some(text::file(&file))
}

/// Returns the reasons why a reader's schema cannot replace a writer's schema, if any.
pub(super) fn findings(reader: &File, writer: &File) -> Vec<Finding> {
    compare::findings(reader, writer)
}

/// Returns a document of [`References`] for a schema.
pub(super) fn document(schema: &str) -> Value {
    Value::from(schema)
}

/// Reads text, or the base64 of a descriptor.
fn descriptor(schema: &str) -> Result<FileDescriptorProto, String> {
    if has_edition(schema) {
        return Err(
            "editions are not supported (expected `syntax = \"proto3\"` or `\"proto2\"`)"
                .to_owned(),
        );
    }
    let error = match protox_parse::parse("schema.proto", schema) {
        Ok(mut file) => {
            file.source_code_info = None;
            return Ok(file);
        }
        Err(error) => error.to_string(),
    };
    let bytes = STANDARD.decode(schema.trim()).ok();
    let decoded = bytes.and_then(|bytes| FileDescriptorProto::decode(bytes.as_slice()).ok());
    let mut file = decoded.ok_or(error)?;
    file.source_code_info = None;
    Ok(file)
}

/// Whether the first statement of a text is `edition`.
fn has_edition(schema: &str) -> bool {
    let mut rest = schema.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n')
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/")
        } else {
            let value = rest.strip_prefix("edition");
            return value.is_some_and(|value| value.trim_start().starts_with('='));
        };
        let Some((_, after)) = after else {
            return false;
        };
        rest = after.trim_start();
    }
}

/// Sorts what has no order of its own.
fn sort(file: &mut FileDescriptorProto) {
    let public = std::mem::take(&mut file.public_dependency);
    let public: Vec<String> = public
        .into_iter()
        .filter_map(|index| usize::try_from(index).ok())
        .filter_map(|index| file.dependency.get(index).cloned())
        .collect();
    file.dependency.sort();
    file.dependency.dedup();
    let numbered = file.dependency.iter().zip(0..);
    let numbered = numbered.filter(|(name, _)| public.contains(name));
    file.public_dependency = numbered.map(|(_, index)| index).collect();
    let mut messages: Vec<_> = file.message_type.iter_mut().collect();
    while let Some(message) = messages.pop() {
        message.field.sort_by_key(|field| field.number);
        messages.extend(message.nested_type.iter_mut());
    }
}

#[cfg(test)]
mod tests;
