//! Stands in for Redpanda or MongoDB in the tests of containers, so that no image must be pulled.
//!
//! An image of this program takes the same arguments as the real one, logs the same line when it is
//! ready, and serves the same protocol with an embedded server. It tests how containers are started,
//! connected to, watched and removed. It does not test Redpanda or MongoDB.
//!
//! | arguments | stands in for |
//! |---|---|
//! | `redpanda start …` | Redpanda |
//! | `--replSet NAME …` | MongoDB, whose entry point adds `mongod` in front |
//! | `dies …` | an image that exits at once |
//! | `silent …` | an image whose server never responds |
//!
//! `stand_in images` builds the images with the command `docker`, and prints their names.

mod images;

use std::net::SocketAddr;
use std::process::ExitCode;

use convoy_kafka_server::{KafkaServer, Settings as BrokerSettings};
use convoy_mongodb_server::{MongoServer, Settings as StoreSettings};
use convoy_registry_server::{RegistryServer, Settings as RegistrySettings};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// Flags of `redpanda start` that have no effect here.
const REDPANDA_FLAGS: [&str; 8] = [
    "--node-id",
    "--smp",
    "--memory",
    "--reserve-memory",
    "--overprovisioned",
    "--reactor-backend",
    "--check",
    "--default-log-level",
];

/// MongoDB's default address.
const MONGODB: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(
    std::net::Ipv4Addr::UNSPECIFIED,
    27_017,
));

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let served = match arguments.as_slice() {
        ["images"] => images::make().map(|images| print(&images)),
        ["redpanda", "start", flags @ ..] => redpanda(flags).await,
        ["--replSet", _name, flags @ ..] => mongodb(flags).await,
        ["dies", ..] => Err("the stand-in ends at once, as requested".to_owned()),
        ["silent", ..] => {
            terminated().await;
            Ok(())
        }
        other => Err(format!("cannot stand in for {other:?}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say(&reason);
            ExitCode::FAILURE
        }
    }
}

async fn redpanda(flags: &[&str]) -> Result<(), String> {
    let mut settings = BrokerSettings::default();
    let (mut outside, mut registry) = (None, None);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match (name, value.strip_prefix("PLAINTEXT://")) {
            ("--kafka-addr", Some(address)) => outside = Some(parse(address)?),
            ("--schema-registry-addr", _) => registry = Some(parse(value)?),
            ("--advertise-kafka-addr", Some(address)) => {
                let (host, port) = address
                    .rsplit_once(':')
                    .ok_or_else(|| format!("`{address}` has no port"))?;
                settings.advertised = Some((host.to_owned(), parse(port)?));
            }
            _ if REDPANDA_FLAGS.contains(&name) => {
                let separate = value.is_empty() && name != "--overprovisioned";
                if separate && flags.next().is_none() {
                    return Err(format!("`{name}` needs a value"));
                }
            }
            _ => return Err(format!("unknown flag `{flag}`")),
        }
    }
    let broker = KafkaServer::start(settings).await.map_err(chain)?;
    let outside = outside.ok_or_else(|| "`--kafka-addr` is missing".to_owned())?;
    forward(outside, broker.address()).await?;
    let registry = match registry {
        Some(address) => Some(schema_registry(address).await?),
        None => None,
    };
    say("Successfully started Redpanda!");
    terminated().await;
    if let Some(registry) = registry {
        registry.stop().await.map_err(chain)?;
    }
    broker.stop().await.map_err(chain)
}

async fn schema_registry(outside: SocketAddr) -> Result<RegistryServer, String> {
    let registry = RegistryServer::start(RegistrySettings::default())
        .await
        .map_err(chain)?;
    forward(outside, registry.address()).await?;
    Ok(registry)
}

async fn mongodb(flags: &[&str]) -> Result<(), String> {
    if flags != ["--bind_ip_all"] {
        return Err(format!("unknown flags {flags:?}"));
    }
    let store = MongoServer::start(StoreSettings::default())
        .await
        .map_err(chain)?;
    forward(MONGODB, store.address()).await?;
    say("Waiting for connections");
    terminated().await;
    store.stop().await.map_err(chain)
}

/// Forwards connections from outside the container to a server, which accepts anonymous clients only
/// on the loopback interface.
async fn forward(outside: SocketAddr, server: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(outside).await.map_err(chain)?;
    tokio::spawn(async move {
        while let Ok((mut client, _peer)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut connection).await
            });
        }
    });
    Ok(())
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_malformed| format!("invalid value `{text}`"))
}

async fn terminated() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
    terminate.recv().await;
}

fn chain(error: impl std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

#[expect(
    clippy::print_stdout,
    reason = "the names are the result of the program"
)]
fn print(images: &[String]) {
    for image in images {
        println!("{image}");
    }
}

#[expect(clippy::print_stderr, reason = "a container's log is its stderr")]
fn say(line: &str) {
    eprintln!("{line}");
}
