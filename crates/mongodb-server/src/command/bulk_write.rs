//! `bulkWrite`: inserts, updates and deletes in several collections by one command.

use crate::aggregation::{Context, GivenDocuments};
use crate::bson::{Builder, Doc, Value};
use crate::command::bulk_op::{Kind, Op, Target, read_ops, read_targets};
use crate::command::cursors::{Batch, Cursor};
use crate::command::query::{context, updating_environment};
use crate::command::retry::{Executed, Retryable};
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared, cursor, delete, insert, system, update, view};
use crate::engine::{Position, Row};
use crate::error::{Code, CommandError};
use crate::faults::Fault;
use crate::query::Environment;

/// The name of the cursor over the results.
const CURSOR: &str = "admin.$cmd.bulkWrite";

/// Largest number of inserts that are written at once.
const INSERTS: usize = 1_000;

/// The counts of the reply, and the results of the operations.
#[derive(Debug, Default)]
struct Results {
    errors: usize,
    inserted: usize,
    matched: usize,
    modified: usize,
    upserted: usize,
    deleted: usize,
    items: Vec<Vec<u8>>,
    /// Whether results without an error are left out.
    errors_only: bool,
    position: Position,
}

/// What an operation did.
#[derive(Debug, Default)]
struct Done {
    /// Documents that were inserted, matched or deleted.
    count: usize,
    modified: Option<usize>,
    upserted: Option<Value<'static>>,
}

/// What all operations need.
struct Bulk<'b> {
    shared: &'b Shared,
    call: &'b Call<'b>,
    context: Context,
    environment: Environment,
    targets: Vec<Target>,
    ordered: bool,
}

/// `bulkWrite`
pub fn bulk_write(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[
        "ops",
        "nsInfo",
        "ordered",
        "errorsOnly",
        "bypassDocumentValidation",
        "cursor",
        "let",
    ])?;
    call.only_of_admin()?;
    let concern = WriteConcern::parse(call)?;
    let ops = call.documents("ops")?;
    let targets = read_targets(call)?;
    let ops = read_ops(&ops, targets.len())?;
    let batch = Batch {
        documents: call.batch_size()?.unwrap_or(u64::MAX),
        single: false,
        forever: false,
    };
    let context = context(shared, call)?;
    let environment = updating_environment(call, context.now_ms)?;
    let mut retryable = Retryable::begin(shared, call)?;
    if ops.iter().any(Op::is_multi) {
        retryable.refuse("Cannot use retryable writes with multi=true")?;
    }
    let bulk = Bulk {
        shared,
        call,
        context,
        environment,
        targets,
        ordered: call.flag("ordered")?.unwrap_or(true),
    };
    let mut results = Results {
        errors_only: call.flag("errorsOnly")?.unwrap_or(false),
        ..Results::default()
    };
    bulk.run(&ops, &mut retryable, &mut results)?;
    concern.wait(&shared.engine, results.position)?;
    let rows = std::mem::take(&mut results.items).into_iter();
    let rows: Vec<Row> = rows.map(Row::computed).collect();
    let rows = Box::new(GivenDocuments {
        rows: rows.into_iter(),
    });
    let results_cursor = Cursor::new(rows, bulk.context.now_ms);
    let reply = cursor::open(shared, &bulk.context, CURSOR, results_cursor, batch)?;
    Ok(retryable.describe(results.counted(reply)))
}

impl Bulk<'_> {
    /// Runs all operations; an ordered batch stops at the first error.
    fn run(
        &self,
        ops: &[Op<'_>],
        retryable: &mut Retryable<'_>,
        results: &mut Results,
    ) -> Result<(), CommandError> {
        let mut at = 0;
        while let Some(op) = ops.get(at) {
            self.context.check()?;
            let before = results.errors;
            if let Some(executed) = retryable.executed(at)? {
                results.again(at, op, &executed);
                at += 1;
            } else if let Kind::Insert(_) = op.kind {
                at = self.insert(ops, at, retryable, results)?;
            } else {
                let statements = retryable.statements(&[at]);
                let writer = retryable.writer(&statements, None);
                match self.change(at, op, writer, results) {
                    Ok(done) => results.done(at, op, done),
                    Err(error) => results.failed(at, op, &error),
                }
                at += 1;
            }
            if self.ordered && results.errors > before {
                break;
            }
        }
        Ok(())
    }

    /// Inserts the documents of adjacent operations on one collection; returns the operation after
    /// them.
    fn insert(
        &self,
        ops: &[Op<'_>],
        first: usize,
        retryable: &mut Retryable<'_>,
        results: &mut Results,
    ) -> Result<usize, CommandError> {
        let target = ops[first].target;
        let mut documents = Vec::new();
        let mut places = Vec::new();
        for (index, op) in ops.iter().enumerate().skip(first).take(INSERTS) {
            let Kind::Insert(document) = op.kind else {
                break;
            };
            let fresh = index == first || retryable.executed(index)?.is_none();
            if op.target != target || !fresh {
                break;
            }
            documents.push(document);
            places.push(index);
        }
        let after = first + documents.len();
        let checked = self.check(first, target);
        let statements = retryable.statements(&places);
        let writer = retryable.writer(&statements, None);
        let inserted = checked.and_then(|()| {
            let namespace = &self.targets[target].namespace;
            let fault = Fault::default();
            insert::insert_all(
                self.shared,
                namespace,
                &documents,
                self.ordered,
                &fault,
                writer,
            )
        });
        let mut inserted = match inserted {
            Ok(inserted) => inserted,
            Err(error) => {
                let failed = if self.ordered { 1 } else { documents.len() };
                for (index, op) in ops.iter().enumerate().skip(first).take(failed) {
                    results.failed(index, op, &error);
                }
                return Ok(after);
            }
        };
        results.position = results.position.max(inserted.position);
        inserted.errors.reverse();
        for (index, op) in ops.iter().enumerate().take(after).skip(first) {
            let failure = inserted
                .errors
                .pop_if(|(failed, _)| first + *failed == index);
            if let Some((_, error)) = failure {
                results.failed(index, op, &error);
                if self.ordered {
                    break;
                }
            } else {
                let done = Done {
                    count: 1,
                    ..Done::default()
                };
                results.done(index, op, done);
            }
        }
        Ok(after)
    }

    /// Runs an update or a delete.
    fn change(
        &self,
        index: usize,
        op: &Op<'_>,
        writer: crate::engine::Writer<'_>,
        results: &mut Results,
    ) -> Result<Done, CommandError> {
        self.check(index, op.target)?;
        let namespace = &self.targets[op.target].namespace;
        let (context, environment) = (&self.context, &self.environment);
        match &op.kind {
            Kind::Update(statement) => {
                let statement = Doc::new(statement);
                let updated = update::update_statement(
                    self.shared,
                    namespace,
                    context,
                    environment,
                    statement,
                    writer,
                )?;
                results.position = results.position.max(updated.position);
                Ok(Done {
                    count: updated.matched,
                    modified: Some(updated.modified),
                    upserted: updated.upserted,
                })
            }
            Kind::Delete(statement) => {
                let statement = Doc::new(statement);
                let (count, position) = delete::delete_statement(
                    self.shared,
                    namespace,
                    context,
                    environment,
                    statement,
                    writer,
                )?;
                results.position = results.position.max(position);
                Ok(Done {
                    count,
                    ..Done::default()
                })
            }
            Kind::Insert(_) => Ok(Done::default()),
        }
    }

    /// Rejects an operation on what it cannot write to.
    fn check(&self, index: usize, target: usize) -> Result<(), CommandError> {
        if let Some(error) = self.call.fault.write_error(index) {
            return Err(error);
        }
        let Target { namespace, uuid } = &self.targets[target];
        system::check_write(namespace)?;
        if self.shared.engine.is_view(namespace) {
            return Err(view::not_a_collection(namespace, "view, not a collection"));
        }
        let Some(uuid) = uuid else { return Ok(()) };
        let known = self.shared.engine.collection(namespace);
        if known.is_some_and(|known| known.uuid() == *uuid) {
            return Ok(());
        }
        let message = "Collection UUID does not match that specified";
        Err(CommandError::new(Code::COLLECTION_UUID_MISMATCH, message))
    }
}

impl Results {
    fn push(&mut self, item: Builder) {
        self.items.push(item.finish());
    }

    fn done(&mut self, index: usize, op: &Op<'_>, done: Done) {
        let upserted = usize::from(done.upserted.is_some());
        match op.kind {
            Kind::Insert(_) => self.inserted += done.count,
            Kind::Delete(_) => self.deleted += done.count,
            Kind::Update(_) => {
                self.matched += done.count;
                self.modified += done.modified.unwrap_or_default();
                self.upserted += upserted;
            }
        }
        if self.errors_only {
            return;
        }
        let mut item = Builder::new()
            .double("ok", 1.0)
            .count("idx", index)
            .count("n", done.count + upserted);
        if let Some(modified) = done.modified {
            item = item.count("nModified", modified);
        }
        if let Some(id) = done.upserted {
            item = item.document("upserted", Builder::new().with("_id", &id));
        }
        self.push(item);
    }

    fn failed(&mut self, index: usize, op: &Op<'_>, error: &CommandError) {
        self.errors += 1;
        let mut item = error.bulk_error(index).count("n", 0);
        if matches!(op.kind, Kind::Update(_)) {
            item = item.count("nModified", 0);
        }
        self.push(item);
    }

    /// Counts an operation that an earlier try executed.
    fn again(&mut self, index: usize, op: &Op<'_>, executed: &Executed) {
        let update = matches!(op.kind, Kind::Update(_));
        let upserted = executed.upserted().filter(|_| update);
        let found = usize::from(upserted.is_none());
        let done = Done {
            count: found,
            modified: update.then_some(found),
            upserted,
        };
        self.done(index, op, done);
    }

    fn counted(&self, reply: Builder) -> Builder {
        reply
            .count("nErrors", self.errors)
            .count("nInserted", self.inserted)
            .count("nMatched", self.matched)
            .count("nModified", self.modified)
            .count("nUpserted", self.upserted)
            .count("nDeleted", self.deleted)
    }
}
