//! How a broker starts.

use std::future::Future;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use convoy_kafka_server::{KafkaServer, Settings, User};
use tokio::sync::Mutex;

use crate::blocking;
use crate::error::{Error, boxed};
use crate::host::Host;
#[cfg(feature = "tls")]
use crate::kafka::certificates::Certificates;
use crate::kafka::{BROKER, Kafka, KafkaFaults};
use crate::mode::{Async, Blocking};

/// How a broker starts; made by [`Kafka::builder`] or [`blocking::Kafka::builder`].
#[derive(Debug)]
#[must_use = "a broker that is not started serves no client"]
pub struct KafkaBuilder<Mode = Async> {
    topics: Vec<(String, i32)>,
    auto_create: bool,
    user: Option<User>,
    data_dir: Option<PathBuf>,
    #[cfg(feature = "tls")]
    tls: Option<Certificates>,
    mode: PhantomData<Mode>,
}

impl<Mode> Default for KafkaBuilder<Mode> {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            auto_create: true,
            user: None,
            data_dir: None,
            #[cfg(feature = "tls")]
            tls: None,
            mode: PhantomData,
        }
    }
}

impl<Mode> KafkaBuilder<Mode> {
    /// Creates a topic.
    pub fn topic(mut self, name: impl Into<String>, partitions: i32) -> Self {
        self.topics.push((name.into(), partitions));
        self
    }

    /// Sets whether a topic that a client asks for is created. [default: true]
    pub fn auto_create_topics(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// Requires SASL (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512) with this user and password. Without a
    /// user, every client has access.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User::new(name, password.into()));
        self
    }

    /// Encrypts connections with a certificate for `localhost`, `127.0.0.1` and `::1`, signed by an
    /// authority of this broker alone: clients trust
    /// [`Kafka::ca_file`](crate::Kafka::ca_file). Plain connections are closed.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Self {
        self.tls = Some(Certificates::default());
        self
    }

    /// Keeps the data in a directory, which is created if it does not exist. Without one, the data
    /// is in a temporary directory that is removed at the end.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Returns the start of a broker, and the faults to come.
    pub(crate) fn launch(
        &self,
    ) -> (
        KafkaFaults,
        impl Future<Output = Result<KafkaServer, Error>> + Send + 'static,
    ) {
        let faults = KafkaFaults::default();
        let mut settings = Settings::default().with_faults(faults.plan());
        settings.auto_create_topics = self.auto_create;
        settings.users = self.user.clone().into_iter().collect();
        settings.data_dir.clone_from(&self.data_dir);
        let topics = self.topics.clone();
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        let starting = async move {
            #[cfg(feature = "tls")]
            if let Some(tls) = tls {
                tls.apply(&mut settings)?;
            }
            let server = KafkaServer::start(settings).await;
            let server = server.map_err(|source| Error::start(BROKER, boxed(source)))?;
            for (name, partitions) in &topics {
                // A directory may have the topic already.
                if !server.topics()?.contains(name) {
                    server.add_topic(name, *partitions)?;
                }
            }
            Ok(server)
        };
        (faults, starting)
    }

    pub(crate) fn started(
        self,
        server: KafkaServer,
        faults: KafkaFaults,
        host: Arc<Host>,
    ) -> Kafka {
        Kafka {
            bootstrap_servers: server.bootstrap_servers(),
            server: Arc::new(Mutex::new(Some(server))),
            host,
            user: self.user,
            #[cfg(feature = "tls")]
            tls: self.tls,
            faults,
        }
    }
}

impl KafkaBuilder<Async> {
    /// Starts the broker.
    pub async fn start(self) -> Result<Kafka, Error> {
        let host = Host::start()?;
        let (faults, starting) = self.launch();
        let server = host.run(starting).await?;
        Ok(self.started(server, faults, host))
    }
}

impl KafkaBuilder<Blocking> {
    /// Starts the broker.
    pub fn start(self) -> Result<blocking::Kafka, Error> {
        let host = Host::start()?;
        let (faults, starting) = self.launch();
        let server = host.block_on(starting)?;
        Ok(blocking::Kafka::new(self.started(server, faults, host)))
    }
}
