//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process.

use std::io;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::ExitStatus;
use crate::terminal::Terminal;

/// Returns a token that the first interruption cancels, saying `notice`; a second one aborts the
/// process. Interruptions count from the return of this function on.
pub fn listen(runtime: &Handle, terminal: &Terminal, notice: &'static str) -> CancellationToken {
    let interrupted = CancellationToken::new();
    let registered = {
        let _entered = runtime.enter();
        Interruptions::register()
    };
    let mut interruptions = match registered {
        Ok(interruptions) => interruptions,
        // Without a handler the signal's default action ends the process, as it should.
        Err(error) => {
            tracing::warn!(%error, "cannot listen for signals");
            return interrupted;
        }
    };
    let (token, terminal) = (interrupted.clone(), terminal.clone());
    runtime.spawn(async move {
        interruptions.next().await;
        token.cancel();
        terminal.say(notice);
        interruptions.next().await;
        abort();
    });
    interrupted
}

#[derive(Debug)]
struct Interruptions {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruptions {
    fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _interrupted = self.interrupt.recv() => {}
            _terminated = self.terminate.recv() => {}
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the user asked for it twice"
)]
fn abort() {
    std::process::exit(i32::from(ExitStatus::Interrupted.code()));
}
