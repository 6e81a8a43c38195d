//! Statistics of collections and databases, and `validate`.

use convoy_server_kit::unix_ms;

use crate::aggregation::SourceSpec;
use crate::bson::builder::count_value;
use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::catalog::existing;
use crate::command::{Call, Client, Shared};
use crate::engine::{Capped, Collection, ID_INDEX, Index, IndexSpec, Namespace, Row, uuid_value};
use crate::error::{Code, CommandError};

/// Sizes of a collection.
#[derive(Debug, Default, Clone)]
pub struct Totals {
    pub documents: usize,
    /// Bytes of all documents.
    pub bytes: u64,
    /// Indexes with the bytes of their keys.
    pub indexes: Vec<(String, u64)>,
    pub capped: Option<Capped>,
}

/// Estimated bytes of an index key in memory.
const KEY_BYTES: u64 = 56;

impl Totals {
    pub fn new(collection: &Collection) -> Self {
        collection.with_state(|state| {
            let size = |keys: usize| {
                u64::try_from(keys)
                    .unwrap_or(u64::MAX)
                    .saturating_mul(KEY_BYTES)
            };
            let mut indexes = Vec::new();
            if state.rules.clustered.is_none() {
                indexes.push((ID_INDEX.to_owned(), size(state.by_id.len())));
            }
            let named = |index: &Index| (index.spec().name.clone(), size(index.len()));
            indexes.extend(state.indexes.iter().map(named));
            Self {
                documents: state.records.len(),
                bytes: state.records.bytes(),
                indexes,
                capped: state.rules.capped,
            }
        })
    }

    fn index_bytes(&self) -> u64 {
        self.indexes.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Returns the limits of a capped collection.
    fn limits(&self, scale: u64) -> Vec<u8> {
        let mut limits = Builder::new();
        if let Some(capped) = self.capped {
            limits = limits
                .with("max", &whole(capped.documents.unwrap_or(0)))
                .with("maxSize", &whole(capped.bytes / scale));
        }
        limits.finish()
    }

    /// Returns the fields of `collStats`; sizes are divided by `scale`.
    pub fn describe(&self, namespace: &Namespace, scale: u64) -> Builder {
        let scaled = |bytes: u64| whole(bytes / scale);
        let mut sizes = Builder::new();
        for (name, bytes) in &self.indexes {
            sizes.push(name, &scaled(*bytes));
        }
        let mut description = Builder::new()
            .string("ns", &namespace.to_string())
            .with("size", &scaled(self.bytes))
            .count("count", self.documents);
        if let Some(mean) = self
            .bytes
            .checked_div(u64::try_from(self.documents).unwrap_or(0))
        {
            description = description.with("avgObjSize", &whole(mean));
        }
        description
            .int32("numOrphanDocs", 0)
            .with("storageSize", &scaled(self.bytes))
            .int32("freeStorageSize", 0)
            .bool("capped", self.capped.is_some())
            .extended(Doc::new(&self.limits(scale)))
            .count("nindexes", self.indexes.len())
            .strings("indexBuilds", &[])
            .with("totalIndexSize", &scaled(self.index_bytes()))
            .with("totalSize", &scaled(self.bytes + self.index_bytes()))
            .document("indexSizes", sizes)
            .with("scaleFactor", &whole(scale))
    }
}

/// Returns the documents of `$collStats` or `$indexStats`.
pub fn rows(
    shared: &Shared,
    namespace: &Namespace,
    source: &SourceSpec,
) -> Result<Vec<Row>, CommandError> {
    if matches!(source, SourceSpec::CollectionStats { .. }) {
        return Ok(vec![collection_row(shared, namespace, source)?]);
    }
    let Some(collection) = shared.engine.collection(namespace) else {
        return Ok(Vec::new());
    };
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    collection.with_state(|state| {
        let id = state.id_spec();
        // A time series collection has no index of `_id`.
        let id = (!state.options.is_time_series()).then_some(&id);
        let specs = id.into_iter().chain(state.indexes.iter().map(Index::spec));
        let describe = |spec: &IndexSpec| {
            let uses = i64::try_from(collection.uses_of(&spec.name)).unwrap_or(i64::MAX);
            let accesses = Builder::new().int64("ops", uses).with("since", &now);
            let stats = Builder::new()
                .string("name", &spec.name)
                .raw_document("key", Doc::new(&spec.key_pattern()))
                .string("host", &shared.address.to_string())
                .document("accesses", accesses)
                .raw_document("spec", spec.document());
            Row::computed(stats.finish())
        };
        Ok(specs.map(describe).collect())
    })
}

/// Returns the document of `$collStats`.
fn collection_row(
    shared: &Shared,
    namespace: &Namespace,
    source: &SourceSpec,
) -> Result<Row, CommandError> {
    let now = Value::DateTime(i64::try_from(unix_ms()).unwrap_or(i64::MAX));
    let mut stats = Builder::new()
        .string("ns", &namespace.to_string())
        .string("host", &shared.address.to_string())
        .with("localTime", &now);
    let &SourceSpec::CollectionStats {
        count,
        storage_scale,
    } = source
    else {
        return Ok(Row::computed(stats.finish()));
    };
    if (count || storage_scale.is_some()) && shared.engine.is_view(namespace) {
        let message = format!("{namespace} is a view, not a collection");
        return Err(CommandError::new(
            Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
            message,
        ));
    }
    if let Some(scale) = storage_scale {
        let collection = existing(shared, namespace)?;
        let totals = Totals::new(&collection);
        stats = stats.document("storageStats", totals.describe(namespace, scale));
    }
    if count {
        let collection = existing(shared, namespace)?;
        let totals = Totals::new(&collection);
        stats = stats.count("count", totals.documents);
    }
    Ok(Row::computed(stats.finish()))
}

/// `collStats`
pub fn collection_stats(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["scale"])?;
    let namespace = call.namespace()?;
    let totals = match shared.engine.collection(&namespace) {
        Some(collection) => Totals::new(&collection),
        None => Totals::default(),
    };
    let described = totals.describe(&namespace, scale(call)?);
    // MongoDB's Kafka sink tells a time series collection by this field.
    Ok(match shared.engine.time_series(&namespace) {
        Some(_) => {
            let (database, name) = (&namespace.database, &namespace.collection);
            let buckets = format!("{database}.system.buckets.{name}");
            described.document("timeseries", Builder::new().string("bucketsNs", &buckets))
        }
        None => described,
    })
}

/// `dbStats`
pub fn database_stats(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["scale", "freeStorage"])?;
    let scale = scale(call)?;
    let mut total = Totals::default();
    let (mut collections, mut views) = (0, 0);
    for namespace in &shared.engine.namespaces(call.database) {
        let Some(collection) = shared.engine.collection(namespace) else {
            continue;
        };
        if shared.engine.is_view(namespace) {
            views += 1;
            continue;
        }
        let totals = Totals::new(&collection);
        collections += 1;
        total.documents += totals.documents;
        total.bytes += totals.bytes;
        total.indexes.extend(totals.indexes);
    }
    // Definitions of views are a collection of their own.
    collections += i64::from(views > 0);
    let scaled = |bytes: u64| bytes as f64 / scale as f64;
    let mean = if total.documents == 0 {
        0.0
    } else {
        total.bytes as f64 / total.documents as f64
    };
    let indexes = total.indexes.len() + usize::from(views > 0);
    let stats = Builder::new()
        .string("db", call.database)
        .int64("collections", collections)
        .int64("views", views)
        .int64("objects", long(total.documents))
        .double("avgObjSize", mean)
        .double("dataSize", scaled(total.bytes))
        .double("storageSize", scaled(total.bytes))
        .int64("indexes", long(indexes))
        .double("indexSize", scaled(total.index_bytes()))
        .double("totalSize", scaled(total.bytes + total.index_bytes()))
        .int64("scaleFactor", i64::try_from(scale).unwrap_or(i64::MAX));
    // Nothing here is free for new documents.
    Ok(match call.flag("freeStorage")? {
        Some(true) => stats
            .double("freeStorageSize", 0.0)
            .double("indexFreeStorageSize", 0.0)
            .double("totalFreeStorageSize", 0.0),
        _ => stats,
    })
}

fn long(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Rejects a check of documents that also repairs.
fn check_repair(call: &Call<'_>) -> Result<(), CommandError> {
    if call.flag("repair")?.unwrap_or(false) && call.flag("checkBSONConformance")?.unwrap_or(false)
    {
        let message = "Running the validate command with { repair: true } and \
                       { checkBSONConformance: true } is not supported.";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    Ok(())
}

/// `validate`: checks every document and every index key.
pub fn validate(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[
        "full",
        "scandata",
        "repair",
        "fixMultikey",
        "metadata",
        "checkBSONConformance",
        "background",
    ])?;
    let metadata = call.flag("metadata")?.unwrap_or(false);
    let background = call.flag("background")?.unwrap_or(false);
    let exclusive = [
        "full",
        "repair",
        "fixMultikey",
        "checkBSONConformance",
        "background",
    ];
    for other in exclusive {
        let alone =
            metadata || background && !matches!(other, "checkBSONConformance" | "background");
        if alone && call.flag(other)?.unwrap_or(false) {
            let with = if metadata { "metadata" } else { "background" };
            let message = format!(
                "Running the validate command with {{ {with}: true }} and {{ {other}: true }} is not supported."
            );
            return Err(CommandError::new(Code::INVALID_OPTIONS, message));
        }
    }
    check_repair(call)?;
    if background && shared.replica_set.is_none() {
        let message =
            "Running validate command in the background is not supported in standalone mode";
        return Err(CommandError::new(Code::COMMAND_NOT_SUPPORTED, message));
    }
    let namespace = call.namespace()?;
    let collection = shared.engine.collection(&namespace).ok_or_else(|| {
        let message = format!("Collection '{namespace}' does not exist to validate.");
        CommandError::new(Code::NAMESPACE_NOT_FOUND, message)
    })?;
    let report = collection.verify(shared.engine.log())?;
    let mut keys = Builder::new();
    for (name, count) in &report.keys {
        keys = keys.count(name, *count);
    }
    let mut errors = ArrayBuilder::default();
    for error in &report.errors {
        errors.push(&Value::from(error.as_str()));
    }
    let mut reply = Builder::new()
        .string("ns", &namespace.to_string())
        .with("uuid", &uuid_value(&collection.uuid()));
    if !metadata {
        reply = reply
            .int32("nInvalidDocuments", 0)
            .int32("nNonCompliantDocuments", 0)
            .count("nrecords", report.documents);
    }
    Ok(reply
        .count("nIndexes", report.keys.len())
        .document("keysPerIndex", keys)
        .document("indexDetails", index_details(&collection))
        .bool("valid", report.errors.is_empty())
        .string("repairMode", repair_mode(call)?)
        .bool("repaired", false)
        .strings("warnings", &[])
        .array("errors", errors)
        .strings("extraIndexEntries", &[])
        .strings("missingIndexEntries", &[])
        .strings("corruptRecords", &[]))
}

/// Returns what `validate` was asked to repair: nothing needs it here.
fn repair_mode(call: &Call<'_>) -> Result<&'static str, CommandError> {
    Ok(if call.flag("repair")?.unwrap_or(false) {
        "FixErrors"
    } else if call.flag("fixMultikey")?.unwrap_or(false) {
        "AdjustMultikey"
    } else {
        "None"
    })
}

/// Describes the indexes, whose keys have been checked.
fn index_details(collection: &Collection) -> Builder {
    collection.with_state(|state| {
        let id = state.id_spec();
        let specs = std::iter::once(&id).chain(state.indexes.iter().map(Index::spec));
        specs.fold(Builder::new(), |details, spec| {
            let detail = Builder::new()
                .bool("valid", true)
                .raw_document("spec", spec.document());
            details.document(&spec.name, detail)
        })
    })
}

/// `dataSize`; its argument is a full name.
pub fn data_size(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["keyPattern", "min", "max", "estimate"])?;
    call.refuse(&["keyPattern", "min", "max"])?;
    let name = call
        .text("dataSize")?
        .ok_or_else(|| call.missing("dataSize"))?;
    let collection = shared.engine.collection(&Namespace::parse(&name)?);
    let totals = collection
        .map(|known| Totals::new(&known))
        .unwrap_or_default();
    let size = i64::try_from(totals.bytes).unwrap_or(i64::MAX);
    Ok(Builder::new()
        .bool("estimate", call.flag("estimate")?.unwrap_or(false))
        .int64("size", size)
        .int64("numObjects", long(totals.documents))
        .int64("millis", 0))
}

fn scale(call: &Call<'_>) -> Result<u64, CommandError> {
    let scale = call.natural("scale")?.unwrap_or(1);
    if scale == 0 {
        return Err(CommandError::bad_value("scale has to be > 0"));
    }
    Ok(scale)
}

fn whole(number: u64) -> Value<'static> {
    count_value(usize::try_from(number).unwrap_or(usize::MAX))
}
