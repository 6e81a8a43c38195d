//! The registry's API as a function of bytes, for fuzzing.

use convoy_server_kit::fuzz::Target;
use hyper::Method;

use crate::api::{Request, Service};
use crate::journal::{self, Journal};

/// The decoders of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("registry_request", || {
        let mut requests = Requests::start();
        Box::new(move |bytes| requests.answer(bytes))
    }),
    Target::new("registry_journal", || Box::new(journal)),
];

/// After so many requests what they registered is thrown away.
const REQUESTS_PER_REGISTRY: usize = 500;

/// A registry that answers requests without a connection.
#[derive(Debug)]
pub struct Requests {
    service: Service,
    answered: usize,
}

impl Requests {
    /// Starts with nothing registered.
    pub fn start() -> Self {
        Self {
            service: Service::new(Journal::in_memory(), Vec::new()),
            answered: 0,
        }
    }

    /// Answers a request: a line `METHOD PATH?QUERY`, then the body.
    pub fn answer(&mut self, bytes: &[u8]) {
        self.answered += 1;
        if self.answered > REQUESTS_PER_REGISTRY {
            *self = Self::start();
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, body) = bytes.split_at(end.unwrap_or(bytes.len()));
        let line = String::from_utf8_lossy(line);
        let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.service.answer(&Request {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.get(1..).unwrap_or_default().to_vec(),
        });
    }
}

/// Reads a journal; what is left of a torn one is read again.
pub fn journal(bytes: &[u8]) {
    if let Ok((entries, end)) = journal::read(bytes) {
        let again = journal::read(&bytes[..end]);
        assert_eq!(again, Ok((entries, end)), "the rest was torn");
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
