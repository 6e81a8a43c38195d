//! The store's decoders as functions of bytes, for fuzzing. Each says what became of the bytes.

use std::sync::Arc;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::auth::Users;
use super::bson::shell::Shown;
use super::bson::{ArrayBuilder, Builder, Doc, Value, key, order, validate};
use super::command::{self, Client, Counters, Cursors, Shared};
use super::engine::{Engine, Row};
use super::error::CommandError;
use super::faults::Injected;
use super::frame::{HEADER_BYTES, Header, Request};
use super::pipeline::Context;
use super::pipeline::parse::build;
use super::pipeline::transform::Given;
use super::query::update::{Moment, Update};
use super::query::{SortSpec, parse_filter, parse_projection};
use crate::measure::RunClock;

/// Bytes a message may have here.
const MESSAGE_BYTES: usize = 1 << 20;

/// Nanoseconds that a query may take, as `maxTimeMS` would have it.
const QUERY_TIME: u64 = 500_000_000;

/// Documents looked at of what a pipeline gives: some make many of few.
const RESULTS: usize = 1_000;

/// After so many commands what they stored is thrown away.
const COMMANDS_PER_STORE: usize = 500;

/// Reads a message: header and body, once with the length as it came and once with the true one.
pub fn message(bytes: &[u8]) -> String {
    let Some((header_bytes, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return String::new();
    };
    let mut said = read_message(*header_bytes, body);
    let mut mended = *header_bytes;
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    mended[..4].copy_from_slice(&length.to_le_bytes());
    said.push_str(&read_message(mended, body));
    said
}

fn read_message(header_bytes: [u8; HEADER_BYTES], body: &[u8]) -> String {
    let header = match Header::read(header_bytes, MESSAGE_BYTES) {
        Ok(header) => header,
        Err(error) => return error.to_string(),
    };
    match Request::read(header, &header_bytes, body) {
        Ok(request) => format!(
            "{:?} {} sequences",
            request.protocol,
            request.sequences.len().min(3)
        ),
        Err(error) => error.to_string(),
    }
}

/// Checks BSON; what passes is decoded, compared, made a key and shown.
pub fn bson(bytes: &[u8]) -> String {
    if let Err(invalid) = validate::document(bytes) {
        return invalid.to_string();
    }
    let doc = Doc::new(bytes);
    let shown = Shown(doc).to_string();
    assert!(shown.len() < 64 * bytes.len(), "{} bytes", shown.len());
    let mut kinds = String::new();
    for element in doc.elements() {
        let value = element.value();
        assert!(order::compare(&value, &value).is_eq(), "equal to itself");
        let mut encoded = Vec::new();
        key::encode(&value, &mut encoded);
        kinds.push_str(value.kind().alias());
    }
    kinds
}

/// Compiles a document as a filter and runs it.
pub fn filter(bytes: &[u8]) -> String {
    checked(bytes, |doc| {
        let filter = parse_filter::parse(doc)?;
        let mut matched = 0;
        for sample in samples(doc) {
            matched += usize::from(filter.test(Doc::new(&sample))?);
        }
        Ok(format!("matched {matched}"))
    })
}

/// Compiles a document as an update, a replacement and a pipeline of updates, and applies it.
pub fn update(bytes: &[u8]) -> String {
    checked(bytes, |doc| {
        let update = Update::parse(doc, None)?;
        let filter = parse_filter::parse(Doc::EMPTY)?;
        let mut changed = 0;
        for sample in samples(doc) {
            let moment = Moment {
                now_ms: 0,
                inserting: changed % 2 == 0,
                position: None,
            };
            let sample = Doc::new(&sample);
            let moment = moment.for_document(&update, &filter, sample);
            let applied = update.apply(sample, moment)?;
            assert!(validate::document(&applied).is_ok(), "{}", Shown(doc));
            changed += 1;
        }
        let inserted = update.insertion(&filter, 0)?;
        assert!(validate::document(&inserted).is_ok(), "{}", Shown(doc));
        Ok(format!("changed {changed}"))
    })
}

/// Compiles a document as a projection of `find`, of `$project`, of `$addFields` and as an order.
pub fn projection(bytes: &[u8]) -> String {
    checked(bytes, |doc| {
        let projections = [
            parse_projection::parse_find(doc),
            parse_projection::parse_project(doc).map(Some),
            parse_projection::parse_add_fields(doc).map(Some),
        ];
        let mut said = String::new();
        for projection in projections {
            said.push_str(&match projection {
                Ok(Some(projection)) => {
                    let mut result = "applied".to_owned();
                    for sample in samples(doc) {
                        match projection.apply(Doc::new(&sample), 0) {
                            Ok(made) => assert!(validate::document(&made).is_ok(), "BSON"),
                            Err(error) => result = error.to_string(),
                        }
                    }
                    result
                }
                Ok(None) => "everything".to_owned(),
                Err(error) => error.to_string(),
            });
        }
        let order = SortSpec::parse(doc)?;
        for sample in samples(doc) {
            drop(order.encode(Doc::new(&sample), &mut Vec::new()));
        }
        Ok(said)
    })
}

/// A store that runs pipelines and commands without a connection.
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
                engine: Arc::new(engine),
                cursors: Cursors::default(),
                clock: RunClock::start(),
                address: "127.0.0.1:27017".to_owned(),
                counters: Counters::default(),
                stopping: CancellationToken::new(),
                users: Users::default(),
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

    /// Compiles the values of a document as the stages of a pipeline, and runs it.
    pub fn pipeline(&mut self, bytes: &[u8]) -> String {
        checked(bytes, |doc| {
            let stages = super::pipeline::parse::parse(doc)?;
            let rows: Vec<Row> = samples(doc).into_iter().map(Row::computed).collect();
            let rows = rows.into_iter();
            let mut stage = build(stages, Box::new(Given { rows }));
            let context = Context {
                engine: Arc::clone(&self.shared.engine),
                clock: self.shared.clock,
                now_ms: 0,
                deadline: Some(self.shared.clock.now() + QUERY_TIME),
                stopping: CancellationToken::new(),
            };
            let mut made = 0;
            while made < RESULTS
                && let Some(row) = stage.next(&context)?
            {
                assert!(validate::document(row.doc().bytes()).is_ok(), "BSON");
                made += 1;
            }
            Ok(format!("made {}", made.min(5)))
        })
    }

    /// Runs a command: the body of a message.
    pub fn command(&mut self, body: &[u8]) -> String {
        self.ran += 1;
        if self.ran > COMMANDS_PER_STORE {
            *self = Self::start();
        }
        let length = i32::try_from(HEADER_BYTES + body.len()).unwrap_or(i32::MAX);
        let mut header_bytes = [0; HEADER_BYTES];
        header_bytes[..4].copy_from_slice(&length.to_le_bytes());
        header_bytes[12..].copy_from_slice(&2013_i32.to_le_bytes());
        let header = match Header::read(header_bytes, MESSAGE_BYTES) {
            Ok(header) => header,
            Err(error) => return error.to_string(),
        };
        let request = match Request::read(header, &header_bytes, body) {
            Ok(request) => request,
            Err(error) => return error.to_string(),
        };
        let mut client = Client::new(1);
        let reply = command::execute(&self.shared, &mut client, &request, &Injected::default());
        assert!(validate::document(&reply).is_ok(), "the reply is BSON");
        let reply = Doc::new(&reply);
        let name = request.command.elements().next();
        let name = name.map(|element| element.name().to_owned());
        format!("{name:?} {:?} {:?}", reply.get("code"), reply.get("errmsg"))
    }
}

/// Documents that filters and changes are tried on: a common one, a nested one, the input itself.
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

/// Runs what takes a document with those bytes that are one.
fn checked(bytes: &[u8], run: impl FnOnce(Doc<'_>) -> Result<String, CommandError>) -> String {
    if let Err(invalid) = validate::document(bytes) {
        return invalid.to_string();
    }
    match run(Doc::new(bytes)) {
        Ok(said) => said,
        Err(error) => error.to_string(),
    }
}
