//! Documents that a schema refers to.

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

/// A registered schema that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referenced {
    /// Name in the referring schema.
    pub name: String,
    /// The schema.
    pub text: String,
}

/// Finds referenced documents. Nothing is fetched.
pub(super) struct Documents(Vec<Referenced>);

impl Documents {
    pub(super) fn new(referenced: Vec<Referenced>) -> Self {
        Self(referenced)
    }

    /// Finds a document by its name, by its `$id`, or by its name relative to the referring schema.
    fn find(&self, uri: &str) -> Option<Value> {
        let parsed = |it: &Referenced| serde_json::from_str::<Value>(&it.text).ok();
        let named = |fits: &dyn Fn(&str) -> bool| self.0.iter().find(|it| fits(&it.name));
        if let Some(exact) = named(&|name| name == uri) {
            return parsed(exact);
        }
        let mut documents = self.0.iter().filter_map(parsed);
        let with_id = documents.find(|it| it.get("$id").and_then(Value::as_str) == Some(uri));
        with_id.or_else(|| {
            let relative = |name: &str| {
                let name = name.trim_start_matches("./");
                let end = uri.strip_suffix(name);
                !name.is_empty() && end.is_some_and(|before| before.ends_with('/'))
            };
            named(&relative).and_then(parsed)
        })
    }
}

impl Retrieve for Documents {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let uri = uri.as_str();
        let missing = || format!("`{uri}` is not among the references of the schema").into();
        self.find(uri).ok_or_else(missing)
    }
}
