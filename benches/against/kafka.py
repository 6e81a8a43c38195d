"""kafka-producer-perf-test against convoy and Apache Kafka in turns: `kafka.py CONVOY [ROUNDS]`.

CONVOY is the executable; `just bench-kafka` builds it. Kafka and its tools come from Maven Central
into `target/tmp/kafka/`. Both brokers run side by side, each measured while the other is idle: the
ratio is what counts, not the figures. After each run the records are counted, and kcat, where it is
installed, reads all of one run back. Needs Java and Maven.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from common import DEADLINE_SECONDS, KAFKA, create_topic, jars, java, start_convoy, start_kafka, stop

RECORDS, RECORD_BYTES = 200_000, 2_300

# How producers are set up: as they come, and batching as busy ones do.
PRODUCERS = {
    "default batches": [],
    "900 KB batches, 20 ms linger": ["batch.size=900000", "linger.ms=20", "buffer.memory=67108864"],
}

def measure(path, address, settings):
    """Returns MB/s of one run into a topic of its own, and the topic."""
    topic = create_topic(path, address)
    done = java(
        path,
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", topic, "--num-records", str(RECORDS), "--record-size", str(RECORD_BYTES)),
        *("--throughput", "-1", "--producer-props", f"bootstrap.servers={address}", "acks=all"),
        *settings,
    )
    last = done.stdout.strip().splitlines()[-1]
    found = re.search(r"\(([\d.]+) MB/sec\)", last)
    if done.returncode != 0 or not found:
        sys.exit(f"{address}: {done.stdout}\n{done.stderr}")
    told = java(path, "org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", address, "--topic", topic)
    stored = int(told.stdout.strip().rsplit(":", 1)[1])
    if stored != RECORDS:
        sys.exit(f"{address}: {stored} of {RECORDS} records stored")
    return float(found[1]), topic


def read_back(address, topic):
    """Counts with kcat what is in a topic."""
    command = ["kcat", "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o %S\n"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True)
    expected = [f"{offset} {RECORD_BYTES}" for offset in range(RECORDS)]
    if done.stdout.split("\n")[:-1] != expected:
        sys.exit(f"kcat read something else than {RECORDS} records in order")
    return len(expected)


def main():
    executable = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    path = jars("kafka", KAFKA)
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        kafka, kafka_address = start_kafka(path, directory)
        convoy, convoy_address, _ = start_convoy(executable, directory)
        try:
            # The first run warms both up and is not counted.
            for number in range(rounds + 1):
                for name, settings in PRODUCERS.items():
                    pair = {}
                    for broker, address in [("convoy", convoy_address), ("kafka", kafka_address)]:
                        pair[broker], topic = measure(path, address, settings)
                        if broker == "convoy" and number == 0 and shutil.which("kcat"):
                            print(f"kcat read {read_back(address, topic)} records back", flush=True)
                    if number > 0:
                        results.setdefault(name, []).append(pair)
                    what = "warm-up" if number == 0 else f"round {number}"
                    print(f"{what}, {name}: convoy {pair['convoy']} MB/s, Kafka {pair['kafka']} MB/s", flush=True)
        finally:
            stop([convoy, kafka])
    for name, pairs in results.items():
        medians = {broker: statistics.median(pair[broker] for pair in pairs) for broker in ["convoy", "kafka"]}
        ratios = [round(pair["convoy"] / pair["kafka"], 2) for pair in pairs]
        print(json.dumps({"producer": name, "median MB/s": medians, "ratios": ratios}))


if __name__ == "__main__":
    main()
