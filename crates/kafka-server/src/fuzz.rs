//! The broker's decoders as functions of bytes, for fuzzing. What they say of an error is read, too.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use convoy_server_kit::User;
use convoy_server_kit::fuzz::Target;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Client};
use crate::auth::{Credentials, Session};
use crate::batch::{self, Header};
use crate::cluster::Cluster;
use crate::frame::Input;
use crate::group::{self, Coordinator};
use crate::log::Log;
use crate::settings::Settings;

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
        let remains = Remains::start();
        Box::new(move |bytes| remains.log(bytes))
    }),
    Target::new("group_journal", || {
        let remains = Remains::start();
        Box::new(move |bytes| remains.group_journal(bytes))
    }),
];

/// What a frame may have here.
const FRAME_BYTES: usize = 1 << 20;

/// The broker's answers are checked against it: no input here has a reason to get more.
const ANSWER_BYTES: usize = 16 << 20;

/// After so many requests their topics, groups and records are thrown away.
const REQUESTS_PER_CLUSTER: usize = 500;

/// Larger than any segment here.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Bytes before the part of a batch that its checksum covers.
const CHECKSUMMED_FROM: usize = 21;

/// Takes frames off a stream that arrives in pieces; the first byte says how large they are.
pub fn frames(bytes: &[u8]) {
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
                Err(error) => return read(&error),
            }
        }
    }
}

/// Checks a record batch as it came, and once more with a checksum that fits.
pub fn record_batch(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        header.next_offset();
    }
    let _as_it_came = batch::check(bytes).inspect_err(|error| read(error));
    let mut mended = bytes.to_vec();
    if let Some(covered) = bytes.get(CHECKSUMMED_FROM..) {
        let checksum = crc32c::crc32c(covered).to_be_bytes();
        mended[CHECKSUMMED_FROM - 4..CHECKSUMMED_FROM].copy_from_slice(&checksum);
    }
    let _mended = batch::check(&mended).inspect_err(|error| read(error));
}

/// Reads what members of a group tell of themselves.
pub fn group_metadata(bytes: &[u8]) {
    let _topics = group::subscribed_topics(bytes);
}

/// Goes through a login by every mechanism with the bytes as tokens, cut at the first byte's place.
pub fn login(bytes: &[u8]) {
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
            let _answer = session.step(token, &USERS).inspect_err(|error| read(error));
        }
    }
}

/// A data directory as a crash may leave it.
#[derive(Debug)]
pub struct Remains {
    directory: TempDir,
}

impl Remains {
    /// Starts with an empty directory.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        Self { directory }
    }

    /// Opens a log whose one segment has these bytes, and reads what is left of it.
    pub fn log(&self, bytes: &[u8]) {
        let directory = self.directory.path();
        fs::write(directory.join("00000000000000000000.log"), bytes).expect("there is room");
        match Log::open(directory.to_owned(), SEGMENT_BYTES) {
            Ok(log) => {
                assert!(log.bytes() <= bytes.len() as u64, "nothing is added");
                let _found = log.find_max_timestamp().inspect_err(|error| read(error));
            }
            Err(error) => read(&error),
        }
    }

    /// Opens a journal of groups that has these bytes.
    pub fn group_journal(&self, bytes: &[u8]) {
        let directory = self.directory.path();
        fs::write(directory.join("groups.journal"), bytes).expect("there is room");
        let _groups = Coordinator::open(directory, Duration::ZERO).inspect_err(|error| read(error));
    }
}

/// A broker that answers requests without a connection.
pub struct Requests {
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
    /// Starts with one topic of two partitions.
    pub fn start() -> Self {
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

    /// Answers one request; waits that it asks for end at once.
    pub fn answer(&mut self, frame: &[u8]) {
        self.answered += 1;
        if self.answered > REQUESTS_PER_CLUSTER {
            *self = Self::start();
        }
        let interrupted = CancellationToken::new();
        interrupted.cancel();
        let mut session = Session::new(self.cluster.credentials());
        let mut output = BytesMut::new();
        let client = Client {
            id: "",
            address: Ipv4Addr::LOCALHOST.into(),
            interrupted: &interrupted,
        };
        let answering = api::answer(&self.cluster, &mut session, frame, &mut output, client);
        let answered = self.runtime.block_on(answering);
        assert!(output.len() < ANSWER_BYTES, "{} bytes", output.len());
        if let Err(error) = answered {
            read(&error);
            std::error::Error::source(&error).inspect(|cause| read(cause));
        }
    }
}

/// Reads what an error says: that is made of what came as well.
fn read(error: &dyn Display) {
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
