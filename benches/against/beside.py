"""convoy beside the others, in one run, in turns: `beside.py CONVOY [--ferretdb FERRETDB] [OPTIONS]`.

* broker and Apache Kafka: kafka-producer-perf-test, kafka-consumer-perf-test and rdkafka_performance as
  producer and as consumer;
* store and FerretDB (if its executable is given): pymongo and MongoDB's Java driver, inserts and searches
  by an index;
* on one topic: convoy's consumer, Kafka Connect with MongoDB's sink, a consumer in Python (librdkafka and
  pymongo) and one in C (librdkafka and libmongoc).

All servers are up at once, and each is measured while the others are idle: the ratio of a round is what
counts, not the figures. Rounds that do not fit into `--minutes` are left out. Needs Java, Maven, pymongo, confluent-kafka and psutil; for rdkafka_performance
and the consumer in C a C compiler, pkg-config, librdkafka-dev and libmongoc-dev.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

from common import (
    CONNECT, DEADLINE_SECONDS, HERE, JAVA_DRIVER, TARGET, Budget, alternate, create_topic, end_on_signals, jars,
    java, median, ranged, ratios, shown, start_convoy, start_ferretdb, start_kafka, stop, table,
)
from drain import drain, fill
from ferretdb import connect, rows
from sink import NAMES, build_native

RECORD_BYTES = 2_300
EXAMPLE = "/usr/share/doc/librdkafka-dev/examples/rdkafka_performance.c"
TOOLS = "org.apache.kafka.tools"


def build_rdkafka_performance():
    """Builds librdkafka's own program; returns its path, or `None` if the package is not there."""
    if not os.path.exists(EXAMPLE):
        print("rdkafka_performance is left out: librdkafka-dev is not installed", flush=True)
        return None
    program = TARGET / "tmp/rdkafka_performance"
    program.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-w", "-D_GNU_SOURCE", f"-I{HERE}/rdkafka", "-I/usr/include/librdkafka"]
    # It includes headers of the source tree beside it.
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(f"{tree}/src")
        os.makedirs(f"{tree}/examples")
        open(f"{tree}/src/rd.h", "w", encoding="utf-8").close()
        source = f"{tree}/examples/rdkafka_performance.c"
        with open(EXAMPLE, encoding="utf-8") as example, open(source, "w", encoding="utf-8") as copy:
            copy.write(example.read())
        subprocess.run(["cc", *flags, "-o", program, source, "-lrdkafka"], check=True)
    return str(program)


def found(pattern, text, what):
    values = re.findall(pattern, text)
    if not values:
        sys.exit(f"{what} said nothing of its speed:\n{text[-2000:]}")
    return float(values[-1])


def brokers(given, path, addresses, number, measured):
    """Measures producers and consumers against both brokers."""
    rdkafka = given.rdkafka
    count = str(given.records)
    for name in alternate(addresses, number):
        address = addresses[name]
        topic = create_topic(path, address)
        shape = ["--num-records", count, "--record-size", str(RECORD_BYTES), "--throughput", "-1"]
        props = ["--producer-props", f"bootstrap.servers={address}", "acks=all"]
        said = java(path, f"{TOOLS}.ProducerPerformance", "--topic", topic, *shape, *props)
        put(measured, "kafka-producer-perf-test", name, found(r"\(([\d.]+) MB/sec\)", said.stdout, said.stderr))
        read = ["--bootstrap-server", address, "--topic", topic, "--messages", count, "--timeout", "60000"]
        said = java(path, f"{TOOLS}.ConsumerPerformance", *read, "--hide-header")
        # start, end, MB, MB/s, records, records/s, …
        speed = found(r"(?m)^\d{4}-[^,]+, [^,]+, [\d.]+, ([\d.]+),", said.stdout, said.stderr)
        put(measured, "kafka-consumer-perf-test", name, speed)
        if rdkafka:
            topic = create_topic(path, address)
            common = [rdkafka, "-t", topic, "-p", "0", "-b", address, "-c", count, "-q"]
            write = [*common, "-P", "-s", str(RECORD_BYTES), "-a", "-1"]
            put(measured, "rdkafka_performance -P", name, rdkafka_speed(write))
            put(measured, "rdkafka_performance -C", name, rdkafka_speed([*common, "-C", "-o", "beginning"]))


def rdkafka_speed(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    return found(r"([\d.]+) MB/s", done.stdout + done.stderr, command[0])


def stores(given, driver, uris, number, measured):
    """Measures drivers against both stores."""
    documents = rows()[: given.documents]
    for name in alternate(uris, number):
        label = f"bench{uuid.uuid4().hex[:8]}"
        collection = connect(uris[name])["bench"][label]
        collection.create_index("number")
        began = time.perf_counter()
        for first in range(0, len(documents), 1_000):
            collection.insert_many([dict(row) for row in documents[first : first + 1_000]])
        put(measured, "pymongo, insert_many", name, len(documents) / (time.perf_counter() - began))
        began = time.perf_counter()
        for asked in range(given.searches):
            collection.find_one({"number": asked % len(documents)})
        put(measured, "pymongo, find_one by index", name, given.searches / (time.perf_counter() - began))
        collection.drop()
        sizes = [str(given.documents), "1000", "170", str(given.searches)]
        said = java(driver, f"{HERE}/InsertMany.java", uris[name], label, *sizes)
        if said.returncode != 0:
            sys.exit(f"the Java driver failed at {name}:\n{said.stderr}")
        inserted, searched = said.stdout.split()
        put(measured, "Java driver, insertMany", name, float(inserted))
        put(measured, "Java driver, find by index", name, float(searched))
        connect(uris[name])["bench"][label].drop()


def sinks(given, servers, topic, directory, number, measured):
    """Empties one topic by each program."""
    for name in alternate(given.sinks, number):
        moved = drain(name, given.convoy, servers, topic, given.sink_records, directory)
        put(measured, "records/s", name, moved["records/s"])
        put(measured, "µs of CPU per record", name, moved["µs/record"])


def put(measured, what, name, value):
    measured.setdefault(what, {}).setdefault(name, []).append(value)
    print(f"{what}, {name}: {value:,.1f}", flush=True)


def compared(title, measured, unit):
    """Prints a table of two sides, the first of which is convoy."""
    lines = []
    for what, sides in measured.items():
        ours, (other, theirs) = sides["convoy"], next(it for it in sides.items() if it[0] != "convoy")
        pairs = [{"convoy": a, other: b} for a, b in zip(ours, theirs)]
        lines.append([what, shown(median(ours), 1), shown(median(theirs), 1), ranged(ratios(pairs, "convoy", other))])
    table([title, f"convoy, {unit}", f"{other}, {unit}", "ratio (range)"], lines)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy")
    parser.add_argument("--ferretdb", help="executable of FerretDB 1.24")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=8, help="time for all of it")
    parser.add_argument("--records", type=int, default=60_000, help="of 2,300 bytes, through each broker")
    parser.add_argument("--documents", type=int, default=5_000, help="of 172 fields, into each store")
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--sink-records", type=int, default=30_000)
    parser.add_argument("--sinks", default="convoy,connect,python,native")
    given = parser.parse_args()
    given.convoy = os.path.abspath(given.convoy)
    given.sinks = [name for name in given.sinks.split(",") if name]
    if "native" in given.sinks and not build_native():
        given.sinks.remove("native")
    given.rdkafka = build_rdkafka_performance()
    return given


def main():
    end_on_signals()
    given = arguments()
    budget = Budget(given.minutes)
    path, driver = jars("connect", CONNECT), jars("java-driver", JAVA_DRIVER)
    by_broker, by_store, by_sink = {}, {}, {}
    running = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            kafka, kafka_address = start_kafka(path, directory)
            running.append(kafka)
            convoy, address, uri = start_convoy(given.convoy, directory)
            running.append(convoy)
            uris = {"convoy": uri}
            if given.ferretdb:
                ferretdb, uris["FerretDB"] = start_ferretdb(os.path.abspath(given.ferretdb), directory)
                running.append(ferretdb)
            topic = create_topic(path, address, partitions=4)
            fill(given.convoy, address, topic, given.sink_records)
            for number in budget.rounds("all", given.rounds, 1):
                print(f"round {number + 1}", flush=True)
                brokers(given, path, {"convoy": address, "Kafka": kafka_address}, number, by_broker)
                if given.ferretdb:
                    stores(given, driver, uris, number, by_store)
                if given.sinks:
                    sinks(given, (address, uri), topic, directory, number, by_sink)
        finally:
            stop(running)
    compared("broker", by_broker, "MB/s")
    if by_store:
        compared("store", by_store, "per second")
    if by_sink:
        columns = ["records/s", "µs of CPU per record"]
        rounds = [dict(zip(by_sink[columns[0]], rates)) for rates in zip(*by_sink[columns[0]].values())]
        lines = []
        for name in given.sinks:
            against = None if name == "convoy" else ranged(ratios(rounds, "convoy", name))
            rate, cpu = (shown(median(by_sink[column][name])) for column in columns)
            lines.append([NAMES[name], rate, against, cpu])
        table(["one topic", columns[0], "convoy ÷ this (range)", columns[1]], lines)
    print(budget.told(), flush=True)


if __name__ == "__main__":
    main()
