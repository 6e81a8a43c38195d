//! Stands in for the module of Protobuf schemas in a build without the feature `protobuf`.

use serde_json::Value;

use crate::finding::Finding;
use crate::references::References;

/// A schema, of which there is none.
#[derive(Debug)]
pub(super) enum File {}

impl File {
    /// Rejects every schema.
    pub(super) fn parse(_schema: &str, _references: &References) -> Result<Self, String> {
        Err("this registry was built without Protobuf (feature `protobuf`)".to_owned())
    }

    pub(super) fn serialized(&self, _name: &str) -> String {
        match *self {}
    }
}

pub(super) fn canonical(_schema: &str, _normalize: bool) -> Option<String> {
    None
}

pub(super) fn findings(reader: &File, _writer: &File) -> Vec<Finding> {
    match *reader {}
}

pub(super) fn document(_schema: &str) -> Value {
    Value::Null
}
