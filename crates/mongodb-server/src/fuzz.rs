//! Fuzz targets: the decoders of this crate as functions of bytes.

use std::sync::{Arc, LazyLock};

use convoy_server_kit::fuzz::Target;
use convoy_server_kit::scram::{CredentialStore, Exchange, Hash, Scheme};
use convoy_server_kit::{Attempts, RunClock, User};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::aggregation::{Context, GivenDocuments, PipelineScope, build, parse_pipeline};
use crate::bson::shell::Shown;
use crate::bson::{ArrayBuilder, Builder, Doc, Value, key, order, validate};
use crate::command::{self, Client, Counters, Cursors, Operations, Parameters, Shared};
use crate::engine::{self, Engine, Row};
use crate::error::CommandError;
use crate::faults::Fault;
use crate::frame::{HEADER_BYTES, Header, Request};
use crate::left::Left;
use crate::query::{Environment, Filter, Projection, SortSpec, Update, UpdateContext};

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("mongo_message", || Box::new(message)).with_document_at(21),
    Target::new("mongo_command", || {
        let mut commands = Commands::start();
        Box::new(move |bytes| commands.command(bytes))
    })
    .with_document_at(5),
    Target::new("mongo_login", || Box::new(login)),
    Target::new("store_record", || Box::new(record)),
    Target::new("store_log", || Box::new(log)),
    Target::new("bson", || Box::new(bson)).with_document_at(0),
    Target::new("filter", || Box::new(filter)).with_document_at(0),
    Target::new("update", || Box::new(update)).with_document_at(0),
    Target::new("projection", || Box::new(projection)).with_document_at(0),
    Target::new("pipeline", || {
        let mut commands = Commands::start();
        Box::new(move |bytes| commands.pipeline(bytes))
    })
    .with_document_at(0),
];

/// As the server uses it, with fewer iterations.
const SCRAM: Scheme = Scheme::new(Hash::Sha256, 1);

/// Largest length of a message in bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// Time limit of a query in nanoseconds.
const QUERY_TIME: u64 = 500_000_000;

/// Number of documents that are read from a pipeline: some produce many from few.
const RESULTS: usize = 1_000;

/// Number of commands after which the documents are removed.
const COMMANDS_PER_STORE: usize = 500;

/// Reads a message twice: with the length in its header, and with the true one.
pub fn message(bytes: &[u8]) {
    let Some((header_bytes, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    let mut mended = *header_bytes;
    mended[..4].copy_from_slice(&length.to_le_bytes());
    for header_bytes in [header_bytes, &mended] {
        match Header::read(*header_bytes, MESSAGE_BYTES) {
            Ok(header) => drop(Request::read(header, header_bytes, body)),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// Runs a login; the first byte says where the client's first message ends.
pub fn login(bytes: &[u8]) {
    static CREDENTIALS: LazyLock<CredentialStore> =
        LazyLock::new(|| CredentialStore::new(SCRAM, &[User::new("user", "password")]));
    let Some((cut, messages)) = bytes.split_first() else {
        return;
    };
    let (first, second) = messages.split_at(usize::from(*cut).min(messages.len()));
    if let Ok((exchange, _answer)) = Exchange::begin(&CREDENTIALS, first) {
        let _rejected = exchange.finish(second);
    }
}

/// Decodes a tag and a body of the log, whatever their checksums.
pub fn record(bytes: &[u8]) {
    if let Some((tag, body)) = bytes.split_first_chunk()
        && let Some(about) = engine::About::read(tag)
    {
        let _ids = engine::proven_ids(about, body);
        let _change = engine::read_body(about.kind, body);
    }
}

/// Opens a directory whose only segment has these bytes, repairs it, and opens it again.
///
/// # Panics
///
/// If a repaired directory does not open.
pub fn log(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let directory = directory.path();
    std::fs::write(directory.join("00000001.log"), bytes).expect("there is room");
    if Engine::open(directory).is_ok() {
        return;
    }
    match Engine::repair(directory) {
        Ok(losses) => {
            let opened = Engine::open(directory).err();
            let opened = opened.map(|error| error.to_string());
            assert_eq!(opened, None, "after the loss of {losses:?}");
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Validates BSON; decodes, compares, encodes as keys and displays valid documents.
pub fn bson(bytes: &[u8]) {
    if validate::document(bytes).is_err() {
        return;
    }
    let doc = Doc::new(bytes);
    let shown = Shown(doc).to_string();
    assert!(shown.len() < 64 * bytes.len(), "{} bytes", shown.len());
    for element in doc.elements() {
        let value = element.value();
        assert!(order::compare(&value, &value).is_eq(), "equal to itself");
        key::encode(&value, &mut Vec::new());
    }
}

/// Parses a document as a filter and runs it.
pub fn filter(bytes: &[u8]) {
    checked(bytes, |doc| {
        let filter = Filter::parse(doc)?;
        for sample in samples(doc) {
            filter.test(Doc::new(&sample))?;
        }
        Ok(())
    });
}

/// Parses a document as an update or a replacement, and applies it.
pub fn update(bytes: &[u8]) {
    checked(bytes, |doc| {
        let update = Update::parse(doc, None)?;
        let filter = Filter::parse(Doc::EMPTY)?;
        for (inserting, sample) in [true, false].into_iter().cycle().zip(samples(doc)) {
            let update_context = UpdateContext {
                now_ms: 0,
                inserting,
                position: None,
            };
            let sample = Doc::new(&sample);
            let update_context = update_context.for_document(&update, &filter, sample);
            let applied = update.apply(sample, update_context)?;
            assert!(validate::document(&applied).is_ok(), "{}", Shown(doc));
        }
        let inserted = update.insertion(&filter, 0)?;
        assert!(validate::document(&inserted).is_ok(), "{}", Shown(doc));
        Ok(())
    });
}

/// Parses a document as a projection of `find`, `$project` and `$addFields`, and as a sort.
pub fn projection(bytes: &[u8]) {
    checked(bytes, |doc| {
        let environment = Environment::default();
        let projections = [
            Projection::parse_find(doc, &environment),
            Projection::parse_project(doc, &environment).map(Some),
            Projection::parse_add_fields(doc, &environment).map(Some),
        ];
        for projection in projections.into_iter().flatten().flatten() {
            for sample in samples(doc) {
                if let Ok(made) = projection.apply(Doc::new(&sample), 0) {
                    assert!(validate::document(&made).is_ok(), "{}", Shown(doc));
                }
            }
        }
        let order = SortSpec::parse(doc)?;
        for sample in samples(doc) {
            drop(order.encode(Doc::new(&sample), &mut Vec::new()));
        }
        Ok(())
    });
}

/// Runs pipelines and commands without a connection.
#[derive(Debug)]
pub struct Commands {
    shared: Shared,
    ran: usize,
    _directory: TempDir,
}

impl Commands {
    /// Starts with a collection of a few documents.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let engine = Engine::open(directory.path()).expect("an empty directory can be opened");
        let mut commands = Self {
            shared: Shared {
                attempts: Attempts::default(),
                engine: Arc::new(engine),
                cursors: Cursors::default(),
                operations: Operations::default(),
                parameters: Parameters::default(),
                clock: RunClock::start(),
                address: ([127, 0, 0, 1], 27_017).into(),
                replica_set: None,
                counters: Counters::default(),
                stopping: CancellationToken::new(),
                crashed: CancellationToken::new(),
                credentials: CredentialStore::new(SCRAM, []),
                faults: None,
            },
            ran: 0,
            _directory: directory,
        };
        let documents: ArrayBuilder = samples(Doc::EMPTY)
            .iter()
            .map(|sample| Value::Document(sample.into()))
            .collect();
        let insert = Builder::new()
            .string("insert", "c")
            .array("documents", documents)
            .string("$db", "test")
            .finish();
        let mut body = vec![0; 5];
        body.extend(insert);
        commands.command(&body);
        commands
    }

    /// Parses the values of a document as the stages of a pipeline, and runs it.
    pub fn pipeline(&mut self, bytes: &[u8]) {
        checked(bytes, |doc| {
            let stages = parse_pipeline(doc, PipelineScope::new("test", &Environment::default()))?;
            let rows: Vec<Row> = samples(doc).into_iter().map(Row::computed).collect();
            let rows = rows.into_iter();
            let mut stage = build(stages, Box::new(GivenDocuments { rows }));
            let context = Context {
                bypass: false,
                spills: true,
                engine: Arc::clone(&self.shared.engine),
                clock: self.shared.clock,
                now_ms: 0,
                deadline: Some(self.shared.clock.now() + QUERY_TIME),
                stopping: CancellationToken::new(),
                left: None,
                session: None,
            };
            for _ in 0..RESULTS {
                let Some(row) = stage.next(&context)? else {
                    break;
                };
                assert!(validate::document(row.doc().bytes()).is_ok(), "BSON");
            }
            Ok(())
        });
    }

    /// Runs a command: the body of a message.
    pub fn command(&mut self, body: &[u8]) {
        self.ran += 1;
        if self.ran > COMMANDS_PER_STORE {
            *self = Self::start();
        }
        let length = i32::try_from(HEADER_BYTES + body.len()).unwrap_or(i32::MAX);
        let mut header_bytes = [0; HEADER_BYTES];
        header_bytes[..4].copy_from_slice(&length.to_le_bytes());
        header_bytes[12..].copy_from_slice(&2013_i32.to_le_bytes());
        let Ok(header) = Header::read(header_bytes, MESSAGE_BYTES) else {
            return;
        };
        let Ok(request) = Request::read(header, &header_bytes, body) else {
            return;
        };
        let mut client = Client::new(1, None);
        let reply = command::execute(
            &self.shared,
            &mut client,
            &request,
            &Fault::default(),
            &Left::default(),
        );
        assert!(validate::document(&reply).is_ok(), "the reply is BSON");
    }
}

/// Returns documents to run on: a flat one, a nested one and the input itself.
fn samples(input: Doc<'_>) -> Vec<Vec<u8>> {
    let inner = Builder::new().int32("b", 1).string("c", "x").finish();
    let numbers: ArrayBuilder = [Value::Int32(1), Value::Double(2.5), Value::Null]
        .into_iter()
        .collect();
    let plain = Builder::new()
        .string("class", "neg")
        .int32("a", 7)
        .with("b", &Value::Null);
    let nested = Builder::new()
        .raw_document("a", Doc::new(&inner))
        .array("b", numbers)
        .with("c", &Value::DateTime(1_000))
        .bool("class", true);
    vec![plain.finish(), nested.finish(), input.bytes().to_vec()]
}

/// Runs a function with bytes that are a valid document.
fn checked(bytes: &[u8], run: impl FnOnce(Doc<'_>) -> Result<(), CommandError>) {
    if validate::document(bytes).is_ok() {
        let _refused = run(Doc::new(bytes)).map_err(|error| error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn corpus_and_damaged_inputs_do_not_panic() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz");
        convoy_server_kit::fuzz::replay(TARGETS, &fixtures);
    }
}
