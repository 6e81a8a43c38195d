//! Goal: generated rows have the statistics of the real rows, and the sample is reproducible.

use crate::dataset::generate::Generator;
use crate::dataset::sample::SAMPLE_CONTENT;
use crate::dataset::{ColumnType, Dataset, ReadOptions, RowBuffer, Schema};

/// Seed and rows of `sample_data`.
const SAMPLE_SEED: u64 = 42;
const SAMPLE_ROWS: u64 = 2_000;

fn generated(seed: u64, rows: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = Generator::new(seed).write(rows, &mut bytes);
    written.expect("writing to memory works");
    bytes
}

fn opened(bytes: &[u8]) -> Dataset {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, bytes).expect("writes the rows");
    Dataset::open(&file, &ReadOptions::default())
        .expect("the rows are fine")
        .remove(0)
}

/// Present values of a column as numbers.
fn numbers(dataset: &Dataset, name: &str) -> Vec<f64> {
    let Schema { columns } = dataset.schema();
    let column = columns.iter().position(|column| column.name == name);
    let column = column.expect("the column is there");
    let mut buffer = RowBuffer::default();
    (0..dataset.rows())
        .filter_map(|index| {
            let row = dataset.row(index, &mut buffer).expect("the row is there");
            row.field(column).parse().ok()
        })
        .collect()
}

#[test]
fn sample_equals_the_generated_rows() {
    let rows = generated(SAMPLE_SEED, SAMPLE_ROWS);
    assert!(
        rows == SAMPLE_CONTENT,
        "generate it again with `convoy dataset generate`"
    );
}

#[test]
fn same_seed_gives_the_same_rows_and_different_seeds_differ() {
    assert_eq!(generated(7, 20), generated(7, 20));
    assert!(generated(7, 50).starts_with(&generated(7, 20)));
    assert_ne!(generated(7, 20), generated(8, 20));
}

#[test]
fn column_names_and_types_match_the_real_rows() {
    let dataset = opened(&generated(1, SAMPLE_ROWS));
    let columns = &dataset.schema().columns;
    assert_eq!(columns.len(), 171);
    let named = |kind| {
        let of_kind = columns.iter().filter(move |column| column.kind == kind);
        of_kind
            .map(|column| column.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(ColumnType::Text), ["class"]);
    assert_eq!(
        named(ColumnType::Decimal),
        ["bt_000", "by_000", "ci_000", "cj_000", "ck_000", "ec_00"]
    );
    let never_missing = columns.iter().filter(|column| !column.nullable);
    let never_missing: Vec<_> = never_missing.map(|column| &column.name).collect();
    assert_eq!(never_missing, ["class", "aa_000"]);
}

#[test]
fn sizes_missing_values_and_labels_match_the_real_rows() {
    let bytes = generated(1, SAMPLE_ROWS);
    let dataset = opened(&bytes);
    let rows = SAMPLE_ROWS as f64;
    let near = |found: f64, real: f64, tolerance: f64| {
        assert!((found / real - 1.0).abs() < tolerance, "{found} for {real}");
    };
    near(bytes.len() as f64 / rows, 745.0, 0.02);
    let text = String::from_utf8(bytes).expect("rows are text");
    let cells = |wanted: &str| {
        text.split([',', '\n'])
            .filter(|&cell| cell == wanted)
            .count() as f64
    };
    near(cells("na") / (170.0 * rows), 0.085, 0.1);
    near(
        (cells("0") + cells("0.0")) / (170.0 * rows - cells("na")),
        0.3475,
        0.05,
    );
    near(dataset.labels()["pos"] as f64 / rows, 0.0192, 0.3);
}

#[test]
fn distributions_match_the_real_columns() {
    let dataset = opened(&generated(1, SAMPLE_ROWS));
    // Median and 95th percentile of the real rows.
    let real = [
        ("aa_000", 30_945.0, 234_223.0),
        ("an_000", 1_952_078.0, 13_193_806.0),
        ("bt_000", 31_036.0, 234_113.0),
        ("ca_000", 25_430.0, 110_513.0),
        ("ci_000", 1_884_060.0, 13_641_901.0),
        ("ds_000", 49_617.0, 291_256.0),
    ];
    for (name, median, high) in real {
        let mut values = numbers(&dataset, name);
        values.sort_by(f64::total_cmp);
        let found = |percent| values[values.len() * percent / 100];
        assert!(
            (0.7..1.4).contains(&(found(50) / median)),
            "{name}: {}",
            found(50)
        );
        assert!(
            (0.7..1.4).contains(&(found(95) / high)),
            "{name}: {}",
            found(95)
        );
    }
    assert!(
        numbers(&dataset, "cd_000")
            .iter()
            .all(|&value| value.to_bits() == 1_209_600_f64.to_bits())
    );
}

#[test]
fn failures_occur_in_vehicles_with_much_use() {
    let text = String::from_utf8(generated(3, 4_000)).expect("rows are text");
    let mean = |class: &str| {
        let of_class = text.lines().filter_map(|line| line.strip_prefix(class));
        let used = of_class.filter_map(|rest| rest.split(',').nth(1)?.parse::<f64>().ok());
        let used: Vec<_> = used.collect();
        used.iter().sum::<f64>() / used.len() as f64
    };
    assert!(mean("pos") > 5.0 * mean("neg"));
}

#[test]
fn histograms_have_the_same_sum_and_groups_are_missing_together() {
    let text = String::from_utf8(generated(5, 300)).expect("rows are text");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("there is a header");
    let index = |name: &str| {
        names
            .iter()
            .position(|&n| n == name)
            .expect("it is a column")
    };
    for row in lines {
        let sum = |prefix: &str| {
            let bins = names
                .iter()
                .zip(&row)
                .filter(|(name, _)| name.starts_with(prefix));
            bins.map(|(_, bin)| bin.parse::<u64>().ok())
                .sum::<Option<u64>>()
        };
        let sums = ["ag_", "ay_", "az_", "ba_", "cn_", "cs_", "ee_"].map(sum);
        let mut present = sums.into_iter().flatten();
        let first = present.next();
        assert!(present.all(|sum| Some(sum) == first), "{sums:?}");
        let missing = |name: &str| row[index(name)] == "na";
        assert_eq!(missing("ay_000"), missing("ee_009"));
        assert_eq!(missing("ab_000"), missing("cr_000"));
        assert_eq!(missing("ct_000"), missing("dc_000"));
    }
}
