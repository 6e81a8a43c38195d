//! The text of a file: opened, decompressed, and decoded to UTF-8.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, IsTerminal, Read};
use std::path::Path;
use std::rc::Rc;

use crate::dataset::assumptions::{Assumed, Basis, Compression};
use crate::dataset::decode::Transcoder;
use crate::dataset::error::{Binary, Error};
use crate::dataset::options::TextEncoding;

/// Path that names the standard input.
pub(super) const STDIN: &str = "-";

/// Bytes that are examined for magic bytes and the encoding.
const HEAD: usize = 4 << 10;

/// Buffer size for compressed and encoded bytes.
const BUFFER: usize = 256 << 10;

/// The text of a file.
pub(super) struct Source {
    /// Text in UTF-8; checked only if it was in another encoding.
    pub(super) text: Box<dyn Read>,
    pub(super) compression: Compression,
    pub(super) encoding: Assumed<TextEncoding>,
    /// The file, if its own bytes are the text.
    pub(super) plain: Option<File>,
    /// Bytes read so far, before decompression.
    pub(super) read: Rc<Cell<u64>>,
}

impl Source {
    /// Opens a file, a pipe or the standard input.
    pub(super) fn open(path: &Path, encoding: Option<TextEncoding>) -> Result<Self, Error> {
        if path == Path::new(STDIN) {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                return Err(Error::Terminal);
            }
            return Self::new(path, Box::new(stdin.lock()), encoding);
        }
        let open = |source| Error::open(path, source);
        let file = File::open(path).map_err(open)?;
        let regular = file.metadata().map_err(open)?.is_file();
        let mut source = Self::new(path, Box::new(file.try_clone().map_err(open)?), encoding)?;
        let as_is =
            source.compression == Compression::None && source.encoding.value == TextEncoding::UTF_8;
        source.plain = (regular && as_is).then_some(file);
        Ok(source)
    }

    /// Finds compression and encoding in the first bytes.
    pub(super) fn new(
        path: &Path,
        input: Box<dyn Read>,
        encoding: Option<TextEncoding>,
    ) -> Result<Self, Error> {
        let read = Rc::new(Cell::new(0));
        let input = Counting {
            input,
            read: Rc::clone(&read),
        };
        let failed = |source| Error::Read {
            file: path.to_owned(),
            byte: 0,
            source,
        };
        let (head, input) = peek(input).map_err(failed)?;
        let compression = match head.as_slice() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        };
        let broken = |source| Error::Decompress {
            file: path.to_owned(),
            compression,
            source,
        };
        let (head, input): (_, Box<dyn Read>) = match compression {
            Compression::None => (head, Box::new(input)),
            Compression::Gzip => {
                let input = BufReader::with_capacity(BUFFER, input);
                let (head, input) =
                    peek(flate2::bufread::MultiGzDecoder::new(input)).map_err(broken)?;
                (head, Box::new(input))
            }
            Compression::Zstd => {
                let input = BufReader::with_capacity(BUFFER, input);
                let decoder = zstd::Decoder::with_buffer(input).map_err(broken)?;
                let (head, input) = peek(decoder).map_err(broken)?;
                (head, Box::new(input))
            }
        };
        if let Some(kind) = Binary::of(&head) {
            let file = path.to_owned();
            return Err(Error::NotText { file, kind });
        }
        let encoding = find_encoding(path, &head, encoding)?;
        let text = if encoding.value == TextEncoding::UTF_8 {
            input
        } else {
            Box::new(Transcoder::new(input, encoding.value))
        };
        Ok(Self {
            text,
            compression,
            encoding,
            plain: None,
            read,
        })
    }
}

/// Finds the encoding of a text by its byte order mark, or takes the option.
fn find_encoding(
    path: &Path,
    head: &[u8],
    option: Option<TextEncoding>,
) -> Result<Assumed<TextEncoding>, Error> {
    let assumed = |value, basis| Ok(Assumed { value, basis });
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        let file = path.to_owned();
        let kind = Binary::Utf32;
        return Err(Error::NotText { file, kind });
    }
    if let Some((encoding, _length)) = encoding_rs::Encoding::for_bom(head) {
        return assumed(TextEncoding(encoding), Basis::Mark);
    }
    if let Some(encoding) = option {
        return assumed(encoding, Basis::Option);
    }
    if let Some(encoding) = utf16_without_mark(head) {
        let file = path.to_owned();
        return Err(Error::Utf16WithoutMark { file, encoding });
    }
    assumed(TextEncoding::UTF_8, Basis::Default)
}

/// Returns the UTF-16 that a text looks like: most of every second byte is zero.
fn utf16_without_mark(head: &[u8]) -> Option<TextEncoding> {
    let zeros = |parity: usize| {
        let bytes = head.iter().skip(parity).step_by(2);
        bytes.filter(|&&byte| byte == 0).count()
    };
    let (even, odd, pairs) = (zeros(0), zeros(1), head.len() / 2);
    let most = |zeros: usize, others: usize| pairs >= 4 && zeros * 2 > pairs && others * 8 < pairs;
    if most(odd, even) {
        Some(TextEncoding(encoding_rs::UTF_16LE))
    } else if most(even, odd) {
        Some(TextEncoding(encoding_rs::UTF_16BE))
    } else {
        None
    }
}

/// An input whose first bytes were read.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads the first bytes, and returns a reader that starts with them.
fn peek<R: Read>(mut input: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = Vec::new();
    (&mut input).take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

/// Counts the bytes that are read.
struct Counting<R> {
    input: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}
