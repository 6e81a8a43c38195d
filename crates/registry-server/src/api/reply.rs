//! A reply, and a change with its reply.

use serde::Serialize;
use serde_json::json;

use crate::api::refusal::Refusal;
use crate::state::Entry;

/// A reply to a client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

/// A reply, to be sent after its entries are in the journal.
pub(super) struct Change {
    pub(super) entries: Vec<Entry>,
    pub(super) reply: Reply,
}

impl Reply {
    pub(super) fn ok(body: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(body).map_err(|error| Refusal::Store {
            source: error.into(),
        })?;
        Ok(Self { status: 200, body })
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = refusal.codes();
        let body = json!({ "error_code": code, "message": refusal.to_string() });
        Self {
            status,
            body: body.to_string().into_bytes(),
        }
    }
}

impl Change {
    pub(super) fn new(entries: Vec<Entry>, body: &impl Serialize) -> Result<Self, Refusal> {
        let reply = Reply::ok(body)?;
        Ok(Self { entries, reply })
    }
}
