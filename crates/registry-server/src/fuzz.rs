//! The API and the journal as functions of bytes, for fuzzers.

use convoy_server_kit::disk::{self, Piece, Pieces};
use convoy_server_kit::fuzz::Target;
use hyper::Method;

use crate::api::{Request, Service};
use crate::journal::Journal;
use crate::state::Entry;

/// Decoders of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("registry_request", || {
        let mut requests = Requests::start();
        Box::new(move |bytes| requests.send(bytes))
    }),
    Target::new("registry_journal", || Box::new(journal)),
];

/// Requests after which the registry is replaced by an empty one.
const REQUESTS_PER_REGISTRY: usize = 500;

/// A registry that takes requests without a connection.
#[derive(Debug)]
struct Requests {
    service: Service,
    sent: usize,
}

impl Requests {
    /// Starts with an empty registry.
    fn start() -> Self {
        Self {
            service: Service::new(Journal::in_memory(), Vec::new()),
            sent: 0,
        }
    }

    /// Handles a request: a line `METHOD PATH?QUERY`, then the body.
    fn send(&mut self, bytes: &[u8]) {
        self.sent += 1;
        if self.sent > REQUESTS_PER_REGISTRY {
            *self = Self::start();
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, body) = bytes.split_at(end.unwrap_or(bytes.len()));
        let line = String::from_utf8_lossy(line);
        let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.service.reply(&Request {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.get(1..).unwrap_or_default().to_vec(),
        });
    }
}

/// Reads a journal that may be damaged.
fn journal(bytes: &[u8]) {
    let salt = disk::likely_salt(bytes);
    for piece in Pieces::new(bytes, disk::FILE_HEADER_BYTES, salt) {
        if let Piece::Whole { payload, .. } = piece {
            let _entries = serde_json::from_slice::<Vec<Entry>>(&bytes[payload]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn corpus_and_damaged_inputs_do_not_panic() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz");
        convoy_server_kit::fuzz::replay(TARGETS, &fixtures);
    }
}
