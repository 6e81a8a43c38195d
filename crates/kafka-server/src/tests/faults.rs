//! Faults on purpose: what a client sees of each, and what is in the log afterwards.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::ClientBuilder;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient};

use crate::tests::client::{DEADLINE, partition, read_all, record};
use crate::{Broker, Fault, Faults, Moment, Settings};

/// Strikes once per fault, in order, whenever its kind of moment comes.
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

impl Faults for Script {
    fn strike(&self, moment: Moment<'_>) -> Option<Fault> {
        let kind = match moment {
            Moment::BeforeAppend { .. } => Kind::BeforeAppend,
            Moment::AfterAppend { .. } => Kind::AfterAppend,
            Moment::BeforeResponse { api: 0 } => Kind::ProduceResponse,
            Moment::BeforeResponse { .. } => return None,
            Moment::OnFetch { .. } => Kind::OnFetch,
        };
        let mut script = self.0.lock().unwrap();
        let due = script.front().is_some_and(|(next, _)| *next == kind);
        due.then(|| script.pop_front())
            .flatten()
            .map(|(_, fault)| fault)
    }
}

async fn start(script: &[(Kind, Fault)]) -> (Broker, PartitionClient) {
    let (broker, partition, _) = start_with(script).await;
    (broker, partition)
}

async fn start_with(script: &[(Kind, Fault)]) -> (Broker, PartitionClient, Arc<Script>) {
    let script = Arc::new(Script(Mutex::new(script.iter().copied().collect())));
    let faults: Arc<dyn Faults> = Arc::<Script>::clone(&script);
    let settings = Settings {
        faults: Some(faults),
        ..Settings::default()
    };
    let broker = Broker::start(settings).await.unwrap();
    broker.create_topic("faulty", 1);
    let client = ClientBuilder::new(vec![broker.address().to_string()])
        .backoff_config(BackoffConfig {
            deadline: Some(Duration::ZERO),
            ..BackoffConfig::default()
        })
        .build()
        .await
        .unwrap();
    let partition = partition(&client, "faulty").await;
    (broker, partition, script)
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
async fn a_cut_before_the_append_leaves_nothing() {
    let (_broker, partition) = start(&[(Kind::BeforeAppend, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(produce(&partition, 2).await.unwrap(), [0]);
    assert_eq!(read_all(&partition, 0).await, [2]);
}

#[tokio::test]
async fn a_cut_after_the_append_leaves_the_record() {
    let (_broker, partition) = start(&[(Kind::AfterAppend, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(produce(&partition, 1).await.unwrap(), [1]);
    assert_eq!(read_all(&partition, 0).await, [1, 1]);
}

#[tokio::test]
async fn a_cut_before_the_response_leaves_the_record() {
    let (_broker, partition) = start(&[(Kind::ProduceResponse, Fault::Cut)]).await;
    assert!(produce(&partition, 1).await.is_err());
    assert_eq!(read_all(&partition, 0).await, [1]);
}

#[tokio::test]
async fn a_refusal_carries_its_code_and_a_full_disk_its_own() {
    let (_broker, partition) = start(&[
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
async fn a_refused_fetch_carries_its_code() {
    let (_broker, partition) = start(&[(Kind::OnFetch, Fault::Refuse(74))]).await;
    produce(&partition, 1).await.unwrap();
    let refused = partition.fetch_records(0, 1..1_000, 0).await.unwrap_err();
    assert_eq!(code(&refused), Some(ProtocolError::FencedLeaderEpoch));
    assert_eq!(read_all(&partition, 0).await, [1]);
}

#[tokio::test]
async fn a_hanging_broker_still_stops() {
    let hang = Fault::Delay(Duration::from_secs(3_600));
    let (broker, partition, script) = start_with(&[(Kind::BeforeAppend, hang)]).await;
    let hanging = tokio::spawn(async move { produce(&partition, 1).await.is_err() });
    while script.pending() > 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(DEADLINE, broker.stop())
        .await
        .unwrap()
        .unwrap();
    hanging.abort();
}
