//! Seconds of a report as columns: values of one kind beside each other need half of the space when
//! they are compressed.

use serde_json::{Map, Value};

/// Key of the seconds in a report.
const INTERVALS: &str = "intervals";

/// Turns the seconds of a report into columns, if all have the same keys.
pub fn pack(mut report: Value) -> Value {
    let columns = report.get(INTERVALS).and_then(columns);
    if let Some(columns) = columns {
        report[INTERVALS] = Value::Object(columns);
    }
    report
}

fn columns(intervals: &Value) -> Option<Map<String, Value>> {
    let rows = intervals.as_array()?;
    let keys = rows.first()?.as_object()?.keys();
    let mut columns = Map::new();
    for key in keys {
        let values: Option<Vec<Value>> = rows.iter().map(|row| row.get(key).cloned()).collect();
        columns.insert(key.clone(), Value::Array(values?));
    }
    let same = |row: &Value| {
        row.as_object()
            .is_some_and(|row| row.len() == columns.len())
    };
    rows.iter().all(same).then_some(columns)
}

/// Turns columns back into seconds. Pages of earlier versions have no columns.
pub fn unpack(mut report: Value) -> Value {
    let rows = report.get(INTERVALS).and_then(Value::as_object).map(rows);
    if let Some(rows) = rows {
        report[INTERVALS] = Value::Array(rows);
    }
    report
}

fn rows(columns: &Map<String, Value>) -> Vec<Value> {
    let lengths = columns.values().filter_map(Value::as_array).map(Vec::len);
    let length = lengths.min().unwrap_or_default();
    let row = |index: usize| {
        let cells = columns
            .iter()
            .filter_map(|(key, values)| Some((key.clone(), values.get(index)?.clone())));
        Value::Object(cells.collect())
    };
    (0..length).map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_come_back_as_they_were() {
        for report in [
            json!({"a": 1, "intervals": [{"x": 1, "y": null}, {"x": 2.5, "y": 3}]}),
            json!({"intervals": [{"x": 1}, {"x": 2, "lag": 3}]}),
            json!({"intervals": [{"x": 1, "lag": 3}, {"x": 2}]}),
            json!({"intervals": []}),
            json!({"a": 1}),
        ] {
            assert_eq!(unpack(pack(report.clone())), report);
        }
        let packed = pack(json!({"intervals": [{"x": 1}, {"x": 2}]}));
        assert_eq!(packed, json!({"intervals": {"x": [1, 2]}}));
    }
}
