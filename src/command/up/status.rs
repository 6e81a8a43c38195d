//! What clients do with the servers: a line on the terminal, and the live page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoy_kafka_server as broker;
use convoy_mongodb_server as store;

use crate::host::roles::{Role, Runtimes};
use crate::report::{LiveTable, quantity, tables_page};
use crate::terminal::{StatusLine, Terminal};
use crate::web::{self, Detail, Kind, Metrics, Server, Site, WebAddress};

/// Interval between two looks at the servers.
const INTERVAL: Duration = Duration::from_secs(1);

/// Names of the three servers in rows and metrics.
const BROKER: &str = "broker";
const STORE: &str = "store";

/// Both servers at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) broker: broker::Snapshot,
    pub(super) store: store::Snapshot,
}

/// Shows what clients do, once a second.
#[derive(Debug)]
pub(super) struct Status {
    line: StatusLine,
    shown: Arc<Shown>,
    server: Option<Server>,
}

/// The last two looks.
#[derive(Debug, Default)]
struct Shown {
    looks: Mutex<(Look, Look)>,
}

impl Status {
    /// Starts the line on the terminal, if there is one and `line` is true, and the page, if there is
    /// an address.
    pub(super) fn start(
        address: Option<&WebAddress>,
        line: bool,
        runtimes: &Runtimes,
        terminal: &Terminal,
    ) -> Result<Self, web::Error> {
        let shown = Arc::new(Shown::default());
        let server = address.map(|address| {
            let site: Arc<dyn Site> = Arc::<Shown>::clone(&shown);
            let server = Server::start(address, site, &runtimes.handle(Role::Display))?;
            terminal.say(format_args!("live page: {}", server.url()));
            if !address.is_loopback() {
                terminal.say(format_args!(
                    "warning: every machine that reaches {address} can read the live page"
                ));
            }
            Ok(server)
        });
        Ok(Self {
            line: terminal.status_line(line),
            shown,
            server: server.transpose()?,
        })
    }

    /// Looks at the servers until cancelled.
    pub(super) async fn watch(&self, look: impl Fn() -> Look) {
        if self.server.is_none() && !self.line.is_shown() {
            return std::future::pending().await;
        }
        let bell = self.server.as_ref().map(Server::bell);
        loop {
            let next = look();
            let line = {
                let mut looks = self.shown.lock();
                looks.0 = std::mem::replace(&mut looks.1, next);
                line(&looks.0, &looks.1)
            };
            self.line.show(&line);
            if let Some(bell) = &bell {
                bell.ring();
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Ends line and page.
    pub(super) fn stop(self) {
        if let Some(server) = self.server {
            server.stop(None);
        }
    }
}

/// Returns what happened between two looks, in a line.
fn line(before: &Look, now: &Look) -> String {
    let appended = |look: &Look| look.broker.topics.iter().map(|it| it.appended).sum::<u64>();
    let documents = |look: &Look| look.store.collections.iter().map(|it| it.documents).sum();
    let lag: u64 = now.broker.groups.iter().map(|group| group.lag).sum();
    let requests = now.broker.requests.saturating_sub(before.broker.requests);
    let commands = now.store.requests.saturating_sub(before.store.requests);
    let parts = [
        quantity::plural(now.broker.topics.len() as u64, "topic"),
        format!(
            "{} records/s",
            quantity::count(appended(now).saturating_sub(appended(before)))
        ),
        quantity::plural(now.broker.groups.len() as u64, "group"),
        format!("lag {}", quantity::count(lag)),
        quantity::plural(now.store.collections.len() as u64, "collection"),
        quantity::plural(documents(now), "document"),
        format!(
            "clients {} + {}",
            now.broker.connections, now.store.connections
        ),
        format!(
            "{} + {} requests/s",
            quantity::count(requests),
            quantity::count(commands)
        ),
    ];
    parts.join(" · ")
}

/// Returns the connections and the requests of both servers.
fn servers(before: &Look, now: &Look) -> Vec<Vec<String>> {
    let count = quantity::count;
    let server = |name: &str, connections: u64, requests: u64, earlier: u64| {
        vec![
            name.to_owned(),
            count(connections),
            count(requests.saturating_sub(earlier)),
            count(requests),
        ]
    };
    let (broker, store) = (&now.broker, &now.store);
    let (broker_before, store_before) = (before.broker.requests, before.store.requests);
    vec![
        server(BROKER, broker.connections, broker.requests, broker_before),
        server(STORE, store.connections, store.requests, store_before),
    ]
}

fn tables(before: &Look, now: &Look) -> Vec<LiveTable<'static>> {
    let count = quantity::count;
    let topics = now.broker.topics.iter().map(|topic| {
        let earlier = before.broker.topics.iter().find(|it| it.name == topic.name);
        let earlier = earlier.map_or(topic.appended, |earlier| earlier.appended);
        vec![
            topic.name.clone(),
            topic.partitions.to_string(),
            count(topic.records),
            count(topic.appended.saturating_sub(earlier)),
        ]
    });
    let groups = now.broker.groups.iter().map(|group| {
        vec![
            group.name.clone(),
            group.state.clone(),
            group.members.to_string(),
            count(group.lag),
        ]
    });
    let collections = now.store.collections.iter().map(|collection| {
        vec![
            collection.name.clone(),
            count(collection.documents),
            quantity::bytes(collection.bytes as f64),
        ]
    });
    vec![
        LiveTable {
            id: "topics",
            title: "Topics",
            columns: &["topic", "partitions", "records", "records/s"],
            rows: topics.collect(),
        },
        LiveTable {
            id: "groups",
            title: "Groups",
            columns: &["group", "state", "members", "lag"],
            rows: groups.collect(),
        },
        LiveTable {
            id: "collections",
            title: "Collections",
            columns: &["collection", "documents", "size"],
            rows: collections.collect(),
        },
        LiveTable {
            id: "servers",
            title: "Servers",
            columns: &["server", "connections", "requests/s", "requests"],
            rows: servers(before, now),
        },
    ]
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, (Look, Look)> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> Vec<LiveTable<'static>> {
        let looks = self.lock();
        tables(&looks.0, &looks.1)
    }
}

impl Site for Shown {
    fn page(&self) -> String {
        let about = format!("convoy {}", env!("CARGO_PKG_VERSION"));
        tables_page("convoy up", &about, &self.tables())
    }

    fn parts(&self) -> String {
        let parts: serde_json::Map<_, _> = self
            .tables()
            .iter()
            .map(|table| (table.id.to_owned(), table.html().into()))
            .collect();
        serde_json::Value::Object(parts).to_string()
    }

    fn metrics(&self) -> String {
        let now = self.lock().1.clone();
        let mut metrics = Metrics::default();
        let name = "convoy_topic_records";
        metrics.metric(Kind::Gauge, name, "Records of a topic.");
        for topic in &now.broker.topics {
            metrics.sample(name, &[("topic", &topic.name)], topic.records);
        }
        let name = "convoy_group_lag_records";
        metrics.metric(Kind::Gauge, name, "Records that a group has not committed.");
        for group in &now.broker.groups {
            metrics.sample(name, &[("group", &group.name)], group.lag);
        }
        let name = "convoy_collection_documents";
        metrics.metric(Kind::Gauge, name, "Documents of a collection.");
        for collection in &now.store.collections {
            let labels = [("collection", collection.name.as_str())];
            metrics.sample(name, &labels, collection.documents);
        }
        let of_servers = [
            (BROKER, now.broker.connections, now.broker.requests),
            (STORE, now.store.connections, now.store.requests),
        ];
        let name = "convoy_server_connections";
        metrics.metric(Kind::Gauge, name, "Open connections of a server.");
        for (server, connections, _) in of_servers {
            metrics.sample(name, &[("server", server)], connections);
        }
        let name = "convoy_server_requests_total";
        metrics.metric(Kind::Counter, name, "Requests to a server.");
        for (server, _, requests) in of_servers {
            metrics.sample(name, &[("server", server)], requests);
        }
        metrics.finish()
    }

    fn detail(&self, _name: &str) -> Detail {
        Box::pin(std::future::ready(None))
    }
}
