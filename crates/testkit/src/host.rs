//! The threads that the servers run on.
//!
//! Servers do not run on the runtime of the test: so they also serve a test without one, and a test
//! that blocks its thread.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, boxed};
use crate::logs::Logs;

/// One for connections, and one for the rest.
const WORKERS: usize = 2;

/// Time for work that blocks a thread when everything else has ended.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A runtime; its threads end when it is dropped.
#[derive(Debug)]
pub struct Host {
    runtime: Option<Runtime>,
    handle: Handle,
    logs: Arc<Logs>,
}

impl Host {
    pub fn start() -> Result<Arc<Self>, Error> {
        let logs = Arc::new(Logs::default());
        let collected = Arc::clone(&logs);
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("convoy-testkit")
            .enable_all()
            .on_thread_start(move || collected.collect_on_this_thread())
            .build();
        let runtime = runtime.map_err(|source| Error::start("threads", boxed(source)))?;
        Ok(Arc::new(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            logs,
        }))
    }

    /// Runs a future to its end, although the caller may be dropped.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(work)
    }

    /// Runs a future; may be awaited on any runtime.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.spawn(work).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Runs a future and blocks until it ends; may be called on any thread, also one of a runtime.
    pub fn block_on<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (send, receive) = mpsc::sync_channel(1);
        let _detached = self.spawn(async move {
            // The caller waits for it.
            let _sent = send.send(work.await);
        });
        receive.recv().expect("the work does not panic")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed on a thread of another one.
        if let Some(runtime) = self.runtime.take()
            && let Ok(ending) =
                std::thread::Builder::new().spawn(move || runtime.shutdown_timeout(SHUTDOWN))
        {
            let _ended = ending.join();
        }
        if std::thread::panicking() {
            self.logs.show();
        }
    }
}
