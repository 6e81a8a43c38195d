//! Identity of a reading as fields of its payload, so that any program carries it into its documents.
//!
//! ```text
//!  {…columns…, "convoy_run": "20261129-…", "convoy_vehicle": 7, "convoy_sequence": 12, "convoy_emitted_at": 1795960000123456}
//! ```
//!
//! `convoy_emitted_at` is the intended instant in microseconds since 1970: an integer that a double
//! holds exactly. The names are words that JSON Schema, Avro, SQL and BSON allow. They are found again
//! in any case and without their underscores, such as `convoyRun`; at the top level of a document or
//! one level below; as integers of any width, doubles, decimals or text.

use convoy_mongodb_server::bson::{Doc, Element, Kind, Value};

use crate::dataset::{Column, ColumnType};
use crate::record::payload::{write_integer, write_json_string};

pub(super) const RUN: &str = "convoy_run";
const VEHICLE: &str = "convoy_vehicle";
const SEQUENCE: &str = "convoy_sequence";
const EMITTED_AT: &str = "convoy_emitted_at";

/// Names of the fields, in their order in the payload.
pub const IDENTITY_FIELDS: [&str; 4] = [RUN, VEHICLE, SEQUENCE, EMITTED_AT];

/// The greatest integer up to which a double has every integer.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Returns the fields as columns, for the schema of the messages.
pub fn identity_columns() -> [Column; 4] {
    IDENTITY_FIELDS.map(|name| Column {
        name: name.to_owned(),
        kind: if name == RUN {
            ColumnType::Text
        } else {
            ColumnType::Integer
        },
        nullable: false,
    })
}

/// Identity of a reading in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadIdentity<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among those of its vehicle.
    pub sequence: u64,
    /// Intended instant in microseconds since 1970.
    pub emitted_at_us: u64,
}

impl PayloadIdentity<'_> {
    /// Adds the fields to a payload, which is a JSON object.
    pub fn add_to(&self, payload: &mut Vec<u8>) {
        if payload.pop() != Some(b'}') {
            return;
        }
        if payload.len() > 1 {
            payload.push(b',');
        }
        let field = |payload: &mut Vec<u8>, name: &str| {
            payload.push(b'"');
            payload.extend_from_slice(name.as_bytes());
            payload.extend_from_slice(b"\":");
        };
        field(payload, RUN);
        write_json_string(payload, self.run);
        for (name, number) in [
            (VEHICLE, u64::from(self.vehicle)),
            (SEQUENCE, self.sequence),
            (EMITTED_AT, self.emitted_at_us),
        ] {
            payload.push(b',');
            field(payload, name);
            write_integer(payload, number.cast_signed());
        }
        payload.push(b'}');
    }
}

/// Identity of a reading as a document has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundIdentity<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// Index of the vehicle; `None` if it is missing or no such number.
    pub vehicle: Option<u32>,
    /// Number of the reading; `None` if it is missing or no such number.
    pub sequence: Option<u64>,
    /// Intended instant in microseconds since 1970; `None` if it is missing or no such number.
    pub emitted_at_us: Option<u64>,
    /// The document that has the fields: the whole one, or one in it.
    pub holder: Doc<'a>,
}

/// Returns the identity in a document, if it names a run: of its own fields, or of those one level
/// below.
pub fn find_identity(document: Doc<'_>) -> Option<FoundIdentity<'_>> {
    identity_of(document).or_else(|| {
        let nested = document.elements().filter_map(Element::doc);
        nested.into_iter().find_map(identity_of)
    })
}

fn identity_of(holder: Doc<'_>) -> Option<FoundIdentity<'_>> {
    let mut run = None;
    let mut numbers = [None; 3];
    for element in holder.elements() {
        match field_index(element.name_bytes()) {
            Some(0) => run = element.text(),
            Some(index) => numbers[index - 1] = unsigned(element),
            None => {}
        }
    }
    let [vehicle, sequence, emitted_at_us] = numbers;
    Some(FoundIdentity {
        run: run?,
        vehicle: vehicle.and_then(|number| u32::try_from(number).ok()),
        sequence,
        emitted_at_us,
        holder,
    })
}

/// Returns the index of a field's name, whatever its case and its separators.
pub(super) fn field_index(name: &[u8]) -> Option<usize> {
    let known = |known: &&str| same_letters(name, known.as_bytes());
    // Most names are not one of these: decide by the first letter.
    let first = name.iter().find(|byte| !is_separator(**byte))?;
    let possible = first.eq_ignore_ascii_case(&b'c');
    possible.then(|| IDENTITY_FIELDS.iter().position(known))?
}

/// Returns whether two names differ in case and separators only.
pub(super) fn same_letters(one: &[u8], other: &[u8]) -> bool {
    letters(one).eq(letters(other))
}

fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    let letters = name.iter().filter(|byte| !is_separator(**byte));
    letters.map(u8::to_ascii_lowercase)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'_' | b'-')
}

/// Returns a whole number that is not negative, of any type that holds one.
fn unsigned(element: Element<'_>) -> Option<u64> {
    match element.kind() {
        Kind::Int32 | Kind::Int64 => u64::try_from(element.integer()?).ok(),
        Kind::Double => whole(element.double()?),
        Kind::String => {
            let text = element.text()?.trim();
            let parsed = text.parse().ok();
            parsed.or_else(|| whole(text.parse().ok()?))
        }
        Kind::Decimal128 => match element.value() {
            Value::Decimal128(number) => u64::try_from(number.to_i64()?).ok(),
            _ => None,
        },
        _ => None,
    }
}

fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, in range and not negative"
    )]
    let converted = number as u64;
    ((0.0..=EXACT_IN_DOUBLE).contains(&number) && number.fract() == 0.0).then_some(converted)
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::Builder;
    use proptest::prelude::*;

    use super::*;
    use crate::record::exact_document;

    const IDENTITY: PayloadIdentity<'_> = PayloadIdentity {
        run: "night.run-1",
        vehicle: u32::MAX,
        sequence: 12,
        emitted_at_us: 1_795_960_000_123_456,
    };

    type Found = (String, Option<u32>, Option<u64>, Option<u64>);

    fn found(document: &[u8]) -> Option<Found> {
        let found = find_identity(Doc::new(document))?;
        Some((
            found.run.to_owned(),
            found.vehicle,
            found.sequence,
            found.emitted_at_us,
        ))
    }

    fn expected() -> Found {
        (
            IDENTITY.run.to_owned(),
            Some(IDENTITY.vehicle),
            Some(IDENTITY.sequence),
            Some(IDENTITY.emitted_at_us),
        )
    }

    #[test]
    fn fields_follow_the_columns() {
        let mut payload = br#"{"a":1}"#.to_vec();
        IDENTITY.add_to(&mut payload);
        insta::assert_snapshot!(
            String::from_utf8_lossy(&payload),
            @r#"{"a":1,"convoy_run":"night.run-1","convoy_vehicle":4294967295,"convoy_sequence":12,"convoy_emitted_at":1795960000123456}"#
        );
        let mut empty = b"{}".to_vec();
        IDENTITY.add_to(&mut empty);
        assert!(empty.starts_with(br#"{"convoy_run""#));
        let document = exact_document(&payload).unwrap();
        assert_eq!(found(document.as_bytes()), Some(expected()));
    }

    #[test]
    fn identity_is_found_with_other_names_types_and_one_level_below() {
        type Names = [&'static str; 4];
        let names: [Names; 5] = [
            IDENTITY_FIELDS,
            [
                "convoyRun",
                "convoyVehicle",
                "convoySequence",
                "convoyEmittedAt",
            ],
            [
                "CONVOY_RUN",
                "CONVOY_VEHICLE",
                "CONVOY_SEQUENCE",
                "CONVOY_EMITTED_AT",
            ],
            [
                "_convoy_run",
                "_convoy_vehicle",
                "_convoy_sequence",
                "_convoy_emitted_at",
            ],
            [
                "Convoy-Run",
                "Convoy-Vehicle",
                "Convoy-Sequence",
                "Convoy-Emitted-At",
            ],
        ];
        let numbers = [
            u64::from(IDENTITY.vehicle),
            IDENTITY.sequence,
            IDENTITY.emitted_at_us,
        ];
        for names in names {
            let [run, rest @ ..] = names;
            let typed = |write: &dyn Fn(Builder, &str, u64) -> Builder| {
                let start = Builder::new().string("vin", "x").string(run, IDENTITY.run);
                rest.iter()
                    .zip(numbers)
                    .fold(start, |builder, (name, number)| {
                        write(builder, name, number)
                    })
            };
            let long = || typed(&|builder, name, number| builder.int64(name, number.cast_signed()));
            let double =
                typed(&|builder, name, number| builder.with(name, &Value::Double(number as f64)));
            let text = typed(&|builder, name, number| builder.string(name, &number.to_string()));
            for document in [
                long().finish(),
                double.finish(),
                text.finish(),
                Builder::new()
                    .int32("offset", 1)
                    .document("meta", Builder::new().int32("a", 1))
                    .document("value", long())
                    .finish(),
            ] {
                assert_eq!(found(&document), Some(expected()), "{names:?}");
            }
        }
    }

    #[test]
    fn other_documents_have_no_identity() {
        for document in [
            Builder::new().string("convoy", "x").finish(),
            Builder::new().string("convoy_runs", "x").finish(),
            Builder::new().int32("convoy_run", 1).finish(),
            Builder::new()
                .document(
                    "a",
                    Builder::new().document("b", Builder::new().string(RUN, "x")),
                )
                .finish(),
        ] {
            assert_eq!(found(&document), None);
        }
        let wrong = Builder::new()
            .string(RUN, "x")
            .int32(VEHICLE, -1)
            .with(SEQUENCE, &Value::Double(0.5))
            .string(EMITTED_AT, "soon");
        assert_eq!(
            found(&wrong.finish()),
            Some(("x".to_owned(), None, None, None))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_identity_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _found = find_identity(Doc::new(&bytes));
        }
    }
}
