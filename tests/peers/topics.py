"""Consumes topics that convoy did not write: each record must be stored, and what is unusual must be told.

A transactional topic, a compacted one, null header values, a timestamp of the year 60000, 200 partitions, and a
topic that was deleted and created again: `topics.py CONVOY BROKER STORE`. Needs confluent-kafka and pymongo.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient

CONVOY, BROKER, STORE = sys.argv[1:]
YEAR_60000 = 1_831_303_468_800_000
NAME = "topics-" + uuid.uuid4().hex[:8]
admin = AdminClient({"bootstrap.servers": BROKER})
database = MongoClient(STORE)[NAME]
failures = []


def create(topic, partitions=1, **config):
    """Creates a topic; a deletion of its predecessor may still be going on."""
    config = {name.replace("_", "."): value for name, value in config.items()}
    deadline = time.monotonic() + 30
    while True:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)
            break
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    # Until clients see the topic.
    while topic not in admin.list_topics(timeout=10).topics:
        time.sleep(0.1)


def producer(**settings):
    return Producer({"bootstrap.servers": BROKER, "linger.ms": 5, **settings})


def write(topic, numbers, client=None, **record):
    client = client or producer()
    refused = []
    for number in numbers:
        client.produce(topic, json.dumps({"n": number}), on_delivery=lambda error, _: error and refused.append(error), **record)
    client.flush(60)
    if refused:
        raise SystemExit(f"FAILED: the broker refused a record of `{topic}`: {refused[0]}")


def read_all(topic):
    """Returns how many records a Kafka consumer reads."""
    consumer = Consumer({"bootstrap.servers": BROKER, "group.id": "count-" + uuid.uuid4().hex, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = 0
    while True:
        message = consumer.poll(30)
        if message is None:
            raise SystemExit(f"FAILED: `{topic}` cannot be read")
        if message.error():
            consumer.close()
            return count
        count += 1


def consume(topic):
    """Runs `convoy consume` until it has read everything; returns what it said."""
    command = [CONVOY, "consume", "--broker", BROKER, "--security-protocol", "plaintext", "--topic", topic, "--group", topic]
    command += ["--store", STORE, "--database", NAME, "--collection", topic, "--idle", "3s", "--progress", "never"]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    if run.returncode != 0:
        failures.append(f"{topic}: exit code {run.returncode}: {run.stderr[-800:]}")
    return run.stdout + run.stderr


def check(what, topic, said, expected, told=None):
    stored = database[topic].count_documents({})
    letters = database[topic + "_dead_letters"].count_documents({})
    lines = [line.strip() for line in said.splitlines() if told and told in line]
    print(f"{what}: {stored} stored of {expected}, {letters} dead letters{''.join(' · ' + line for line in lines[:1])}", flush=True)
    if stored != expected or letters:
        failures.append(f"{what}: {stored} stored of {expected}, {letters} dead letters")
    if told and not lines:
        failures.append(f"{what}: no line says `{told}`:\n{said}")


def transactional():
    topic = "transactional"
    create(topic)
    client = producer(**{"transactional.id": NAME})
    client.init_transactions(60)
    for commits in (True, False, True):
        client.begin_transaction()
        write(topic, range(10), client)
        client.commit_transaction(60) if commits else client.abort_transaction(60)
    check("transactional topic", topic, consume(topic), 20, "aborted")


def compacted():
    topic = "compacted"
    create(topic, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.01", max_compaction_lag_ms="100")
    client = producer()
    for number in range(12):
        write(topic, [number], client, key=f"truck-{number % 3}")
        time.sleep(0.15)
    deadline = time.monotonic() + 120
    while read_all(topic) >= 12 and time.monotonic() < deadline:
        # Rolls the segment, so that those before it are compacted.
        write(topic, [12], client, key="last")
        time.sleep(3)
    kept = read_all(topic)
    check("compacted topic", topic, consume(topic), kept, "offsets without a record")


def headers():
    topic = "headers"
    create(topic)
    write(topic, range(3), headers=[("a", None), ("a", b"x"), ("b", b"")])
    check("null header values", topic, consume(topic), 3)
    stored = database[topic].find_one()["_convoy"]["kafka"]["headers"]
    if stored != [{"name": "a", "value": None}, {"name": "a", "value": "x"}, {"name": "b", "value": ""}]:
        failures.append(f"null header values: stored as {stored}")


def year_60000():
    topic = "year-60000"
    create(topic, message_timestamp_after_max_ms=str(2**63 - 1))
    write(topic, range(3), timestamp=YEAR_60000)
    check("year 60000", topic, consume(topic), 3)


def partitions():
    topic = "partitions"
    create(topic, 200)
    client = producer()
    for partition in range(200):
        write_to = range(partition * 5, partition * 5 + 5)
        for number in write_to:
            client.produce(topic, json.dumps({"n": number}), partition=partition)
    client.flush(60)
    check("200 partitions", topic, consume(topic), 1000)


def made_again():
    topic = "made-again"
    create(topic)
    write(topic, range(7))
    check("before the deletion", topic, consume(topic), 7)
    admin.delete_topics([topic])[topic].result(30)
    create(topic)
    write(topic, range(100, 105))
    check("topic made again", topic, consume(topic), 12, "created again")


for case in (transactional, compacted, headers, year_60000, partitions, made_again):
    case()
database.client.drop_database(NAME)
if failures:
    sys.exit("FAILED\n" + "\n".join(failures))
