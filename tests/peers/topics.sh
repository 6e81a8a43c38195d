#!/usr/bin/env bash
# Consumes unusual topics of Apache Kafka and of `convoy up`, as topics.py says: `topics.sh [CONVOY]`.
# PYTHON [default: python3] needs confluent-kafka and pymongo. SKIP_KAFKA=1 leaves out Apache Kafka; else needs what
# kafka.sh needs.
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
python=${PYTHON:-python3}
trap 'stop_up; stop_kafka; rm -rf "$directory"' EXIT

start_up "$convoy" "$directory"
if [ "${SKIP_KAFKA:-}" != 1 ]; then
    start_kafka "$directory"
    step "Apache Kafka $KAFKA_VERSION"
    "$python" tests/peers/topics.py "$convoy" "$KAFKA_PLAIN" "$UP_STORE"
    stop_kafka
fi
step 'convoy up'
"$python" tests/peers/topics.py "$convoy" "$UP_BROKER" "$UP_STORE"
