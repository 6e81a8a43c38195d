#!/usr/bin/env bash
# Runs convoy against FerretDB with SQLite, another implementation of MongoDB's protocol: `ferretdb.sh [CONVOY]`.
# Needs Go. Downloads the source from the Go module proxy and keeps the program in target/peers/ferretdb.
set -euo pipefail
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"
# shellcheck source=ferretdb-node.sh
source "$(dirname "$0")/ferretdb-node.sh"
# shellcheck source=redelivery.sh
source "$(dirname "$0")/redelivery.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'stop_up; stop_ferretdb; rm -rf "$directory"' EXIT
start_ferretdb "$directory"
echo "FerretDB $FERRETDB_VERSION (SQLite) at $FERRETDB"

# Each run has its own collection: FerretDB reads a whole collection for most queries.
run() {
    "$convoy" simulate --collection "sensor$RANDOM" --broker embedded --store "mongodb://$FERRETDB/" --progress never \
        --output "$directory/runs" "$@" >"$directory/report"
    clean "$directory/report"
}

step '1,000 records/s'
run --vehicles 1000 --duration 10s

step 'maximum rate'
run --vehicles 1000 --rate max --records 20000

step 'Confluent wire format'
run --encoding confluent --rate 20 --records 2000

check_redelivery "$FERRETDB" "$directory"
