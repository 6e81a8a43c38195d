//! What is done to a server as a whole.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::command::embedded::start_store;
use crate::command::roles::{Role, Runtimes};
use crate::command::servers::{Broker, Servers, Store};
use crate::error::Error;
use crate::faults::{Scheduled, Target};

/// Does one thing; says in words what came of it, where that is not plain.
pub async fn perform(
    what: Scheduled,
    servers: &mut Servers,
    runtimes: &Runtimes,
    over: &CancellationToken,
) -> Result<Option<String>, Error> {
    match what {
        Scheduled::Restart { target, .. } => match target {
            Target::Broker => servers.restart_broker(runtimes).await.map(|()| None),
            Target::Store => servers.restart_store(runtimes).await.map(|()| None),
        },
        Scheduled::Crash { .. } => servers.crash_broker(runtimes).await,
        Scheduled::Hang {
            target, lasting, ..
        } => {
            servers.pause(target, lasting, over).await?;
            Ok(None)
        }
        // Embedded servers delay by themselves.
        Scheduled::Slow { .. } => Ok(None),
    }
}

impl Servers {
    async fn restart_broker(&mut self, runtimes: &Runtimes) -> Result<(), Error> {
        match std::mem::replace(&mut self.broker, Broker::Away) {
            Broker::Embedded(mut broker) => {
                // Its tasks belong to the runtime of its role.
                let restarting = runtimes.handle(Role::Broker).spawn(async move {
                    let restarted = broker.restart().await;
                    (broker, restarted)
                });
                let (broker, restarted) = restarting.await.map_err(|_panicked| PANICKED)?;
                self.broker = Broker::Embedded(broker);
                Ok(restarted?)
            }
            Broker::Container(broker) => {
                let restarted = broker.container().restart(ORDERLY).await;
                self.broker = Broker::Container(broker);
                restarted.map_err(Error::Container)
            }
            other => {
                self.broker = other;
                Err(OUT_OF_REACH)
            }
        }
    }

    async fn crash_broker(&mut self, runtimes: &Runtimes) -> Result<Option<String>, Error> {
        match std::mem::replace(&mut self.broker, Broker::Away) {
            Broker::Embedded(mut broker) => {
                let crashing = runtimes.handle(Role::Broker).spawn(async move {
                    let crashed = broker.crash().await;
                    (broker, crashed)
                });
                let (broker, crashed) = crashing.await.map_err(|_panicked| PANICKED)?;
                self.broker = Broker::Embedded(broker);
                let lost = crashed?;
                Ok(Some(format!("{lost} acknowledged records lost")))
            }
            Broker::Container(broker) => {
                let killed = broker.container().restart(AT_ONCE).await;
                self.broker = Broker::Container(broker);
                killed.map(|()| None).map_err(Error::Container)
            }
            other => {
                self.broker = other;
                Err(OUT_OF_REACH)
            }
        }
    }

    async fn restart_store(&mut self, runtimes: &Runtimes) -> Result<(), Error> {
        match std::mem::replace(&mut self.store, Store::Away) {
            Store::Embedded(store, settings) => {
                let mut settings = *settings;
                settings.listen = store.address();
                let stopping = runtimes.handle(Role::Store).spawn(store.stop());
                stopping.await.map_err(|_panicked| PANICKED)??;
                let store = start_store(settings.clone(), runtimes).await?;
                self.store = Store::Embedded(Box::new(store), Box::new(settings));
                Ok(())
            }
            Store::Container(store) => {
                let restarted = store.container().restart(ORDERLY).await;
                self.store = Store::Container(store);
                restarted.map_err(Error::Container)
            }
            other => {
                self.store = other;
                Err(OUT_OF_REACH)
            }
        }
    }

    /// Freezes a container for a while; embedded servers hang by themselves.
    async fn pause(
        &self,
        target: Target,
        lasting: Duration,
        over: &CancellationToken,
    ) -> Result<(), Error> {
        let pausing = async {
            tokio::select! {
                () = tokio::time::sleep(lasting) => {}
                () = over.cancelled() => {}
            }
        };
        let paused = match (target, &self.broker, &self.store) {
            (Target::Broker, Broker::Container(broker), _) => {
                broker.container().pause_for(pausing).await
            }
            (Target::Store, _, Store::Container(store)) => {
                store.container().pause_for(pausing).await
            }
            _ => Ok(()),
        };
        paused.map_err(Error::Container)
    }
}

/// Seconds that a server in a container gets to end in order.
const ORDERLY: i32 = 10;

/// The same where it is killed.
const AT_ONCE: i32 = 0;

const PANICKED: Error = Error::Bug("an embedded server panicked while it restarted");

const OUT_OF_REACH: Error = Error::Bug("a fault was planned that the server cannot have");
