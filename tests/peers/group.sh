#!/usr/bin/env bash
# Shares a consumer group between convoy and Kafka's own consumers, on Apache Kafka and on `convoy up`: members and
# lag as `kafka-consumer-groups` shows them, a Java consumer that joins and leaves, one of librdkafka if the Python
# package confluent-kafka is there, and KILLS consumers killed one after another: `group.sh [CONVOY]`.
# KILLS [default: 10], PYTHON [default: python3]; SKIP_KAFKA=1 leaves out Apache Kafka. Needs what kafka.sh needs.
# With KILLS=3, `timeout 300` is enough on a machine that does nothing else.
set -euo pipefail
# shellcheck source=kafka-node.sh
source "$(dirname "$0")/kafka-node.sh"
# shellcheck source=up.sh
source "$(dirname "$0")/up.sh"
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"

convoy=$(realpath "${1:-target/release/convoy}")
cd "$(dirname "$0")/../.."
here=$(realpath tests/peers)
directory=$(mktemp -d)
kills=${KILLS:-10} python=${PYTHON:-python3}
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; stop_up; stop_kafka; rm -rf "$directory"' EXIT

# Starts a program in its own directory: `start NAME COMMAND…` sets $PID.
start() {
    mkdir -p "$directory/$1"
    (cd "$directory/$1" && exec "${@:2}" >out 2>talk) &
    PID=$!
    started+=("$PID")
}

groups() { kafka_java org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server "$broker" "$@" 2>/dev/null; }

# Waits until a description of the group fulfils a condition in awk, with a deadline.
described() {
    local attempt
    for attempt in $(seq 20); do
        groups --describe --group "$group" >"$directory/described" || true
        if awk "BEGIN { rows = lag = members = 0 } \$2 == \"$topic\" { rows++; lag += \$6 == \"-\" ? 1 : \$6; if (\$7 != \"-\") seen[\$7] }
                END { for (member in seen) members++; exit !($1) }" "$directory/described"; then
            grep --quiet "$topic" "$directory/described" && cut -c1-150 "$directory/described"
            return
        fi
        sleep 0.5
    done
    cat "$directory/described"
    fail "the group does not fulfil: $1 ($attempt attempts)"
}

# Documents with the key of a reading that are there more than once, and all.
count() {
    "$convoy" report merge "$directory"/producer*/runs/* --store "$store" --collection "$topic" >"$directory/report" ||
        { cat "$directory/report" && fail 'the audit failed'; }
    grep '^verdict' "$directory/report"
    grep --quiet '^verdict.*: clean' "$directory/report" || { cat "$directory/report" && fail 'the verdict is not clean'; }
}

produce() {
    start "producer-$topic-$1" "$convoy" produce --broker "$broker" --topic "$topic" --vehicles 100 --progress never \
        --run-id "$topic-$1" --warmup 0s "${@:2}"
}

check_group() {
    topic=$1 broker=$2 group=group-$1
    rm -rf "$directory"/producer*
    local consume=("$convoy" consume --broker "$broker" --store "$store" --collection "$topic" --topic "$topic"
        --group "$group" --progress never --partitions 6)

    step "$topic: two consumers are members, and the lag goes to zero"
    start one "${consume[@]}" && local one=$PID
    start two "${consume[@]}" && local two=$PID
    produce first --rate 20 --records 20000
    described 'rows == 6 && members == 2'
    wait "$PID"
    described 'rows == 6 && members == 2 && lag == 0'

    step "$topic: a Java consumer joins and leaves"
    start java java -Xmx256m -cp "$KAFKA_JARS/*" org.apache.kafka.tools.consumer.ConsoleConsumer \
        --bootstrap-server "$broker" --topic "$topic" --group "$group" --timeout-ms 600000 \
        --consumer-property partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor
    local java=$PID
    described 'rows == 6 && members == 3'
    kill "$java"
    wait "$java" || true
    described 'rows == 6 && members == 2 && lag == 0'
    if "$python" -c 'import confluent_kafka' 2>/dev/null; then
        step "$topic: a consumer of librdkafka joins and leaves"
        start rdkafka "$python" "$here/group_member.py" "$broker" "$topic" "$group"
        local rdkafka=$PID
        described 'rows == 6 && members == 3'
        kill "$rdkafka"
        wait "$rdkafka" || { cat "$directory/rdkafka/talk" && fail 'the consumer of librdkafka failed'; }
        described 'rows == 6 && members == 2 && lag == 0'
    fi
    kill "$one" "$two"
    wait "$one" "$two" || true
    count

    step "$topic: $kills consumers are killed one after another"
    produce second --rate 10 --records $((kills * 4000))
    local producer=$PID kill
    for kill in $(seq "$kills"); do
        # Every second one is a static member, which the next one replaces at once.
        local static=()
        [ $((kill % 2)) -eq 0 ] || static=(--instance fixed)
        start "killed-$kill" "${consume[@]}" "${static[@]}"
        sleep "$((3 + RANDOM % 6)).$((RANDOM % 10))"
        kill -9 "$PID"
        wait "$PID" 2>/dev/null || true
    done
    wait "$producer" || { cat "$directory/producer-$topic-second/talk" && fail 'the producer failed'; }
    start last "${consume[@]}" --idle 10s
    wait "$PID" || { cat "$directory/last/talk" && fail 'the last consumer failed'; }
    described 'rows == 6 && members == 0 && lag == 0'
    count
}

start_up "$convoy" "$directory"
store=$UP_STORE
if [ "${SKIP_KAFKA:-}" != 1 ]; then
    start_kafka "$directory"
    check_group kafka "$KAFKA_PLAIN"
else
    fetch_kafka
fi
check_group up "$UP_BROKER"
