#!/usr/bin/env bash
# convoy against FerretDB (SQLite): a store of MongoDB's protocol that nobody here wrote. `ferretdb.sh [CONVOY]`
# Needs Go; the source comes from the Go module proxy and the program stays in target/peers/ferretdb.
set -euo pipefail
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"
# shellcheck source=ferretdb-node.sh
source "$(dirname "$0")/ferretdb-node.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'stop_ferretdb; rm -rf "$directory"' EXIT
start_ferretdb "$directory"
echo "FerretDB $FERRETDB_VERSION (SQLite) at $FERRETDB"

run() {
    "$convoy" simulate --broker embedded --store "mongodb://$FERRETDB/" --progress never \
        --output "$directory/runs" "$@" >"$directory/report"
    clean "$directory/report"
}

step '1,000 records/s'
run --vehicles 1000 --duration 10s

step 'as fast as it goes'
run --vehicles 1000 --rate max --records 20000

step 'Confluent wire format'
run --encoding confluent --rate 20 --records 2000
