//! Documents that a schema refers to.

use std::collections::BTreeMap;

use serde_json::Value;

/// Documents that a schema refers to, by the names it uses. A Protobuf schema is a string of its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct References(pub(super) BTreeMap<String, Value>);
