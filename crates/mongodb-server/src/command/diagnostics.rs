//! Commands of operators and graphical clients about the server itself.

use convoy_server_kit::unix_ms;

use crate::bson::{ArrayBuilder, Builder, Value};
use crate::command::limits::VERSION;
use crate::command::{Call, Client, Shared, replica_set};
use crate::error::{Code, CommandError};

/// `serverStatus`
pub fn server_status(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let milliseconds = shared.clock.now() / 1_000_000;
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    let storage = Builder::new()
        .string("name", "convoy")
        .bool("supportsCommittedReads", false)
        .bool("persistent", true);
    let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let open = Builder::new()
        .int64("noTimeout", count(shared.cursors.forever()))
        .int64("pinned", 0)
        .int64("total", count(shared.cursors.len()));
    let cursors = Builder::new()
        .int64("timedOut", shared.cursors.timed_out())
        .document("open", open);
    let status = Builder::new()
        .string("host", &shared.address.to_string())
        .string("version", &VERSION.map(|part| part.to_string()).join("."))
        .string("process", "convoy")
        .with("pid", &Value::Int64(i64::from(std::process::id())))
        .with("uptime", &Value::Double((milliseconds / 1_000) as f64))
        .int64("uptimeMillis", milliseconds)
        .int64("uptimeEstimate", milliseconds / 1_000)
        .with("localTime", &now)
        .document("catalogStats", catalog(shared));
    let metrics = Builder::new().document("cursor", cursors);
    let sections = [
        ("connections", Some(shared.counters.connections())),
        ("opcounters", Some(shared.counters.operations())),
        ("network", Some(shared.counters.network())),
        ("globalLock", Some(global_lock(milliseconds))),
        ("mem", Some(memory())),
        ("storageEngine", Some(storage)),
        ("metrics", Some(metrics)),
        ("repl", replica_set::status(shared, client)),
    ];
    // A client leaves out a section by its name.
    let wanted = |name: &str| call.body.get(name).is_none_or(|asked| asked.is_truthy());
    Ok(sections.into_iter().filter(|(name, _)| wanted(name)).fold(
        status,
        |status, (name, section)| match section {
            Some(section) => status.document(name, section),
            None => status,
        },
    ))
}

/// Returns `catalogStats` of `serverStatus`: how many collections of each kind there are.
fn catalog(shared: &Shared) -> Builder {
    let (mut collections, mut capped, mut series, mut views) = (0, 0, 0, 0);
    for collection in shared.engine.collections() {
        collection.with_state(|state| {
            let options = &state.options;
            views += i32::from(options.is_view());
            series += i32::from(options.is_time_series());
            capped += i32::from(options.is_capped());
            collections += i32::from(!options.is_view() && !options.is_time_series());
        });
    }
    Builder::new()
        .int32("collections", collections)
        .int32("capped", capped)
        .int32("timeseries", series)
        .int32("views", views)
        .int32("internalCollections", 0)
        .int32("internalViews", 0)
}

/// Returns `globalLock` of `serverStatus`: no operation is queued, since none locks the whole server.
fn global_lock(milliseconds: i64) -> Builder {
    let clients = |total: i32| {
        Builder::new()
            .int32("total", total)
            .int32("readers", total)
            .int32("writers", 0)
    };
    Builder::new()
        .int64("totalTime", milliseconds.saturating_mul(1_000))
        .document("currentQueue", clients(0))
        // The operation that runs this command.
        .document("activeClients", clients(1))
}

/// Returns this process's memory in megabytes; without figures where the system does not report them.
fn memory() -> Builder {
    let status = std::fs::read_to_string("/proc/self/status").ok();
    let memory = Builder::new().int32("bits", 64);
    let Some(status) = status else {
        return memory.bool("supported", false);
    };
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes = line.split_whitespace().next()?.parse::<i32>().ok()?;
        Some(kilobytes / 1024)
    };
    let figures = [("resident", "VmRSS:"), ("virtual", "VmSize:")];
    let memory = figures
        .into_iter()
        .fold(memory, |memory, (field, name)| match megabytes(name) {
            Some(megabytes) => memory.int32(field, megabytes),
            None => memory,
        });
    memory.bool("supported", true)
}

/// `hostInfo`
pub fn host_info(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let name = rustix::system::uname();
    let mut system = Builder::new()
        .with("currentTime", &now)
        .string("hostname", &name.nodename().to_string_lossy())
        .int32("cpuAddrSize", 64);
    if let Some(megabytes) = memory_megabytes() {
        system = system
            .int64("memSizeMB", megabytes)
            .int64("memLimitMB", megabytes);
    }
    let system = system
        .count("numCores", cores)
        .count("numCoresAvailableToProcess", cores)
        .string("cpuArch", &name.machine().to_string_lossy());
    let os = Builder::new()
        .string("type", &name.sysname().to_string_lossy())
        .string("name", &name.sysname().to_string_lossy())
        .string("version", &name.release().to_string_lossy());
    Ok(Builder::new()
        .document("system", system)
        .document("os", os)
        .document("extra", extra(&name)))
}

/// Returns `extra` of `hostInfo`: the kernel.
fn extra(name: &rustix::system::Uname) -> Builder {
    Builder::new()
        .string("versionString", &name.version().to_string_lossy())
        .string("kernelVersion", &name.release().to_string_lossy())
}

/// Returns the machine's memory, where the system reports it.
fn memory_megabytes() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes = line.split_whitespace().next()?.parse::<i64>().ok()?;
    Some(kilobytes / 1024)
}

/// `rolesInfo`: no roles are defined here, and those of MongoDB are not told.
pub fn roles_info(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[
        "showPrivileges",
        "showBuiltinRoles",
        "showAuthenticationRestrictions",
    ])?;
    call.refuse(&["showBuiltinRoles"])?;
    Ok(Builder::new().array("roles", ArrayBuilder::default()))
}

/// `getCmdLineOpts`
pub fn get_command_line_options(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    call.only_of_admin()?;
    Ok(Builder::new()
        .strings("argv", &["convoy"])
        .document("parsed", Builder::new()))
}

/// `getLog`
pub fn get_log(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    call.only_of_admin()?;
    match call.text("getLog")?.as_deref() {
        Some("*") => Ok(Builder::new().strings("names", &["global", "startupWarnings"])),
        Some("global" | "startupWarnings") => Ok(Builder::new()
            .int32("totalLinesWritten", 0)
            .array("log", ArrayBuilder::default())),
        name => Err(CommandError::new(
            Code::INTERNAL_ERROR,
            format!("no RamLog named: {}", name.unwrap_or_default()),
        )),
    }
}

/// `isdbgrid`: whether this is a router of a sharded cluster.
pub fn is_not_router(
    _shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let message = format!("no such command: '{}'", call.name);
    Err(CommandError::new(Code::COMMAND_NOT_FOUND, message))
}
