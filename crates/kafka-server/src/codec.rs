//! Compresses the records of a batch, and decompresses them as a stream with a limit.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#recordbatch>
//! - <https://github.com/xerial/snappy-java>: the frames around Snappy blocks that Java clients write

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use lz4_flex::frame::{BlockMode, FrameDecoder, FrameEncoder, FrameInfo};

/// Records as they are.
pub const NONE: i16 = 0;
/// Gzip.
pub const GZIP: i16 = 1;
/// Snappy, with or without the frames of Java clients.
pub const SNAPPY: i16 = 2;
/// LZ4 frames.
pub const LZ4: i16 = 3;
/// Zstandard.
pub const ZSTD: i16 = 4;

/// Limit on the decompressed records of one batch: a few kilobytes can stand for gigabytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes that a decoder produces at a time.
const BUFFER_BYTES: usize = 16 * 1024;

/// First bytes of Snappy in the frames of Java clients, before two version numbers.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Returns a reader of the decompressed bytes, which ends one byte after [`MAX_BYTES`].
pub fn reader(codec: i16, compressed: &[u8]) -> io::Result<Box<dyn BufRead + '_>> {
    let limited = decoder(codec, compressed, MAX_BYTES)?.take(MAX_BYTES.saturating_add(1));
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, limited)))
}

/// Appends the compressed form of a batch's records; Snappy without frames, which all clients read.
///
/// An unknown codec is an error of the kind [`io::ErrorKind::Unsupported`].
pub fn compress(codec: i16, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec {
        NONE => out.extend_from_slice(records),
        GZIP => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(records)?;
            encoder.finish()?;
        }
        SNAPPY => out.extend(snap::raw::Encoder::new().compress_vec(records)?),
        LZ4 => {
            // Java clients read only blocks that do not depend on each other.
            let frame = FrameInfo::new().block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(frame, out);
            encoder.write_all(records)?;
            encoder.finish()?;
        }
        #[cfg(feature = "zstd")]
        ZSTD => {
            let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.write_all(records)?;
            encoder.finish()?;
        }
        #[cfg(not(feature = "zstd"))]
        ZSTD => return Err(without_zstd()),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(())
}

/// Decompresses at most `limit` bytes.
///
/// More bytes are an error of the kind [`io::ErrorKind::FileTooLarge`], and an unknown codec one of
/// the kind [`io::ErrorKind::Unsupported`]. Memory grows as bytes are decompressed.
pub fn decompress(codec: i16, compressed: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    if codec == SNAPPY {
        return decompress_snappy(compressed, limit);
    }
    let decoder = decoder(codec, compressed, limit)?;
    let mut bytes = Vec::with_capacity(compressed.len());
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn decoder(codec: i16, compressed: &[u8], limit: u64) -> io::Result<Box<dyn Read + '_>> {
    Ok(match codec {
        NONE => Box::new(compressed),
        GZIP => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
        SNAPPY => Box::new(Cursor::new(decompress_snappy(compressed, limit)?)),
        LZ4 => Box::new(FrameDecoder::new(compressed)),
        #[cfg(feature = "zstd")]
        ZSTD => Box::new(zstd::stream::read::Decoder::with_buffer(compressed)?),
        #[cfg(not(feature = "zstd"))]
        ZSTD => return Err(without_zstd()),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    })
}

#[cfg(not(feature = "zstd"))]
fn without_zstd() -> io::Error {
    let text = "this build has no Zstandard: enable the feature `zstd`, or choose another \
                `compression.type`";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

fn decompress_snappy(compressed: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut records = Vec::new();
    if !compressed.starts_with(XERIAL_MAGIC) {
        decompress_block(compressed, &mut records, limit)?;
        return Ok(records);
    }
    let truncated = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut rest = compressed
        .get(XERIAL_HEADER_BYTES..)
        .ok_or_else(truncated)?;
    while let Some((length, following)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, following) = following.split_at_checked(length).ok_or_else(truncated)?;
        decompress_block(block, &mut records, limit)?;
        rest = following;
    }
    if rest.is_empty() {
        Ok(records)
    } else {
        Err(truncated())
    }
}

fn decompress_block(block: &[u8], records: &mut Vec<u8>, limit: u64) -> io::Result<()> {
    let length = snap::raw::decompress_len(block)?;
    let start = records.len();
    let end = start.saturating_add(length);
    if end as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // A block decompresses to at most 64 bytes for each 3 of its own.
    if length / 32 > block.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    records.resize(end, 0);
    let into = records.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, into)?;
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compresses bytes; Snappy without frames, as librdkafka writes it.
    pub fn compress(codec: i16, bytes: &[u8]) -> Vec<u8> {
        match codec {
            GZIP => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            SNAPPY => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            LZ4 => {
                let frame = FrameInfo::new().block_mode(BlockMode::Linked);
                let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            #[cfg(feature = "zstd")]
            ZSTD => zstd::encode_all(bytes, 1).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    /// Writes the frames of Java clients around blocks of Snappy.
    pub fn compress_xerial(bytes: &[u8]) -> Vec<u8> {
        let mut framed = XERIAL_MAGIC.to_vec();
        framed.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for chunk in bytes.chunks(100) {
            let block = compress(SNAPPY, chunk);
            framed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
            framed.extend(block);
        }
        framed
    }

    fn decompress(codec: i16, compressed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader(codec, compressed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn bytes_beyond_the_limit_are_an_error() {
        let bytes = vec![0; 1_000];
        for codec in NONE..=ZSTD {
            let compressed = compress(codec, &bytes);
            assert_eq!(super::decompress(codec, &compressed, 1_000).unwrap(), bytes);
            let error = super::decompress(codec, &compressed, 999).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{codec}");
        }
    }

    #[test]
    fn bytes_that_are_not_compressed_are_an_error() {
        for codec in [GZIP, SNAPPY, ZSTD, LZ4] {
            assert!(
                decompress(codec, b"\xff\xff not compressed").is_err(),
                "{codec}"
            );
        }
    }

    #[test]
    fn stated_length_of_snappy_sizes_no_large_allocation() {
        assert!(decompress(SNAPPY, b"\xff\xff\xff\xff\x0f").is_err());
        assert!(decompress(SNAPPY, b"\xff\xff\xff\x0f").is_err());
    }

    proptest! {
        #[test]
        fn compressed_bytes_are_restored(
            codec in NONE..=ZSTD,
            bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        ) {
            prop_assert_eq!(&decompress(codec, &compress(codec, &bytes)).unwrap(), &bytes);
            let mut own = Vec::new();
            super::compress(codec, &bytes, &mut own).unwrap();
            prop_assert_eq!(&decompress(codec, &own).unwrap(), &bytes);
            prop_assert_eq!(&decompress(SNAPPY, &compress_xerial(&bytes)).unwrap(), &bytes);
            let at_once = super::decompress(codec, &compress(codec, &bytes), 2_000);
            prop_assert_eq!(&at_once.unwrap(), &bytes);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(
            codec in NONE..=5,
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _outcome = decompress(codec, &bytes);
        }
    }
}
