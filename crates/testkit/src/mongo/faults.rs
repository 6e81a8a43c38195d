//! What a test can make go wrong in a MongoDB server.

use std::sync::Arc;
use std::time::Duration;

use convoy_mongodb_server::{ErrorReply, Fault, FaultHook, FaultPlan, Interruption, Moment};

use crate::rules::{Rules, Times};

/// Commands that change documents.
const WRITES: [&str; 4] = ["insert", "update", "delete", "findAndModify"];

/// Faults of a MongoDB server, from [`Mongo::faults`](crate::Mongo::faults). They can be added and
/// cleared while drivers are connected; a restart keeps them.
///
/// The same calls and the same commands give the same faults: there is no hidden randomness. A
/// command has MongoDB's name, such as `insert`, `find` or `aggregate`.
#[derive(Debug, Clone, Default)]
pub struct MongoFaults(Arc<Plan>);

#[derive(Debug, Default)]
struct Plan(Rules<When, Fault>);

#[derive(Debug)]
enum When {
    Command(String),
    Write,
}

impl MongoFaults {
    /// Answers the next commands with an error, and does nothing else for them. Code and message are
    /// MongoDB's, such as `ErrorReply::new(10107, "not primary")`.
    pub fn fail_next(&self, command: &str, error: ErrorReply, times: u32) {
        self.add(command, Fault::rejection(error), times);
    }

    /// Closes the connection before the next commands are applied.
    pub fn cut_next(&self, command: &str, times: u32) {
        self.add(command, Fault::before(Interruption::Cut), times);
    }

    /// Applies the next commands, and closes the connection instead of replying: the driver cannot
    /// know that they are applied.
    pub fn cut_next_after_apply(&self, command: &str, times: u32) {
        self.add(command, Fault::after(Interruption::Cut), times);
    }

    /// The same for a share of all writes, from 0 to 1. The seed decides which.
    pub fn cut_after_apply(&self, share: f64, seed: u64) {
        let fault = Fault::after(Interruption::Cut);
        self.0.0.add(When::Write, fault, Times::share(share, seed));
    }

    /// Delays the next commands before they are applied.
    pub fn delay_next(&self, command: &str, delay: Duration, times: u32) {
        self.add(command, Fault::before(Interruption::Delay(delay)), times);
    }

    /// Never replies to the next commands, and does not apply them; the connections stay open.
    pub fn hang_next(&self, command: &str, times: u32) {
        self.add(command, Fault::before(Interruption::Hang), times);
    }

    /// Injects any other fault of the server into the next commands, such as the rejection of single
    /// writes of a batch.
    pub fn inject_next(&self, command: &str, fault: Fault, times: u32) {
        self.add(command, fault, times);
    }

    /// Removes all faults that are still to come.
    pub fn clear(&self) {
        self.0.0.clear();
    }

    /// Returns how many faults were injected.
    pub fn injected(&self) -> u64 {
        self.0.0.injected()
    }

    /// Returns how many faults of the `…_next` kind are still to come.
    pub fn pending(&self) -> u64 {
        self.0.0.pending()
    }

    pub(super) fn plan(&self) -> Arc<FaultPlan> {
        let plan: Arc<Plan> = Arc::clone(&self.0);
        plan
    }

    fn add(&self, command: &str, what: Fault, times: u32) {
        let when = When::Command(command.to_owned());
        self.0.0.add(when, what, Times::Next(times));
    }
}

impl FaultHook<Moment<'_>, Fault> for Plan {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        self.0.decide(|when| match when {
            When::Command(name) => name.eq_ignore_ascii_case(moment.command),
            When::Write => {
                let command = moment.command;
                WRITES
                    .iter()
                    .any(|write| write.eq_ignore_ascii_case(command))
            }
        })
    }
}
