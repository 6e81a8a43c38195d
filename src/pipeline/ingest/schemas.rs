//! The schemas that records name by their ids, for a consumer of whatever is in a topic.
//!
//! ```text
//!  fetch ─▶ SchemaCheck, one per partition: which ids are named? ─▶ Schemas, shared ─▶ registry
//!              └─▶ check of each payload, without waiting
//! ```
//!
//! A schema is asked for and compiled once. An id whose records cannot be checked makes dead
//! letters of them; a registry that does not answer holds them up, and in the end stops the
//! consumer before them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoy_registry_server::{Schema, SchemaType};
use tokio::sync::Mutex;

use crate::measure::nanos;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::again;
use crate::registry::{self, Client, PayloadValidator};

/// Ids that are remembered; topics name a few, unless someone writes nonsense into them.
const MOST_REMEMBERED: usize = 1_000;

/// How long an id counts as unknown: replicas of a registry can lag behind.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// The schemas of a registry, each asked for once.
#[derive(Debug)]
pub struct Schemas {
    registry: Client,
    /// Locked while one is asked for, so that no other partition asks the same.
    asked: Mutex<Remembered>,
}

/// What one partition's records are checked by.
#[derive(Debug)]
pub struct SchemaCheck {
    schemas: Arc<Schemas>,
    named: Remembered,
}

type Remembered = BTreeMap<u32, Arc<Answer>>;

/// What a registry has under an id.
#[derive(Debug)]
enum Answer {
    /// A schema that payloads can be checked by.
    Schema(PayloadValidator),
    /// A schema that says nothing of JSON, or nothing that is understood, and why.
    Useless(String),
    /// Nothing; by then it is worth asking again, nanoseconds on the process's clock.
    Unknown { until: u64 },
}

impl Schemas {
    /// Prepares to ask a registry.
    pub fn new(registry: Client) -> Self {
        Self {
            registry,
            asked: Mutex::default(),
        }
    }

    /// Returns what the registry has under an id, for as long as it takes to get an answer or to
    /// give up.
    async fn answer(&self, context: &Context, id: u32) -> Result<Arc<Answer>, Error> {
        let mut asked = self.asked.lock().await;
        if let Some(answer) = still_true(&asked, id, context.clock.now()) {
            return Ok(Arc::clone(answer));
        }
        let mut attempts = Attempts::new(context.settings.broker_timeout);
        let answer = loop {
            let error = match self.registry.schema(id).await {
                Ok(schema) => break Answer::of(&schema),
                Err(error) if error.is_unknown_schema() => {
                    let until = context.clock.now() + nanos(UNKNOWN_FOR);
                    break Answer::Unknown { until };
                }
                Err(error) => error,
            };
            if !error.is_transient() || !again(context, &mut attempts).await {
                return Err(Error::Registry(error));
            }
            tracing::warn!(%error, "asking for a schema again");
        };
        let answer = Arc::new(answer);
        make_room(&mut asked);
        asked.insert(id, Arc::clone(&answer));
        Ok(answer)
    }
}

impl SchemaCheck {
    /// Prepares to check the records of one partition.
    pub fn new(schemas: Arc<Schemas>) -> Self {
        Self {
            schemas,
            named: BTreeMap::new(),
        }
    }

    /// Gets the schemas with these ids; [`Self::check`] knows no others.
    ///
    /// Fails if the registry does not answer for long. Dropping the future is safe.
    pub async fn learn(
        &mut self,
        context: &Context,
        ids: impl Iterator<Item = u32>,
    ) -> Result<(), Error> {
        make_room(&mut self.named);
        let now = context.clock.now();
        for id in ids {
            if still_true(&self.named, id, now).is_none() {
                let answer = self.schemas.answer(context, id).await?;
                self.named.insert(id, answer);
            }
        }
        Ok(())
    }

    /// Checks a payload against the schema that it names.
    pub fn check(&self, id: u32, payload: &[u8]) -> Result<(), String> {
        match self.named.get(&id).map(Arc::as_ref) {
            Some(Answer::Schema(validator)) => validator
                .check(payload)
                .map_err(|misfit| misfit.to_string()),
            Some(Answer::Useless(why)) => Err(format!("schema {id} is of no use here: {why}")),
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
            SchemaType::Json => "it refers to other schemas of the registry".to_owned(),
            other => format!("it is of type {}, and payloads are JSON", other.name()),
        };
        Self::Useless(why)
    }
}

fn still_true(remembered: &Remembered, id: u32, now: u64) -> Option<&Arc<Answer>> {
    let answer = remembered.get(&id)?;
    let outdated = matches!(**answer, Answer::Unknown { until } if until <= now);
    (!outdated).then_some(answer)
}

/// Forgets everything once it is too much: what is needed is asked for again.
fn make_room(remembered: &mut Remembered) {
    if remembered.len() >= MOST_REMEMBERED {
        remembered.clear();
    }
}
