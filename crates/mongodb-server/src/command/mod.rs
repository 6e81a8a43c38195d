//! Commands: one file per family, found by name, run on a thread that may block.
//!
//! A command gets its arguments checked, does its work on the engine and returns the fields of its
//! reply; what it refuses, it refuses with MongoDB's code. Arguments that are not known are errors,
//! never ignored.

#![expect(clippy::unnecessary_wraps, reason = "all commands have one form")]

pub mod aggregate;
pub mod arguments;
pub mod catalog;
pub mod count;
pub mod counters;
pub mod cursor;
pub mod delete;
pub mod diagnostics;
pub mod expiry;
pub mod explain;
pub mod find;
pub mod find_and_modify;
pub mod handshake;
pub mod indexes;
pub mod insert;
pub mod missing;
pub mod query;
pub mod read_concern;
pub mod sasl;
pub mod sessions;
pub mod statement;
pub mod statistics;
pub mod update;
pub mod write_concern;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::auth::Users;
use crate::bson::{Builder, Invalid};
use crate::engine::Engine;
use crate::engine::namespace::check_database;
use crate::error::{Code, CommandError};
use crate::faults::{FaultPlan, Injected};
use crate::frame::Request;
use convoy_server_kit::clock::RunClock;

pub use arguments::Call;
pub use counters::Counters;
pub use cursor::Cursors;
pub use sasl::Progress;

/// What all connections of a store share.
#[derive(Debug)]
pub struct Shared {
    /// The documents.
    pub engine: Arc<Engine>,
    /// Open cursors.
    pub cursors: Cursors,
    /// The time since the store started.
    pub clock: RunClock,
    /// Where the store listens, as `host:port`.
    pub address: String,
    /// How often what was asked for.
    pub counters: Counters,
    /// Cancelled when the store stops.
    pub stopping: CancellationToken,
    /// Who may use it.
    pub users: Users,
    /// What goes wrong on purpose.
    pub faults: Option<Arc<dyn FaultPlan>>,
}

/// What is known of a connection's client, from command to command.
#[derive(Debug)]
pub struct Client {
    /// The connection's number.
    pub id: i32,
    /// Who the client has proved to be.
    pub user: Option<String>,
    /// The proof under way.
    pub conversation: Option<Progress>,
}

impl Client {
    /// Nothing is known of a new client.
    pub fn new(id: i32) -> Self {
        Self {
            id,
            user: None,
            conversation: None,
        }
    }
}

/// Commands that need no proof of who one is.
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

/// What a command is: its name, what it does, and whether it may run where clients only look
/// around.
type Run = fn(&Shared, &mut Client, &Call<'_>) -> Result<Builder, CommandError>;

/// Every command, by the name on the wire.
const COMMANDS: &[(&str, Run)] = &[
    ("aggregate", aggregate::aggregate),
    ("buildInfo", handshake::build_info),
    ("buildinfo", handshake::build_info),
    ("connectionStatus", handshake::connection_status),
    ("collStats", statistics::collection_stats),
    ("collstats", statistics::collection_stats),
    ("count", count::count),
    ("create", catalog::create),
    ("createIndexes", indexes::create_indexes),
    ("currentOp", diagnostics::current_operations),
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
    ("getParameter", diagnostics::get_parameter),
    ("hello", handshake::hello),
    ("hostInfo", diagnostics::host_info),
    ("insert", insert::insert),
    ("isMaster", handshake::is_master),
    ("isdbgrid", diagnostics::is_not_router),
    ("ismaster", handshake::is_master),
    ("killAllSessions", sessions::end_sessions),
    ("killCursors", cursor::kill_cursors),
    ("killSessions", sessions::end_sessions),
    ("listCollections", catalog::list_collections),
    ("listDatabases", catalog::list_databases),
    ("listIndexes", indexes::list_indexes),
    ("logout", sasl::logout),
    ("ping", handshake::ok),
    ("replSetGetStatus", diagnostics::replica_set_status),
    ("refreshSessions", sessions::end_sessions),
    ("renameCollection", catalog::rename_collection),
    ("saslContinue", sasl::sasl_continue),
    ("saslStart", sasl::sasl_start),
    ("serverStatus", diagnostics::server_status),
    ("startSession", sessions::start_session),
    ("update", update::update),
    ("validate", statistics::validate),
    ("whatsmyuri", handshake::whats_my_uri),
];

/// Runs a request; returns the reply document.
pub fn execute(
    shared: &Shared,
    client: &mut Client,
    request: &Request<'_>,
    injected: &Injected,
) -> Vec<u8> {
    match run(shared, client, request, injected) {
        Ok(reply) => reply.double("ok", 1.0).finish(),
        Err(error) => error.reply().finish(),
    }
}

fn run(
    shared: &Shared,
    client: &mut Client,
    request: &Request<'_>,
    injected: &Injected,
) -> Result<Builder, CommandError> {
    let mut call = Call::of(request)?;
    call.injected = injected;
    let open = OPEN_COMMANDS.contains(&call.name);
    // The users of other systems are said to be in a database of this name.
    if call.database != "$external" || !open {
        check_database(call.database)?;
    }
    if let Some(refusal) = &injected.refusal {
        return Err(refusal.as_command_error());
    }
    if call.body.element("txnNumber").is_some() || call.body.element("startTransaction").is_some() {
        return Err(CommandError::new(
            Code::ILLEGAL_OPERATION,
            "Transaction numbers are only allowed on a replica set member or mongos",
        ));
    }
    let found = COMMANDS.iter().find(|(name, _)| *name == call.name);
    let Some((_, run)) = found else {
        return Err(missing::refuse(call.name));
    };
    if !open && client.user.is_none() && !shared.users.is_empty() {
        return Err(CommandError::new(
            Code::UNAUTHORIZED,
            format!("Command {} requires authentication", call.name),
        ));
    }
    read_concern::check(&call)?;
    shared.counters.count(call.name);
    let reply = run(shared, client, &call)?;
    Ok(match &injected.write_concern_error {
        Some(error) => reply.document(
            "writeConcernError",
            error.as_command_error().write_concern_error(),
        ),
        None => reply,
    })
}

/// Returns the reply to a command that is not BSON.
pub fn refuse_document(invalid: &Invalid) -> Vec<u8> {
    arguments::invalid_document(invalid).reply().finish()
}
