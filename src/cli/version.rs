//! What `--version` prints.

/// Text of `-V`.
pub(super) const SHORT: &str = env!("CARGO_PKG_VERSION");

/// Text of `--version`.
pub(super) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:  ",
    env!("CONVOY_BUILD_COMMIT"),
    "\nprofile: ",
    env!("CONVOY_BUILD_PROFILE"),
    "\ntarget:  ",
    env!("CONVOY_BUILD_TARGET"),
);
