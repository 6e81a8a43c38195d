//! Publishes three orders and stores them, at the addresses of the environment.

use std::env::var;

use orders::{Failure, Order};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (bootstrap, uri) = (var("BOOTSTRAP_SERVER")?, var("MONGO_DB_URL")?);
    let order = |number: i64| Order {
        number: format!("A-{number}"),
        customer: "Ada".to_owned(),
        cents: 100 * number,
    };
    orders::publish(&bootstrap, &[order(1), order(2), order(3)]).await?;
    println!("published three orders; storing until Ctrl-C");
    orders::run(&bootstrap, &uri).await
}
