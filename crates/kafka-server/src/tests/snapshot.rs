//! What a server tells of itself.

use kafka_protocol::messages::ApiKey;
use tokio::io::AsyncWriteExt;

use crate::tests::bytes::{connect, request, response};
use crate::tests::start;

#[tokio::test]
async fn snapshot_has_topics_connections_and_requests() {
    let server = start().await;
    server.create_topic("orders", 3);
    assert_eq!(server.snapshot().requests, 0);
    let mut stream = connect(&server).await;
    let ask = request(ApiKey::ApiVersions as i16, 0, 7, &[]);
    stream.write_all(&ask).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 7);
    let snapshot = server.snapshot();
    assert_eq!((snapshot.connections, snapshot.requests), (1, 1));
    let topics = snapshot.topics.iter();
    let topics: Vec<_> = topics
        .map(|topic| (topic.name.as_str(), topic.partitions, topic.records))
        .collect();
    assert_eq!(topics, [("orders", 3, 0)]);
    assert!(snapshot.groups.is_empty());
}
