//! Kinds of collections, as their options say.

use crate::bson::{Doc, Key, Value, key};
use crate::engine::namespace::Namespace;
use crate::engine::record::RecordId;
use crate::engine::rules::CollectionOptions;

/// A view: a pipeline on another collection or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub on: Namespace,
    /// The array of stages.
    pub pipeline: Vec<u8>,
}

/// A time series collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSeries {
    /// The field for the time of a measurement.
    pub time_field: String,
    /// The field that names the series.
    pub meta_field: Option<String>,
    pub expire_after_seconds: Option<i64>,
}

impl CollectionOptions {
    fn doc(&self) -> Doc<'_> {
        self.0.as_deref().map_or(Doc::EMPTY, Doc::new)
    }

    /// Returns the key of a document in the index on `_id`. In a time series, several documents may
    /// have the same `_id`.
    pub fn id_key(&self, id: &Value<'_>, record: RecordId) -> Key {
        if !self.is_time_series() {
            return Key::of(id);
        }
        let mut bytes = Vec::new();
        key::encode(id, &mut bytes);
        bytes.extend_from_slice(&record.0.to_be_bytes());
        Key::new(&bytes)
    }

    /// Returns the view that these options define in a database.
    pub fn view(&self, database: &str) -> Option<View> {
        let on = self.doc().get("viewOn")?.as_str()?.to_owned();
        let pipeline = self.doc().get("pipeline");
        let pipeline = pipeline.as_ref().and_then(Value::as_array);
        Some(View {
            on: Namespace {
                database: database.to_owned(),
                collection: on,
            },
            pipeline: pipeline.unwrap_or(Doc::EMPTY).bytes().to_vec(),
        })
    }

    /// Returns whether these options define a view.
    pub fn is_view(&self) -> bool {
        self.doc().element("viewOn").is_some()
    }

    /// Returns whether these options define a capped collection.
    pub fn is_capped(&self) -> bool {
        let capped = self.doc().get("capped");
        capped.is_some_and(|capped| capped.is_truthy())
    }

    /// Returns whether these options define a clustered collection.
    pub fn is_clustered(&self) -> bool {
        let index = self.doc().get("clusteredIndex");
        index.is_some_and(|index| index.as_document().is_some())
    }

    /// Returns the seconds after which the documents of a clustered collection expire, by their `_id`.
    pub fn clustered_expiry(&self) -> Option<i64> {
        let seconds = self.doc().get("expireAfterSeconds");
        let seconds = seconds.and_then(|seconds| seconds.as_i64());
        seconds.filter(|_| self.is_clustered())
    }

    /// Returns whether these options define a time series collection.
    pub fn is_time_series(&self) -> bool {
        self.doc().element("timeseries").is_some()
    }

    /// Returns the time series that these options define.
    pub fn time_series(&self) -> Option<TimeSeries> {
        let options = self.doc().get("timeseries")?;
        let options = options.as_document()?;
        let text = |name: &str| {
            let value = options.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let expire = self.doc().get("expireAfterSeconds");
        Some(TimeSeries {
            time_field: text("timeField")?,
            meta_field: text("metaField"),
            expire_after_seconds: expire.and_then(|seconds| seconds.as_i64()),
        })
    }
}
