//! `Fetch`: reads batches, and waits for them up to the client's timeout.
//!
//! Batches are read from the page cache straight into the response. Fetch sessions are declined (the
//! session id of every response is 0), so that each request names all partitions.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Fetch>
//! - KIP-74 (the first batch is returned whatever its size), KIP-227 (sessions), KIP-516 (topic
//!   ids since version 13)

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use tracing::debug;

use crate::api::client::Client;
use crate::api::fetch_response::{self, Finding, Findings};
use crate::api::next::Next;
use crate::cluster::{Cluster, TopicRef};
use crate::faults::{FaultDecision, Moment, inject};
use crate::log::check_epoch;
use crate::partition::{Found, Isolation, Partition, Reading, Watch};
use crate::reply::Reply;
use crate::topic::log_error_code;
use crate::wire::{self, Reader};

/// First version that names topics by id.
pub const TOPIC_IDS_SINCE: i16 = 13;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Longest wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// Bytes of batches that end the wait.
    pub min_bytes: i32,
    /// Limit on the bytes of batches in the response.
    pub max_bytes: i32,
    pub isolation: Isolation,
    pub session_id: i32,
    /// 0 opens a session, -1 declines one.
    pub session_epoch: i32,
    pub topics: Vec<WantedTopic<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct WantedTopic<'a> {
    pub topic: TopicRef<'a>,
    pub partitions: Vec<Wanted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub partition: i32,
    /// Current epoch as far as the client knows; -1 if unknown.
    pub current_epoch: i32,
    /// Offset of the first record to return.
    pub offset: i64,
    pub max_bytes: i32,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        if version <= 14 {
            let _replica_id = reader.i32()?;
        }
        let max_wait_ms = reader.i32()?;
        let min_bytes = reader.i32()?;
        let max_bytes = reader.i32()?;
        let isolation = Isolation::from_level(reader.i8()?);
        let (session_id, session_epoch) = if version >= 7 {
            (reader.i32()?, reader.i32()?)
        } else {
            (0, -1)
        };
        let topics = reader.array(|reader| {
            let topic = topic_ref(reader, version)?;
            let partitions = reader.array(|reader| Wanted::decode(reader, version))?;
            reader.tags()?;
            Ok(WantedTopic { topic, partitions })
        })?;
        if version >= 7 {
            reader.array(|reader| {
                topic_ref(reader, version)?;
                reader.array(Reader::i32)?;
                reader.tags()
            })?;
        }
        if version >= 11 {
            let _rack_id = reader.string()?;
        }
        reader.tags()?;
        Ok(Self {
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation,
            session_id,
            session_epoch,
            topics,
        })
    }
}

impl Wanted {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error> {
        let partition = reader.i32()?;
        let current_epoch = if version >= 9 { reader.i32()? } else { -1 };
        let offset = reader.i64()?;
        if version >= 12 {
            let _last_fetched_epoch = reader.i32()?;
        }
        if version >= 5 {
            let _log_start_offset = reader.i64()?;
        }
        let max_bytes = reader.i32()?;
        reader.tags()?;
        Ok(Self {
            partition,
            current_epoch,
            offset,
            max_bytes,
        })
    }
}

fn topic_ref<'a>(reader: &mut Reader<'a>, version: i16) -> Result<TopicRef<'a>, wire::Error> {
    if version >= TOPIC_IDS_SINCE {
        reader.uuid().map(TopicRef::Id)
    } else {
        reader.string().map(TopicRef::Name)
    }
}

/// A partition to read, or why it cannot be read.
struct Source {
    wanted: Wanted,
    isolation: Isolation,
    partition: Result<Arc<Partition>, ResponseError>,
}

/// Waits for `min_bytes` or the timeout, then writes the response.
pub async fn answer(
    cluster: &Cluster,
    request: &Request<'_>,
    reply: Reply<'_>,
    client: Client<'_>,
) -> Next {
    if request.session_id != 0 && request.session_epoch > 0 {
        fetch_response::refuse(reply, ResponseError::FetchSessionIdNotFound);
        return Next::KeepOpen;
    }
    let mut sources = resolve(cluster, request);
    if cluster.faults().is_some() && inject_each(cluster, &mut sources, client).await.is_err() {
        return Next::Close;
    }
    let limit = usize::try_from(request.max_bytes).unwrap_or(0);
    let limit = limit.min(cluster.settings().max_fetch_bytes);
    let mut findings = find(&sources, limit);
    if !enough(&findings, request) {
        tokio::select! {
            waited = wait(&sources, limit, request) => findings = waited,
            () = client.interrupted.cancelled() => {}
        }
    }
    let reserved = client.response_memory.reserve(findings.bytes).await;
    if let Err(error) = reserved {
        debug!(%error, "closed a connection instead of answering its fetch");
        return Next::Close;
    }
    fetch_response::write(reply, &findings);
    Next::KeepOpen
}

/// Reads again after every append until there is enough, up to the client's timeout.
async fn wait<'a>(
    sources: &[(TopicRef<'a>, Vec<Source>)],
    limit: usize,
    request: &Request<'_>,
) -> Findings<'a> {
    let partitions = sources.iter().flat_map(|(_, sources)| sources);
    let partitions = partitions.filter_map(|source| source.partition.as_ref().ok());
    let watch = Watch::start(partitions.map(Arc::clone).collect());
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let until_enough = async {
        while !enough(&find(sources, limit), request) {
            watch.grown().await;
        }
    };
    let _elapsed = tokio::time::timeout(max_wait, until_enough).await;
    find(sources, limit)
}

/// The connection must be closed.
struct Cut;

/// Asks the fault hook about each partition.
async fn inject_each(
    cluster: &Cluster,
    sources: &mut [(TopicRef<'_>, Vec<Source>)],
    client: Client<'_>,
) -> Result<(), Cut> {
    for (topic, sources) in sources {
        let Ok(topic) = cluster.topic(*topic) else {
            continue;
        };
        for source in sources {
            let moment = Moment::OnFetch {
                topic: topic.name(),
                partition: source.wanted.partition,
            };
            match inject(cluster.faults(), moment, client.interrupted).await {
                FaultDecision::None | FaultDecision::FailWrite => {}
                FaultDecision::Cut => return Err(Cut),
                FaultDecision::Refuse(code) => {
                    let error = ResponseError::try_from_code(code);
                    source.partition = Err(error.unwrap_or(ResponseError::UnknownServerError));
                }
            }
        }
    }
    Ok(())
}

fn enough(findings: &Findings<'_>, request: &Request<'_>) -> bool {
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    findings.failed || findings.bytes >= min_bytes || request.max_wait_ms <= 0
}

fn resolve<'a>(cluster: &Cluster, request: &Request<'a>) -> Vec<(TopicRef<'a>, Vec<Source>)> {
    let resolve = |wanted: &WantedTopic<'a>| {
        let topic = cluster.topic(wanted.topic);
        let sources = wanted.partitions.iter().map(|wanted| Source {
            wanted: *wanted,
            isolation: request.isolation,
            partition: topic
                .as_ref()
                .map_err(|error| *error)
                .and_then(|topic| topic.partition(wanted.partition)),
        });
        (wanted.topic, sources.collect())
    };
    request.topics.iter().map(resolve).collect()
}

fn find<'a>(sources: &[(TopicRef<'a>, Vec<Source>)], limit: usize) -> Findings<'a> {
    let mut findings = Findings {
        topics: Vec::with_capacity(sources.len()),
        bytes: 0,
        failed: false,
    };
    for (topic, sources) in sources {
        let mut partitions = Vec::with_capacity(sources.len());
        for source in sources {
            let left = limit.saturating_sub(findings.bytes);
            let found = source.find(left, findings.bytes == 0);
            match &found {
                Ok(found) => {
                    findings.bytes += found.slice.as_ref().map_or(0, |slice| slice.bytes);
                }
                Err(_) => findings.failed = true,
            }
            partitions.push(Finding {
                partition: source.wanted.partition,
                found,
            });
        }
        findings.topics.push((*topic, partitions));
    }
    findings
}

impl Source {
    fn find(&self, left: usize, first_regardless: bool) -> Result<Found, ResponseError> {
        let partition = self.partition.as_ref().map_err(|error| *error)?;
        check_epoch(self.wanted.current_epoch)?;
        if partition.deleted() {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        let wanted = usize::try_from(self.wanted.max_bytes).unwrap_or(0);
        let reading = Reading {
            max_bytes: wanted.min(left),
            first_regardless,
            isolation: self.isolation,
        };
        partition
            .find(self.wanted.offset, reading)
            .map_err(|error| log_error_code(&error))
    }
}
