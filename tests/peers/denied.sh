#!/usr/bin/env bash
# Checks the errors of convoy on an Apache Kafka whose ACLs deny a topic or a group: `denied.sh [CONVOY]`.
# Needs what kafka.sh needs.
set -euo pipefail
# shellcheck source=kafka-node.sh
source "$(dirname "$0")/kafka-node.sh"
# shellcheck source=up.sh
source "$(dirname "$0")/up.sh"
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'stop_up; stop_kafka; rm -rf "$directory"' EXIT
start_up "$convoy" "$directory"
start_kafka "$directory"
for topic in open unreadable unwritable invisible; do
    kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_PLAIN" \
        --create --topic "$topic" --partitions 2 --replication-factor 1 >/dev/null
done

# Allows or denies an operation to the user: `rule allow|deny OPERATION --topic NAME`.
rule() {
    kafka_java org.apache.kafka.tools.AclCommand --bootstrap-server "$KAFKA_PLAIN" --add \
        "--$1-principal" "User:$KAFKA_USER" --operation "${@:2}" >/dev/null
}
rule allow Describe --topic unreadable
rule deny Read --topic unreadable
rule allow Describe --topic unwritable
rule deny Write --topic unwritable
rule deny Describe --topic invisible
rule deny Read --group denied

export API_KEY=$KAFKA_USER API_SECRET_KEY=$KAFKA_PASSWORD
kafka=(--broker "$KAFKA_SECURE" --ca-file "$KAFKA_CA" --progress never --broker-timeout 10s)
consume=("$convoy" consume "${kafka[@]}" --store "$UP_STORE" --collection stored --idle 3s)

# Runs a command that must end with exit code 3 and an error that names what is denied: `denied NAME COMMAND…`.
denied() {
    local name=$1 began=$SECONDS code=0
    (cd "$directory" && timeout 60 "${@:2}") >"$directory/report" 2>"$directory/talk" || code=$?
    grep -E '^(error|hint|  caused)' "$directory/talk" || true
    [ "$code" -eq 3 ] || { cat "$directory/talk" && fail "exit code $code instead of 3"; }
    [ $((SECONDS - began)) -lt 30 ] || fail "took $((SECONDS - began)) s to fail"
    grep -q "$name" "$directory/talk" || fail "the error does not name \`$name\`"
    grep -Eqi 'authoriz|ACL|not allowed|permission' "$directory/talk" || fail 'the error does not say that access is denied'
    silent_about "$KAFKA_PASSWORD" "$directory/report" "$directory/talk"
}

step 'a group that may not be read'
denied denied "${consume[@]}" --topic open --group denied
step 'a topic that may not be read'
denied unreadable "${consume[@]}" --topic unreadable --group allowed
step 'a topic that may not be described'
denied invisible "${consume[@]}" --topic invisible --group allowed
step 'a topic that may not be written'
denied unwritable "$convoy" produce "${kafka[@]}" --topic unwritable --rate 10 --records 100
