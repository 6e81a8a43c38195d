//! Schemas by id.

use serde_json::json;

use crate::api::refusal::Refusal;
use crate::api::reply::Reply;
use crate::api::request::Query;
use crate::api::view::View;
use crate::schema::Schema;
use crate::state::Visible;

impl View<'_> {
    pub(super) fn schema_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (_, schema) = self.find_id(id)?;
        if !query.flag("fetchMaxId") {
            return Reply::ok(schema);
        }
        let mut described = serde_json::to_value(schema).map_err(|error| Refusal::Store {
            source: error.into(),
        })?;
        described["maxId"] = json!(self.state.next_id() - 1);
        Reply::ok(&described)
    }

    pub(super) fn text_by_id(&self, id: &str) -> Result<Reply, Refusal> {
        let body = self.find_id(id)?.1.text.clone().into_bytes();
        Ok(Reply { status: 200, body })
    }

    pub(super) fn subjects_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (id, _) = self.find_id(id)?;
        let mut subjects: Vec<_> = self
            .state
            .uses(id, query.visible())
            .map(|used| used.0)
            .collect();
        subjects.dedup();
        Reply::ok(&query.page(subjects.into_iter()))
    }

    pub(super) fn versions_by_id(&self, id: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let (id, _) = self.find_id(id)?;
        let uses = self.state.uses(id, query.visible());
        let versions =
            uses.map(|(subject, version)| json!({"subject": subject, "version": version}));
        Reply::ok(&query.page(versions))
    }

    pub(super) fn list_schemas(&self, query: Query<'_>) -> Result<Reply, Refusal> {
        let prefix = query.get("subjectPrefix").unwrap_or_default();
        let visible = query.visible();
        let latest_only = query.flag("latestOnly");
        let mut schemas = Vec::new();
        let all = self.state.subjects(Visible::All);
        for subject in all.filter(|subject| subject.starts_with(&prefix)) {
            let mut versions: Vec<_> = self.state.versions(subject, visible).collect();
            if latest_only {
                versions.drain(..versions.len().saturating_sub(1));
            }
            for (number, version) in versions {
                schemas.push(self.registered(subject, number, version)?);
            }
        }
        Reply::ok(&query.page(schemas.into_iter()))
    }

    fn find_id(&self, id: &str) -> Result<(u32, &Schema), Refusal> {
        // What is not a number is not a path of the API.
        let id = id.parse().map_err(|_not_an_id| Refusal::NoSuchPath)?;
        let found = self.state.schema(id);
        found
            .map(|schema| (id, schema))
            .ok_or(Refusal::NoSuchId { id })
    }
}
