//! Requests to the coordinator of a group, and the responses to them.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use convoy_kafka_server::protocol::{FieldError, Reader};
use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

use crate::broker::wire::Response;

pub const FIND_COORDINATOR: RangeInclusive<i16> = 0..=4;
pub const JOIN_GROUP: RangeInclusive<i16> = 2..=9;
pub const SYNC_GROUP: RangeInclusive<i16> = 1..=5;
pub const HEARTBEAT: RangeInclusive<i16> = 1..=4;
pub const LEAVE_GROUP: RangeInclusive<i16> = 1..=5;
pub const OFFSET_COMMIT: RangeInclusive<i16> = 2..=9;
pub const OFFSET_FETCH: RangeInclusive<i16> = 1..=7;
pub const DESCRIBE_GROUPS: RangeInclusive<i16> = 0..=5;
pub const LIST_GROUPS: RangeInclusive<i16> = 0..=4;

/// Type of all groups of consumers.
pub const PROTOCOL_TYPE: &str = "consumer";

/// Name of the assignor, as Java's client and librdkafka have it.
pub const ASSIGNOR: &str = "cooperative-sticky";

/// Versions with the instance ids of static members.
pub const JOIN_WITH_INSTANCE: i16 = 5;
pub const SYNC_WITH_INSTANCE: i16 = 3;
pub const HEARTBEAT_WITH_INSTANCE: i16 = 3;
pub const COMMIT_WITH_INSTANCE: i16 = 7;
pub const LEAVE_WITH_MEMBERS: i16 = 3;

/// Where the coordinator is, or the error code with its text.
#[derive(Debug, PartialEq, Eq)]
pub struct CoordinatorAt {
    pub code: i16,
    pub message: Option<String>,
    pub host: String,
    pub port: i32,
}

/// The response to a request to join.
#[derive(Debug)]
pub struct JoinAnswer {
    pub code: i16,
    pub generation: i32,
    pub leader: String,
    /// Whether the leader keeps the present assignment.
    pub skip_assignment: bool,
    pub member_id: String,
    /// Id and subscription of each member; empty except for the leader.
    pub members: Vec<(String, Bytes)>,
}

/// A group as its coordinator describes it.
#[derive(Debug)]
pub struct GroupAnswer {
    pub code: i16,
    /// State in Kafka's words, such as `Stable`.
    pub state: String,
    /// Client id and host of each member.
    pub members: Vec<(String, String)>,
}

/// Offset of a partition in a response.
#[derive(Debug)]
pub struct OffsetAnswer {
    pub topic: String,
    pub number: i32,
    /// Negative if none is committed.
    pub offset: i64,
    pub leader_epoch: Option<i32>,
    pub metadata: String,
    pub code: i16,
}

pub fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

pub fn decode_coordinator(response: &Response) -> Result<CoordinatorAt, FieldError> {
    let (mut reader, version) = (response.reader(), response.version);
    if version >= 1 {
        let _throttle_ms = reader.i32()?;
    }
    if version >= 4 {
        let found = reader.array(|reader| {
            let _key = reader.string()?;
            let _node = reader.i32()?;
            let (host, port) = (reader.string()?.to_owned(), reader.i32()?);
            let code = reader.i16()?;
            let message = reader.nullable_string()?.map(str::to_owned);
            reader.tags()?;
            Ok(CoordinatorAt {
                code,
                message,
                host,
                port,
            })
        })?;
        // Without an element, the broker knows no coordinator.
        return Ok(found.into_iter().next().unwrap_or(CoordinatorAt {
            code: kafka_protocol::error::ResponseError::CoordinatorNotAvailable.code(),
            message: None,
            host: String::new(),
            port: 0,
        }));
    }
    let code = reader.i16()?;
    let message = match version {
        0 => None,
        _ => reader.nullable_string()?.map(str::to_owned),
    };
    let _node = reader.i32()?;
    Ok(CoordinatorAt {
        code,
        message,
        host: reader.string()?.to_owned(),
        port: reader.i32()?,
    })
}

pub fn decode_join(response: &Response) -> Result<JoinAnswer, FieldError> {
    let (mut reader, version) = (response.reader(), response.version);
    let _throttle_ms = reader.i32()?;
    let code = reader.i16()?;
    let generation = reader.i32()?;
    if version >= 7 {
        let _protocol_type = reader.nullable_string()?;
    }
    let _protocol = reader.nullable_string()?;
    let leader = reader.string()?.to_owned();
    let skip_assignment = version >= 9 && reader.bool()?;
    let member_id = reader.string()?.to_owned();
    let members = reader.array(|reader| {
        let member = reader.string()?.to_owned();
        if version >= JOIN_WITH_INSTANCE {
            let _instance = reader.nullable_string()?;
        }
        let subscription = response.body.slice_ref(reader.bytes()?);
        reader.tags()?;
        Ok((member, subscription))
    })?;
    Ok(JoinAnswer {
        code,
        generation,
        leader,
        skip_assignment,
        member_id,
        members,
    })
}

/// Returns error code and assignment.
pub fn decode_sync(response: &Response) -> Result<(i16, Bytes), FieldError> {
    let mut reader = response.reader();
    let _throttle_ms = reader.i32()?;
    let code = reader.i16()?;
    if response.version >= 5 {
        let _protocol_type = reader.nullable_string()?;
        let _protocol = reader.nullable_string()?;
    }
    let assignment = response.body.slice_ref(reader.bytes()?);
    Ok((code, assignment))
}

/// Returns the error code of a response that starts with it, after the throttle time.
pub fn decode_code(response: &Response) -> Result<i16, FieldError> {
    let mut reader = response.reader();
    let _throttle_ms = reader.i32()?;
    reader.i16()
}

/// Returns topic, partition and error code of each offset.
pub fn decode_commit(response: &Response) -> Result<Vec<(String, i32, i16)>, FieldError> {
    let mut reader = response.reader();
    if response.version >= 3 {
        let _throttle_ms = reader.i32()?;
    }
    by_topic(&mut reader, |reader| Ok((reader.i32()?, reader.i16()?))).map(|offsets| {
        let flat = |(topic, (number, code))| (topic, number, code);
        offsets.into_iter().map(flat).collect()
    })
}

/// Returns the error code of the group, and the offsets.
pub fn decode_offsets(response: &Response) -> Result<(i16, Vec<OffsetAnswer>), FieldError> {
    let (mut reader, version) = (response.reader(), response.version);
    if version >= 3 {
        let _throttle_ms = reader.i32()?;
    }
    let offsets = by_topic(&mut reader, |reader| {
        let number = reader.i32()?;
        let offset = reader.i64()?;
        let leader_epoch = match version {
            5.. => Some(reader.i32()?).filter(|epoch| *epoch >= 0),
            _ => None,
        };
        let metadata = reader.nullable_string()?.unwrap_or_default().to_owned();
        let code = reader.i16()?;
        Ok((number, offset, leader_epoch, metadata, code))
    })?;
    let code = match version {
        2.. => reader.i16()?,
        _ => 0,
    };
    let offsets =
        offsets
            .into_iter()
            .map(
                |(topic, (number, offset, leader_epoch, metadata, code))| OffsetAnswer {
                    topic,
                    number,
                    offset,
                    leader_epoch,
                    metadata,
                    code,
                },
            );
    Ok((code, offsets.collect()))
}

pub fn decode_groups(response: &Response) -> Result<Vec<GroupAnswer>, FieldError> {
    let (mut reader, version) = (response.reader(), response.version);
    if version >= 1 {
        let _throttle_ms = reader.i32()?;
    }
    reader.array(|reader| {
        let code = reader.i16()?;
        let _group = reader.string()?;
        let state = reader.string()?.to_owned();
        let _protocol_type = reader.string()?;
        let _protocol = reader.string()?;
        let members = reader.array(|reader| {
            let _member_id = reader.string()?;
            if version >= 4 {
                let _instance = reader.nullable_string()?;
            }
            let member = (reader.string()?.to_owned(), reader.string()?.to_owned());
            let _subscription = reader.bytes()?;
            let _assignment = reader.bytes()?;
            reader.tags()?;
            Ok(member)
        })?;
        if version >= 3 {
            let _authorized_operations = reader.i32()?;
        }
        reader.tags()?;
        Ok(GroupAnswer {
            code,
            state,
            members,
        })
    })
}

/// Returns the error code, and the names of the groups.
pub fn decode_group_names(response: &Response) -> Result<(i16, Vec<String>), FieldError> {
    let (mut reader, version) = (response.reader(), response.version);
    if version >= 1 {
        let _throttle_ms = reader.i32()?;
    }
    let code = reader.i16()?;
    let names = reader.array(|reader| {
        let name = reader.string()?.to_owned();
        let _protocol_type = reader.string()?;
        if version >= 4 {
            let _state = reader.string()?;
        }
        reader.tags()?;
        Ok(name)
    })?;
    Ok((code, names))
}

/// Reads elements by topic.
fn by_topic<T>(
    reader: &mut Reader<'_>,
    element: impl Fn(&mut Reader<'_>) -> Result<T, FieldError>,
) -> Result<Vec<(String, T)>, FieldError> {
    let mut elements = Vec::new();
    reader.array(|reader| {
        let topic = reader.string()?.to_owned();
        reader.array(|reader| {
            elements.push((topic.clone(), element(reader)?));
            reader.tags()
        })?;
        reader.tags()
    })?;
    Ok(elements)
}
