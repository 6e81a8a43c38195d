//! Time series collections: their options, and what may be written to them.
//!
//! Their documents are stored as those of other collections, each by its own.

use convoy_server_kit::unix_ms;

use crate::bson::{Builder, Doc, Element, Kind, Value};
use crate::command::Call;
use crate::command::collection_options::with;
use crate::command::statement::Statement;
use crate::engine::{Collection, CollectionOptions, IndexSpec, TimeSeries};
use crate::error::{Code, CommandError};

/// Seconds of the longest bucket: a year.
const MAX_SPAN: i64 = 31_536_000;

/// The granularities, with the seconds that a bucket spans at most.
const GRANULARITIES: [(&str, i64); 3] = [
    ("seconds", 3_600),
    ("minutes", 86_400),
    ("hours", 2_592_000),
];

/// The options of `timeseries` as the client gave them.
#[derive(Default)]
struct Given {
    time_field: Option<String>,
    meta_field: Option<String>,
    granularity: Option<String>,
    max_span: Option<i64>,
    rounding: Option<i64>,
}

/// Returns the options of a time series collection, if `create` asks for one.
pub fn options(call: &Call<'_>) -> Result<Option<CollectionOptions>, CommandError> {
    let expire = expiry(call)?;
    let Some(given) = call.document("timeseries")? else {
        if expire.is_some() && call.document("clusteredIndex").ok().flatten().is_none() {
            return Err(invalid(
                "'expireAfterSeconds' is only supported on time-series collections or when the \
                 'clusteredIndex' option is specified",
            ));
        }
        return Ok(None);
    };
    for name in [
        "capped",
        "size",
        "max",
        "validator",
        "validationLevel",
        "validationAction",
        "idIndex",
        "changeStreamPreAndPostImages",
    ] {
        let given = call.value(name);
        // Java's driver always says whether a collection is capped.
        if given.is_some_and(|given| name != "capped" || given.is_truthy()) {
            return Err(invalid(format!(
                "'{name}' is not allowed with 'timeseries'"
            )));
        }
    }
    let mut options = Builder::new().document("timeseries", parse(given)?);
    if let Some(seconds) = expire {
        options = options.int64("expireAfterSeconds", seconds);
    }
    Ok(Some(CollectionOptions(Some(options.finish()))))
}

/// Reads the options of `$out` or `create`; returns them as `listCollections` shows them.
pub fn parse(options: Doc<'_>) -> Result<Builder, CommandError> {
    let mut given = Given::default();
    for option in options.elements() {
        if !option.value().is_nullish() {
            given.read(option)?;
        }
    }
    let time_field = given.time_field.as_deref().ok_or_else(|| {
        let message = "BSON field 'create.timeseries.timeField' is missing but a required field";
        CommandError::location(40_414, message)
    })?;
    check_field("timeField", time_field)?;
    let mut shown = Builder::new().string("timeField", time_field);
    if let Some(meta_field) = &given.meta_field {
        check_field("metaField", meta_field)?;
        if meta_field == "_id" {
            return Err(invalid("The 'metaField' cannot be \"_id\""));
        }
        if meta_field == time_field {
            return Err(invalid(
                "The 'metaField' cannot be the same as the time-series 'timeField'",
            ));
        }
        shown = shown.string("metaField", meta_field);
    }
    given.check_buckets(shown)
}

impl Given {
    fn read(&mut self, option: Element<'_>) -> Result<(), CommandError> {
        match option.name() {
            "timeField" => self.time_field = Some(text(option)?),
            "metaField" => self.meta_field = Some(text(option)?),
            "granularity" => self.granularity = Some(text(option)?),
            "bucketMaxSpanSeconds" => self.max_span = Some(span(option)?),
            "bucketRoundingSeconds" => self.rounding = Some(span(option)?),
            name => {
                let message = format!("BSON field 'create.timeseries.{name}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
        Ok(())
    }

    /// Checks granularity and seconds, and adds them to the shown options.
    fn check_buckets(&self, shown: Builder) -> Result<Builder, CommandError> {
        let int = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let Some(name) = self
            .granularity
            .as_deref()
            .or_else(|| (self.max_span.is_none() && self.rounding.is_none()).then_some("seconds"))
        else {
            let (Some(span), Some(rounding)) = (self.max_span, self.rounding) else {
                return Err(invalid(
                    "The 'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' parameters must be \
                     specified together",
                ));
            };
            if span != rounding {
                return Err(invalid(
                    "The 'bucketRoundingSeconds' parameter must be equal to \
                     'bucketMaxSpanSeconds'",
                ));
            }
            return Ok(shown
                .int32("bucketRoundingSeconds", int(rounding))
                .int32("bucketMaxSpanSeconds", int(span)));
        };
        let known = GRANULARITIES.iter().find(|(known, _)| *known == name);
        let Some((_, default)) = known else {
            return Err(CommandError::bad_value(format!(
                "Enumeration value '{name}' for field 'create.timeseries.granularity' is not a \
                 valid value."
            )));
        };
        if self.rounding.is_some() || self.max_span.is_some_and(|span| span != *default) {
            return Err(invalid(format!(
                "Timeseries 'bucketMaxSpanSeconds' is not configurable to a value other than the \
                 default of {default} for the provided granularity"
            )));
        }
        Ok(shown
            .string("granularity", name)
            .int32("bucketMaxSpanSeconds", int(*default)))
    }
}

fn text(option: Element<'_>) -> Result<String, CommandError> {
    let value = option.value();
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| wrong_type(option, "string"))
}

fn span(option: Element<'_>) -> Result<i64, CommandError> {
    let value = option.value();
    if !value.is_number() {
        return Err(wrong_type(option, "int"));
    }
    let name = option.name();
    let seconds = match value {
        Value::Decimal128(number) => {
            let whole = crate::query::nearest_decimal(number);
            whole.map_or_else(|| number.to_f64(), |whole| whole as f64)
        }
        _ => value.as_f64().unwrap_or_default().trunc(),
    };
    let bound = |what: &str| {
        let message = format!("BSON field '{name}' value must be {what}, actual value '{value}'");
        CommandError::location(51_024, message)
    };
    if seconds < 1.0 {
        return Err(bound(">= 1"));
    }
    let whole = crate::bson::value::integer_of(seconds).filter(|&whole| whole <= MAX_SPAN);
    whole.ok_or_else(|| bound(&format!("<= {MAX_SPAN}")))
}

fn wrong_type(option: Element<'_>, expected: &str) -> CommandError {
    let (name, kind) = (option.name(), option.kind().alias());
    CommandError::type_mismatch(format!(
        "BSON field 'create.timeseries.{name}' is the wrong type '{kind}', expected type \
         '{expected}'"
    ))
}

fn check_field(option: &str, name: &str) -> Result<(), CommandError> {
    let problem = if name.contains('.') {
        "must be a top-level field and not contain a '.'"
    } else if name.contains('\0') {
        "cannot contain a null byte"
    } else {
        return Ok(());
    };
    Err(invalid(format!("'{option}' {problem}")))
}

/// Reads `expireAfterSeconds`.
pub fn expiry(call: &Call<'_>) -> Result<Option<i64>, CommandError> {
    match call.value("expireAfterSeconds") {
        Some(Value::String(text)) if text == "off" => Ok(None),
        Some(Value::String(text)) => Err(CommandError::new(
            Code::INVALID_OPTIONS,
            format!(
                "Invalid string value for the 'clusteredIndex::expireAfterSeconds' option: {text}"
            ),
        )),
        Some(_) => {
            let seconds = call.integer("expireAfterSeconds")?;
            match seconds {
                Some(seconds) if seconds < 0 => Err(invalid(format!(
                    "TTL index 'expireAfterSeconds' option must be numeric and within an \
                     acceptable range, found: {seconds}"
                ))),
                Some(seconds) if seconds > since_1970() => Err(invalid(
                    "TTL index 'expireAfterSeconds' option must be within the seconds since 1970",
                )),
                seconds => Ok(seconds),
            }
        }
        None => Ok(None),
    }
}

/// Returns the seconds since 1970.
fn since_1970() -> i64 {
    i64::try_from(unix_ms() / 1_000).unwrap_or(i64::MAX)
}

/// Returns the options of a collection as `collMod` changes them.
pub fn changed(
    call: &Call<'_>,
    before: CollectionOptions,
) -> Result<CollectionOptions, CommandError> {
    let series = before.is_time_series();
    if series {
        check_unchanged(call)?;
    }
    let mut options = before;
    if let Some(given) = call.document("timeseries")? {
        if !series {
            let message = "option only supported on a time-series collection: timeseries";
            return Err(invalid(message));
        }
        let known = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
        let known = known.get("timeseries");
        let known = known.as_ref().and_then(Value::as_document);
        let changed = changed_buckets(known.unwrap_or(Doc::EMPTY), given)?;
        let changed = Value::Document(changed.finish().into());
        options = with(&options, "timeseries", Some(&changed));
    }
    let value = match call.body.get("expireAfterSeconds") {
        Some(Value::Null) => {
            return Err(call.wrong_type("expireAfterSeconds", Kind::Null, "long"));
        }
        Some(value) => value,
        None => return Ok(options),
    };
    if !series && !options.is_clustered() {
        return Err(invalid(
            "'expireAfterSeconds' option is only supported on collections clustered by _id",
        ));
    }
    let seconds = match value {
        Value::String(text) if text == "off" => None,
        _ => expiry(call)?.map(Value::Int64),
    };
    Ok(with(&options, "expireAfterSeconds", seconds.as_ref()))
}

/// Rejects changes of what a time series collection does not have.
fn check_unchanged(call: &Call<'_>) -> Result<(), CommandError> {
    for name in [
        "validator",
        "validationLevel",
        "validationAction",
        "changeStreamPreAndPostImages",
    ] {
        if call.value(name).is_some() {
            return Err(invalid(format!(
                "option not supported on a time-series collection: {name}"
            )));
        }
    }
    if matches!(call.body.get("expireAfterSeconds"), Some(Value::Null)) {
        return Err(call.wrong_type("expireAfterSeconds", Kind::Null, "string', 'number"));
    }
    Ok(())
}

/// Returns the options of a series with longer buckets: they never become shorter.
fn changed_buckets(known: Doc<'_>, given: Doc<'_>) -> Result<Builder, CommandError> {
    let mut changed = Given::default();
    for option in given.elements() {
        if matches!(option.name(), "timeField" | "metaField") {
            let message = format!(
                "BSON field 'collMod.timeseries.{}' is an unknown field.",
                option.name()
            );
            return Err(CommandError::location(40_415, message));
        }
        changed.read(option)?;
    }
    let span = |doc: Doc<'_>| {
        doc.get("bucketMaxSpanSeconds")
            .and_then(|span| span.as_i64())
    };
    let mut shown = Builder::new();
    for name in ["timeField", "metaField"] {
        if let Some(element) = known.element(name) {
            shown.push_element(element);
        }
    }
    let shown = changed.check_buckets(shown)?.finish();
    if span(Doc::new(&shown)) < span(known) {
        return Err(invalid(if changed.granularity.is_some() {
            "Invalid transition for timeseries.granularity. Can only transition from 'seconds' to \
             'minutes' or 'minutes' to 'hours'."
        } else {
            "Timeseries 'bucketMaxSpanSeconds' needs to be equal to or greater than the current \
             value."
        }));
    }
    Ok(Builder::new().extended(Doc::new(&shown)))
}

/// Returns the index that a time series collection with a `metaField` begins with.
pub fn default_index(collection: &Collection) -> Result<Option<IndexSpec>, CommandError> {
    let Some(series) = collection.with_state(|state| state.options.time_series()) else {
        return Ok(None);
    };
    let Some(meta) = series.meta_field else {
        return Ok(None);
    };
    let time = series.time_field;
    let spec = Builder::new()
        .document("key", Builder::new().int32(&meta, 1).int32(&time, 1))
        .string("name", &format!("{meta}_1_{time}_1"));
    IndexSpec::parse(Doc::new(&spec.finish())).map(Some)
}

/// Rejects a measurement without a time.
pub fn check_measurement(
    series: Option<&TimeSeries>,
    document: Doc<'_>,
) -> Result<(), CommandError> {
    let Some(series) = series else {
        return Ok(());
    };
    let time = document.element(&series.time_field);
    if time.is_some_and(|time| time.kind() == Kind::DateTime) {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "'{}' must be present and contain a valid BSON UTC datetime value",
        series.time_field
    )))
}

/// Rejects indexes that a time series collection cannot have.
pub fn check_indexes(series: &TimeSeries, specs: &[IndexSpec]) -> Result<(), CommandError> {
    if specs.iter().any(|spec| spec.special.is_some()) {
        let message = "wildcard and hashed indexes are not supported on time-series collections";
        return Err(CommandError::new(Code::CANNOT_CREATE_INDEX, message));
    }
    for spec in specs {
        let partial = spec.document().get("partialFilterExpression");
        let partial = partial.as_ref().and_then(Value::as_document);
        let of_meta = |filter: Doc<'_>| {
            let meta = series.meta_field.as_ref();
            meta.is_some_and(|meta| reads_only(filter, meta))
        };
        if spec.expire_after_seconds.is_some() && !partial.is_some_and(of_meta) {
            return Err(invalid(
                "TTL indexes on time-series collections need a partialFilterExpression on the \
                 metaField",
            ));
        }
    }
    if specs.iter().any(|spec| spec.unique) {
        return Err(invalid(
            "Unique indexes are not supported on time-series collections",
        ));
    }
    if specs.iter().any(|spec| spec.sparse) {
        return Err(invalid(
            "Sparse indexes are not supported on time-series collections",
        ));
    }
    Ok(())
}

/// Rejects updates other than of the `metaField` of all measurements of some series.
pub fn check_update(series: &TimeSeries, statement: &Statement<'_>) -> Result<(), CommandError> {
    let refuse = |what: &str| Err(invalid(format!("Cannot perform {what}")));
    if statement.flag("upsert") {
        return refuse("an upsert on a time-series collection");
    }
    let Some(Value::Document(update)) = statement.value("u") else {
        return refuse("an update on a time-series collection using a pipeline update");
    };
    let update = Doc::new(&update);
    if !statement.flag("multi") {
        return refuse("a non-multi update on a time-series collection");
    }
    let Some(meta) = &series.meta_field else {
        return refuse("an update on a time-series collection that does not have a metaField");
    };
    if !reads_only(statement.required_document("q")?, meta) {
        return refuse(
            "an update on a time-series collection when querying on a field that is not the \
             metaField",
        );
    }
    let changes = update.elements().flat_map(|operator| {
        let arguments = operator.doc().unwrap_or(Doc::EMPTY);
        arguments.elements()
    });
    let mut changes = changes.map(|argument| {
        let target = argument.value().as_str().map(str::to_owned);
        (argument.name(), target)
    });
    let renames = update.element("$rename").is_some();
    if changes.any(|(path, target)| {
        !is_within(path, meta) || renames && target.is_some_and(|to| !is_within(&to, meta))
    }) {
        return refuse(
            "an update on a time-series collection which updates a field that is not the metaField",
        );
    }
    Ok(())
}

/// Returns whether a filter depends on the `metaField` alone.
fn reads_only(filter: Doc<'_>, meta: &str) -> bool {
    filter.elements().all(|condition| match condition.name() {
        "$and" | "$or" | "$nor" => {
            let clauses = condition.doc().unwrap_or(Doc::EMPTY);
            let mut clauses = clauses.elements().filter_map(Element::doc);
            clauses.all(|clause| reads_only(clause, meta))
        }
        "$comment" => true,
        path => is_within(path, meta),
    })
}

fn is_within(path: &str, meta: &str) -> bool {
    let rest = path.strip_prefix(meta);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(Code::INVALID_OPTIONS, message)
}
