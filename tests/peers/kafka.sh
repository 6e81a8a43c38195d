#!/usr/bin/env bash
# Runs convoy against Apache Kafka: in plain text, with SASL_SSL by PLAIN and SCRAM, and with a wrong password.
# `kafka.sh [CONVOY]`; SECONDS_PER_RUN sets the length of the longest run in seconds [default: 30].
set -euo pipefail
# shellcheck source=kafka-node.sh
source "$(dirname "$0")/kafka-node.sh"
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'stop_kafka; rm -rf "$directory"' EXIT
start_kafka "$directory"
echo "Apache Kafka $KAFKA_VERSION: plain text at $KAFKA_PLAIN, SASL_SSL at $KAFKA_SECURE"

# A run against the broker; the store is embedded.
run() {
    "$convoy" simulate --broker "$1" --store embedded --partitions 3 --progress never \
        --output "$directory/runs" "${@:2}"
}
secure=(--ca-file "$KAFKA_CA")

step 'plain text, maximum rate'
run "$KAFKA_PLAIN" --topic plain --vehicles 1000 --rate max --records 50000 >"$directory/report"
clean "$directory/report"

step 'SASL_SSL, PLAIN, 1,000 records/s'
API_KEY=$KAFKA_USER API_SECRET_KEY=$KAFKA_PASSWORD \
    run "$KAFKA_SECURE" "${secure[@]}" --topic secure --vehicles 1000 --rate 1 \
    --duration "${SECONDS_PER_RUN:-30}s" >"$directory/report" 2>"$directory/talk"
clean "$directory/report"
silent_about "$KAFKA_PASSWORD" "$directory/report" "$directory/talk" "$directory/runs"

step 'SASL_SSL, SCRAM-SHA-256'
API_KEY=$KAFKA_USER API_SECRET_KEY=$KAFKA_PASSWORD \
    run "$KAFKA_SECURE" "${secure[@]}" --sasl-mechanism scram-sha-256 --topic scram --rate 20 --records 2000 >"$directory/report"
clean "$directory/report"

step 'existing topic is used without changes'
kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_PLAIN" \
    --create --topic existing --partitions 3 --replication-factor 1 >/dev/null
run "$KAFKA_PLAIN" --topic existing --rate 20 --records 1000 >"$directory/report"
clean "$directory/report"

rejected() {
    local began=$SECONDS code=0
    "$@" >"$directory/report" 2>"$directory/talk" || code=$?
    tail -3 "$directory/talk"
    [ "$code" -eq 3 ] || fail "exit code $code instead of 3"
    [ $((SECONDS - began)) -lt 10 ] || fail "took $((SECONDS - began)) s to fail"
}

step 'wrong password is rejected at once and not printed'
export API_KEY=$KAFKA_USER API_SECRET_KEY=wrong-$KAFKA_PASSWORD
rejected run "$KAFKA_SECURE" "${secure[@]}" --topic rejected
rejected run "$KAFKA_SECURE" "${secure[@]}" --topic rejected --sasl-mechanism scram-sha-256
silent_about "$KAFKA_PASSWORD" "$directory/report" "$directory/talk" "$directory/runs"

step 'certificate of an unknown authority is rejected at once'
export API_SECRET_KEY=$KAFKA_PASSWORD
rejected run "$KAFKA_SECURE" --topic rejected

step 'plain text to a TLS port is rejected at once'
unset API_KEY API_SECRET_KEY
rejected run "$KAFKA_SECURE" --topic rejected
