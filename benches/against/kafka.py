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
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

VERSION = "4.1.0"
RECORDS, RECORD_BYTES = 200_000, 2_300
DEADLINE_SECONDS = 300

# How producers are set up: as they come, and batching as busy ones do.
PRODUCERS = {
    "default batches": [],
    "900 KB batches, 20 ms linger": ["batch.size=900000", "linger.ms=20", "buffer.memory=67108864"],
}

JARS = Path(__file__).resolve().parents[2] / "target/tmp/kafka"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>convoy</groupId><artifactId>bench</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def install():
    """Brings Kafka and its tools here, once."""
    receipt = JARS / "installed.txt"
    if not receipt.exists() or receipt.read_text() != POM:
        JARS.mkdir(parents=True, exist_ok=True)
        (JARS / "pom.xml").write_text(POM)
        copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
        subprocess.run(copy, cwd=JARS, check=True, timeout=DEADLINE_SECONDS)
        receipt.write_text(POM)


def java(main, *arguments, heap="512m", **options):
    command = ["java", f"-Xmx{heap}", "-cp", f"{JARS}/lib/*", main, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, **options)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_kafka(directory):
    """Starts one Kafka node that is its own controller; returns process and address."""
    broker, controller = free_port(), free_port()
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": f"{directory}/kafka",
        "offsets.topic.replication.factor": 1,
    }
    file = Path(directory, "server.properties")
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    identity = java("kafka.tools.StorageTool", "random-uuid", check=True).stdout.split()[-1]
    java("kafka.tools.StorageTool", "format", "-t", identity, "-c", str(file), check=True)
    log = open(Path(directory, "kafka.log"), "w", encoding="utf-8")
    command = ["java", "-Xmx1g", "-Xms1g", "-XX:+UseG1GC", "-cp", f"{JARS}/lib/*", "kafka.Kafka", str(file)]
    return subprocess.Popen(command, stdout=log, stderr=log), f"127.0.0.1:{broker}"


def start_convoy(executable, directory):
    command = [executable, "up", "--anonymous", "--data-dir", f"{directory}/convoy"]
    command += ["--broker-port", "0", "--registry-port", "0", "--store-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory)
    for line in process.stdout:
        if line.startswith("BOOTSTRAP_SERVER="):
            return process, line.strip().split("=", 1)[1]
    sys.exit("convoy did not start")


def measure(address, settings):
    """Returns MB/s of one run into a topic of its own, and the topic."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    shape = ["--partitions", "1", "--replication-factor", "1"]
    deadline = time.monotonic() + 60
    while True:
        created = java(
            "org.apache.kafka.tools.TopicCommand",
            *("--bootstrap-server", address, "--create", "--topic", topic, *shape),
        )
        if created.returncode == 0:
            break
        if time.monotonic() > deadline:
            sys.exit(f"{address}: {created.stderr}")
    done = java(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", topic, "--num-records", str(RECORDS), "--record-size", str(RECORD_BYTES)),
        *("--throughput", "-1", "--producer-props", f"bootstrap.servers={address}", "acks=all"),
        *settings,
    )
    last = done.stdout.strip().splitlines()[-1]
    found = re.search(r"\(([\d.]+) MB/sec\)", last)
    if done.returncode != 0 or not found:
        sys.exit(f"{address}: {done.stdout}\n{done.stderr}")
    told = java("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", address, "--topic", topic)
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
    install()
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        kafka, kafka_address = start_kafka(directory)
        convoy, convoy_address = start_convoy(executable, directory)
        try:
            # The first run warms both up and is not counted.
            for number in range(rounds + 1):
                for name, settings in PRODUCERS.items():
                    pair = {}
                    for broker, address in [("convoy", convoy_address), ("kafka", kafka_address)]:
                        pair[broker], topic = measure(address, settings)
                        if broker == "convoy" and number == 0 and shutil.which("kcat"):
                            print(f"kcat read {read_back(address, topic)} records back", flush=True)
                    if number > 0:
                        results.setdefault(name, []).append(pair)
                    what = "warm-up" if number == 0 else f"round {number}"
                    print(f"{what}, {name}: convoy {pair['convoy']} MB/s, Kafka {pair['kafka']} MB/s", flush=True)
        finally:
            for process in [convoy, kafka]:
                process.terminate()
                process.wait(60)
    for name, pairs in results.items():
        medians = {broker: statistics.median(pair[broker] for pair in pairs) for broker in ["convoy", "kafka"]}
        ratios = [round(pair["convoy"] / pair["kafka"], 2) for pair in pairs]
        print(json.dumps({"producer": name, "median MB/s": medians, "ratios": ratios}))


if __name__ == "__main__":
    main()
