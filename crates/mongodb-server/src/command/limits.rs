//! The version and the limits that clients are told.

/// The server version that clients are told: they choose what to send by it.
pub const VERSION: [i32; 3] = [7, 0, 0];

/// Bytes of the largest message.
pub const MAX_MESSAGE_BYTES: i32 = 48_000_000;

/// Minutes after which a client may forget a session.
pub const SESSION_TIMEOUT_MINUTES: i32 = 30;

/// Writes in one command.
pub const MAX_WRITE_BATCH: usize = 100_000;
