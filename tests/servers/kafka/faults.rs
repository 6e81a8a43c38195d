//! Injected faults: what a client sees of each, and what the log holds afterwards.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoy_kafka_server::{Fault, FaultHook, FaultPlan, KafkaServer, Moment, Settings};
use rskafka::BackoffConfig;
use rskafka::client::ClientBuilder;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient};

use crate::kafka::client::{DEADLINE, create, partition, read_all, record};

/// Injects each fault once, in order, at the next moment of its kind.
#[derive(Debug, Default)]
struct Script(Mutex<VecDeque<(Kind, Fault)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BeforeAppend,
    AfterAppend,
    ProduceResponse,
    OnFetch,
}

impl Script {
    fn pending(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl FaultHook<Moment<'_>, Fault> for Script {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let kind = match moment {
            Moment::BeforeAppend { .. } => Kind::BeforeAppend,
            Moment::AfterAppend { .. } => Kind::AfterAppend,
            Moment::BeforeResponse { api: 0 } => Kind::ProduceResponse,
            Moment::OnFetch { .. } => Kind::OnFetch,
            _ => return None,
        };
        let mut script = self.0.lock().unwrap();
        let due = script.front().is_some_and(|(next, _)| *next == kind);
        due.then(|| script.pop_front())
            .flatten()
            .map(|(_, fault)| fault)
    }
}

async fn start(script: &[(Kind, Fault)]) -> (KafkaServer, PartitionClient) {
    let (server, partition, _) = start_with(script).await;
    (server, partition)
}

async fn start_with(script: &[(Kind, Fault)]) -> (KafkaServer, PartitionClient, Arc<Script>) {
    let script = Arc::new(Script(Mutex::new(script.iter().copied().collect())));
    let faults: Arc<FaultPlan> = Arc::<Script>::clone(&script);
    let settings = Settings::default().with_faults(faults);
    let server = KafkaServer::start(settings).await.unwrap();
    let client = ClientBuilder::new(vec![server.bootstrap_servers()])
        .backoff_config(BackoffConfig {
            deadline: Some(Duration::ZERO),
            ..BackoffConfig::default()
        })
        .build()
        .await
        .unwrap();
    create(&client, "faulty", 1).await;
    let partition = partition(&client, "faulty").await;
    (server, partition, script)
}

async fn produce(partition: &PartitionClient, number: i64) -> Result<Vec<i64>, ClientError> {
    let records = vec![record(number)];
    tokio::time::timeout(
        DEADLINE,
        partition.produce(records, Compression::NoCompression),
    )
    .await
    .unwrap()
}

fn code(error: &ClientError) -> Option<ProtocolError> {
    match error {
        ClientError::ServerError { protocol_error, .. } => Some(*protocol_error),
        _ => None,
    }
}

#[tokio::test]
async fn cut_before_the_append_stores_nothing() {
    let (_server, partition) = start(&[(Kind::BeforeAppend, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(produce(&partition, 2).await.unwrap(), [0]);
    assert_eq!(read_all(&partition, 0).await, [2]);
}

#[tokio::test]
async fn cut_after_the_append_stores_the_record() {
    let (_server, partition) = start(&[(Kind::AfterAppend, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(produce(&partition, 1).await.unwrap(), [1]);
    assert_eq!(read_all(&partition, 0).await, [1, 1]);
}

#[tokio::test]
async fn cut_before_the_response_stores_the_record() {
    let (_server, partition) = start(&[(Kind::ProduceResponse, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(read_all(&partition, 0).await, [1]);
}

#[tokio::test]
async fn refused_append_reports_its_code_and_failed_write_a_storage_error() {
    let (_server, partition) = start(&[
        (Kind::BeforeAppend, Fault::Refuse(7)),
        (Kind::BeforeAppend, Fault::FailWrite),
        (Kind::AfterAppend, Fault::Refuse(20)),
    ])
    .await;
    let mut refused = Vec::new();
    for number in 0..3 {
        refused.push(code(&produce(&partition, number).await.unwrap_err()));
    }
    assert_eq!(
        refused,
        [
            Some(ProtocolError::RequestTimedOut),
            Some(ProtocolError::KafkaStorageError),
            Some(ProtocolError::NotEnoughReplicasAfterAppend),
        ]
    );
    assert_eq!(read_all(&partition, 0).await, [2]);
}

#[tokio::test]
async fn refused_fetch_reports_its_code() {
    let (_server, partition) = start(&[(Kind::OnFetch, Fault::Refuse(74))]).await;
    produce(&partition, 1).await.unwrap();
    let refused = partition.fetch_records(0, 1..1_000, 0).await.unwrap_err();
    assert_eq!(code(&refused), Some(ProtocolError::FencedLeaderEpoch));
    assert_eq!(read_all(&partition, 0).await, [1]);
}

#[tokio::test]
async fn hanging_server_still_stops() {
    let hang = Fault::Delay(Duration::from_secs(3_600));
    let (server, partition, script) = start_with(&[(Kind::BeforeAppend, hang)]).await;
    let hanging = tokio::spawn(async move { produce(&partition, 1).await.is_err() });
    while script.pending() > 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(DEADLINE, server.stop())
        .await
        .unwrap()
        .unwrap();
    hanging.abort();
}
