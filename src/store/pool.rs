//! The driver's client with its connections, replaced where it is stuck.
//!
//! The driver waits without any deadline for the greeting of a connection that it makes, and makes
//! only a few at once. If a server is silent just then, and what it was sent is lost, the client
//! sends nothing any more, also when the server is back. So a client of which one command after the
//! other is not answered is thrown away.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::Client;
use mongodb::error::Error as DriverError;
use mongodb::options::ClientOptions;

use crate::cause::Cause;

/// Commands in a row without an answer that make a client count as stuck.
const UNANSWERED: u32 = 2;

/// Connections to one deployment. Clones share them.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    client: Mutex<Client>,
    unanswered: AtomicU32,
}

impl Pool {
    /// Prepares for connecting.
    pub fn new(options: ClientOptions) -> Result<Self, DriverError> {
        let client = Client::with_options(options.clone())?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                client: Mutex::new(client),
                unanswered: AtomicU32::new(0),
            }),
        })
    }

    /// Returns the client of the moment, for one command.
    pub fn client(&self) -> Client {
        let client = &self.shared.client;
        client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for the answer to a command, which may be an error.
    pub async fn answer<T>(
        &self,
        deadline: Duration,
        command: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<Result<T, DriverError>, Cause> {
        let answered = tokio::time::timeout(deadline, command).await;
        let unanswered = &self.shared.unanswered;
        if answered.is_ok() {
            unanswered.store(0, Ordering::Relaxed);
        } else if unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= UNANSWERED {
            unanswered.store(0, Ordering::Relaxed);
            self.renew();
        }
        answered.map_err(|_elapsed| Cause::Timeout(deadline))
    }

    /// Waits for a command to succeed.
    pub async fn within<T>(
        &self,
        deadline: Duration,
        command: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<T, Cause> {
        self.answer(deadline, command)
            .await?
            .map_err(|error| cause(&error))
    }

    fn renew(&self) {
        match Client::with_options(self.shared.options.clone()) {
            Ok(fresh) => {
                tracing::warn!("making new connections to the store");
                let mut client = self
                    .shared
                    .client
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *client = fresh;
            }
            Err(error) => tracing::warn!(%error, "cannot make new connections to the store"),
        }
    }
}

/// Tells a driver's error without the server's reply in full, which may hold documents.
pub fn cause(error: &DriverError) -> Cause {
    Cause::Other(error.kind.to_string())
}
