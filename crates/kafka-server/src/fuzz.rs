//! Fuzz targets: the decoders as functions of bytes. Error messages are formatted as well.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use convoy_server_kit::fuzz::Target;
use convoy_server_kit::{FrameMemory, User};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Client};
use crate::auth::{Credentials, Session};
use crate::batch::{self, HEADER_BYTES, Header};
use crate::cluster::Cluster;
use crate::frame::Input;
use crate::group::{self, Coordinator};
use crate::log::Log;
use crate::memory::ResponseMemory;
use crate::records::{self, Demands};
use crate::settings::Settings;
use crate::storage::Storage;
use crate::transactions;

/// The decoders of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("kafka_frame", || Box::new(frames)),
    Target::new("kafka_request", || {
        let mut requests = Requests::start();
        Box::new(move |bytes| requests.answer(bytes))
    }),
    Target::new("kafka_login", || Box::new(login)),
    Target::new("record_batch", || Box::new(record_batch)),
    Target::new("group_metadata", || Box::new(group_metadata)),
    Target::new("broker_log", || {
        let directory = DataDirectory::start();
        Box::new(move |bytes| directory.log(bytes))
    }),
    Target::new("group_journal", || {
        let directory = DataDirectory::start();
        Box::new(move |bytes| directory.group_journal(bytes))
    }),
    Target::new("transaction_journal", || {
        let directory = DataDirectory::start();
        Box::new(move |bytes| directory.transaction_journal(bytes))
    }),
];

/// Limit on a frame.
const FRAME_BYTES: usize = 1 << 20;

/// Limit on a response: no input here justifies more.
const ANSWER_BYTES: usize = 16 << 20;

/// Number of requests after which the cluster is replaced by an empty one.
const REQUESTS_PER_CLUSTER: usize = 500;

/// Larger than any input.
const SEGMENT_BYTES: u64 = 1 << 20;

/// First byte that the checksum covers.
const CHECKSUMMED_FROM: usize = 21;

/// Splits a stream into frames; the first byte is the size of its pieces.
fn frames(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else {
        return;
    };
    let mut input = Input::new(FRAME_BYTES);
    for mut piece in stream.chunks(usize::from(*piece).max(1)) {
        while !piece.is_empty() {
            let filled = pin!(input.fill(&mut piece)).poll(&mut Context::from_waker(Waker::noop()));
            assert!(
                matches!(filled, Poll::Ready(Ok(()))),
                "memory is always ready"
            );
        }
        loop {
            match input.next_frame() {
                Ok(Some(frame)) => input.recycle(frame),
                Ok(None) => break,
                Err(error) => return format_error(&error),
            }
        }
    }
}

/// Checks a record batch unchanged, and again with a valid checksum.
fn record_batch(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        header.next_offset();
    }
    let _unchanged = batch::check(bytes).inspect_err(|error| format_error(error));
    let mut repaired = bytes.to_vec();
    if let Some(covered) = bytes.get(CHECKSUMMED_FROM..) {
        let checksum = crc32c::crc32c(covered).to_be_bytes();
        repaired[CHECKSUMMED_FROM - 4..CHECKSUMMED_FROM].copy_from_slice(&checksum);
    }
    let repaired_header = batch::check(&repaired).inspect_err(|error| format_error(error));
    if let (Ok(header), Some(body)) = (repaired_header, repaired.get(HEADER_BYTES..)) {
        let demands = Demands {
            key: true,
            timestamps: Some(0..=i64::MAX),
        };
        let _records = records::check(&header, body, &demands);
    }
}

/// Decodes the subscription of a group member.
fn group_metadata(bytes: &[u8]) {
    let _topics = group::subscribed_topics(bytes);
}

/// Logs in by each mechanism; the first byte is the length of the first token.
fn login(bytes: &[u8]) {
    static USERS: LazyLock<Credentials> =
        LazyLock::new(|| Credentials::new(&[User::new("driver", "password")]));
    let Some((cut, tokens)) = bytes.split_first() else {
        return;
    };
    let (first, second) = tokens.split_at(usize::from(*cut).min(tokens.len()));
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let mut session = Session::new(&USERS);
        let chosen = session.choose(mechanism, false);
        assert!(chosen.is_ok(), "the mechanism is offered");
        for token in [first, second] {
            let _answer = session
                .step(token, &USERS)
                .inspect_err(|error| format_error(error));
        }
    }
}

/// A data directory after a crash.
#[derive(Debug)]
struct DataDirectory {
    directory: TempDir,
    storage: Arc<Storage>,
}

impl DataDirectory {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let storage = Storage::at(directory.path());
        Self { directory, storage }
    }

    /// Opens a log whose only segment has these bytes.
    fn log(&self, bytes: &[u8]) {
        let directory = self.directory.path();
        fs::write(directory.join("00000000000000000000.log"), bytes).expect("there is room");
        match Log::open(directory.to_owned(), SEGMENT_BYTES, &self.storage) {
            Ok(log) => {
                assert!(log.bytes() <= bytes.len() as u64, "nothing is added");
                let _found = log
                    .find_max_timestamp()
                    .inspect_err(|error| format_error(error));
            }
            Err(error) => format_error(&error),
        }
    }

    /// Opens a journal of groups with these bytes.
    fn group_journal(&self, bytes: &[u8]) {
        let directory = self.directory.path();
        fs::write(directory.join("groups.journal"), bytes).expect("there is room");
        let _groups = Coordinator::open(&self.storage, Duration::ZERO)
            .inspect_err(|error| format_error(error));
    }

    /// Opens a journal of transactions with these bytes.
    fn transaction_journal(&self, bytes: &[u8]) {
        let directory = self.directory.path();
        fs::write(directory.join("transactions.journal"), bytes).expect("there is room");
        let _transactions =
            transactions::Coordinator::open(&self.storage).inspect_err(|error| format_error(error));
    }
}

/// A cluster that answers requests without a connection.
struct Requests {
    runtime: Runtime,
    cluster: Cluster,
    answered: usize,
    _directory: TempDir,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Requests")
    }
}

impl Requests {
    /// Creates a cluster with one topic of two partitions.
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime of one thread can be built");
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let settings = Settings {
            group_join_delay: Duration::ZERO,
            ..Settings::default()
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let cluster = Cluster::open(settings, directory.path().to_owned(), address)
            .expect("an empty directory can be opened");
        cluster
            .create_topic("known", 2, BTreeMap::new())
            .expect("a topic can be created");
        Self {
            runtime,
            cluster,
            answered: 0,
            _directory: directory,
        }
    }

    /// Answers one request; waits end at once.
    fn answer(&mut self, frame: &[u8]) {
        self.answered += 1;
        if self.answered > REQUESTS_PER_CLUSTER {
            *self = Self::start();
        }
        let interrupted = CancellationToken::new();
        interrupted.cancel();
        let mut session = Session::new(self.cluster.credentials());
        let mut output = BytesMut::new();
        let response_memory = ResponseMemory::new(FrameMemory::new(1 << 30));
        let client = Client {
            id: "",
            address: Ipv4Addr::LOCALHOST.into(),
            response_memory: &response_memory,
            interrupted: &interrupted,
        };
        let answering = api::answer(&self.cluster, &mut session, frame, &mut output, client);
        let answered = self.runtime.block_on(answering);
        assert!(output.len() < ANSWER_BYTES, "{} bytes", output.len());
        if let Err(error) = answered {
            format_error(&error);
            std::error::Error::source(&error).inspect(|cause| format_error(cause));
        }
    }
}

/// Formats an error, whose message depends on the input.
fn format_error(error: &dyn Display) {
    drop(error.to_string());
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
