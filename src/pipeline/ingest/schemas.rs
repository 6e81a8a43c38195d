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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoy_registry_server::{Schema, SchemaType};
use tokio::sync::Mutex;

use crate::cause::chain;
use crate::measure::nanos;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::pause_before_retry;
use crate::registry::{self, Client, PayloadValidator};

/// Maximum cached ids. Topics name only a few, unless their records are garbage.
const MAX_CACHED: usize = 1_000;

/// How long an id counts as unknown: replicas of a registry can lag.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// Schemas of a registry, each requested once.
#[derive(Debug)]
pub struct Schemas {
    registry: Client,
    /// Locked during a request, so that no other partition sends the same.
    cache: Mutex<Cache>,
}

/// Validates the records of one partition.
#[derive(Debug)]
pub struct SchemaCheck {
    schemas: Arc<Schemas>,
    loaded: Cache,
}

type Cache = BTreeMap<u32, Arc<Answer>>;

/// The registry's response for an id.
#[derive(Debug)]
enum Answer {
    /// A schema that validates payloads.
    Schema(PayloadValidator),
    /// A schema that cannot validate JSON, with the reason.
    Unusable(String),
    /// No schema. Ask again after this time, nanoseconds on the process's clock.
    Unknown { until: u64 },
}

impl Schemas {
    /// Creates an empty cache for a registry.
    pub fn new(registry: Client) -> Self {
        Self {
            registry,
            cache: Mutex::default(),
        }
    }

    /// Returns the registry's response for an id. Retries until the broker timeout.
    async fn answer(&self, context: &Context, id: u32) -> Result<Arc<Answer>, Error> {
        let mut cache = self.cache.lock().await;
        if let Some(answer) = fresh(&cache, id, context.clock.now()) {
            return Ok(Arc::clone(answer));
        }
        let mut attempts = Attempts::new(context.settings.timeouts.broker);
        let answer = loop {
            let error = match self.registry.schema(id).await {
                Ok(schema) => break Answer::of(&schema),
                Err(error) if error.is_unknown_schema() => {
                    let until = context.clock.now() + nanos(UNKNOWN_FOR);
                    break Answer::Unknown { until };
                }
                Err(error) => error,
            };
            if !error.is_transient() || !pause_before_retry(context, &mut attempts).await {
                return Err(Error::Registry(error));
            }
            tracing::warn!(error = chain(&error), "retrying to get a schema");
        };
        let answer = Arc::new(answer);
        make_room(&mut cache);
        cache.insert(id, Arc::clone(&answer));
        Ok(answer)
    }
}

impl SchemaCheck {
    pub fn new(schemas: Arc<Schemas>) -> Self {
        Self {
            schemas,
            loaded: BTreeMap::new(),
        }
    }

    /// Loads the schemas with these ids for [`Self::check`]. Cancel safe.
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

    /// Validates a payload with a loaded schema.
    pub fn check(&self, id: u32, payload: &[u8]) -> Result<(), String> {
        match self.loaded.get(&id).map(Arc::as_ref) {
            Some(Answer::Schema(validator)) => validator
                .check(payload)
                .map_err(|misfit| misfit.to_string()),
            Some(Answer::Unusable(why)) => Err(format!("schema {id} cannot validate JSON: {why}")),
            Some(Answer::Unknown { .. }) | None => {
                Err(format!("schema {id} is not in the registry"))
            }
        }
    }
}

impl Answer {
    fn of(schema: &Schema) -> Self {
        let why = match schema.kind {
            SchemaType::Json if schema.references.is_empty() => {
                match PayloadValidator::compile(&schema.text) {
                    Ok(validator) => return Self::Schema(validator),
                    Err(registry::Error::InvalidSchema { reason }) => reason,
                    Err(error) => error.to_string(),
                }
            }
            SchemaType::Json => "it references other schemas".to_owned(),
            other => format!("its type is {}", other.name()),
        };
        Self::Unusable(why)
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
