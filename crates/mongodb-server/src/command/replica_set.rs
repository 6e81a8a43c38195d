//! A replica set of one: what its only member tells of itself.

use convoy_server_kit::unix_ms;

use crate::bson::{ArrayBuilder, Builder, ObjectId, Value, subtype};
use crate::command::{Call, Client, Shared};
use crate::engine::Namespace;
use crate::error::{Code, CommandError};

/// The term of the only election.
const TERM: i64 = 1;

/// The last bytes of the election's id: greater than those of any earlier one.
const ELECTION: [u8; 12] = [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1];

/// Commands that change a collection.
const CHANGES: &[&str] = &[
    "collMod",
    "convertToCapped",
    "create",
    "createIndexes",
    "delete",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "deleteIndexes",
    "findAndModify",
    "findandmodify",
    "insert",
    "renameCollection",
    "update",
];

/// The name of a replica set, and the timestamp of its last change.
#[derive(Debug, Clone, Copy)]
struct Member<'s> {
    set: &'s str,
    last: u64,
}

fn member(shared: &Shared) -> Option<Member<'_>> {
    Some(Member {
        set: shared.replica_set.as_deref()?,
        last: shared.engine.oplog()?.last(),
    })
}

/// Adds the fields of `hello` that tell of a replica set.
pub fn describe(reply: Builder, shared: &Shared, client: &Client) -> Builder {
    let Some(member) = member(shared) else {
        return reply;
    };
    let host = client.host(shared);
    let date = Value::DateTime(seconds(member.last) * 1_000);
    let last = Builder::new()
        .document("opTime", member.op_time())
        .with("lastWriteDate", &date)
        .document("majorityOpTime", member.op_time())
        .with("majorityWriteDate", &date);
    reply
        .strings("hosts", &[&host])
        .string("setName", member.set)
        .int32("setVersion", 1)
        .bool("secondary", false)
        .string("primary", &host)
        .string("me", &host)
        .with("electionId", &Value::ObjectId(ObjectId(ELECTION)))
        .document("lastWrite", last)
}

/// Returns `repl` of `serverStatus`; `None` for a standalone server.
pub fn status(shared: &Shared, client: &Client) -> Option<Builder> {
    shared.replica_set.as_ref()?;
    let repl = Builder::new().bool("isWritablePrimary", true);
    Some(describe(repl, shared, client))
}

/// Adds `operationTime` and `$clusterTime` to a reply of a replica set.
pub fn with_times(reply: Builder, shared: &Shared) -> Builder {
    let Some(oplog) = shared.engine.oplog() else {
        return reply;
    };
    let last = Value::Timestamp(oplog.last());
    let unsigned = Value::Binary {
        subtype: subtype::GENERIC,
        bytes: vec![0; 20].into(),
    };
    let signature = Builder::new().with("hash", &unsigned).int64("keyId", 0);
    let cluster = Builder::new()
        .with("clusterTime", &last)
        .document("signature", signature);
    reply
        .with("operationTime", &last)
        .document("$clusterTime", cluster)
}

/// `replSetGetStatus`
pub fn get_status(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let member = required(shared, call)?;
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    let date = Value::DateTime(seconds(member.last) * 1_000);
    let uptime = shared.clock.now() / 1_000_000_000;
    let only = Builder::new()
        .int32("_id", 0)
        .string("name", &client.host(shared))
        .double("health", 1.0)
        .int32("state", 1)
        .string("stateStr", "PRIMARY")
        .int32("uptime", i32::try_from(uptime).unwrap_or(i32::MAX))
        .document("optime", member.op_time())
        .with("optimeDate", &date)
        .with("lastAppliedWallTime", &date)
        .with("lastDurableWallTime", &date)
        .string("syncSourceHost", "")
        .int32("syncSourceId", -1)
        .string("infoMessage", "")
        .int32("configVersion", 1)
        .int64("configTerm", TERM)
        .bool("self", true)
        .string("lastHeartbeatMessage", "");
    let mut members = ArrayBuilder::default();
    members.push_built(only);
    let times = Builder::new()
        .document("lastCommittedOpTime", member.op_time())
        .with("lastCommittedWallTime", &date)
        .document("readConcernMajorityOpTime", member.op_time())
        .document("appliedOpTime", member.op_time())
        .document("durableOpTime", member.op_time())
        .with("lastAppliedWallTime", &date)
        .with("lastDurableWallTime", &date);
    Ok(Builder::new()
        .string("set", member.set)
        .with("date", &now)
        .int32("myState", 1)
        .int64("term", TERM)
        .string("syncSourceHost", "")
        .int32("syncSourceId", -1)
        .int64("heartbeatIntervalMillis", 2_000)
        .int32("majorityVoteCount", 1)
        .int32("writeMajorityCount", 1)
        .int32("votingMembersCount", 1)
        .int32("writableVotingMembersCount", 1)
        .document("optimes", times)
        .array("members", members))
}

/// `replSetGetConfig`
pub fn get_config(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let member = required(shared, call)?;
    let only = Builder::new()
        .int32("_id", 0)
        .string("host", &client.host(shared))
        .bool("arbiterOnly", false)
        .bool("buildIndexes", true)
        .bool("hidden", false)
        .double("priority", 1.0)
        .document("tags", Builder::new())
        .int64("secondaryDelaySecs", 0)
        .int32("votes", 1);
    let mut members = ArrayBuilder::default();
    members.push_built(only);
    let config = Builder::new()
        .string("_id", member.set)
        .int32("version", 1)
        .int64("term", TERM)
        .array("members", members)
        .int64("protocolVersion", 1)
        .bool("writeConcernMajorityJournalDefault", true);
    Ok(Builder::new().document("config", config))
}

/// `replSetInitiate`: the set exists since the server started.
pub fn initiate(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    required(shared, call)?;
    Err(CommandError::new(
        Code::ALREADY_INITIALIZED,
        "already initialized",
    ))
}

/// Rejects commands that would change the oplog.
pub fn protect_oplog(call: &Call<'_>) -> Result<(), CommandError> {
    let oplog = Namespace::oplog();
    if call.cluster_time.is_none() || !CHANGES.contains(&call.name) {
        return Ok(());
    }
    let whole = call.name == "dropDatabase" && call.database == oplog.database;
    let named = call.collection_name();
    let renamed = call.name == "renameCollection"
        && [named.clone(), call.text("to")?].contains(&Some(oplog.to_string()));
    let own = call.database == oplog.database && named.as_deref() == Some(&oplog.collection);
    if whole || renamed || own {
        let message = format!("{oplog} of a replica set is changed by the server only");
        return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
    }
    Ok(())
}

/// Returns the member, or the error that this is none.
fn required<'s>(shared: &'s Shared, call: &Call<'_>) -> Result<Member<'s>, CommandError> {
    if call.database != "admin" {
        let message = format!("{} may only be run against the admin database.", call.name);
        return Err(CommandError::new(Code::UNAUTHORIZED, message));
    }
    member(shared).ok_or_else(|| {
        let message = "not running with --replSet";
        CommandError::new(Code::NO_REPLICATION_ENABLED, message)
    })
}

impl Member<'_> {
    fn op_time(self) -> Builder {
        Builder::new()
            .with("ts", &Value::Timestamp(self.last))
            .int64("t", TERM)
    }
}

/// Returns the seconds since 1970 of a timestamp.
fn seconds(stamp: u64) -> i64 {
    i64::try_from(stamp >> 32).unwrap_or(i64::MAX)
}
