//! Why a batch cannot be decoded, and the limit on what it decompresses to.

use std::io;

use bytes::Bytes;
use convoy_kafka_server::protocol::{self, BatchError, decompress};

/// Limit on the records of one batch when decompressed: a few kilobytes can stand for gigabytes.
pub const MAX_DECOMPRESSED: u64 = 128 * 1024 * 1024;

/// Why a batch cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Defect {
    /// The header or the checksum is not valid.
    #[error(transparent)]
    Header(#[from] BatchError),
    /// The checksum of a message of format 0 or 1 is not valid.
    #[error("checksum mismatch: the message states {stated:08x}, the bytes give {actual:08x}")]
    Checksum {
        /// Checksum in the message.
        stated: u32,
        /// Checksum of its bytes.
        actual: u32,
    },
    /// The length leaves no room for a batch, so it is not known where the next one begins.
    #[error("invalid batch length {length}")]
    Length {
        /// Length in the batch.
        length: i32,
    },
    /// The message format is not one of the protocol.
    #[error("unknown message format {magic}")]
    Magic {
        /// Number of the format.
        magic: i8,
    },
    /// The compression codec is not one of the protocol.
    #[error("unknown compression codec {codec}")]
    Codec {
        /// Number of the codec.
        codec: i16,
    },
    /// The compressed bytes are damaged.
    #[error("failed to decompress the records: {0}")]
    Decompress(io::Error),
    /// The records are too large.
    #[error("the records have more than {MAX_DECOMPRESSED} bytes when decompressed")]
    TooLarge,
    /// A field of a record is not valid, or the bytes end within it.
    #[error("record {index} has an invalid {field}")]
    Field {
        /// Index of the record in the batch.
        index: i32,
        /// The field.
        field: &'static str,
    },
    /// Bytes follow the last record.
    #[error("bytes follow the last of {records} records")]
    Trailing {
        /// Number of records that the batch states.
        records: i32,
    },
}

/// Decompresses within [`MAX_DECOMPRESSED`]. Bytes that are not compressed are not copied.
pub fn decompressed(codec: i16, bytes: Bytes) -> Result<Bytes, Defect> {
    if codec == protocol::NONE {
        return Ok(bytes);
    }
    match decompress(codec, &bytes, MAX_DECOMPRESSED) {
        Ok(decompressed) => Ok(decompressed.into()),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::FileTooLarge => Defect::TooLarge,
            io::ErrorKind::Unsupported => Defect::Codec { codec },
            _ => Defect::Decompress(error),
        }),
    }
}
