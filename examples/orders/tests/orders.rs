//! The program against servers that fail in chosen ways.

use std::time::Duration;

use convoy_testkit::{Api, ErrorCode, ErrorReply, Identity, Servers};
use orders::{Failure, Order, publish, run};

const DEADLINE: Duration = Duration::from_secs(20);

fn orders(count: i64) -> Vec<Order> {
    let order = |number| Order {
        number: format!("A-{number}"),
        customer: "Ada".to_owned(),
        cents: 100 * number,
    };
    (1..=count).map(order).collect()
}

async fn servers() -> Result<Servers, convoy_testkit::Error> {
    Servers::builder().topic("orders", 3).start().await
}

/// Starts the program under test; it ends with the test.
fn start(servers: &Servers) -> tokio::task::JoinHandle<Result<(), Failure>> {
    let (bootstrap, uri) = (
        servers.bootstrap_servers().to_owned(),
        servers.uri().to_owned(),
    );
    tokio::spawn(async move { run(&bootstrap, &uri).await })
}

/// The key of a record is the `_id` of its document.
async fn all_are_stored(servers: &Servers) -> Result<(), convoy_testkit::Error> {
    let identity = Identity::key("_id");
    servers
        .wait_until_all_stored("orders", "shop.orders", &identity, DEADLINE)
        .await
}

#[tokio::test]
async fn orders_are_stored() -> Result<(), Failure> {
    let servers = servers().await?;
    start(&servers);
    publish(servers.bootstrap_servers(), &orders(30)).await?;
    all_are_stored(&servers).await?;
    let documents = servers.mongo().documents("shop", "orders")?;
    let cents: i64 = documents
        .iter()
        .filter_map(|order| order.i64("cents"))
        .sum();
    assert_eq!(cents, 46_500);
    Ok(())
}

#[tokio::test]
async fn lost_acknowledgements_double_records_and_no_orders() -> Result<(), Failure> {
    let servers = servers().await?;
    servers.kafka().faults().cut_after_append(0.3, 42);
    start(&servers);
    publish(servers.bootstrap_servers(), &orders(30)).await?;
    let records = servers.kafka().records("orders")?.len();
    assert!(records > 30, "the producer published some orders twice");
    all_are_stored(&servers).await?;
    assert_eq!(servers.mongo().count("shop", "orders")?, 30);
    Ok(())
}

#[tokio::test]
async fn errors_of_the_broker_are_retried() -> Result<(), Failure> {
    let servers = servers().await?;
    let faults = servers.kafka().faults();
    faults.fail_next(Api::Produce, ErrorCode::NOT_ENOUGH_REPLICAS, 3);
    faults.fail_next(Api::Fetch, ErrorCode::KAFKA_STORAGE_ERROR, 3);
    start(&servers);
    publish(servers.bootstrap_servers(), &orders(10)).await?;
    all_are_stored(&servers).await?;
    assert_eq!(faults.pending(), 0);
    Ok(())
}

#[tokio::test]
async fn a_store_that_steps_down_and_replies_that_are_lost() -> Result<(), Failure> {
    let servers = servers().await?;
    let faults = servers.mongo().faults();
    faults.fail_next("update", ErrorReply::new(10_107, "not primary"), 2);
    faults.cut_next_after_apply("update", 2);
    start(&servers);
    publish(servers.bootstrap_servers(), &orders(10)).await?;
    all_are_stored(&servers).await?;
    assert_eq!(faults.pending(), 0);
    Ok(())
}

#[tokio::test]
async fn restarts_and_crashes_lose_nothing() -> Result<(), Failure> {
    let servers = servers().await?;
    start(&servers);
    for half in orders(20).chunks(10) {
        publish(servers.bootstrap_servers(), half).await?;
        servers.kafka().restart().await?;
        servers.mongo().restart().await?;
    }
    all_are_stored(&servers).await?;
    Ok(())
}
