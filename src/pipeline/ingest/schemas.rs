//! Schemas that records name by id, for consumers of a group.
//!
//! ```text
//!  fetch ─▶ SchemaCheck, one per partition: which ids? ─▶ Schemas, shared ─▶ registry
//!              └─▶ validation of each payload, without waiting
//! ```
//!
//! Each schema is requested and compiled once. Records whose schema is missing or cannot be used
//! become dead letters. If the registry does not respond, the consumer waits, and finally stops
//! before these records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::cause::chain;
use crate::measure::nanos;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::schema_checks::{Check, Late, SchemaChecks};
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::pause_before_retry;
use crate::registry::{self, Client, PayloadValidator, Reference, Referenced, Schema, SchemaType};

/// Maximum cached ids. Topics name only a few, unless their records are garbage.
const MAX_CACHED: usize = 1_000;

/// How long an id counts as unknown: replicas of a registry can lag.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// Maximum number of schemas that one refers to, also through others.
const MAX_REFERENCED: usize = 256;

/// Maximum bytes of these schemas together.
const MAX_REFERENCED_BYTES: usize = 8 << 20;

/// Schemas of a registry, each requested once.
#[derive(Debug)]
pub struct Schemas {
    registry: Client,
    /// Locked during a request, so that no other partition sends the same.
    cache: Mutex<Cache>,
    checks: SchemaChecks,
}

/// Validates the records of one partition.
#[derive(Debug)]
pub struct SchemaCheck {
    schemas: Arc<Schemas>,
    loaded: Cache,
    /// Reasons of rejected payloads of the current fetch, by offset.
    rejected: BTreeMap<i64, SchemaRejection>,
}

type Cache = BTreeMap<u32, Arc<Answer>>;

/// The registry's response for an id.
#[derive(Debug)]
enum Answer {
    /// A schema that validates payloads.
    Schema(Arc<PayloadValidator>),
    /// A schema that cannot validate JSON, with the reason.
    Unusable(String),
    /// No schema. Ask again after this time, nanoseconds on the process's clock.
    Unknown { until: u64 },
}

/// Why a payload was not accepted.
#[derive(Debug)]
pub enum SchemaRejection {
    /// There is no schema to check it with.
    Schema(String),
    /// It does not match its schema, or could not be checked in time.
    Payload(String),
}

impl Schemas {
    /// Creates an empty cache for a registry.
    pub fn new(registry: Client) -> Self {
        Self {
            registry,
            cache: Mutex::default(),
            checks: SchemaChecks::default(),
        }
    }

    /// Returns the registry's response for an id. Retries until the broker timeout.
    async fn answer(&self, context: &Context, id: u32) -> Result<Arc<Answer>, Error> {
        let mut cache = self.cache.lock().await;
        if let Some(answer) = fresh(&cache, id, context.clock.now()) {
            return Ok(Arc::clone(answer));
        }
        let answer = match self.request(context, || self.registry.schema(id)).await? {
            Some(schema) => self.compile(context, schema).await?,
            None => Answer::Unknown {
                until: context.clock.now() + nanos(UNKNOWN_FOR),
            },
        };
        let answer = Arc::new(answer);
        make_room(&mut cache);
        cache.insert(id, Arc::clone(&answer));
        Ok(answer)
    }

    /// Sends a request until there is a response. Returns `None` if the registry does not have it.
    async fn request<T, F: Future<Output = Result<T, registry::Error>>>(
        &self,
        context: &Context,
        request: impl Fn() -> F,
    ) -> Result<Option<T>, Error> {
        let mut attempts = Attempts::new(context.settings.timeouts.broker);
        loop {
            let error = match request().await {
                Ok(response) => return Ok(Some(response)),
                Err(error) if error.is_unknown_schema() => return Ok(None),
                Err(error) => error,
            };
            if !error.is_transient() || !pause_before_retry(context, &mut attempts).await {
                return Err(Error::Registry(error));
            }
            tracing::warn!(error = chain(&error), "retrying to get a schema");
        }
    }

    /// Compiles a schema with those that it refers to.
    async fn compile(&self, context: &Context, schema: Schema) -> Result<Answer, Error> {
        if schema.kind != SchemaType::Json {
            return Ok(Answer::Unusable(format!(
                "its type is {}",
                schema.kind.name()
            )));
        }
        let referenced = match self.referenced(context, &schema.references).await? {
            Ok(referenced) => referenced,
            Err(why) => return Ok(Answer::Unusable(why)),
        };
        let compile = move || PayloadValidator::compile_with(&schema.text, referenced);
        Ok(match self.checks.job(compile).await {
            Ok(Ok(validator)) => Answer::Schema(Arc::new(validator)),
            Ok(Err(registry::Error::InvalidSchema { reason })) => Answer::Unusable(reason),
            Ok(Err(error)) => Answer::Unusable(error.to_string()),
            Err(Late) => Answer::Unusable("it takes too long to compile".to_owned()),
        })
    }

    /// Requests the schemas that a schema refers to, also through others. The inner error says why
    /// the schema cannot be used.
    async fn referenced(
        &self,
        context: &Context,
        references: &[Reference],
    ) -> Result<Result<Vec<Referenced>, String>, Error> {
        let mut waiting: VecDeque<Reference> = references.iter().cloned().collect();
        let mut known = BTreeSet::new();
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(reference) = waiting.pop_front() {
            let Reference {
                name,
                subject,
                version,
            } = reference;
            // References may form a cycle.
            if !known.insert((name.clone(), subject.clone(), version)) {
                continue;
            }
            let request = || self.registry.version(&subject, version);
            let Some(registered) = self.request(context, request).await? else {
                return Ok(Err(format!(
                    "it refers to version {version} of `{subject}`, which is not in the registry"
                )));
            };
            bytes += registered.schema.text.len();
            if known.len() > MAX_REFERENCED || bytes > MAX_REFERENCED_BYTES {
                return Ok(Err(format!(
                    "it refers to more than {MAX_REFERENCED} schemas or {MAX_REFERENCED_BYTES} bytes"
                )));
            }
            waiting.extend(registered.schema.references);
            found.push(Referenced {
                name,
                text: registered.schema.text,
            });
        }
        Ok(Ok(found))
    }
}

impl SchemaCheck {
    pub fn new(schemas: Arc<Schemas>) -> Self {
        Self {
            schemas,
            loaded: BTreeMap::new(),
            rejected: BTreeMap::new(),
        }
    }

    /// Loads the schemas with these ids for [`Self::validate`]. Cancel safe.
    ///
    /// Fails if the registry does not respond within the broker timeout.
    pub async fn learn(
        &mut self,
        context: &Context,
        ids: impl Iterator<Item = u32>,
    ) -> Result<(), Error> {
        make_room(&mut self.loaded);
        let now = context.clock.now();
        for id in ids {
            if fresh(&self.loaded, id, now).is_none() {
                let answer = self.schemas.answer(context, id).await?;
                self.loaded.insert(id, answer);
            }
        }
        Ok(())
    }

    /// Validates the payloads of a fetch, each with its offset and schema. Cancel safe.
    ///
    /// Most payloads are accepted at once; a thread checks the others.
    pub async fn validate(&mut self, payloads: impl Iterator<Item = (i64, u32, &[u8])>) {
        self.rejected.clear();
        let mut checks = Vec::new();
        for (offset, id, payload) in payloads {
            let why = match self.loaded.get(&id).map(Arc::as_ref) {
                Some(Answer::Schema(validator)) => {
                    if !validator.accepts_at_once(payload) {
                        checks.push(Check {
                            offset,
                            validator: Arc::clone(validator),
                            payload: payload.to_vec(),
                        });
                    }
                    continue;
                }
                Some(Answer::Unusable(why)) => format!("schema {id} cannot validate JSON: {why}"),
                Some(Answer::Unknown { .. }) | None => {
                    format!("schema {id} is not in the registry")
                }
            };
            self.rejected.insert(offset, SchemaRejection::Schema(why));
        }
        if !checks.is_empty() {
            let rejected = self.schemas.checks.run(checks).await.into_iter();
            let rejected =
                rejected.map(|(offset, reason)| (offset, SchemaRejection::Payload(reason)));
            self.rejected.extend(rejected);
        }
    }

    /// Returns whether the payload at an offset was accepted by [`Self::validate`].
    pub fn result(&mut self, offset: i64) -> Result<(), SchemaRejection> {
        self.rejected.remove(&offset).map_or(Ok(()), Err)
    }
}

fn fresh(cache: &Cache, id: u32, now: u64) -> Option<&Arc<Answer>> {
    let answer = cache.get(&id)?;
    let outdated = matches!(**answer, Answer::Unknown { until } if until <= now);
    (!outdated).then_some(answer)
}

/// Empties a full cache; schemas that are needed are requested again.
fn make_room(cache: &mut Cache) {
    if cache.len() >= MAX_CACHED {
        cache.clear();
    }
}
