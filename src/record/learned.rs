//! Fast path from JSON to BSON for payloads without a schema: programs write the same names in the
//! same order again and again.
//!
//! After two payloads with the same names, the next one is expected to have them as well, so that
//! its names are neither decoded nor compared with each other. Spaces are as `JSON.stringify` or
//! Python's `json.dumps` writes them. Any other payload, any nested value and any value that needs
//! thought is left to the general decoder, which also words the errors.

use convoy_mongodb_server::bson::{Kind, Writer};

use crate::dataset::parse_date;
use crate::record::digits::{decimal, digits, few_digits};
use crate::record::flat::{FlatField, Output, append, overhead, text};
use crate::record::names::stored_name;
use crate::record::payload::write_json_string;

/// Fields that are learned at most.
const MOST_FIELDS: usize = 10_000;

/// Characters of the longest number that is neither a decimal nor text in the document.
const NUMBER_LENGTH: usize = 18;

/// Payloads in a row that need the general decoder, until the next ones are left to it at once.
const MOST_MISSES: u32 = 16;

/// Writes the elements of payloads whose names are known.
#[derive(Debug, Default)]
pub(super) struct LearnedDecoder {
    fields: Vec<FlatField>,
    /// Bytes of the elements beyond those of the payload, at most.
    overhead: usize,
    /// Whether the current names were learned, or cannot be.
    tried: bool,
    misses: u32,
}

impl LearnedDecoder {
    /// Learns from a payload that the general decoder has taken, with names that no other field of
    /// it has. `steady` says that the payload before it had the same ones.
    pub(super) fn learn(&mut self, payload: &[u8], names: &[String], steady: bool) {
        if !steady {
            if self.tried {
                *self = Self::default();
            }
            return;
        }
        if self.tried {
            return;
        }
        self.tried = true;
        if let Some(first) = names.first().filter(|_| names.len() <= MOST_FIELDS) {
            let space = payload.starts_with(&before(first, true, true));
            let field = |(index, name): (usize, &String)| {
                FlatField::new(before(name, index == 0, space), &stored_name(name))
            };
            self.fields = names.iter().enumerate().map(field).collect();
            self.overhead = overhead(self.fields.iter());
        }
    }

    /// Appends the payload's fields; texts in the form of convoy's dates are dates if it is `own`.
    /// Returns false, and appends nothing, if the general decoder has to decide.
    pub(super) fn decode(&mut self, payload: &[u8], own: bool, writer: &mut Writer<'_>) -> bool {
        if self.fields.is_empty() {
            return false;
        }
        let most = payload.len() + self.overhead;
        let taken = append(writer, most, |output| self.write(payload, own, output));
        if taken {
            self.misses = 0;
        } else {
            self.misses += 1;
            if self.misses >= MOST_MISSES {
                self.fields = Vec::new();
            }
        }
        taken
    }

    fn write(&self, payload: &[u8], own: bool, output: &mut Output<'_>) -> Option<()> {
        let mut rest = payload;
        for field in &self.fields {
            rest = value(field, field.expect(rest)?, own, output)?;
        }
        (rest == b"}").then_some(())
    }
}

/// Returns the bytes before the value of a field.
fn before(name: &str, first: bool, space: bool) -> Vec<u8> {
    let mut before = match (first, space) {
        (true, _) => b"{".to_vec(),
        (false, false) => b",".to_vec(),
        (false, true) => b", ".to_vec(),
    };
    write_json_string(&mut before, name);
    before.extend_from_slice(if space { b": " } else { b":" });
    before
}

/// Appends a value with the type of its JSON; returns what follows it.
#[inline]
fn value<'p>(
    field: &FlatField,
    payload: &'p [u8],
    own: bool,
    output: &mut Output<'_>,
) -> Option<&'p [u8]> {
    match payload.first()? {
        b'"' => {
            let (text, rest) = text(payload)?;
            match own.then(|| parse_date(text)).flatten() {
                Some(unix_ms) => output.put(field, Kind::DateTime, unix_ms.to_le_bytes()),
                None => output.text(field, text)?,
            }
            Some(rest)
        }
        b't' => word(field, payload, b"true", output, Some(true)),
        b'f' => word(field, payload, b"false", output, Some(false)),
        b'n' => word(field, payload, b"null", output, None),
        _ => number(field, payload, output),
    }
}

#[inline]
fn word<'p>(
    field: &FlatField,
    payload: &'p [u8],
    word: &[u8],
    output: &mut Output<'_>,
    value: Option<bool>,
) -> Option<&'p [u8]> {
    let rest = payload.strip_prefix(word)?;
    match value {
        Some(value) => output.put(field, Kind::Bool, [u8::from(value)]),
        None => output.put(field, Kind::Null, []),
    }
    Some(rest)
}

#[inline]
fn number<'p>(field: &FlatField, payload: &'p [u8], output: &mut Output<'_>) -> Option<&'p [u8]> {
    if let Some((number, rest)) = few_digits(payload) {
        output.put(field, Kind::Int32, number.to_le_bytes());
        return Some(rest);
    }
    let whole = digits(payload)?;
    if whole.ended() {
        output.integer(field, &whole)?;
        return Some(whole.rest);
    }
    let (number, rest) = decimal(payload, &whole)?;
    let written = &payload[..payload.len() - rest.len()];
    // Such a number may be a decimal, as may one that is too small for a double.
    let small = number == 0.0 && written.iter().any(|byte| matches!(byte, b'e' | b'E'));
    if written.len() > NUMBER_LENGTH || small {
        return None;
    }
    output.put(field, Kind::Double, number.to_le_bytes());
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::typed::DecodeError;
    use crate::record::untyped::UntypedDecoder;

    const NAMES: [&str; 7] = [
        "_id",
        "ü €\n\"x\"",
        "a name that is longer than a block of bytes",
        "",
        "$set",
        "at",
        "n",
    ];

    fn names(count: usize) -> Vec<String> {
        NAMES[..count]
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "-?(0|[1-9][0-9]{0,17})",
            1 => "-?[0-9]{1,40}",
            6 => "-?(0|[1-9][0-9]{0,8})\\.[0-9]{1,16}",
            2 => "-?[0-9]{1,12}(\\.[0-9]{1,25})?[eE][-+]?[0-9]{1,3}",
            6 => "\"[a-zA-Z0-9ü€$ .,:-]{0,40}\"",
            1 => "\"[\\\\nu0-9\"\\x00-\\x1f]{0,6}\"",
            3 => Just("\"2024-05-01T10:00:00.000Z\"".to_owned()),
            3 => prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned),
            1 => prop_oneof![Just("[1,{}]"), Just("{\"$date\":1}")].prop_map(str::to_owned),
            1 => "[\\[\\]{}\":,a0.e\\-]{0,6}",
        ]
    }

    fn payload(values: &[String], space: bool) -> Vec<u8> {
        let mut payload = Vec::new();
        for (index, (name, value)) in NAMES.iter().zip(values).enumerate() {
            payload.extend(before(name, index == 0, space));
            payload.extend_from_slice(value.as_bytes());
        }
        payload.push(b'}');
        payload
    }

    /// Returns a decoder that has learned the first names.
    fn learned(count: usize, space: bool) -> LearnedDecoder {
        let mut decoder = LearnedDecoder::default();
        let example = payload(&vec!["1".to_owned(); count], space);
        decoder.learn(&example, &names(count), true);
        decoder
    }

    /// Decodes by both ways; returns whether the fast path took the payload.
    fn compare(fast: &mut LearnedDecoder, payload: &[u8], own: bool, extended: bool) -> bool {
        let mut found = b"before".to_vec();
        let taken = fast.decode(payload, own, &mut Writer::new(&mut found));
        let mut general = if extended {
            UntypedDecoder::extended()
        } else {
            UntypedDecoder::default()
        };
        let mut expected = b"before".to_vec();
        let mut writer = Writer::new(&mut expected);
        let decoded = if own {
            general.decode_own(payload, &mut writer)
        } else {
            general.decode(payload, &mut writer)
        };
        let shown = String::from_utf8_lossy(payload);
        if taken {
            assert!(decoded.is_ok(), "{shown}: {decoded:?}");
            assert_eq!(found, expected, "{shown}");
        } else {
            assert_eq!(found.len(), b"before".len() + 4, "nothing is left behind");
        }
        taken
    }

    proptest! {
        #[test]
        fn what_the_fast_path_takes_is_what_the_general_decoder_writes(
            values in prop::collection::vec(value(), 1..8), space: bool, own: bool, extended: bool,
            place: prop::sample::Index, change: u8, kind in 0_u8..4,
        ) {
            let mut fast = learned(values.len(), space);
            let mut payload = payload(&values, space);
            compare(&mut fast, &payload, own, extended);
            let place = place.index(payload.len());
            match kind {
                0 => payload[place] = change,
                1 => payload.insert(place, change),
                2 => drop(payload.remove(place)),
                _ => payload.insert(place, b' '),
            }
            compare(&mut fast, &payload, own, extended);
        }

        #[test]
        fn plain_values_take_the_fast_path(
            whole in any::<i32>(), decimal in -1e6_f32..1e6, text in "[a-zA-Zü ]{0,40}", space: bool,
        ) {
            let values = [
                whole.to_string(), format!("{decimal:?}"), format!("\"{text}\""), "null".to_owned(),
            ];
            let taken = compare(&mut learned(4, space), &payload(&values, space), false, false);
            prop_assert!(taken || decimal.to_string().len() > NUMBER_LENGTH);
        }

        #[test]
        fn a_decoder_that_learns_gives_what_one_gives_that_does_not(
            payloads in prop::collection::vec(
                (prop::collection::vec(value(), 1..4), any::<bool>(), 0_usize..3), 1..12,
            ),
        ) {
            let mut decoder = UntypedDecoder::default();
            for (values, space, repeat) in payloads {
                let payload = payload(&values, space);
                for _ in 0..=repeat {
                    let mut found = Vec::new();
                    let decoded = decoder.decode(&payload, &mut Writer::new(&mut found));
                    let mut expected = Vec::new();
                    let mut other = UntypedDecoder::default();
                    let alone = other.decode(&payload, &mut Writer::new(&mut expected));
                    let reason = |error: &DecodeError| error.reason.clone();
                    prop_assert_eq!(decoded.as_ref().map_err(reason), alone.as_ref().map_err(reason));
                    if decoded.is_ok() {
                        prop_assert_eq!(found, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_learned_only_if_they_are_the_same_twice() {
        let (one, two) = (names(3), names(4));
        let mut decoder = LearnedDecoder::default();
        let example = |count| payload(&vec!["1".to_owned(); count], false);
        decoder.learn(&example(3), &one, false);
        assert!(!compare(&mut decoder, &example(3), false, false));
        decoder.learn(&example(3), &one, true);
        assert!(compare(&mut decoder, &example(3), false, false));
        decoder.learn(&example(4), &two, false);
        assert!(!compare(&mut decoder, &example(3), false, false));
        decoder.learn(&example(4), &two, true);
        assert!(compare(&mut decoder, &example(4), false, false));
    }

    #[test]
    fn payloads_that_never_fit_are_left_to_the_general_decoder() {
        let mut decoder = learned(1, false);
        for _ in 0..MOST_MISSES {
            assert!(!compare(&mut decoder, b"{\"_id\":[1]}", false, false));
        }
        assert!(!compare(&mut decoder, b"{\"_id\":1}", false, false));
    }
}
