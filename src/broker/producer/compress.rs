//! Compresses the records of a batch as a whole.

use std::io::{self, Write};

use lz4::liblz4::BlockMode;

use crate::broker::spec::Compression;

/// The codec of a batch; the number is in its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub fn of(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Snappy => Self::Snappy,
            Compression::Lz4 => Self::Lz4,
            Compression::Zstd => Self::Zstd,
        }
    }

    /// Returns the number in Kafka's protocol.
    pub fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

/// Appends the compressed form of `records` to `out`.
pub fn compress(codec: Codec, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec {
        Codec::None => out.extend_from_slice(records),
        Codec::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(records)?;
            encoder.finish()?;
        }
        // Without the frames of Java clients, as librdkafka writes it; all clients read both.
        Codec::Snappy => {
            let start = out.len();
            out.resize(start + snap::raw::max_compress_len(records.len()), 0);
            let written = snap::raw::Encoder::new().compress(records, &mut out[start..])?;
            out.truncate(start + written);
        }
        Codec::Lz4 => {
            // Kafka's Java clients read independent blocks only.
            let mut encoder = lz4::EncoderBuilder::new()
                .block_mode(BlockMode::Independent)
                .build(out)?;
            encoder.write_all(records)?;
            encoder.finish().1?;
        }
        Codec::Zstd => {
            let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.write_all(records)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
