#!/usr/bin/env bash
# Runs convoy against mongo-java-server, another implementation of MongoDB's protocol: `mongo-java-server.sh [CONVOY]`.
# Needs Java 17 and Maven. Downloads the jars from Maven Central.
set -euo pipefail
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"
# shellcheck source=mongo-java-server-node.sh
source "$(dirname "$0")/mongo-java-server-node.sh"
# shellcheck source=redelivery.sh
source "$(dirname "$0")/redelivery.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'stop_up; stop_java_store; rm -rf "$directory"' EXIT

start_java_store "$directory"
step "mongo-java-server $JAVA_STORE_VERSION with its own wire version is refused at once, with a hint"
code=0
"$convoy" simulate --broker embedded --store "mongodb://$JAVA_STORE/" --progress never --records 10 \
    --output "$directory/runs" >"$directory/report" 2>"$directory/talk" || code=$?
tail -3 "$directory/talk"
[ "$code" -eq 3 ] || fail "exit code $code instead of 3"
grep --quiet 'hint:.*wire version' "$directory/talk" || fail 'the hint does not name the wire version'
stop_java_store

# The driver wants wire version 9.
start_java_store "$directory" 9
echo "mongo-java-server $JAVA_STORE_VERSION with wire version 9 at $JAVA_STORE"

step '1,000 records/s'
"$convoy" simulate --broker embedded --store "mongodb://$JAVA_STORE/" --progress never --vehicles 1000 --duration 5s \
    --output "$directory/runs" >"$directory/report"
clean "$directory/report"

check_redelivery "$JAVA_STORE" "$directory"
