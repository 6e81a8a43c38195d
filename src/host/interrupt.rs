//! Ctrl-C and SIGTERM: the first one ends the run in order, the second one aborts the process.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::error::ExitStatus;
use crate::platform::Interruptions;
use crate::terminal::Terminal;

/// Returns a token that the first interruption cancels, printing `notice`. A second one aborts the
/// process. Handlers are installed when this function returns.
pub fn listen(runtime: &Handle, terminal: &Terminal, notice: &'static str) -> CancellationToken {
    let interrupted = CancellationToken::new();
    let registered = {
        let _entered = runtime.enter();
        Interruptions::register()
    };
    let mut interruptions = match registered {
        Ok(interruptions) => interruptions,
        // Without a handler the signal's default action ends the process.
        Err(error) => {
            tracing::warn!(%error, "failed to listen for signals");
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

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the user interrupted twice"
)]
fn abort() {
    std::process::exit(i32::from(ExitStatus::Interrupted.code()));
}
