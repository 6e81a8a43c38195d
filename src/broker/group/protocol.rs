//! Subscriptions and assignments as members exchange them: Kafka's `consumer` protocol.
//!
//! ```text
//!  subscription  version 0: topics, user data    1: + owned partitions    2: + generation    3: + rack
//!  assignment    versions 0 to 3: partitions by topic, user data
//! ```
//!
//! A newer version only appends fields, so a reader takes the fields that it knows. Members before
//! version 2 may give their generation in the user data, as the assignor of Java's client does.
//!
//! # References
//!
//! - Apache Kafka: `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json`

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes};
use convoy_kafka_server::protocol::{FieldError, Reader};

/// Numbers of partitions by topic.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// Version that this client writes.
const VERSION: i16 = 3;

const WITH_OWNED_PARTITIONS: i16 = 1;
const WITH_GENERATION: i16 = 2;

/// Length of a null string and of null bytes.
const NULL_STRING: i16 = -1;

/// What a member wants, and what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    pub topics: BTreeSet<String>,
    /// Partitions that the member has not given up.
    pub owned: Partitions,
    /// Generation in which it got them; `None` if it is not stated.
    pub generation: Option<i32>,
}

impl Subscription {
    /// Encodes the subscription.
    pub fn encode(&self) -> Bytes {
        let generation = self.generation.unwrap_or(-1);
        let mut bytes = Vec::new();
        bytes.put_i16(VERSION);
        put_count(&mut bytes, self.topics.len());
        for topic in &self.topics {
            put_string(&mut bytes, topic);
        }
        // Older assignors of Java's client read the generation here.
        bytes.put_i32(4);
        bytes.put_i32(generation);
        put_partitions(&mut bytes, &self.owned);
        bytes.put_i32(generation);
        bytes.put_i16(NULL_STRING);
        bytes.into()
    }

    /// Decodes a subscription of any version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        let topics = reader.array(|reader| reader.string().map(str::to_owned))?;
        let user_data = reader.nullable_bytes()?.unwrap_or_default();
        let mut subscription = Self {
            topics: topics.into_iter().collect(),
            owned: Partitions::new(),
            generation: None,
        };
        if version >= WITH_OWNED_PARTITIONS {
            subscription.owned = partitions(&mut reader)?;
        }
        let generation = if version >= WITH_GENERATION {
            Some(reader.i32()?)
        } else {
            user_data.try_into().ok().map(i32::from_be_bytes)
        };
        subscription.generation = generation.filter(|generation| *generation >= 0);
        Ok(subscription)
    }
}

/// Encodes the partitions that a member gets.
pub fn encode_assignment(assigned: &Partitions) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16(VERSION);
    put_partitions(&mut bytes, assigned);
    bytes.put_i32(-1);
    bytes.into()
}

/// Decodes the partitions that this member gets. An assignment without bytes has none.
pub fn decode_assignment(bytes: &[u8]) -> Result<Partitions, FieldError> {
    if bytes.is_empty() {
        return Ok(Partitions::new());
    }
    let mut reader = Reader::new(bytes);
    let _version = reader.i16()?;
    partitions(&mut reader)
}

fn partitions(reader: &mut Reader<'_>) -> Result<Partitions, FieldError> {
    let topics = reader.array(|reader| {
        let topic = reader.string()?.to_owned();
        Ok((topic, reader.array(Reader::i32)?))
    })?;
    let mut partitions = Partitions::new();
    for (topic, numbers) in topics {
        partitions.entry(topic).or_default().extend(numbers);
    }
    Ok(partitions)
}

fn put_partitions(bytes: &mut Vec<u8>, partitions: &Partitions) {
    put_count(bytes, partitions.len());
    for (topic, numbers) in partitions {
        put_string(bytes, topic);
        put_count(bytes, numbers.len());
        for number in numbers {
            bytes.put_i32(*number);
        }
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

/// Appends the name of a topic, which has at most 249 bytes.
fn put_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    bytes.put_slice(text.as_bytes());
}
