//! The version and the limits that the handshake announces.

/// The announced server version; clients choose their commands by it.
pub const VERSION: [i32; 3] = [7, 0, 0];

/// Bytes of the largest message.
pub const MAX_MESSAGE_BYTES: i32 = 48_000_000;

/// Minutes after which an idle session ends.
pub const SESSION_TIMEOUT_MINUTES: i32 = 30;

/// Largest number of writes in one command.
pub const MAX_WRITE_BATCH: usize = 100_000;
