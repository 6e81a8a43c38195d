//! `collMod`, `convertToCapped` and `cloneCollectionAsCapped`.

use crate::aggregation::Selection;
use crate::bson::{Builder, Doc, Value};
use crate::command::catalog::existing;
use crate::command::collection_options::{
    STORED, capped_bytes, capped_documents, check, number, whole, with,
};
use crate::command::insert::insert_all;
use crate::command::query::context;
use crate::command::{Call, Client, Shared, kinds, system, time_series, view};
use crate::engine::{Collection, CollectionOptions, IndexSpec, Namespace};
use crate::error::{Code, CommandError};

/// Bytes that MongoDB adds to the name of a collection while it converts it.
const CONVERTING_BYTES: usize = 25;

/// Documents that are copied at once.
const COPIED: usize = 1_000;

/// Options of an index that `collMod` changes.
const INDEX_OPTIONS: &[&str] = &["expireAfterSeconds", "hidden", "prepareUnique", "unique"];

/// Options that `collMod` changes beside those that `create` takes in the same form.
const CHANGED: &[&str] = &[
    "index",
    "cappedSize",
    "cappedMax",
    "viewOn",
    "pipeline",
    "timeseries",
    "expireAfterSeconds",
];

/// Options that this server does not change.
const UNSUPPORTED: &[&str] = &[
    "clusteredIndex",
    "recordPreImages",
    "dryRun",
    "encryptedFields",
];

/// A change of an index, with the values before and after for the reply.
struct IndexChange {
    spec: IndexSpec,
    reply: Builder,
}

/// `collMod`
pub fn collection_modify(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[STORED, UNSUPPORTED, CHANGED].concat())?;
    call.refuse(UNSUPPORTED)?;
    let namespace = call.namespace()?;
    let collection = existing(shared, &namespace)?;
    let before = collection.with_state(|state| state.options.clone());
    if before.is_view() {
        let options = changed_view(shared, call, &namespace, before)?;
        return modify(shared, call, &collection, options, None);
    }
    for name in ["viewOn", "pipeline"] {
        if call.value(name).is_some() {
            let message = format!("'{name}' option only supported on a view");
            return Err(CommandError::new(Code::INVALID_OPTIONS, message));
        }
    }
    let options = changed_sizes(call, before)?;
    let mut options = time_series::changed(call, options)?;
    let kept = STORED
        .iter()
        .filter(|name| name.starts_with("valid") || name.starts_with("change"));
    for name in kept {
        if let Some(value) = call.value(name) {
            check(call, name, &value)?;
            let empty = value.as_document().is_some_and(Doc::is_empty);
            options = with(&options, name, Some(&value).filter(|_| !empty));
        }
    }
    let change = match call.document("index")? {
        Some(index) => Some(changed_index(&collection, index)?),
        None => None,
    };
    modify(shared, call, &collection, options, change)
}

/// Changes a collection; the oplog gets the command without its generic arguments.
fn modify(
    shared: &Shared,
    call: &Call<'_>,
    collection: &Collection,
    options: CollectionOptions,
    change: Option<IndexChange>,
) -> Result<Builder, CommandError> {
    let (index, reply) = match change {
        Some(change) => (Some(change.spec), change.reply),
        None => (None, Builder::new()),
    };
    let mut command = Builder::new();
    for element in call.body.elements() {
        let name = element.name();
        if name == call.name || STORED.contains(&name) || CHANGED.contains(&name) {
            command.push_element(element);
        }
    }
    shared.engine.modify(collection, options, index, command)?;
    Ok(reply)
}

/// Returns the options of a view with another collection or pipeline.
fn changed_view(
    shared: &Shared,
    call: &Call<'_>,
    namespace: &Namespace,
    before: CollectionOptions,
) -> Result<CollectionOptions, CommandError> {
    for element in call.body.elements().skip(1) {
        let name = element.name();
        let changes = STORED.contains(&name) || CHANGED.contains(&name);
        if changes && !matches!(name, "viewOn" | "pipeline") {
            let message = format!("option not supported on a view: {name}");
            return Err(CommandError::new(Code::INVALID_OPTIONS, message));
        }
    }
    let on = call.text("viewOn")?;
    if on.as_deref() == Some("") {
        return Err(CommandError::bad_value("'viewOn' cannot be empty"));
    }
    let mut options = before;
    if let Some(on) = &on {
        options = with(&options, "viewOn", Some(&Value::from(on.as_ref())));
    }
    if let Some(pipeline) = call.array("pipeline")? {
        let pipeline = Value::Array(pipeline.bytes().into());
        options = with(&options, "pipeline", Some(&pipeline));
    }
    let defined = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
    let (on, pipeline) = (defined.get("viewOn"), defined.get("pipeline"));
    let on = on.as_ref().and_then(Value::as_str).unwrap_or_default();
    let pipeline = pipeline.as_ref().and_then(Value::as_array);
    view::check_definition(shared, namespace, on, pipeline.unwrap_or(Doc::EMPTY))?;
    Ok(options)
}

fn changed_sizes(
    call: &Call<'_>,
    mut options: CollectionOptions,
) -> Result<CollectionOptions, CommandError> {
    let capped = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
    let capped = capped
        .get("capped")
        .is_some_and(|capped| capped.is_truthy());
    for (argument, option) in [("cappedSize", "size"), ("cappedMax", "max")] {
        let Some(value) = call.integer(argument)? else {
            continue;
        };
        if !capped {
            return Err(CommandError::new(
                Code::INVALID_OPTIONS,
                "Collection must be capped.",
            ));
        }
        let value = match option {
            "size" => capped_bytes(argument, value)?,
            _ => capped_documents(argument, value)?,
        };
        options = with(&options, option, Some(&number(value)));
    }
    Ok(options)
}

/// Reads `index` of `collMod`.
fn changed_index(collection: &Collection, index: Doc<'_>) -> Result<IndexChange, CommandError> {
    let spec = find_index(collection, index)?;
    check_combination(index)?;
    let mut options = Vec::new();
    let mut reply = Builder::new();
    let mut found = false;
    for element in index.elements() {
        let (name, value) = (element.name(), element.value());
        if ["name", "keyPattern"].contains(&name) {
            continue;
        }
        let Some(shown) = new_index_value(name, &value)? else {
            continue;
        };
        let before = spec.document().get(name);
        match name {
            "unique" if !value.is_truthy() => {
                let message = "Cannot make index non-unique";
                return Err(CommandError::bad_value(message));
            }
            "unique" if spec.unique => {
                found = true;
                continue;
            }
            "unique" if !spec.prepare_unique => {
                let message = "Cannot make index unique with a collMod command before the index has \
                               prepareUnique: true";
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
            "unique" => options.push(("prepareUnique", None)),
            _ => {}
        }
        found = true;
        let flag = before.as_ref().is_some_and(Value::is_truthy);
        if name != "expireAfterSeconds" && flag == value.is_truthy() {
            continue;
        }
        let old = match (name, before) {
            ("expireAfterSeconds", before) => {
                before.and_then(|before| before.as_i64()).map(Value::Int64)
            }
            (_, before) => Some(Value::Bool(before.is_some_and(|before| before.is_truthy()))),
        };
        if name != "unique"
            && let Some(old) = old
        {
            reply.push(&format!("{name}_old"), &old);
        }
        reply.push(&format!("{name}_new"), &shown);
        let falsy = matches!(shown, Value::Bool(false));
        let stored = match shown {
            Value::Int64(seconds) => i32::try_from(seconds).map_or(shown, Value::Int32),
            other => other,
        };
        options.push((name, Some(stored).filter(|_| !falsy)));
    }
    if !found {
        return Err(CommandError::new(
            Code::INVALID_OPTIONS,
            "no expireAfterSeconds, hidden, unique, or prepareUnique field",
        ));
    }
    Ok(IndexChange {
        spec: spec.with_options(&options)?,
        reply,
    })
}

/// Rejects further changes beside one of `prepareUnique`.
fn check_combination(index: Doc<'_>) -> Result<(), CommandError> {
    let given = |name: &str| index.get(name).is_some_and(|value| !value.is_nullish());
    if given("prepareUnique") && (given("hidden") || given("expireAfterSeconds")) {
        let message =
            "a change of prepareUnique cannot be combined with other changes of the index";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    Ok(())
}

/// Checks one option of `collMod.index`. Returns its new value; `None` leaves it as it is.
fn new_index_value<'a>(name: &str, value: &Value<'a>) -> Result<Option<Value<'a>>, CommandError> {
    if !INDEX_OPTIONS.contains(&name) {
        let message = format!("BSON field 'collMod.index.{name}' is an unknown field.");
        return Err(CommandError::location(40_415, message));
    }
    if value.is_nullish() {
        return Ok(None);
    }
    if name != "expireAfterSeconds" {
        if !value.is_number() && !matches!(value, Value::Bool(_)) {
            return Err(CommandError::type_mismatch(format!(
                "BSON field 'collMod.index.{name}' is the wrong type '{}', expected types '[bool, \
                 long, int, decimal, double']'",
                value.kind().alias()
            )));
        }
        return Ok(Some(Value::Bool(value.is_truthy())));
    }
    let seconds = whole(value).and_then(|seconds| i32::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| *seconds >= 0).ok_or_else(|| {
        let message = "TTL index 'expireAfterSeconds' option must be a number that is not negative";
        CommandError::new(Code::INVALID_OPTIONS, message)
    })?;
    Ok(Some(Value::Int64(i64::from(seconds))))
}

fn find_index(collection: &Collection, index: Doc<'_>) -> Result<IndexSpec, CommandError> {
    let name = index.get("name");
    let keys = index.get("keyPattern");
    let keys = keys.as_ref().and_then(Value::as_document);
    if name.is_some() == keys.is_some() {
        return Err(CommandError::new(
            Code::INVALID_OPTIONS,
            "must specify exactly one of index name or keyPattern",
        ));
    }
    let wanted = |spec: &IndexSpec| match (&name, keys) {
        (Some(name), _) => name.as_str() == Some(&spec.name),
        (None, Some(keys)) => {
            crate::bson::order::compare_docs(Doc::new(&spec.key_pattern()), keys).is_eq()
        }
        (None, None) => false,
    };
    let clustered = collection.with_state(|state| state.rules.clustered.clone());
    if let Some(clustered) = &clustered {
        let named = name.as_ref().and_then(Value::as_str);
        if named == Some(clustered) && index.get("hidden").is_some() {
            let message = "The 'hidden' option is not supported for a clustered index";
            return Err(CommandError::location(6_011_800, message));
        }
    } else if wanted(&IndexSpec::id()) {
        let message = "the _id index cannot be modified";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    let found = collection.with_state(|state| {
        let mut specs = state.indexes.iter().map(crate::engine::Index::spec);
        specs.find(|spec| wanted(spec)).cloned()
    });
    found.ok_or_else(|| {
        let shown = index.get("name").or_else(|| index.get("keyPattern"));
        let shown = shown.unwrap_or(Value::Null);
        let message = format!("cannot find index {shown} for ns");
        CommandError::new(Code::INDEX_NOT_FOUND, message)
    })
}

/// `convertToCapped`: drops all indexes but that on `_id`, as MongoDB does.
pub fn convert_to_capped(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_sizes(call)?;
    let namespace = call.namespace()?;
    let collection = existing(shared, &namespace)?;
    if namespace.to_string().len() + CONVERTING_BYTES > Namespace::MAX_BYTES {
        let message = format!("the name of {namespace} is too long to be converted");
        return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
    }
    let options = capped(call)?;
    let indexes = collection.with_state(|state| {
        let specs = state.indexes.iter().map(crate::engine::Index::spec);
        specs.map(|spec| spec.name.clone()).collect::<Vec<_>>()
    });
    shared.engine.drop_indexes(&collection, &indexes)?;
    let command = Builder::new().string("convertToCapped", &namespace.collection);
    shared.engine.modify(&collection, options, None, command)?;
    collection.trim_to_size(shared.engine.log())?;
    Ok(Builder::new())
}

/// Checks the types of the arguments; MongoDB ignores those that it does not know.
fn check_sizes(call: &Call<'_>) -> Result<(), CommandError> {
    for element in call.body.elements().skip(1) {
        if matches!(element.name(), "size" | "temp" | "toCollection") {
            kinds::check(call.name, element.name(), &element.value())?;
        }
    }
    Ok(())
}

fn capped(call: &Call<'_>) -> Result<CollectionOptions, CommandError> {
    let size = call.integer("size")?.ok_or_else(|| {
        let message = "Capped collection size must be greater than zero";
        CommandError::new(Code::INVALID_OPTIONS, message)
    })?;
    let size = number(capped_bytes("size", size)?);
    let options = Builder::new().bool("capped", true).with("size", &size);
    Ok(CollectionOptions(Some(options.finish())))
}

/// `cloneCollectionAsCapped`
pub fn clone_as_capped(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    check_sizes(call)?;
    let from = call.namespace()?;
    let to = call
        .text("toCollection")?
        .ok_or_else(|| call.missing("toCollection"))?;
    let to = Namespace::new(call.database, &to)?;
    system::check_no_buckets(&from)?;
    system::check_create(&to, false)?;
    existing(shared, &from)?;
    shared.engine.create(&to, capped(call)?)?;
    let context = context(shared, call)?;
    let mut stage = Selection::default().into_stage(&shared.engine, &from)?;
    let writer = shared.engine.writer();
    loop {
        let mut rows = Vec::new();
        while rows.len() < COPIED
            && let Some(row) = stage.next(&context)?
        {
            rows.push(row);
        }
        if rows.is_empty() {
            return Ok(Builder::new());
        }
        let docs: Vec<Doc<'_>> = rows.iter().map(crate::engine::Row::doc).collect();
        let inserted = insert_all(shared, &to, &docs, true, call.fault, writer)?;
        if let Some((_, error)) = inserted.errors.into_iter().next() {
            return Err(error);
        }
    }
}
