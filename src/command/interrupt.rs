//! Ctrl-C and SIGTERM: the first ends the emission, the second ends the process.

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::ExitStatus;
use crate::terminal::Terminal;

/// Returns a token that the first interruption cancels; a second one aborts the process.
pub fn listen(runtime: &Handle, terminal: &Terminal) -> CancellationToken {
    let interrupted = CancellationToken::new();
    let (token, terminal) = (interrupted.clone(), terminal.clone());
    runtime.spawn(async move {
        interruption().await;
        token.cancel();
        terminal
            .say("interrupted: what is on its way is stored and audited; interrupt again to abort");
        interruption().await;
        abort();
    });
    interrupted
}

async fn interruption() {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    match signals {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _interrupted = interrupt.recv() => {}
                _terminated = terminate.recv() => {}
            }
        }
        // Without a handler the signal's default action ends the process, as it should.
        (interrupt, terminate) => {
            let error = interrupt.err().or(terminate.err());
            tracing::warn!(?error, "cannot listen for signals");
            std::future::pending::<()>().await;
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
