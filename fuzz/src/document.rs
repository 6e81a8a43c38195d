//! Repairs the lengths of a mutated BSON document. Without it, a document with one inserted byte
//! would fail at the first check of its lengths.

/// Deeper documents are cut off; the store rejects less deep ones already.
const MAX_DEPTH: usize = 110;

/// Reads any bytes as a document and returns it with the same elements and correct lengths.
pub fn repair(mut bytes: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(bytes.len() + 64);
    document(&mut bytes, 0, &mut repaired);
    repaired
}

fn document(bytes: &mut &[u8], depth: usize, out: &mut Vec<u8>) {
    with_length(out, |out| {
        take(bytes, 4);
        while let Some(kind) = take(bytes, 1).first().copied().filter(|kind| *kind != 0) {
            out.push(kind);
            text(bytes, out);
            value(kind, bytes, depth, out);
        }
        out.push(0);
        0
    });
}

/// Copies the value of an element, with zeros in place of what is missing.
fn value(kind: u8, bytes: &mut &[u8], depth: usize, out: &mut Vec<u8>) {
    match kind {
        0x01 | 0x09 | 0x11 | 0x12 => exactly(8, bytes, out),
        0x02 | 0x0d | 0x0e => string(bytes, out),
        0x03 | 0x04 if depth < MAX_DEPTH => document(bytes, depth + 1, out),
        0x05 => with_length(out, |out| {
            let length = take(bytes, 4).first().copied().unwrap_or(0);
            exactly(1, bytes, out);
            out.extend(take(bytes, usize::from(length)));
            5
        }),
        0x07 => exactly(12, bytes, out),
        0x08 => out.push(take(bytes, 1).first().map_or(0, |byte| byte & 1)),
        0x0b => {
            text(bytes, out);
            text(bytes, out);
        }
        0x0c => {
            string(bytes, out);
            exactly(12, bytes, out);
        }
        0x0f => with_length(out, |out| {
            take(bytes, 4);
            string(bytes, out);
            document(bytes, depth + 1, out);
            0
        }),
        0x10 => exactly(4, bytes, out),
        0x13 => exactly(16, bytes, out),
        _ => {}
    }
}

/// Writes a length in front of what `write` writes; it returns how much of that does not count.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> usize) {
    let start = out.len();
    out.extend([0; 4]);
    let uncounted = write(out);
    let length = (out.len() - start).saturating_sub(uncounted);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn string(bytes: &mut &[u8], out: &mut Vec<u8>) {
    with_length(out, |out| {
        take(bytes, 4);
        text(bytes, out);
        4
    });
}

/// Copies a text up to its zero.
fn text(bytes: &mut &[u8], out: &mut Vec<u8>) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = take(bytes, end.unwrap_or(bytes.len()));
    out.extend(String::from_utf8_lossy(text).bytes());
    out.push(0);
    take(bytes, 1);
}

fn exactly(size: usize, bytes: &mut &[u8], out: &mut Vec<u8>) {
    let end = out.len() + size;
    out.extend(take(bytes, size));
    out.resize(end, 0);
}

fn take<'a>(bytes: &mut &'a [u8], size: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(size.min(bytes.len()));
    *bytes = rest;
    taken
}
