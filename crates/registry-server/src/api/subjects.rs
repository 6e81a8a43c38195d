//! Subjects and their versions.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::refusal::Refusal;
use crate::api::reply::{Change, Reply};
use crate::api::request::{Query, VersionId, parse};
use crate::api::view::View;
use crate::canonical;
use crate::checker::CheckError;
use crate::context;
use crate::parse::check;
use crate::schema::{Reference, Schema, SchemaType};
use crate::state::{Entry, Mode, Version, Visible};

/// A schema as clients send it. Metadata is not kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    schema: Option<String>,
    schema_type: Option<String>,
    references: Option<Vec<ReferenceBody>>,
    rule_set: Option<Value>,
}

/// A reference as clients send it.
#[derive(Deserialize)]
struct ReferenceBody {
    name: String,
    subject: String,
    /// Number, or -1 for the latest version.
    version: i64,
}

/// Id and version that a client asks for, as when it copies another registry. Numbers below 1 mean
/// none.
#[derive(Deserialize)]
struct Numbers {
    id: Option<i64>,
    version: Option<i64>,
}

impl View<'_> {
    pub(super) fn list_subjects(&self, query: Query<'_>) -> Result<Reply, Refusal> {
        let prefix = query.get("subjectPrefix");
        let prefix = prefix.as_deref().unwrap_or(context::ALL);
        let subjects = self.state.subjects(query.visible());
        let subjects = subjects.filter(|subject| context::has_prefix(subject, prefix));
        Reply::ok(&query.page(subjects))
    }

    pub(super) fn list_versions(&self, subject: &str, query: Query<'_>) -> Result<Reply, Refusal> {
        let known = match query.visible() {
            Visible::Live => Visible::Live,
            Visible::All | Visible::Deleted => Visible::All,
        };
        if self.numbers(subject, known).is_empty() {
            return Err(no_subject(subject));
        }
        if query.flag("deletedAsNegative") {
            let versions = self.state.versions(subject, Visible::All);
            let versions = versions.map(|(number, version)| {
                let sign = if version.deleted { -1 } else { 1 };
                sign * i64::from(number)
            });
            return Reply::ok(&query.page(versions));
        }
        let versions = self.numbers(subject, query.visible());
        Reply::ok(&query.page(versions.into_iter()))
    }

    pub(super) fn version(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
    ) -> Result<Reply, Refusal> {
        let (number, version) = self.find_version(subject, version, query.with_deleted())?;
        Reply::ok(&self.registered(subject, (number, version), query)?)
    }

    pub(super) fn version_text(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
    ) -> Result<Reply, Refusal> {
        let (_, version) = self.find_version(subject, version, query.with_deleted())?;
        let context = context::of(subject);
        let schema = self.state.schema(context, version.id);
        let schema = schema.ok_or(Refusal::NoSuchSchema)?;
        let body = self.in_format(context, schema, query)?.text.into_bytes();
        Ok(Reply { status: 200, body })
    }

    pub(super) fn referenced_by(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
    ) -> Result<Reply, Refusal> {
        let (number, _) = self.find_version(subject, version, Visible::All)?;
        let visible = query.with_deleted();
        let referrers = self.state.referrers(subject, number, visible);
        Reply::ok(&query.page(referrers.into_iter()))
    }

    pub(super) fn register(
        &self,
        subject: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Change, Refusal> {
        check_name(subject)?;
        let numbers: Numbers = parse(body)?;
        let wanted_id = numbers.id.and_then(|id| u32::try_from(id).ok());
        let wanted_version = numbers.version.filter(|version| *version > 0);
        self.check_registrable(subject, wanted_id.is_some())?;
        let schema = self.parse_schema(subject, query, body)?;
        let context = context::of(subject);
        let known = self.state.id_of(context, &schema);
        let known = known.filter(|known| wanted_id.is_none_or(|wanted| wanted == *known));
        let mut live = self.state.versions(subject, Visible::Live);
        if wanted_version.is_none()
            && let Some((_, version)) = live.find(|(_, version)| Some(version.id) == known)
        {
            return Change::new(Vec::new(), &json!({ "id": version.id }));
        }
        let importing = wanted_id.is_some();
        if !importing {
            self.check_compatible(subject, &schema)?;
        }
        let version = self.next_version(subject, wanted_version, importing)?;
        let id = wanted_id
            .or(known)
            .unwrap_or_else(|| self.state.next_id(context));
        let other = self.state.schema(context, id);
        if other.is_some_and(|other| *other != schema) {
            return Err(Refusal::IdInUse { id });
        }
        let new = known.is_none().then(|| Entry::Schema {
            id,
            context: (context != context::DEFAULT).then(|| context.to_owned()),
            schema,
        });
        let added = Entry::Version {
            subject: subject.to_owned(),
            version,
            id,
        };
        let replaced = self.replaced(subject, id, version);
        let entries = new.into_iter().chain([added]).chain(replaced).collect();
        Change::new(entries, &json!({ "id": id }))
    }

    fn check_compatible(&self, subject: &str, schema: &Schema) -> Result<(), Refusal> {
        let incompatibilities = self.incompatibilities(subject, schema)?;
        if incompatibilities.is_empty() {
            return Ok(());
        }
        Err(Refusal::Incompatible {
            subject: subject.to_owned(),
            incompatibilities,
        })
    }

    /// Returns the number of a new version. An imported one may leave a gap.
    fn next_version(
        &self,
        subject: &str,
        wanted: Option<i64>,
        importing: bool,
    ) -> Result<u32, Refusal> {
        let last = self.state.versions(subject, Visible::All).next_back();
        let next = last.map_or(1, |(number, _)| number + 1);
        match wanted {
            None => Ok(next),
            Some(wanted) if wanted == i64::from(next) => Ok(next),
            Some(wanted) if importing => {
                let wanted = wanted.to_string();
                match VersionId::parse(&wanted)? {
                    VersionId::Number(number) => Ok(number),
                    VersionId::Latest => Ok(next),
                }
            }
            Some(_) => {
                let reason = "Version is not one more than previous version".to_owned();
                Err(Refusal::InvalidSchema { reason })
            }
        }
    }

    /// Returns the removal of the softly deleted versions that a new version of the same schema
    /// replaces.
    fn replaced(&self, subject: &str, id: u32, version: u32) -> Option<Entry> {
        let deleted = self.state.versions(subject, Visible::Deleted);
        let versions: Vec<u32> = deleted
            .filter(|(number, deleted)| deleted.id == id && *number < version)
            .map(|(number, _)| number)
            .filter(|number| {
                let referrers = self.state.referrers(subject, *number, Visible::All);
                referrers.is_empty()
            })
            .collect();
        (!versions.is_empty()).then(|| Entry::Deleted {
            subject: subject.to_owned(),
            versions,
            permanently: true,
        })
    }

    pub(super) fn lookup(
        &self,
        subject: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let visible = query.with_deleted();
        let schema = self.parse_schema(subject, query, body)?;
        if self.numbers(subject, visible).is_empty() {
            return Err(no_subject(subject));
        }
        let known = self.state.id_of(context::of(subject), &schema);
        let known = known.ok_or(Refusal::NoSuchSchema)?;
        let mut versions = self.state.versions(subject, visible).rev();
        let found = versions.find(|(_, version)| version.id == known);
        let (number, version) = found.ok_or(Refusal::NoSuchSchema)?;
        Reply::ok(&self.registered(subject, (number, version), query)?)
    }

    pub(super) fn delete_subject(
        &self,
        subject: &str,
        query: Query<'_>,
    ) -> Result<Change, Refusal> {
        self.check_writable(subject)?;
        let permanently = query.flag("permanent");
        let live = self.numbers(subject, Visible::Live);
        let all = self.numbers(subject, Visible::All);
        let versions = match (permanently, live.is_empty(), all.is_empty()) {
            (_, _, true) => return Err(no_subject(subject)),
            (false, true, false) => {
                let subject = subject.to_owned();
                return Err(Refusal::SubjectSoftDeleted { subject });
            }
            (true, false, false) => {
                let subject = subject.to_owned();
                return Err(Refusal::SubjectNotSoftDeleted { subject });
            }
            (false, false, false) => live,
            (true, true, false) => all,
        };
        let mut entries = vec![self.deleted(subject, &versions, permanently)?];
        if permanently {
            // A subject of the same name starts anew.
            let subject = Some(subject.to_owned());
            let (level, mode) = (None, None);
            entries.push(Entry::Level {
                subject: subject.clone(),
                level,
            });
            entries.push(Entry::Mode { subject, mode });
        }
        Change::new(entries, &versions)
    }

    pub(super) fn delete_version(
        &self,
        subject: &str,
        version: &str,
        query: Query<'_>,
    ) -> Result<Change, Refusal> {
        self.check_writable(subject)?;
        let permanently = query.flag("permanent");
        let (number, Version { deleted, .. }) =
            self.find_version(subject, version, Visible::All)?;
        let (subject_name, version) = (subject.to_owned(), number);
        match (permanently, deleted) {
            (false, true) => {
                return Err(Refusal::VersionSoftDeleted {
                    subject: subject_name,
                    version,
                });
            }
            (true, false) => {
                return Err(Refusal::VersionNotSoftDeleted {
                    subject: subject_name,
                    version,
                });
            }
            (false, false) | (true, true) => {}
        }
        let deleted = self.deleted(subject, &[number], permanently)?;
        Change::new(vec![deleted], &number)
    }

    /// Returns the deletion of versions to which no other schema refers.
    pub(super) fn deleted(
        &self,
        subject: &str,
        versions: &[u32],
        permanently: bool,
    ) -> Result<Entry, Refusal> {
        let subject = subject.to_owned();
        for &version in versions {
            let referrers = self.state.referrers(&subject, version, Visible::Live);
            if !referrers.is_empty() {
                return Err(Refusal::Referenced { subject, version });
            }
        }
        Ok(Entry::Deleted {
            subject,
            versions: versions.to_vec(),
            permanently,
        })
    }

    /// Parses and checks the schema of a request.
    pub(super) fn parse_schema(
        &self,
        subject: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<Schema, Refusal> {
        let context = context::of(subject);
        let invalid = |reason: String| Refusal::InvalidSchema { reason };
        let body: SchemaBody = parse(body)?;
        let kind = match body.schema_type.as_deref() {
            None | Some("AVRO") => SchemaType::Avro,
            Some("JSON") => SchemaType::Json,
            Some("PROTOBUF") => SchemaType::Protobuf,
            Some(other) => return Err(invalid(format!("type {other} is not supported"))),
        };
        if body.rule_set.is_some_and(|rules| !rules.is_null()) {
            return Err(invalid("rule sets are not supported".to_owned()));
        }
        let text = body.schema.filter(|text| !text.trim().is_empty());
        let mut schema = Schema {
            text: text.ok_or_else(|| invalid("the schema is empty".to_owned()))?,
            kind,
            references: self.references(context, body.references.unwrap_or_default())?,
        };
        let references = self.resolve(context, &schema)?;
        let (text, normalize) = (schema.text, query.flag("normalize"));
        let checked = self.checker.run(move |_| {
            check(kind, &text, &references)?;
            Ok(canonical::text(kind, &text, normalize))
        });
        let checked = match checked {
            Ok(checked) => checked,
            Err(CheckError::Busy) => return Err(Refusal::Busy),
            Err(error @ (CheckError::Timeout | CheckError::Failed)) => Err(error.to_string()),
        };
        let of_type = |reason| invalid(format!("of type {}, details: {reason}", kind.name()));
        schema.text = checked.map_err(of_type)?;
        if normalize {
            schema.references.sort();
            schema.references.dedup();
        }
        Ok(schema)
    }

    /// Parses the references of a request. The latest version becomes a number here.
    fn references(
        &self,
        context: &str,
        references: Vec<ReferenceBody>,
    ) -> Result<Vec<Reference>, Refusal> {
        let read = |reference: ReferenceBody| {
            let ReferenceBody {
                name,
                subject,
                version,
            } = reference;
            // A deleted version may be referred to by its number, because old schemas do.
            let visible = if version == -1 {
                Visible::Live
            } else {
                Visible::All
            };
            let (version, _) = self
                .find_version(
                    &context::referred(context, &subject),
                    &version.to_string(),
                    visible,
                )
                .map_err(|error| Refusal::InvalidSchema {
                    reason: format!("reference \"{name}\" not found: {error}"),
                })?;
            Ok(Reference {
                name,
                subject,
                version,
            })
        };
        references.into_iter().map(read).collect()
    }

    /// Finds a version by its number, or the latest one.
    pub(super) fn find_version(
        &self,
        subject: &str,
        version: &str,
        visible: Visible,
    ) -> Result<(u32, Version), Refusal> {
        let wanted = VersionId::parse(version)?;
        if self.state.versions(subject, visible).next().is_none() {
            return Err(no_subject(subject));
        }
        let mut versions = self.state.versions(subject, visible);
        let found = match wanted {
            // The latest version is never a deleted one.
            VersionId::Latest => self.state.versions(subject, Visible::Live).next_back(),
            VersionId::Number(wanted) => versions.find(|&(number, _)| number == wanted),
        };
        found.ok_or_else(|| Refusal::NoSuchVersion {
            version: match wanted {
                VersionId::Latest => "-1".to_owned(),
                VersionId::Number(number) => number.to_string(),
            },
        })
    }

    /// Returns a version as clients expect it.
    pub(super) fn registered(
        &self,
        subject: &str,
        found: (u32, Version),
        query: Query<'_>,
    ) -> Result<Value, Refusal> {
        let (number, version) = found;
        let context = context::of(subject);
        let schema = self.state.schema(context, version.id);
        let schema = schema.ok_or(Refusal::NoSuchSchema)?;
        let schema = self.in_format(context, schema, query)?;
        let mut described = serde_json::to_value(schema).map_err(|error| Refusal::Store {
            source: error.into(),
        })?;
        described["subject"] = json!(subject);
        described["version"] = json!(number);
        described["id"] = json!(version.id);
        if version.deleted {
            described["deleted"] = json!(true);
        }
        Ok(described)
    }

    pub(super) fn numbers(&self, subject: &str, visible: Visible) -> Vec<u32> {
        let versions = self.state.versions(subject, visible);
        versions.map(|(number, _)| number).collect()
    }

    /// Returns whether schemas can be deleted.
    fn check_writable(&self, subject: &str) -> Result<(), Refusal> {
        match self.state.mode(subject) {
            Mode::Writable | Mode::Import => Ok(()),
            Mode::ReadOnly | Mode::ReadOnlyOverride => Err(Refusal::ReadOnly {
                subject: subject.to_owned(),
            }),
        }
    }

    /// Returns whether a schema can be registered, with an id of its own or without.
    fn check_registrable(&self, subject: &str, with_id: bool) -> Result<(), Refusal> {
        self.check_writable(subject)?;
        let importing = self.state.mode(subject) == Mode::Import;
        let subject = subject.to_owned();
        match (importing, with_id) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => Err(Refusal::NotImporting { subject }),
            (true, false) => Err(Refusal::Importing { subject }),
        }
    }
}

/// Checks the name of a new subject.
fn check_name(subject: &str) -> Result<(), Refusal> {
    let reserved = matches!(context::split(subject).1, "" | "__GLOBAL" | "__EMPTY");
    if reserved || subject.chars().any(char::is_control) {
        let subject = subject.to_owned();
        return Err(Refusal::InvalidSubject { subject });
    }
    Ok(())
}

fn no_subject(subject: &str) -> Refusal {
    let subject = subject.to_owned();
    Refusal::NoSuchSubject { subject }
}
