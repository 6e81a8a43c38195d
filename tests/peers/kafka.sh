#!/usr/bin/env bash
# convoy against Apache Kafka: plain, SASL_SSL by PLAIN and SCRAM with an authority of its own, a wrong password.
# `kafka.sh [CONVOY]`; SECONDS_PER_RUN sets the length of the longest run (30).
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

step 'plain text, as fast as it goes'
run "$KAFKA_PLAIN" --topic plain --vehicles 1000 --rate max --records 50000 >"$directory/report"
clean "$directory/report"

step 'SASL_SSL, PLAIN, 1,000 records/s'
API_KEY=$KAFKA_USER API_SECRET_KEY=$KAFKA_PASSWORD \
    run "$KAFKA_SECURE" "${secure[@]}" --topic secure --vehicles 1000 --rate 1 \
    --duration "${SECONDS_PER_RUN:-30}s" >"$directory/report" 2>"$directory/talk"
clean "$directory/report"
silent_about "$KAFKA_PASSWORD" "$directory/report" "$directory/talk" "$directory/runs" logs

step 'SASL_SSL, SCRAM-SHA-256'
API_KEY=$KAFKA_USER API_SECRET_KEY=$KAFKA_PASSWORD \
    run "$KAFKA_SECURE" "${secure[@]}" --sasl-mechanism scram-sha-256 --topic scram --rate 20 --records 2000 >"$directory/report"
clean "$directory/report"

step 'a topic that exists is used as it is'
kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_PLAIN" \
    --create --topic existing --partitions 3 --replication-factor 1 >/dev/null
run "$KAFKA_PLAIN" --topic existing --rate 20 --records 1000 >"$directory/report"
clean "$directory/report"

refused() {
    local began=$SECONDS code=0
    "$@" >"$directory/report" 2>"$directory/talk" || code=$?
    tail -3 "$directory/talk"
    [ "$code" -eq 3 ] || fail "exit code $code instead of 3"
    [ $((SECONDS - began)) -lt 10 ] || fail "took $((SECONDS - began)) s to say so"
}

step 'a wrong password is refused at once and told to nobody'
export API_KEY=$KAFKA_USER API_SECRET_KEY=wrong-$KAFKA_PASSWORD
refused run "$KAFKA_SECURE" "${secure[@]}" --topic refused
refused run "$KAFKA_SECURE" "${secure[@]}" --topic refused --sasl-mechanism scram-sha-256
silent_about "$KAFKA_PASSWORD" "$directory/report" "$directory/talk" "$directory/runs" logs

step 'an authority nobody knows is refused at once'
export API_SECRET_KEY=$KAFKA_PASSWORD
refused run "$KAFKA_SECURE" --topic refused

step 'plain text to a port that speaks TLS is refused at once'
unset API_KEY API_SECRET_KEY
refused run "$KAFKA_SECURE" --topic refused
