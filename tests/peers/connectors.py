"""Runs MongoDB's Kafka connectors on `convoy up`, and counts what they moved with pymongo: `connectors.py CONVOY`.

CONVOY is the executable. Both servers are convoy's; Kafka Connect and the connectors come from Maven Central:

* the sink connector, plain and with `timeseries.*`;
* the source connector on `convoy up --replica-set`, with the documents that were there, changes while it runs and
  while it is stopped, and after a `kill -9`; the sink connector applies its events to a copy of the collection;
* the sink connector under `convoy simulate --consumer external`, killed by `kill -9`: convoy's audit and pymongo must
  count the same. The idempotent settings must leave nothing twice.

Needs Java, Maven, confluent-kafka, psutil and pymongo.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from bson import json_util
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches/against"))
from common import CONNECT, free_port, jars, start_convoy, stop
from sinks import kill

# The source connector needs Avro's classes for its schemas of keys and values.
CONNECTORS = [*CONNECT, ("org.apache.avro", "avro", "1.12.0")]
RECORDS, PARTITIONS = 3_000, 3
DEADLINE_SECONDS = 180
WORKER = "org.apache.kafka.connect.cli.ConnectStandalone"


def expect(what, got, wanted):
    print(f"{what}: {got}", flush=True)
    if got != wanted:
        sys.exit(f"FAILED: {what}: {got} (expected {wanted})")


class Servers:
    """`convoy up` with its clients."""

    def __init__(self, convoy, directory, *options):
        self.process, self.broker, self.uri = start_convoy(convoy, str(directory), options=options)
        self.directory = directory
        self.store = MongoClient(self.uri)
        self.admin = AdminClient({"bootstrap.servers": self.broker, "log_level": 0})

    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)

    @contextlib.contextmanager
    def worker(self, name, connector, ends="terminate"):
        """Runs a worker of Kafka Connect with one connector; `ends` is `terminate` or `kill`."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        worker = {
            "bootstrap.servers": self.broker,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.storage.file.filename": directory / "offsets",
            "offset.flush.interval.ms": 1_000,
            "listeners": f"http://127.0.0.1:{free_port()}",
            "plugin.discovery": "hybrid_warn",
        }
        connector = {"name": name, "connection.uri": self.uri, "tasks.max": 1} | connector
        files = []
        for file, settings in [("worker.properties", worker), ("connector.properties", connector)]:
            files.append(directory / file)
            files[-1].write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        with open(directory / "log", "ab") as log:
            command = ["java", "-Xmx512m", "-cp", jars("connectors", CONNECTORS), WORKER, *map(str, files)]
            process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        try:
            yield lambda: alive(process, directory / "log")
        finally:
            getattr(process, ends)()
            process.wait(60)


def alive(process, log):
    if process.poll() is not None:
        sys.exit(f"FAILED: the worker ended with {process.returncode}\n{log.read_text(errors='replace')[-3000:]}")


def wait_for(what, condition, check):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        check()
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what}: not within {DEADLINE_SECONDS} s")
        time.sleep(0.2)


def sink(name, **settings):
    return {
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": name,
        "database": "connectors",
        "collection": name,
        **{key.replace("_", "."): value for key, value in settings.items()},
    }


def check_sink(servers, name, **settings):
    """Moves readings with the sink connector; each must be stored once, with its values."""
    servers.create(name, PARTITIONS)
    producer = Producer({"bootstrap.servers": servers.broker, "log_level": 0})
    for number in range(RECORDS):
        reading = {"n": number, "vehicle": f"v{number % 10}", "speed": number / 4, "at": 1_700_000_000_000 + number}
        producer.produce(name, json.dumps(reading), key=reading["vehicle"], partition=number % PARTITIONS)
    producer.flush(60)
    collection = servers.store.connectors[name]
    with servers.worker(name, sink(name, **settings)) as check:
        wait_for(f"{RECORDS} documents", lambda: collection.count_documents({}) >= RECORDS, check)
    stored = [(it["n"], it["vehicle"], it["speed"]) for it in collection.find().sort("n")]
    expect(f"{name}: documents", len(stored), RECORDS)
    expect(f"{name}: all values right", stored == [(n, f"v{n % 10}", n / 4) for n in range(RECORDS)], True)


def check_time_series(servers):
    settings = {"timeseries_timefield": "at", "timeseries_timefield_auto_convert": "true", "timeseries_metafield": "vehicle"}
    check_sink(servers, "series", **settings, timeseries_granularity="seconds")
    (listed,) = servers.store.connectors.list_collections(filter={"name": "series"})
    expect("series: type", listed["type"], "timeseries")
    kept = {key: listed["options"]["timeseries"].get(key) for key in ("timeField", "metaField", "granularity")}
    expect("series: options", kept, {"timeField": "at", "metaField": "vehicle", "granularity": "seconds"})
    times = {type(it["at"]).__name__ for it in servers.store.connectors.series.find()}
    expect("series: types of times", times, {"datetime"})


class Events:
    """Reads the events that the source connector wrote into a topic."""

    def __init__(self, servers, topic):
        self.read = []
        settings = {"bootstrap.servers": servers.broker, "log_level": 0, "group.id": "events", "auto.offset.reset": "earliest"}
        self.consumer = Consumer(settings)
        self.consumer.subscribe([topic])

    def all(self):
        """Returns what each event so far says: its kind, the `_id`, and the value after it."""
        for message in self.consumer.consume(1_000, 0.5):
            if message.error() is None:
                event = json_util.loads(message.value())
                after = event.get("fullDocument") or {}
                self.read.append((event["operationType"], event["documentKey"]["_id"], after.get("n")))
        return self.read


def change(collection, first):
    """Inserts, updates, replaces and deletes; returns the events that this should give."""
    ids = range(first, first + 40)
    collection.insert_many([{"_id": each, "n": each} for each in ids])
    events = [("insert", each, each) for each in ids]
    for each in ids[:20]:
        collection.update_one({"_id": each}, {"$inc": {"n": 1_000}})
        events.append(("update", each, each + 1_000))
    for each in ids[20:25]:
        collection.replace_one({"_id": each}, {"n": each + 2_000, "replaced": True})
        events.append(("replace", each, each + 2_000))
    for each in ids[25:30]:
        collection.delete_one({"_id": each})
        events.append(("delete", each, None))
    return events


def check_source(servers):
    """Follows a collection with the source connector, and applies its events to a copy with the sink connector."""
    collection, topic = servers.store.connectors.origin, "changes.connectors.origin"
    servers.create(topic, 1)
    collection.insert_many([{"_id": each, "n": each} for each in range(100)])
    source = {
        "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
        "database": "connectors",
        "collection": "origin",
        "topic.prefix": "changes",
        "startup.mode": "copy_existing",
        "change.stream.full.document": "updateLookup",
        "poll.await.time.ms": 200,
    }
    events = Events(servers, topic)
    wanted = [("insert", each, each) for each in range(100)]

    def follow(first, what, ends="terminate"):
        with servers.worker("source", source, ends) as check:
            wait_for(f"events {what}", lambda: set(wanted) <= set(events.all()), check)
            wanted.extend(change(collection, first))
            wait_for(f"events after those {what}", lambda: set(wanted) <= set(events.all()), check)

    follow(1_000, "of the documents that were there")
    wanted.extend(change(collection, 2_000))
    follow(3_000, "while the connector was stopped", ends="kill")
    read = events.all()
    expect("source: events, with an orderly stop", len(read), len(wanted))
    expect("source: each event once", sorted(read, key=str) == sorted(wanted, key=str), True)
    wanted.extend(change(collection, 4_000))
    follow(5_000, "after a kill -9")
    expect("source: events missing after a kill -9", set(wanted) - set(events.all()), set())
    print(f"source: events twice after a kill -9: {len(events.read) - len(wanted)}")
    handler = "com.mongodb.kafka.connect.sink.cdc.mongodb.ChangeStreamHandler"
    applied = sink(topic, change_data_capture_handler=handler) | {"name": "copy", "collection": "copy"}
    copy, original = servers.store.connectors.copy, list(collection.find().sort("_id"))
    with servers.worker("copy", applied) as check:
        wait_for("the copy of the collection", lambda: list(copy.find().sort("_id")) == original, check)
    expect("copy: documents", copy.count_documents({}), len(original))


def check_kill(convoy, directory, name):
    """Kills the sink connector while readings arrive: audit and pymongo must agree."""
    counts = kill(SimpleNamespace(convoy=convoy, rate=200), name, str(directory))
    print(f"kill -9 of {name}: {counts}", flush=True)
    expect(f"kill -9 of {name}: missing", (counts["missing"], counts["counted missing"]), (0, 0))
    expect(f"kill -9 of {name}: doubled by audit and by pymongo agree", counts["doubled"] == counts["counted doubled"], True)
    return counts["doubled"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    convoy = os.path.abspath(sys.argv[1])
    jars("connectors", CONNECTORS)
    jars("connect", CONNECT)
    with tempfile.TemporaryDirectory() as directory:
        for kind, checks in [
            ((), [lambda servers: check_sink(servers, "plain"), check_time_series]),
            (("--replica-set",), [check_source]),
        ]:
            home = Path(directory, "".join(kind) or "standalone")
            home.mkdir()
            servers = Servers(convoy, home, *kind)
            try:
                for check in checks:
                    check(servers)
            finally:
                stop([servers.process])
        check_kill(convoy, directory, "connect")
        expect("kill -9 of connect-once: doubled", check_kill(convoy, directory, "connect-once"), 0)


if __name__ == "__main__":
    main()
