//! The handshake: version, limits and authentication mechanisms.

use convoy_server_kit::unix_ms;

use crate::bson::{ArrayBuilder, Builder, Doc, MAX_DOCUMENT_BYTES, Value};
use crate::command::limits::{
    MAX_MESSAGE_BYTES, MAX_WRITE_BATCH, SESSION_TIMEOUT_MINUTES, VERSION,
};
use crate::command::{Call, Client, Shared, replica_set, sasl};
use crate::engine::{random_uuid, uuid_value};
use crate::error::CommandError;

/// The newest wire version served: that of MongoDB 7.0.
const MAX_WIRE_VERSION: i32 = 21;

/// `hello`
pub fn hello(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_user(call)?;
    let reply = Builder::new().bool("isWritablePrimary", true);
    Ok(describe(reply, shared, client, call))
}

/// `isMaster`, the older form of `hello`.
pub fn is_master(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_user(call)?;
    let reply = Builder::new().bool("helloOk", true).bool("ismaster", true);
    Ok(describe(reply, shared, client, call))
}

/// Rejects a user whose mechanisms are asked for in another form than `database.user` or
/// `{ user, db }`.
fn check_user(call: &Call<'_>) -> Result<(), CommandError> {
    let valid = match call.body.get("saslSupportedMechs") {
        None => true,
        Some(Value::String(user)) => user.contains('.'),
        Some(Value::Document(user)) => {
            let user = Doc::new(&user);
            ["user", "db"]
                .iter()
                .all(|name| user.get(name).is_some_and(|part| part.as_str().is_some()))
        }
        Some(other) => {
            return Err(call.wrong_type("saslSupportedMechs", other.kind(), "string"));
        }
    };
    if valid {
        return Ok(());
    }
    Err(CommandError::bad_value(
        "UserName must contain a '.' separated database.user pair",
    ))
}

/// Describes the server: a standalone one, unless it is a replica set. Drivers number their writes
/// for replica sets only.
fn describe(mut reply: Builder, shared: &Shared, client: &mut Client, call: &Call<'_>) -> Builder {
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    if call.body.element("saslSupportedMechs").is_some() && !shared.credentials.is_empty() {
        reply = reply.strings("saslSupportedMechs", &[sasl::MECHANISM]);
    }
    // A login within `hello` saves a round trip. If it fails, the client logs in by `saslStart`.
    if let Some(Value::Document(request)) = call.body.get("speculativeAuthenticate")
        && let Ok(started) = sasl::start(shared, client, Doc::new(&request))
    {
        reply = reply.document("speculativeAuthenticate", started);
    }
    replica_set::describe(reply, shared, client)
        .count("maxBsonObjectSize", MAX_DOCUMENT_BYTES)
        .int32("maxMessageSizeBytes", MAX_MESSAGE_BYTES)
        .count("maxWriteBatchSize", MAX_WRITE_BATCH)
        .with("localTime", &now)
        .int32("logicalSessionTimeoutMinutes", SESSION_TIMEOUT_MINUTES)
        .int32("connectionId", client.id)
        .int32("minWireVersion", 0)
        .int32("maxWireVersion", MAX_WIRE_VERSION)
        .bool("readOnly", false)
}

/// `ping`
pub fn ok(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    Ok(Builder::new())
}

/// `buildInfo`
pub fn build_info(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    let numbers = VERSION.into_iter().chain([0]).map(Value::Int32);
    Ok(Builder::new()
        .string("version", &VERSION.map(|part| part.to_string()).join("."))
        .string("gitVersion", concat!("convoy ", env!("CARGO_PKG_VERSION")))
        .strings("modules", &[])
        .string("allocator", "system")
        .string("javascriptEngine", "none")
        .string("sysInfo", "deprecated")
        .array("versionArray", numbers.collect::<ArrayBuilder>())
        .int32("bits", 64)
        .bool("debug", cfg!(debug_assertions))
        .count("maxBsonObjectSize", MAX_DOCUMENT_BYTES)
        .strings("storageEngines", &["convoy"]))
}

/// `connectionStatus`
pub fn connection_status(
    _shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["showPrivileges"])?;
    let mut users = ArrayBuilder::default();
    let mut roles = ArrayBuilder::default();
    if let Some(user) = &client.user {
        users.push_built(Builder::new().string("user", user).string("db", "admin"));
        roles.push_built(Builder::new().string("role", "root").string("db", "admin"));
    }
    let mut info = Builder::new()
        .array("authenticatedUsers", users)
        .array("authenticatedUserRoles", roles);
    if call.flag("showPrivileges")?.unwrap_or(false) {
        info = info.strings("authenticatedUserPrivileges", &[]);
    }
    Ok(Builder::new()
        .document("authInfo", info)
        .with("uuid", &uuid_value(&random_uuid())))
}

/// `whatsmyuri`
pub fn whats_my_uri(
    _shared: &Shared,
    client: &mut Client,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    Ok(Builder::new().string("you", &format!("127.0.0.1:{}", client.id)))
}
