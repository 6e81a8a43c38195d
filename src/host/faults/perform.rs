//! What is done to a server as a whole.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::faults::{Scheduled, Target};
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::{Broker, Servers, Store};

/// Does one thing; says in words what came of it, where that is not plain.
pub async fn perform(
    what: Scheduled,
    servers: &mut Servers,
    runtimes: &Runtimes,
    over: &CancellationToken,
) -> Result<Option<String>, Error> {
    match what {
        Scheduled::Restart { target, .. } => match target {
            Target::Broker => servers.restart_broker(Ending::InOrder, runtimes).await,
            Target::Store => servers.restart_store(runtimes).await.map(|()| None),
        },
        Scheduled::Crash { .. } => servers.restart_broker(Ending::AtOnce, runtimes).await,
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
    /// Ends the broker and starts it again; says what an embedded one lost by that.
    async fn restart_broker(
        &mut self,
        ending: Ending,
        runtimes: &Runtimes,
    ) -> Result<Option<String>, Error> {
        match std::mem::replace(&mut self.broker, Broker::Away) {
            Broker::Embedded(mut broker) => {
                // Its tasks belong to the runtime of its role.
                let restarting = runtimes.handle(Role::Broker).spawn(async move {
                    let restarted = match ending {
                        Ending::InOrder => broker.restart().await.map(|()| None),
                        Ending::AtOnce => broker.crash().await.map(Some),
                    };
                    (broker, restarted)
                });
                let (broker, restarted) = restarting.await.map_err(|_panicked| PANICKED)?;
                self.broker = Broker::Embedded(broker);
                Ok(restarted?.map(|lost| format!("{lost} acknowledged records lost")))
            }
            Broker::Container(broker) => {
                let restarted = broker.container().restart(ending.grace_seconds()).await;
                self.broker = Broker::Container(broker);
                restarted.map(|()| None).map_err(Error::Container)
            }
            other => {
                self.broker = other;
                Err(OUT_OF_REACH)
            }
        }
    }

    async fn restart_store(&mut self, runtimes: &Runtimes) -> Result<(), Error> {
        match std::mem::replace(&mut self.store, Store::Away) {
            Store::Embedded(mut store) => {
                // Its tasks belong to the runtime of its role.
                let restarting = runtimes.handle(Role::Store).spawn(async move {
                    let restarted = store.restart().await;
                    (store, restarted)
                });
                let (store, restarted) = restarting.await.map_err(|_panicked| PANICKED)?;
                self.store = Store::Embedded(store);
                Ok(restarted?)
            }
            Store::Container(store) => {
                let restarted = store
                    .container()
                    .restart(Ending::InOrder.grace_seconds())
                    .await;
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

/// How a server ends before it starts again.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// It may finish what it does.
    InOrder,
    /// It is killed.
    AtOnce,
}

impl Ending {
    /// Returns the seconds that a server in a container gets to end.
    fn grace_seconds(self) -> i32 {
        match self {
            Self::InOrder => 10,
            Self::AtOnce => 0,
        }
    }
}

const PANICKED: Error = Error::Bug("an embedded server panicked while it restarted");

const OUT_OF_REACH: Error = Error::Bug("a fault was planned that the server cannot have");
