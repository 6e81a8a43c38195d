//! Inputs out of inputs: bytes changed, cut, doubled and mixed; numbers at their limits; and, where
//! the bytes are a document, its tree changed so that it stays one.

use bson::{Bson, Document};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Longer inputs are cut: what a decoder does it does within this.
const MAX_BYTES: usize = 4_096;

/// Numbers at which something changes its sign or its width.
const LIMITS: &[u64] = &[
    0,
    1,
    2,
    4,
    5,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Texts that decoders know.
const WORDS: &[&str] = &[
    "",
    "$",
    "$and",
    "$or",
    "$nor",
    "$not",
    "$in",
    "$elemMatch",
    "$all",
    "$regex",
    "$options",
    "$size",
    "$type",
    "$mod",
    "$expr",
    "$set",
    "$unset",
    "$inc",
    "$push",
    "$each",
    "$slice",
    "$sort",
    "$position",
    "$pull",
    "$rename",
    "$bit",
    "$[]",
    "$[a]",
    "$",
    "a.$",
    "a.0.b",
    "$$ROOT",
    "$$this",
    "$cond",
    "$map",
    "$filter",
    "$reduce",
    "$dateToString",
    "$literal",
    "$group",
    "$unwind",
    "$facet",
    "$bucket",
    "$project",
    "a",
    "b",
    "a.b",
    "_id",
    "c",
    "known",
    "group",
    "POST",
    "DELETE",
    "/subjects/a/versions",
    "{\"schema\":\"{}\",\"schemaType\":\"JSON\"}",
    "na",
    "\"",
    "\"\"",
    "\r\n",
    "\u{feff}",
    "1e400",
    "-0.0",
    "9223372036854775808",
    "null",
];

/// How a target's inputs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any bytes.
    Bytes,
    /// A document behind so many bytes.
    DocumentAfter(usize),
}

/// Returns a change of one of `corpus`.
pub fn mutate(corpus: &[Vec<u8>], form: Form, random: &mut ChaCha8Rng) -> Vec<u8> {
    let Some(chosen) = corpus.choose(random) else {
        return (0..random.random_range(0..64))
            .map(|_| random.random())
            .collect();
    };
    if let Form::DocumentAfter(head) = form
        && random.random_bool(0.7)
        && let Some(changed) = mutate_tree(chosen, corpus, head, random)
    {
        return changed;
    }
    let mut bytes = chosen.clone();
    for _ in 0..1 << random.random_range(0..4) {
        mutate_bytes(&mut bytes, corpus, random);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn mutate_bytes(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(0..32)).min(bytes.len());
    match random.random_range(0..9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.random();
            }
        }
        2 => overwrite(bytes, at, &limit(random)),
        3 => drop(bytes.splice(at..at, limit(random))),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let copy = bytes[at..end].to_vec();
            let to = random.random_range(0..=bytes.len());
            drop(bytes.splice(to..to, copy));
        }
        6 => {
            let word = WORDS.choose(random).copied().unwrap_or_default();
            drop(bytes.splice(at..at, word.bytes()));
        }
        7 => bytes.truncate(at),
        _ => {
            let other = corpus.choose(random).cloned().unwrap_or_default();
            let from = random.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// A number at its limit or next to it, in some width and order.
fn limit(random: &mut ChaCha8Rng) -> Vec<u8> {
    let number = LIMITS.choose(random).copied().unwrap_or_default();
    let number = number
        .wrapping_add(random.random_range(0..3))
        .wrapping_sub(1);
    let width = [1, 2, 4, 8].choose(random).copied().unwrap_or(4);
    if random.random() {
        number.to_be_bytes()[8 - width..].to_vec()
    } else {
        number.to_le_bytes()[..width].to_vec()
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes[at..].iter_mut().zip(with) {
        *byte = *new;
    }
}

fn mutate_tree(
    chosen: &[u8],
    corpus: &[Vec<u8>],
    head: usize,
    random: &mut ChaCha8Rng,
) -> Option<Vec<u8>> {
    let mut document = decode(chosen, head)?;
    let other = corpus.choose(random).and_then(|other| decode(other, head));
    let donor = Bson::Document(other.unwrap_or_default());
    for _ in 0..random.random_range(1..4) {
        change(&mut document, &donor, random);
    }
    let mut bytes = chosen[..head].to_vec();
    bytes.extend(bson::serialize_to_vec(&document).ok()?);
    (bytes.len() <= MAX_BYTES).then_some(bytes)
}

fn decode(bytes: &[u8], head: usize) -> Option<Document> {
    bson::deserialize_from_slice(bytes.get(head..)?).ok()
}

/// Changes one element, here or further down.
fn change(document: &mut Document, donor: &Bson, random: &mut ChaCha8Rng) {
    let names: Vec<String> = document.keys().cloned().collect();
    let Some(name) = names.choose(random).cloned() else {
        document.insert(word(random), part(donor, random));
        return;
    };
    if random.random_bool(0.5) {
        match document.get_mut(&name) {
            Some(Bson::Document(inner)) => return change(inner, donor, random),
            Some(Bson::Array(items)) => return change_array(items, donor, random),
            _ => {}
        }
    }
    match random.random_range(0..6) {
        0 => drop(document.remove(&name)),
        1 => drop(document.insert(word(random), part(donor, random))),
        2 => {
            if let Some(value) = document.remove(&name) {
                document.insert(word(random), value);
            }
        }
        3 => {
            if let Some(value) = document.remove(&name) {
                let nested = bson::doc! { word(random): value };
                document.insert(name, nested);
            }
        }
        4 => drop(document.insert(name, scalar(random))),
        _ => drop(document.insert(name, part(donor, random))),
    }
}

fn change_array(items: &mut Vec<Bson>, donor: &Bson, random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=items.len());
    match random.random_range(0..4) {
        0 => items.truncate(at),
        1 => items.insert(at, part(donor, random)),
        2 => items.insert(at, scalar(random)),
        _ => match items.get_mut(at) {
            Some(Bson::Document(inner)) => change(inner, donor, random),
            Some(Bson::Array(inner)) => change_array(inner, donor, random),
            Some(item) => *item = scalar(random),
            None => {}
        },
    }
}

/// Some part of another document.
fn part(donor: &Bson, random: &mut ChaCha8Rng) -> Bson {
    let inner = match donor {
        Bson::Document(document) => document.values().collect::<Vec<_>>(),
        Bson::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    match inner.choose(random) {
        Some(inner) if random.random_bool(0.7) => part(inner, random),
        _ => donor.clone(),
    }
}

fn word(random: &mut ChaCha8Rng) -> String {
    let word = WORDS.choose(random).copied().unwrap_or_default();
    word.to_owned()
}

fn scalar(random: &mut ChaCha8Rng) -> Bson {
    let number = LIMITS.choose(random).copied().unwrap_or_default();
    match random.random_range(0..10) {
        0 => Bson::Null,
        1 => Bson::Boolean(random.random()),
        2 => Bson::Int32(i32::try_from(number).unwrap_or(i32::MIN)),
        3 => Bson::Int64(number.cast_signed()),
        4 => Bson::Double(f64::from_bits(number)),
        5 => Bson::Double([f64::NAN, f64::INFINITY, -0.0, 0.5][random.random_range(0..4)]),
        6 => Bson::String(format!("${}", word(random))),
        7 => Bson::DateTime(bson::DateTime::from_millis(number.cast_signed())),
        8 => Bson::Array(Vec::new()),
        _ => Bson::String(word(random)),
    }
}
