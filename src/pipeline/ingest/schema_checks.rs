//! Checks payloads against schemas on a thread of its own, so that a payload or a schema that is
//! expensive to check cannot hold a partition.
//!
//! A check cannot be stopped. After its deadline it goes on without a caller, and its record is
//! rejected. Such late checks take no place from others, but their number is bounded: a schema with
//! [`MAX_LATE_OF_SCHEMA`] of them is given up, and so is, once there are [`MAX_LATE`] in all, each
//! schema without a check that ended in time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::registry::PayloadValidator;

/// Deadline of one check. Ordinary payloads take microseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// Maximum number of threads whose checks are in time.
const MAX_RUNNING: usize = 8;

/// Number of late checks of one schema after which its other records are rejected at once.
const MAX_LATE_OF_SCHEMA: usize = 2;

/// Number of late checks after which new schemas are rejected at once.
const MAX_LATE: usize = 32;

/// Stack of a thread: enough for payloads as deep as the parser allows, in debug builds too. Pages
/// that are not touched take no memory.
const STACK_BYTES: usize = 64 << 20;

/// Threads that check payloads.
#[derive(Debug, Clone)]
pub struct SchemaChecks {
    threads: Arc<Semaphore>,
    /// Number of late checks of all schemas.
    late: Arc<AtomicUsize>,
    deadline: Duration,
}

/// A thread's place among those that run.
#[derive(Debug)]
struct Turn {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// Set when the job is late.
    late: Mutex<Option<LateJob>>,
    all_late: Arc<AtomicUsize>,
}

/// A job that did not end in time.
#[derive(Debug)]
struct LateJob {
    /// Its schema, if it is a check.
    schema: Option<Arc<PayloadValidator>>,
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
            late: Arc::default(),
            deadline,
        }
    }

    /// Runs checks and returns the offsets of the rejected records with their reasons.
    pub async fn run(&self, checks: Vec<Check>) -> Vec<(i64, String)> {
        let checks: Arc<[Check]> = checks.into();
        let mut rejected = Vec::new();
        let mut first = 0;
        while let Some(check) = checks.get(first) {
            if let Some(reason) = given_up(&check.validator, &self.late) {
                rejected.push((check.offset, reason));
                first += 1;
                continue;
            }
            let (mine, late) = (Arc::clone(&checks), Arc::clone(&self.late));
            let started = self.start(move |results| {
                for check in &mine[first..] {
                    // Without a receiver, another thread goes on after a late check.
                    if results.send(checked(check, &late)).is_err() {
                        return;
                    }
                }
            });
            let Some((turn, mut results)) = started.await else {
                let rest = checks[first..].iter();
                rejected.extend(rest.map(|check| (check.offset, self.too_slow())));
                break;
            };
            while let Some(check) = checks.get(first) {
                let found = self.next(&mut results).await;
                first += 1;
                let Ok(found) = found else {
                    turn.end_late(Some(Arc::clone(&check.validator)));
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
        if self.late.load(Ordering::Relaxed) >= MAX_LATE {
            return Err(Late);
        }
        // After the deadline there is no receiver.
        let started = self.start(move |results| drop(results.send(job())));
        let (turn, mut results) = started.await.ok_or(Late)?;
        let result = self.next(&mut results).await;
        if result.is_err() {
            turn.end_late(None);
        }
        result
    }

    /// Starts a thread; `None` if too many run.
    async fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mpsc::UnboundedSender<T>) + Send + 'static,
    ) -> Option<(Arc<Turn>, mpsc::UnboundedReceiver<T>)> {
        let permit = Arc::clone(&self.threads).acquire_owned();
        let permit = tokio::time::timeout(self.deadline, permit)
            .await
            .ok()?
            .ok()?;
        let turn = Arc::new(Turn {
            permit: Mutex::new(Some(permit)),
            late: Mutex::default(),
            all_late: Arc::clone(&self.late),
        });
        let theirs = Arc::clone(&turn);
        let (sender, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("schema".to_owned())
            .stack_size(STACK_BYTES);
        let started = thread.spawn(move || {
            job(&sender);
            drop(theirs);
        });
        started.ok().map(|_detached| (turn, receiver))
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

impl Turn {
    /// Frees the place of a check that is late, and counts it until it ends.
    fn end_late(&self, schema: Option<Arc<PayloadValidator>>) {
        if let Some(schema) = &schema {
            schema.pace.late.fetch_add(1, Ordering::Relaxed);
        }
        self.all_late.fetch_add(1, Ordering::Relaxed);
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(LateJob { schema });
        drop(
            self.permit
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let late = self.late.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = late.take() {
            self.all_late.fetch_sub(1, Ordering::Relaxed);
            if let Some(schema) = job.schema {
                schema.pace.late.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Checks a payload; returns why it is rejected.
fn checked(check: &Check, late: &AtomicUsize) -> Option<String> {
    if let Some(reason) = given_up(&check.validator, late) {
        return Some(reason);
    }
    let found = check.validator.check(&check.payload).err();
    check.validator.pace.timely.store(true, Ordering::Relaxed);
    found.map(|mismatch| mismatch.to_string())
}

/// Returns why payloads are no longer checked against a schema, if they are not.
fn given_up(schema: &PayloadValidator, late: &AtomicUsize) -> Option<String> {
    let of_schema = schema.pace.late.load(Ordering::Relaxed);
    let in_all = late.load(Ordering::Relaxed);
    if of_schema >= MAX_LATE_OF_SCHEMA {
        return Some(format!(
            "the schema is too expensive to check: {of_schema} earlier checks have not ended"
        ));
    }
    let unknown = !schema.pace.timely.load(Ordering::Relaxed);
    (in_all >= MAX_LATE && unknown).then(|| {
        format!("the schema is not checked: {in_all} earlier checks of schemas have not ended")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_that_does_not_end_rejects_its_record_only() {
        let checks = SchemaChecks::within(Duration::from_millis(300));
        let (finish, wait) = std::sync::mpsc::channel();
        let validator = Arc::new(PayloadValidator::waiting(wait));
        let check = |offset, payload: &str| Check {
            offset,
            validator: Arc::clone(&validator),
            payload: payload.as_bytes().to_vec(),
        };
        let wanted = vec![
            check(3, "null"),
            check(4, r#""a""#),
            check(5, "null"),
            check(6, "1"),
        ];
        let rejected = checks.run(wanted).await;
        let offsets: Vec<i64> = rejected.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, [4, 6], "{rejected:?}");
        assert!(rejected[0].1.contains("300ms"), "{rejected:?}");
        drop(finish);
    }

    #[tokio::test]
    async fn a_schema_whose_checks_do_not_end_is_given_up_and_others_go_on() {
        let checks = SchemaChecks::within(Duration::from_millis(100));
        let (finish, wait) = std::sync::mpsc::channel();
        let waiting = Arc::new(PayloadValidator::waiting(wait));
        let cheap = PayloadValidator::compile(r#"{"not":{"type":"object"}}"#).unwrap();
        let cheap = Arc::new(cheap);
        let check = |offset, validator: &Arc<PayloadValidator>| Check {
            offset,
            validator: Arc::clone(validator),
            payload: br#""a""#.to_vec(),
        };
        let wanted = (0..30).map(|offset| {
            let validator = if offset % 3 == 0 { &cheap } else { &waiting };
            check(offset, validator)
        });
        let rejected = checks.run(wanted.collect()).await;
        let expected = (0..30).filter(|offset| offset % 3 != 0);
        let offsets = rejected.iter().map(|(offset, _)| *offset);
        assert!(offsets.eq(expected), "{rejected:?}");
        let given_up = rejected.iter();
        let given_up = given_up.filter(|(_, reason)| reason.contains("too expensive"));
        assert_eq!(given_up.count(), 20 - MAX_LATE_OF_SCHEMA, "{rejected:?}");
        // The last thread ends after its last result.
        let all = u32::try_from(MAX_RUNNING).unwrap();
        let ended = checks.threads.acquire_many(all);
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        assert!(ended.is_ok(), "every place is free again");
        drop(finish);
    }

    #[tokio::test]
    async fn late_threads_are_bounded() {
        let checks = SchemaChecks::within(Duration::from_millis(20));
        let (finish, wait) = std::sync::mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..MAX_LATE + 2 {
            let wait = Arc::clone(&wait);
            let stuck = checks.job(move || wait.lock().is_ok_and(|wait| wait.recv().is_ok()));
            assert_eq!(stuck.await, Err(Late));
        }
        assert_eq!(checks.late.load(Ordering::Relaxed), MAX_LATE);
        drop(finish);
        let ended = async {
            while checks.late.load(Ordering::Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended);
        assert!(ended.await.is_ok(), "the threads end");
        assert_eq!(checks.job(|| 7).await, Ok(7));
    }
}
