# Each recipe is a few commands that also work without just.
# Arguments after a recipe's name are passed on unchanged.
set positional-arguments

# List the recipes.
default:
    @just --list --unsorted

# Run the whole pipeline, e.g. `just simulate --vehicles 50`.
simulate *arguments:
    cargo run --release --quiet -- simulate "$@"

# Run the README's first command.
demo:
    cargo run --release -- simulate --vehicles 50

# List what is missing on this machine and how to fix it.
doctor *arguments:
    cargo run --release --quiet -- doctor "$@"

# Remove containers and data directories of killed runs.
clean-up *arguments:
    cargo run --release --quiet -- clean "$@"

# Check formatting, lints, tests and documentation.
check: fmt lint test doc

# Check the formatting.
fmt:
    cargo fmt --all --check

# Check the lints.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run the tests that need no network and no other programs.
test *arguments:
    cargo test --locked "$@"

# Run the README's commands in order in one empty folder.
test-readme:
    cargo build --release --locked
    cargo test --locked --test it -- --ignored readme

# Run the container tests (needs Docker; the tests build their own images).
test-containers:
    cargo test --locked --test it -- --ignored containers

# Build stand-in images for Redpanda and MongoDB, for machines that cannot pull them.
stand-ins:
    cargo run --release --quiet --locked --example stand_in -- images

# Run against Apache Kafka, plain and with SASL_SSL (needs Java 17, Maven and Maven Central).
test-kafka:
    cargo build --release --locked
    tests/peers/kafka.sh target/release/convoy

# Open the report and the live page in headless Chromium: `just test-pages [SCREENSHOTS]`.
test-pages *arguments:
    cargo build --release --locked
    python3 tests/peers/pages.py target/release/convoy "$@"

# Share a consumer group with Kafka's own consumers, and kill consumers (needs Java 17, Maven and Maven Central).
test-group:
    cargo build --release --locked
    tests/peers/group.sh target/release/convoy

# Consume unusual topics of Apache Kafka and of `convoy up` (needs confluent-kafka, pymongo, and what test-kafka needs).
test-topics:
    cargo build --release --locked
    tests/peers/topics.sh target/release/convoy

# Check the errors on an Apache Kafka whose ACLs deny access (needs Java 17, Maven and Maven Central).
test-denied:
    cargo build --release --locked
    tests/peers/denied.sh target/release/convoy

# Run MongoDB's Kafka connectors on `convoy up`, and kill the sink (needs Java, Maven, confluent-kafka, psutil, pymongo; minutes).
test-connectors:
    cargo build --release --locked
    python3 tests/peers/connectors.py target/release/convoy

# Run against FerretDB (needs Go and its module proxy).
test-ferretdb:
    cargo build --release --locked
    tests/peers/ferretdb.sh target/release/convoy

# Run against mongo-java-server (needs Java 17, Maven and Maven Central).
test-mongo-java-server:
    cargo build --release --locked
    tests/peers/mongo-java-server.sh target/release/convoy

# Run 200 seeds of random faults and of changes to the store (minutes; CONVOY_CHAOS_SEEDS sets the number).
soak:
    cargo test --locked --lib -- --ignored --nocapture soak

# Kill a consumer fifty times at random moments and count missing and duplicated documents (minutes).
crash:
    cargo test --locked --test it -- --ignored --nocapture crash::

# Kill `convoy up` a hundred times while transactions copy a topic (needs confluent-kafka; minutes).
crash-transactions *arguments:
    cargo build --release --locked
    python3 tests/peers/transactions.py target/release/convoy "$@"

# Change a random byte at rest five hundred times in the files of each server (minutes).
damage:
    CONVOY_FLIPS=500 cargo test --locked -p convoy-kafka-server -p convoy-mongodb-server -p convoy-registry-server every_changed_byte

# Stall the store for a minute at 5,000 readings per second (minutes, release build).
stall:
    cargo test --locked --release --test it -- --ignored --nocapture minute_without_the_store

# Measure the cost of the audit: alternates builds with and without its hashes (minutes).
overhead:
    RUSTFLAGS="--cfg convoy_unaudited" cargo build --release --locked --target-dir target/unaudited
    cargo build --release --locked
    python3 benches/overhead.py target/release/convoy target/unaudited/release/convoy

# Fuzz each decoder for a number of seconds: `just fuzz 600 [TARGET…]` (needs a C++ compiler).
fuzz *arguments:
    fuzz/run "$@"

# Add inputs that reached new code in `just fuzz` to the corpus that the tests replay.
fuzz-keep *targets:
    fuzz/keep "$@"

# Run third-party clients against `convoy up` (downloads from PyPI, npm and Debian).
test-clients:
    cargo test --locked --test it -- --ignored clients::

# Run the test kit's example, a program with rskafka and the MongoDB driver.
test-orders *arguments:
    cargo test --manifest-path examples/orders/Cargo.toml --target-dir target/examples "$@"

# Run the examples of other languages with the servers: pytest, node, go, junit (those that are installed).
test-languages *languages:
    cargo build --release --locked
    examples/languages/run target/release/convoy "$@"

# Run the conformance scripts with Kafka's own tools (needs Java and Maven).
test-java:
    cargo build --release --locked
    python3 tests/clients/java.py target/release/convoy

# Run the conformance program of franz-go (needs Go).
test-go:
    cargo build --release --locked
    python3 tests/clients/go.py target/release/convoy

# Compare with Apache Kafka by kafka-producer-perf-test (needs Java and Maven; minutes).
bench-kafka *arguments:
    cargo build --release --locked
    python3 benches/against/kafka.py target/release/convoy "$@"

# Compare with FerretDB by pymongo (needs pymongo and the executable of FerretDB 1.24; minutes).
bench-ferretdb ferretdb *arguments:
    cargo build --release --locked
    python3 benches/against/ferretdb.py target/release/convoy "$@"

# Move the same load with convoy's consumer, Kafka Connect and plain consumers in Python and C (needs Java, Maven, pymongo, confluent-kafka, psutil; about ten minutes).
bench-sinks *arguments:
    cargo build --release --locked
    python3 benches/against/sinks.py target/release/convoy "$@"

# Compare with Kafka, FerretDB and other consumers in one run: `just bench-beside --ferretdb PROGRAM` (as above; eight minutes).
bench-beside *arguments:
    cargo build --release --locked
    python3 benches/against/beside.py target/release/convoy "$@"

# Time the start after `kill -9` with a gigabyte in broker and store (needs confluent-kafka and pymongo).
bench-recovery *arguments:
    cargo build --release --locked
    python3 benches/recovery.py target/release/convoy "$@"

# Measure how the cost of a record grows: records, vehicles, partitions, columns, cores, consumers (minutes; `--full` longer).
bench-scale *arguments:
    cargo build --release --locked
    python3 benches/scale.py target/release/convoy "$@"

# Run the benchmarks.
bench *arguments:
    cargo bench --locked "$@"

# Build the documentation of every module, private ones included.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

# Check licences and sources of every dependency (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# Build a static executable with musl (needs `rustup target add x86_64-unknown-linux-musl` and musl-gcc).
static:
    cargo build --profile dist --locked --bin convoy --target x86_64-unknown-linux-musl

# Build a wheel with the static executable into `target/wheels` (needs maturin and what `static` needs).
wheel *arguments:
    cd packaging && maturin build --locked --target x86_64-unknown-linux-musl --compatibility manylinux2014 musllinux_1_2 "$@"

# Install the wheel into a new environment and run tests with it (needs what `wheel` needs).
test-wheel: wheel
    packaging/try-wheel target/wheels/convoy_up-*.whl

# Build the image.
image:
    docker build --file packaging/Dockerfile --tag convoy .

# Build the image with an executable of this machine, without pulling an image (needs what `static` needs).
image-static: static
    packaging/image-static

# Run the image as Testcontainers' generic container (needs testcontainers, confluent-kafka, pymongo).
test-image:
    python3 packaging/try_image.py
