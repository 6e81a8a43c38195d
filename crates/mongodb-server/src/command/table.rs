//! Every command by name.

use crate::bson::{Builder, Invalid};
use crate::command::arguments::{self, Call};
use crate::command::client::Client;
use crate::command::running::Origin;
use crate::command::shared::Shared;
use crate::command::{
    aggregate, bulk_write, catalog, count, create, cursor, delete, diagnostics, explain, find,
    find_and_modify, generic, handshake, indexes, insert, missing, modify, operations, parameters,
    replica_set, sasl, sessions, statistics, top, update, view,
};
use crate::engine::{Oplog, check_database};
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::frame::Request;
use crate::left::Left;

/// Commands that end early if their client leaves.
const READING_COMMANDS: &[&str] = &[
    "aggregate",
    "count",
    "distinct",
    "explain",
    "find",
    "getMore",
];

/// Commands that a client may run before it logs in.
const OPEN_COMMANDS: &[&str] = &[
    "buildInfo",
    "buildinfo",
    "connectionStatus",
    "hello",
    "isMaster",
    "ismaster",
    "logout",
    "ping",
    "saslContinue",
    "saslStart",
    "whatsmyuri",
];

/// A command: reads its arguments and returns the fields of its reply.
type Run = fn(&Shared, &mut Client, &Call<'_>) -> Result<Builder, CommandError>;

const COMMANDS: &[(&str, Run)] = &[
    ("aggregate", aggregate::aggregate),
    ("bulkWrite", bulk_write::bulk_write),
    ("buildInfo", handshake::build_info),
    ("buildinfo", handshake::build_info),
    ("connectionStatus", handshake::connection_status),
    ("cloneCollectionAsCapped", modify::clone_as_capped),
    ("collMod", modify::collection_modify),
    ("collStats", statistics::collection_stats),
    ("collstats", statistics::collection_stats),
    ("convertToCapped", modify::convert_to_capped),
    ("count", count::count),
    ("create", create::create),
    ("createIndexes", indexes::create_indexes),
    ("currentOp", operations::current_operations),
    ("dataSize", statistics::data_size),
    ("dbStats", statistics::database_stats),
    ("dbstats", statistics::database_stats),
    ("delete", delete::delete),
    ("distinct", count::distinct),
    ("drop", catalog::drop_collection),
    ("dropDatabase", catalog::drop_database),
    ("dropIndexes", indexes::drop_indexes),
    ("deleteIndexes", indexes::drop_indexes),
    ("endSessions", sessions::end_sessions),
    ("explain", explain::explain),
    ("find", find::find),
    ("findAndModify", find_and_modify::find_and_modify),
    ("findandmodify", find_and_modify::find_and_modify),
    ("getCmdLineOpts", diagnostics::get_command_line_options),
    ("getLog", diagnostics::get_log),
    ("getMore", cursor::get_more),
    ("getParameter", parameters::get_parameter),
    ("hello", handshake::hello),
    ("hostInfo", diagnostics::host_info),
    ("insert", insert::insert),
    ("isMaster", handshake::is_master),
    ("isdbgrid", diagnostics::is_not_router),
    ("ismaster", handshake::is_master),
    ("killAllSessions", sessions::kill_all_sessions),
    ("killCursors", cursor::kill_cursors),
    ("killOp", operations::kill_operation),
    ("killSessions", sessions::end_sessions),
    ("listCollections", catalog::list_collections),
    ("listDatabases", catalog::list_databases),
    ("listIndexes", indexes::list_indexes),
    ("logout", sasl::logout),
    ("ping", handshake::ok),
    ("rolesInfo", diagnostics::roles_info),
    ("replSetGetConfig", replica_set::get_config),
    ("replSetGetStatus", replica_set::get_status),
    ("replSetInitiate", replica_set::initiate),
    ("refreshSessions", sessions::refresh_sessions),
    ("renameCollection", catalog::rename_collection),
    ("saslContinue", sasl::sasl_continue),
    ("saslStart", sasl::sasl_start),
    ("serverStatus", diagnostics::server_status),
    (
        "setFeatureCompatibilityVersion",
        parameters::set_compatible_version,
    ),
    ("setParameter", parameters::set_parameter),
    ("startSession", sessions::start_session),
    ("top", top::top),
    ("update", update::update),
    ("validate", statistics::validate),
    ("whatsmyuri", handshake::whats_my_uri),
];

/// Runs a request; returns the reply document. A command that only reads ends once the client has
/// left.
pub fn execute(
    shared: &Shared,
    client: &mut Client,
    request: &Request<'_>,
    fault: &Fault,
    left: &Left,
) -> Vec<u8> {
    client.integer_ok = false;
    let reply = match run(shared, client, request, fault, left) {
        Ok(reply) if client.integer_ok => reply.int32("ok", 1),
        Ok(reply) => reply.double("ok", 1.0),
        Err(error) => {
            let numbered = request.command.element("txnNumber").is_some();
            if numbered && shared.replica_set.is_some() && error.is_retryable() {
                error.labelled("RetryableWriteError").reply()
            } else {
                error.reply()
            }
        }
    };
    replica_set::with_times(reply, shared).finish()
}

fn run(
    shared: &Shared,
    client: &mut Client,
    request: &Request<'_>,
    fault: &Fault,
    left: &Left,
) -> Result<Builder, CommandError> {
    let mut call = Call::new(request)?;
    call.fault = fault;
    // A write goes on without its client, as far as it was sent.
    let reads = READING_COMMANDS.contains(&call.name);
    call.left = Some(if reads { left.clone() } else { left.patient() });
    let open = OPEN_COMMANDS.contains(&call.name);
    // Users of external systems log in on a database of this name.
    if call.database != "$external" || !open {
        check_database(call.database)?;
    }
    if let Some(refusal) = &fault.rejection {
        return Err(refusal.to_command_error());
    }
    call.cluster_time = shared.engine.oplog().map(Oplog::last);
    sessions::check_transaction(&call)?;
    let found = COMMANDS.iter().find(|(name, _)| *name == call.name);
    let Some((_, run)) = found else {
        return Err(missing::refuse(call.name));
    };
    if !open && client.user.is_none() && !shared.credentials.is_empty() {
        return Err(CommandError::new(
            Code::UNAUTHORIZED,
            format!("Command {} requires authentication", call.name),
        ));
    }
    generic::check(&call)?;
    view::check(shared, &call)?;
    replica_set::protect_oplog(&call)?;
    shared.counters.count(call.name);
    let began = shared.clock.now();
    let origin = Origin {
        connection: client.id,
        client: client.peer,
    };
    let running = shared.operations.begin(&call, origin, left, began);
    let outcome = run(shared, client, &call);
    drop(running);
    top::note(shared, &call, began);
    let mut reply = outcome?;
    if let Some(unmet) = generic::unmet_write_concern(&call)? {
        reply = reply.document("writeConcernError", unmet.write_concern_error());
    }
    Ok(match &fault.write_concern_error {
        Some(error) => reply.document(
            "writeConcernError",
            error.to_command_error().write_concern_error(),
        ),
        None => reply,
    })
}

/// Returns the reply to a command that is not valid BSON.
pub fn reject_document(invalid: &Invalid) -> Vec<u8> {
    arguments::invalid_document(invalid).reply().finish()
}
