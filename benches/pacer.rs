//! Cost of a reading before it is a message: pacing, and splitting its row.

#![allow(
    missing_docs,
    reason = "the macros of criterion define undocumented functions"
)]

use std::hint::black_box;
use std::time::Duration;

use convoy::dataset::Generator;
use convoy::dataset::{Dataset, ReadOptions, RowBuffer};
use convoy::fleet::{Readings, Settings, partition_of_key};
use convoy::load::{Arrival, Bound, Rate};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: usize = 1_000_000;

fn fleet(vehicles: u32, rate: &str, arrival: Arrival) -> Settings {
    Settings {
        vehicles,
        rate: rate.parse().unwrap_or(Rate::Max),
        total_rate: None,
        arrival,
        seed: 42,
        warm_up: Duration::ZERO,
        bound: Bound::Records(u64::MAX),
        rows: 2_000,
        shard: None,
    }
}

fn pacing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pacing");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.sample_size(10);
    let cases = [
        (
            "50 vehicles, 1/s, uniform",
            fleet(50, "1", Arrival::Uniform),
        ),
        (
            "1,000,000 vehicles, 1/s, uniform",
            fleet(1_000_000, "1", Arrival::Uniform),
        ),
        (
            "1,000,000 vehicles, 3/s, uniform",
            fleet(1_000_000, "3", Arrival::Uniform),
        ),
        (
            "1,000,000 vehicles, 1/s, poisson",
            fleet(1_000_000, "1", Arrival::Poisson),
        ),
        (
            "1,000,000 vehicles, 1/h, poisson",
            fleet(1_000_000, "1/h", Arrival::Poisson),
        ),
        (
            "1,000,000 vehicles, 1/s, burst",
            fleet(1_000_000, "1", Arrival::Burst),
        ),
        ("1,000 vehicles, max", fleet(1_000, "max", Arrival::Uniform)),
    ];
    for (name, settings) in cases {
        // The first round of a fleet arms every vehicle and is not measured.
        let warm = || {
            let mut readings = Readings::new(&settings);
            readings.by_ref().take(EVENTS).for_each(drop);
            readings
        };
        group.bench_function(name, |bench| {
            bench.iter_batched_ref(
                warm,
                |readings| {
                    readings
                        .take(EVENTS)
                        .for_each(|reading| _ = black_box(reading));
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rows.csv");
    let mut bytes = Vec::new();
    let written = Generator::new(42).write(2_000, &mut bytes);
    written.expect("writing to memory works");
    std::fs::write(&file, &bytes).expect("writes the rows");
    let dataset = Dataset::open(&file, &ReadOptions::default())
        .expect("the rows are valid")
        .remove(0);
    let mut buffer = RowBuffer::default();
    let mut index = 0;
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(1));
    group.bench_function("split a row of 171 fields", |bench| {
        bench.iter(|| {
            index = (index + 1) % dataset.rows();
            let row = dataset.row(index, &mut buffer).expect("the row is there");
            black_box(row.field(170).len())
        });
    });
    group.bench_function("split a row and type its values", |bench| {
        bench.iter(|| {
            index = (index + 1) % dataset.rows();
            let row = dataset.row(index, &mut buffer).expect("the row is there");
            for column in 0..dataset.schema().columns.len() {
                black_box(row.field(column));
            }
        });
    });
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("open 2,000 rows", |bench| {
        bench.iter(|| {
            black_box(Dataset::open(&file, &ReadOptions::default())).expect("the rows are valid")
        });
    });
    group.finish();
    criterion.bench_function("partition of a vehicle's key", |bench| {
        bench.iter(|| partition_of_key(black_box(b"123456"), 12));
    });
}

criterion_group!(benches, pacing, rows);
criterion_main!(benches);
