//! The commands that run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::bson::{Builder, Doc};
use crate::command::arguments::Call;
use crate::engine::lock;
use crate::left::Left;

/// Bytes of the largest command that is shown whole.
const SHOWN_BYTES: usize = 4 * 1024;

/// The commands that run.
#[derive(Debug, Default)]
pub struct Operations {
    last: AtomicI32,
    running: Mutex<BTreeMap<i32, Operation>>,
}

/// The connection that a command came on.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub connection: i32,
    /// The address of the client.
    pub client: Option<SocketAddr>,
}

/// A command that runs.
#[derive(Debug)]
struct Operation {
    from: Origin,
    name: String,
    namespace: String,
    /// Time on the server's clock.
    began: u64,
    command: Vec<u8>,
    left: Left,
}

/// Removes a command from those that run when dropped.
#[derive(Debug)]
pub struct Running<'o> {
    operations: &'o Operations,
    id: i32,
}

impl Operations {
    /// Adds a command until the result is dropped.
    pub fn begin(&self, call: &Call<'_>, from: Origin, left: &Left, now: u64) -> Running<'_> {
        let id = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let namespace = match call.collection_name() {
            Some(name) => format!("{}.{name}", call.database),
            None => format!("{}.$cmd", call.database),
        };
        let command = if call.body.bytes().len() <= SHOWN_BYTES {
            call.body.bytes().to_vec()
        } else {
            let mut shown = Builder::new();
            if let Some(first) = call.body.elements().next() {
                shown.push_element(first);
            }
            shown
                .string("$truncated", "the command is larger than 4 KiB")
                .finish()
        };
        let operation = Operation {
            from,
            name: call.name.to_owned(),
            namespace,
            began: now,
            command,
            left: left.clone(),
        };
        lock(&self.running).insert(id, operation);
        Running {
            operations: self,
            id,
        }
    }

    /// Ends a command early, if it still runs.
    pub fn kill(&self, id: i32) {
        if let Some(operation) = lock(&self.running).get(&id) {
            operation.left.kill();
        }
    }

    /// Returns the commands that run, as documents.
    pub fn documents(&self, host: SocketAddr, now: u64) -> Vec<Vec<u8>> {
        let running = lock(&self.running);
        let documents = running
            .iter()
            .map(|(id, operation)| operation.document(*id, host, now));
        documents.collect()
    }
}

impl Operation {
    fn document(&self, id: i32, host: SocketAddr, now: u64) -> Vec<u8> {
        let microseconds = now.saturating_sub(self.began) / 1_000;
        let microseconds = i64::try_from(microseconds).unwrap_or(i64::MAX);
        let operator = match self.name.as_str() {
            "find" => "query",
            "insert" | "update" => &self.name,
            "delete" => "remove",
            "getMore" => "getmore",
            _ => "command",
        };
        let mut document = Builder::new()
            .string("type", "op")
            .string("host", &host.to_string())
            .string("desc", &format!("conn{}", self.from.connection))
            .int32("connectionId", self.from.connection);
        if let Some(client) = self.from.client {
            document = document.string("client", &client.to_string());
        }
        document = document
            .bool("active", true)
            .int32("opid", id)
            .int64("secs_running", microseconds / 1_000_000)
            .int64("microsecs_running", microseconds)
            .string("op", operator)
            .string("ns", &self.namespace)
            .raw_document("command", Doc::new(&self.command))
            .int32("numYields", 0)
            .bool("waitingForLock", false);
        if self.left.is_killed() {
            document = document.bool("killPending", true);
        }
        document.finish()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = lock(&self.operations.running);
        if let Some(operation) = running.remove(&self.id) {
            operation.left.forget_kill();
        }
    }
}
