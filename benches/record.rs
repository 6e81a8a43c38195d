//! Cost of each step of a record, on rows of the sample dataset.

use std::hint::black_box;
use std::path::Path;

use convoy::broker::{BATCH_BYTES, Batch, HeaderRef, NewRecord};
use convoy::dataset::{Dataset, ReadOptions, RowBuffer};

use convoy::record::{
    DocumentReader, Emission, Envelope, Origin, PayloadDecoder, PayloadEncoder, RecordHeaders,
    RunKey, UntypedDecoder, payload_hash, write_document, write_document_with,
};
use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};

const ORIGIN: Origin<'_> = Origin {
    run: "run",
    topic: "topic",
    partition: 0,
    offset: 0,
    emitted_at_unix_ms: 0,
    timestamp_ms: 0,
    key: None,
    headers: RecordHeaders::new(0, &[]),
};

fn envelope(payload: &[u8]) -> Envelope {
    Envelope {
        run: RunKey::new("run"),
        vehicle: 7,
        sequence: 3,
        warm_up: false,
        intended: 0,
        sent: 0,
        payload_hash: payload_hash(payload),
    }
}

/// Appends a message as the producer does.
fn push(batch: &mut Batch, envelope: &Envelope, payload: &[u8]) {
    let emission = Emission {
        run_id: "run",
        boot: 0,
        emitted_at_unix_ms: 0,
    };
    batch.push(&NewRecord {
        key: Some(b"7"),
        value: Some(payload.into()),
        headers: &[HeaderRef {
            name: Envelope::HEADER,
            value: Some(&envelope.encode(&emission)),
        }],
        timestamp_ms: 0,
    });
}

fn record(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let datasets =
        Dataset::open(&path, &ReadOptions::default()).expect("the sample dataset is readable");
    let dataset = &datasets[0];
    let encoder = PayloadEncoder::new(dataset.schema());
    let decoder = PayloadDecoder::new(dataset.schema());
    let mut row = RowBuffer::default();
    let mut payload = Vec::new();
    let mut next = 0;
    let mut encode = |payload: &mut Vec<u8>| {
        payload.clear();
        next = (next + 1) % dataset.rows();
        let cells = dataset.row(next, &mut row).expect("the row is there");
        encoder
            .encode(cells.fields(), payload)
            .expect("the row matches its schema");
    };
    encode(&mut payload);

    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    let mut encoded = Vec::new();
    group.bench_function("row to payload", |bencher| {
        bencher.iter(|| encode(&mut encoded));
    });
    group.bench_function("payload hash", |bencher| {
        bencher.iter(|| payload_hash(black_box(&payload)));
    });
    let envelope = envelope(&payload);
    let mut batch = Batch::default();
    group.bench_function("payload to batch", |bencher| {
        bencher.iter(|| {
            if batch.bytes() >= BATCH_BYTES {
                batch.clear();
            }
            push(&mut batch, &envelope, black_box(&payload));
        });
    });
    let mut bytes = Vec::new();
    group.bench_function("payload to document", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            write_document(
                &envelope,
                &ORIGIN,
                black_box(&payload),
                &decoder,
                &mut bytes,
            )
            .expect("the payload matches its schema");
        });
    });
    let read = |reader: &mut DocumentReader| {
        let stored = reader.read(black_box(&bytes));
        stored.expect("the document is readable").content_hash
    };
    let mut reader = DocumentReader::default();
    group.bench_function("document of a known row to its hash", |bencher| {
        bencher.iter(|| black_box(read(&mut reader)));
    });
    group.bench_function("document of a new row to its hash", |bencher| {
        bencher.iter(|| black_box(read(&mut DocumentReader::default())));
    });
    group.bench_function("payload to document, without a schema", |bencher| {
        without_a_schema(bencher, &envelope, &payload);
    });
    group.finish();
}

fn without_a_schema(bencher: &mut Bencher<'_>, envelope: &Envelope, payload: &[u8]) {
    let mut decoder = UntypedDecoder::default();
    let mut bytes = Vec::new();
    bencher.iter(|| {
        bytes.clear();
        write_document_with(envelope, &ORIGIN, &mut bytes, |writer| {
            decoder.decode(black_box(payload), writer)
        })
        .expect("the payload is a JSON object");
    });
}

criterion_group!(benches, record);
criterion_main!(benches);
