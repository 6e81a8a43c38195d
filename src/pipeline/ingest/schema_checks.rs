//! Checks payloads against schemas on a thread of its own, so that a payload or a schema that is
//! expensive to check cannot hold a partition.
//!
//! A check cannot be stopped. After its deadline it goes on without a caller, and its record is
//! rejected. At most [`MAX_RUNNING`] threads run at a time, those included.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::registry::PayloadValidator;

/// Deadline of one check. Ordinary payloads take microseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// Maximum number of threads in a process.
const MAX_RUNNING: usize = 8;

/// Stack of a thread: enough for payloads as deep as the parser allows, in debug builds too. Pages
/// that are not touched take no memory.
const STACK_BYTES: usize = 64 << 20;

/// Threads that check payloads.
#[derive(Debug, Clone)]
pub struct SchemaChecks {
    threads: Arc<Semaphore>,
    deadline: Duration,
}

/// A payload to check.
#[derive(Debug)]
pub struct Check {
    /// Offset of its record.
    pub offset: i64,
    pub validator: Arc<PayloadValidator>,
    pub payload: Vec<u8>,
}

/// A job without a result in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

impl Default for SchemaChecks {
    fn default() -> Self {
        Self::within(DEADLINE)
    }
}

impl SchemaChecks {
    /// Creates checks with a deadline for each.
    pub fn within(deadline: Duration) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(MAX_RUNNING)),
            deadline,
        }
    }

    /// Runs checks and returns the offsets of the rejected records with their reasons.
    pub async fn run(&self, checks: Vec<Check>) -> Vec<(i64, String)> {
        let checks: Arc<[Check]> = checks.into();
        let mut rejected = Vec::new();
        let mut first = 0;
        while first < checks.len() {
            let mine = Arc::clone(&checks);
            let results = self.start(move |results| {
                for check in &mine[first..] {
                    let found = check.validator.check(&check.payload).err();
                    // Without a receiver, another thread goes on after a late check.
                    if results.send(found.map(|it| it.to_string())).is_err() {
                        return;
                    }
                }
            });
            let Some(mut results) = results.await else {
                let rest = checks[first..].iter();
                rejected.extend(rest.map(|check| (check.offset, self.too_slow())));
                break;
            };
            while let Some(check) = checks.get(first) {
                let found = self.next(&mut results).await;
                first += 1;
                let Ok(found) = found else {
                    rejected.push((check.offset, self.too_slow()));
                    break;
                };
                rejected.extend(found.map(|reason| (check.offset, reason)));
            }
        }
        rejected
    }

    /// Runs a job that may take very long, such as compiling a schema.
    pub async fn job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Late> {
        // After the deadline there is no receiver.
        let results = self.start(move |results| drop(results.send(job())));
        let mut results = results.await.ok_or(Late)?;
        self.next(&mut results).await
    }

    /// Starts a thread; `None` if too many run.
    async fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mpsc::UnboundedSender<T>) + Send + 'static,
    ) -> Option<mpsc::UnboundedReceiver<T>> {
        let permit = Arc::clone(&self.threads).acquire_owned();
        let permit = tokio::time::timeout(self.deadline, permit)
            .await
            .ok()?
            .ok()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("schema".to_owned())
            .stack_size(STACK_BYTES);
        let started = thread.spawn(move || {
            job(&sender);
            drop(permit);
        });
        started.ok().map(|_detached| receiver)
    }

    async fn next<T>(&self, results: &mut mpsc::UnboundedReceiver<T>) -> Result<T, Late> {
        let result = tokio::time::timeout(self.deadline, results.recv()).await;
        result.ok().flatten().ok_or(Late)
    }

    fn too_slow(&self) -> String {
        let deadline = self.deadline;
        format!("the check of the payload against its schema did not end within {deadline:?}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A schema whose check takes 2^40 steps for an object and one for other values.
    fn expensive() -> Arc<PayloadValidator> {
        let reference = |n: usize| json!({ "$ref": format!("#/definitions/d{n}") });
        let mut definitions = serde_json::Map::new();
        for n in 0..40 {
            let both = json!({ "anyOf": [
                { "allOf": [reference(n + 1), { "maxProperties": 0 }] },
                { "allOf": [reference(n + 1), { "maxProperties": 0 }] },
            ] });
            definitions.insert(format!("d{n}"), both);
        }
        definitions.insert("d40".to_owned(), json!({ "type": "object" }));
        let schema =
            json!({ "anyOf": [{ "type": "null" }, reference(0)], "definitions": definitions });
        Arc::new(PayloadValidator::compile(&schema.to_string()).unwrap())
    }

    #[tokio::test]
    async fn an_expensive_check_rejects_its_record_only() {
        let checks = SchemaChecks::within(Duration::from_millis(300));
        let validator = expensive();
        let check = |offset, payload: &str| Check {
            offset,
            validator: Arc::clone(&validator),
            payload: payload.as_bytes().to_vec(),
        };
        let wanted = vec![
            check(3, "null"),
            check(4, r#"{"a":1}"#),
            check(5, "null"),
            check(6, "1"),
        ];
        let rejected = checks.run(wanted).await;
        let offsets: Vec<i64> = rejected.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, [4, 6], "{rejected:?}");
        assert!(rejected[0].1.contains("300ms"), "{rejected:?}");
    }

    #[tokio::test]
    async fn threads_are_bounded() {
        let checks = SchemaChecks::within(Duration::from_millis(20));
        let (finish, wait) = std::sync::mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        for _ in 0..MAX_RUNNING + 2 {
            let wait = Arc::clone(&wait);
            let stuck = checks.job(move || wait.lock().is_ok_and(|wait| wait.recv().is_ok()));
            assert_eq!(stuck.await, Err(Late));
        }
        assert_eq!(checks.threads.available_permits(), 0);
        drop(finish);
        let freed = checks
            .threads
            .acquire_many(u32::try_from(MAX_RUNNING).unwrap());
        let freed = tokio::time::timeout(Duration::from_secs(60), freed);
        assert!(freed.await.unwrap().is_ok(), "the threads end");
    }
}
