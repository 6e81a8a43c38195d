# Every recipe is one cargo command or a few; `cargo` alone does as well.
# Arguments after a recipe's name reach the command as they are.
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

# Say what is missing on this machine, each with its fix.
doctor *arguments:
    cargo run --release --quiet -- doctor "$@"

# Remove what dead runs left behind: containers, and directories of their data.
clean-up *arguments:
    cargo run --release --quiet -- clean "$@"

# Everything that must hold before a change lands.
check: fmt lint test doc

# Check the formatting.
fmt:
    cargo fmt --all --check

# Check the lints.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run the tests that need nothing but this machine.
test *arguments:
    cargo test --locked "$@"

# Run the README's commands in order in one empty folder.
test-readme:
    cargo build --release --locked
    cargo test --locked --test it -- --ignored readme

# Run the tests that need a Docker engine; they make their own images.
test-containers:
    cargo test --locked --test it -- --ignored containers

# Make the images that stand in for Redpanda and MongoDB where none can be pulled.
stand-ins:
    cargo run --release --quiet --locked --example stand_in -- images

# Run against Apache Kafka, plain and with SASL_SSL (needs Java 17, Maven and Maven Central).
test-kafka:
    cargo build --release --locked
    tests/peers/kafka.sh target/release/convoy

# Run against FerretDB (needs Go and its module proxy).
test-ferretdb:
    cargo build --release --locked
    tests/peers/ferretdb.sh target/release/convoy

# Run 200 seeds of chaos and changes to the store (minutes); CONVOY_CHAOS_SEEDS sets how many.
soak:
    cargo test --locked --lib -- --ignored --nocapture soak

# Kill a consumer fifty times at random moments and look for what is missing or there twice (minutes).
crash:
    cargo test --locked --test it -- --ignored --nocapture crash::

# Let the store stall for a minute at 5,000 readings a second (minutes, optimised build).
stall:
    cargo test --locked --release --test it -- --ignored --nocapture a_minute_without_the_store

# Measure what the audit costs: builds with and without its hashes, run in turns (minutes).
overhead:
    cargo build --release --locked --features unaudited
    cp target/release/convoy target/release/convoy-unaudited
    cargo build --release --locked
    CONVOY_AUDITED=target/release/convoy CONVOY_UNAUDITED=target/release/convoy-unaudited \
        cargo test --locked --test it -- --ignored --nocapture overhead::

# Fuzz every decoder by coverage, so many seconds each: `just fuzz 600 [TARGET…]` (needs C++).
fuzz *arguments:
    fuzz/run "$@"

# Add the inputs by which `just fuzz` reached new code to those that the tests replay.
fuzz-keep *targets:
    fuzz/keep "$@"

# Run the clients that others wrote against `convoy up` (downloads from PyPI, npm and Debian).
test-clients:
    cargo test --locked --test it -- --ignored clients::

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

# Time the start after `kill -9` with a gigabyte at each end (needs confluent-kafka and pymongo).
bench-recovery *arguments:
    cargo build --release --locked
    python3 benches/recovery.py target/release/convoy "$@"

# Run the benchmarks.
bench *arguments:
    cargo bench --locked "$@"

# Build the documentation of every module, private ones included.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

# Check licences and sources of every dependency (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# Build the image.
image:
    docker build --tag convoy .
