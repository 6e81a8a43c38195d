//! Sending a command again until it is answered.

use std::future::Future;

use super::context::Context;
use super::machine::Attempts;
use crate::store::Error;

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
    let mut attempts = Attempts::new(context.settings.store_timeout);
    loop {
        let error = match command().await {
            Err(error @ Error::Command { .. }) => error,
            answered => return answered,
        };
        let Some(pause) = attempts.failed(context.clock.now()) else {
            return Err(error);
        };
        tracing::warn!(%error, "sending a command again");
        tokio::time::sleep(pause).await;
    }
}
