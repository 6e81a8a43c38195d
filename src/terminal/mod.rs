//! The user's terminal: results on stdout, messages on stderr.
//!
//! Nothing else in the crate prints. Messages that cannot be written are dropped, because a closed
//! stderr must not end a run; results that cannot be written are an error, unless the reader closed
//! the pipe.

mod dashboard;
mod errors;
mod logging;
mod phase;
mod progress;
mod reading;
mod streams;

pub use dashboard::restore;
pub use errors::render as render_error;
pub use logging::{start_logging, start_logging_to_stderr};
pub use phase::{Arrived, Expected, Phase, Snapshot, Waiting};
pub use progress::Progress;
pub use reading::Reading;
pub use streams::{Colors, StatusLine, Terminal, Ui, Verbosity};
