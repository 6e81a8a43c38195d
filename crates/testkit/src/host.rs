//! The threads that the servers run on.
//!
//! Servers do not run on the runtime of the test: so they also serve a test without one, and a test
//! that blocks its thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, boxed};
use crate::logs::Logs;

/// One for connections, and one for the rest.
const WORKERS: usize = 2;

/// Time for work that blocks a thread when everything else has ended.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A future without its type: so the code that runs a task is compiled once, not for each future.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

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

    /// Runs a future to its end, although the caller may be dropped; may be awaited on any runtime.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let done = Done::default();
        ended(self.spawn(done.after(work))).await;
        done.take()
    }

    /// Runs a future and blocks until it ends; may be called on any thread, also one of a runtime.
    pub fn block_on<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let done = Done::default();
        self.block_until_ended(done.after(work));
        done.take()
    }

    fn block_until_ended(&self, work: Work) {
        let (ended, end) = mpsc::sync_channel(0);
        let _detached = self.spawn(Box::pin(async move {
            let _until_dropped = ended;
            work.await;
        }));
        // Nothing is sent: the sender is dropped at the end of the work.
        let _dropped: Result<(), _> = end.recv();
    }

    fn spawn(&self, work: Work) -> JoinHandle<()> {
        self.handle.spawn(work)
    }
}

async fn ended(task: JoinHandle<()>) {
    if let Err(panicked) = task.await {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

/// What a future returned.
#[derive(Debug)]
struct Done<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Done<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Send + 'static> Done<T> {
    fn after(&self, work: impl Future<Output = T> + Send + 'static) -> Work {
        let done = Arc::clone(&self.0);
        Box::pin(async move {
            let returned = work.await;
            *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(returned);
        })
    }

    fn take(&self) -> T {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.take().expect("the work does not panic")
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
