//! Trying again: pauses that double, up to a deadline.

use std::future::Future;
use std::time::Duration;

use super::context::Context;
use crate::measure::nanos;
use crate::store::Error;

/// First pause; it doubles up to [`MAX_PAUSE`].
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause.
pub const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Sends a command that changes nothing when it is sent twice, until it is answered.
///
/// Gives up at a deadline, and at once where another owner has taken over.
pub async fn persistently<T, F>(
    context: &Context,
    mut command: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = context.clock.now() + nanos(context.settings.patience);
    let mut pause = FIRST_PAUSE;
    loop {
        match command().await {
            Err(error @ Error::Command { .. }) if context.clock.now() < deadline => {
                tracing::warn!(%error, "sending a command again");
            }
            answered => return answered,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
