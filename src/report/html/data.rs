//! The report and its histograms inside the page, so that one file holds everything.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Largest data that is unpacked.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Returns an element that holds bytes, compressed.
pub fn element(id: &str, bytes: &[u8]) -> io::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let text = STANDARD.encode(encoder.finish()?);
    Ok(format!(
        "<script type=\"application/gzip;base64\" id=\"{id}\">{text}</script>\n"
    ))
}

/// Returns the bytes of an element; `None` if the page has none with this id.
pub fn find(page: &str, id: &str) -> Option<io::Result<Vec<u8>>> {
    let start = page.find(&format!("id=\"{id}\">"))?;
    let (_, rest) = page[start..].split_once('>')?;
    let (text, _) = rest.split_once("</script>")?;
    Some(unpack(text))
}

fn unpack(text: &str) -> io::Result<Vec<u8>> {
    let packed = STANDARD.decode(text.trim()).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(LIMIT)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_back_from_a_page() {
        let page = format!(
            "<p>text</p>{}{}",
            element("report", b"{\"a\": \"</script>\"}").unwrap(),
            element("latencies", &[7; 10_000]).unwrap()
        );
        assert!(page.len() < 1_000);
        let read = |id| find(&page, id).map(Result::unwrap);
        assert_eq!(read("report").unwrap(), b"{\"a\": \"</script>\"}");
        assert_eq!(read("latencies").unwrap(), [7; 10_000]);
        assert_eq!(read("other"), None);
    }
}
