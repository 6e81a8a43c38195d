//! The broker's decoders as functions of bytes, for fuzzing. Each says what became of the bytes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::api::{self, Client};
use super::auth::{Session, User, Users};
use super::batch::{self, Header};
use super::cluster::Cluster;
use super::frame::Input;
use super::group;
use super::settings::Settings;
use crate::net::Secret;

/// What a frame may have here.
const FRAME_BYTES: usize = 1 << 20;

/// The broker's answers are checked against it: no input here has a reason to get more.
const ANSWER_BYTES: usize = 16 << 20;

/// After so many requests their topics, groups and records are thrown away.
const REQUESTS_PER_CLUSTER: usize = 500;

/// Bytes before the part of a batch that its checksum covers.
const CHECKSUMMED_FROM: usize = 21;

/// Takes frames off a stream that arrives in pieces; the first byte says how large they are.
pub fn frames(bytes: &[u8]) -> String {
    let Some((piece, stream)) = bytes.split_first() else {
        return String::new();
    };
    let mut input = Input::new(FRAME_BYTES);
    let mut frames = 0;
    for mut piece in stream.chunks(usize::from(*piece).max(1)) {
        while !piece.is_empty() {
            let filled = input.fill(&mut piece).now_or_never();
            assert!(matches!(filled, Some(Ok(()))), "memory is always ready");
        }
        loop {
            match input.next_frame() {
                Ok(Some(frame)) => {
                    frames += 1;
                    input.recycle(frame);
                }
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
    }
    format!("frames {}", frames.min(3))
}

/// Checks a record batch as it came, and once more with a checksum that fits.
pub fn record_batch(bytes: &[u8]) -> String {
    let parsed = outcome(Header::parse(bytes).map(|header| {
        (
            header.next_offset(),
            header.compressed(),
            header.control(),
            header.transactional(),
        )
    }));
    let as_it_came = outcome(batch::check(bytes));
    let mut mended = bytes.to_vec();
    if let Some(covered) = bytes.get(CHECKSUMMED_FROM..) {
        let checksum = crc32c::crc32c(covered).to_be_bytes();
        mended[CHECKSUMMED_FROM - 4..CHECKSUMMED_FROM].copy_from_slice(&checksum);
    }
    let mended = outcome(batch::check(&mended));
    format!("{parsed} {as_it_came} {mended}")
}

/// Reads what members of a group tell of themselves.
pub fn group_metadata(bytes: &[u8]) -> String {
    outcome(group::subscribed_topics(bytes).map(|topics| topics.len().min(3)))
}

/// Goes through a login by every mechanism with the bytes as tokens, cut at the first byte's place.
pub fn login(bytes: &[u8]) -> String {
    static USERS: LazyLock<Users> = LazyLock::new(|| {
        Users::new(vec![User {
            name: "driver".to_owned(),
            password: Secret::new("password"),
        }])
    });
    let Some((cut, tokens)) = bytes.split_first() else {
        return String::new();
    };
    let (first, second) = tokens.split_at(usize::from(*cut).min(tokens.len()));
    let mut said = String::new();
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let mut session = Session::new(&USERS);
        let chosen = session.choose(mechanism, false);
        assert!(chosen.is_ok(), "the mechanism is offered");
        for token in [first, second] {
            let stepped = session.step(token, &USERS).map(|answer| !answer.is_empty());
            said.push_str(&outcome(stepped));
        }
    }
    said
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
    pub fn answer(&mut self, frame: &[u8]) -> String {
        self.answered += 1;
        if self.answered > REQUESTS_PER_CLUSTER {
            *self = Self::start();
        }
        let interrupted = CancellationToken::new();
        interrupted.cancel();
        let mut session = Session::new(self.cluster.users());
        let mut output = BytesMut::new();
        let client = Client {
            id: "",
            address: Ipv4Addr::LOCALHOST.into(),
            interrupted: &interrupted,
        };
        let answering = api::answer(&self.cluster, &mut session, frame, &mut output, client);
        let answered = self.runtime.block_on(answering);
        assert!(output.len() < ANSWER_BYTES, "{} bytes", output.len());
        match answered {
            Ok(_) => {
                let api = frame.get(1).copied().unwrap_or_default();
                let size = output.len().checked_ilog2().unwrap_or(0);
                // Letters, because outcomes that differ in numbers alone count as one.
                format!(
                    "{} {}",
                    char::from(b'0'.wrapping_add(api)),
                    "x".repeat(size as usize)
                )
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                format!("{error} {cause:?}")
            }
        }
    }
}

fn outcome<T: std::fmt::Debug, E: Display>(result: Result<T, E>) -> String {
    match result {
        Ok(found) => format!("{found:?}"),
        Err(error) => error.to_string(),
    }
}
