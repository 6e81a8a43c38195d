//! Schemas by id.

use serde_json::json;

use crate::api::refusal::Refusal;
use crate::api::reply::Reply;
use crate::api::request::Query;
use crate::api::view::View;
use crate::context;
use crate::protobuf;
use crate::schema::{Schema, SchemaType};
use crate::state::Visible;

impl View<'_> {
    pub(super) fn schema_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (context, _, schema) = self.find_id(id, query)?;
        let schema = self.in_format(&context, schema, query)?;
        if !query.flag("fetchMaxId") {
            return Reply::ok(&schema);
        }
        let mut described = serde_json::to_value(schema).map_err(|error| Refusal::Store {
            source: error.into(),
        })?;
        described["maxId"] = json!(self.state.next_id(&context) - 1);
        Reply::ok(&described)
    }

    pub(super) fn text_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (context, _, schema) = self.find_id(id, query)?;
        let body = self.in_format(&context, schema, query)?.text.into_bytes();
        Ok(Reply { status: 200, body })
    }

    /// Returns a schema in the format that a request asks for: a Protobuf schema can also be sent as
    /// its descriptor.
    pub(super) fn in_format(
        &self,
        context: &str,
        schema: &Schema,
        query: Query<'_>,
    ) -> Result<Schema, Refusal> {
        let mut schema = schema.clone();
        let format = query.get("format");
        if schema.kind == SchemaType::Protobuf && format.as_deref() == Some("serialized") {
            let file = protobuf::File::parse(&schema.text, &self.resolve(context, &schema)?)
                .map_err(|reason| Refusal::InvalidSchema { reason })?;
            schema.text = file.serialized("default");
        }
        Ok(schema)
    }

    pub(super) fn subjects_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (context, id, _) = self.find_id(id, query)?;
        let mut subjects: Vec<_> = self
            .state
            .uses(&context, id, query.visible())
            .map(|used| used.0)
            .collect();
        subjects.dedup();
        Reply::ok(&query.page(subjects.into_iter()))
    }

    pub(super) fn versions_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (context, id, _) = self.find_id(id, query)?;
        let uses = self.state.uses(&context, id, query.visible());
        let versions =
            uses.map(|(subject, version)| json!({"subject": subject, "version": version}));
        Reply::ok(&query.page(versions))
    }

    pub(super) fn list_schemas(&self, query: Query<'_>) -> Result<Reply, Refusal> {
        let prefix = query.get("subjectPrefix");
        let prefix = prefix.as_deref().unwrap_or(context::ALL);
        let visible = query.visible();
        let latest_only = query.flag("latestOnly");
        let mut schemas = Vec::new();
        let all = self.state.subjects(Visible::All);
        for subject in all.filter(|subject| context::has_prefix(subject, prefix)) {
            let mut versions: Vec<_> = self.state.versions(subject, visible).collect();
            if latest_only {
                versions.drain(..versions.len().saturating_sub(1));
            }
            for (number, version) in versions {
                schemas.push(self.registered(subject, (number, version), query)?);
            }
        }
        Reply::ok(&query.page(schemas.into_iter()))
    }

    /// Finds a schema by its id in the context of the subject that the query names. For a subject
    /// without a context, it may be in any context that has the subject.
    fn find_id(&self, id: &str, query: Query<'_>) -> Result<(String, u32, &Schema), Refusal> {
        // What is not a number is not a path of the API.
        let id = id.parse().map_err(|_not_an_id| Refusal::NoSuchPath)?;
        let subject = query.get("subject").unwrap_or_default();
        let (named, subject) = context::split(&subject);
        let has_subject = |context: &&str| {
            let mut uses = self.state.uses(context, id, Visible::All);
            uses.any(|(used, _)| context::split(used).1 == subject)
        };
        let found = if self.state.schema(named, id).is_some() {
            Some(named)
        } else if named == context::DEFAULT && !subject.is_empty() {
            self.state.contexts().into_iter().find(has_subject)
        } else {
            None
        };
        let found = found.and_then(|context| {
            let schema = self.state.schema(context, id)?;
            Some((context.to_owned(), id, schema))
        });
        found.ok_or(Refusal::NoSuchId { id })
    }
}
