"""Transactions with offsets over a broker that is killed: nothing is lost, nothing is doubled.

usage: killed_transactions.py CONVOY [CYCLES]

Workers copy records from one topic to another, each batch in a transaction with the offsets of their
group, and abort some. The broker is killed (SIGKILL) and started again, CYCLES times. Then the records
copied must be exactly those before the committed offsets, each once.
"""

import faulthandler
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import (
    Consumer,
    KafkaException,
    OFFSET_BEGINNING,
    OFFSET_STORED,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

CONVOY = os.path.abspath(sys.argv[1])
CYCLES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
WORKERS, RECORDS = 4, 200_000
QUIET = {"log_level": 0}


class Servers:
    """`convoy up` on one data directory and one set of ports."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = ["0", "0", "0"]
        self.process = None

    def start(self):
        broker, registry, store = self.ports
        self.process = subprocess.Popen(
            [CONVOY, "up", "--anonymous", "--data-dir", "data", "--broker-port", broker]
            + ["--registry-port", registry, "--store-port", store],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=open(os.path.join(self.directory, "log"), "a"),
            text=True,
        )
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("CONVOY_SASL") or "MONGO_DB_URL" in line:
                break
        found = [re.search(f"{name}=\\S*?:(\\d+)(/|\n)", text) for name in
                 ("BOOTSTRAP_SERVER", "ENDPOINT_SCHEMA_URL", "MONGO_DB_URL")]
        assert all(found), text + open(os.path.join(self.directory, "log")).read()
        self.ports = [match[1] for match in found]
        return f"127.0.0.1:{self.ports[0]}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def copy(broker, number, stopping, counts):
    """Copies the records of one partition until told to stop."""
    while not stopping.is_set():
        try:
            copy_until_failure(broker, number, stopping, counts)
        except KafkaException:
            counts["restarts"] += 1
            time.sleep(0.2)


def copy_until_failure(broker, number, stopping, counts):
    producer = Producer({"bootstrap.servers": broker, "transactional.id": f"copy-{number}",
                         "transaction.timeout.ms": 10_000, **QUIET})
    producer.init_transactions(20)
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"copy-{number}",
                         "enable.auto.commit": False, "isolation.level": "read_committed",
                         "auto.offset.reset": "earliest", **QUIET})
    consumer.assign([TopicPartition("from", number, OFFSET_STORED)])
    try:
        while not stopping.is_set():
            records = consumer.consume(random.randint(1, 200), 1.0)
            records = [record for record in records if not record.error()]
            if not records:
                continue
            producer.begin_transaction()
            for record in records:
                producer.produce("to", record.value(), partition=number)
            offset = TopicPartition("from", number, records[-1].offset() + 1)
            metadata = consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction([offset], metadata, 20)
            if random.random() < 0.3:
                producer.abort_transaction(20)
                counts["aborted"] += 1
                consumer.seek(TopicPartition("from", number, records[0].offset()))
            else:
                producer.commit_transaction(20)
                counts["committed"] += 1
    finally:
        consumer.close()


def check(broker):
    """Compares what was copied with the committed offsets; returns the number of violations."""
    violations = 0
    for number in range(WORKERS):
        group = Consumer({"bootstrap.servers": broker, "group.id": f"copy-{number}", **QUIET})
        [committed] = group.committed([TopicPartition("from", number)], 30)
        group.close()
        reader = Consumer({"bootstrap.servers": broker, "group.id": "check",
                           "isolation.level": "read_committed", "enable.partition.eof": True, **QUIET})
        reader.assign([TopicPartition("to", number, OFFSET_BEGINNING)])
        copied = []
        while True:
            record = reader.poll(30)
            assert record is not None, "the topic cannot be read to its end"
            if record.error():
                break
            copied.append(int(record.value()))
        reader.close()
        expected = list(range(max(committed.offset, 0)))
        if copied != expected:
            violations += 1
            print(f"partition {number}: {len(copied)} copied, {len(expected)} expected")
    return violations


def main():
    with tempfile.TemporaryDirectory() as directory:
        servers = Servers(directory)
        broker = servers.start()
        admin = AdminClient({"bootstrap.servers": broker, **QUIET})
        topics = [NewTopic(name, WORKERS, 1) for name in ("from", "to")]
        for created in admin.create_topics(topics).values():
            created.result()
        source = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 0,
                           "linger.ms": 50, **QUIET})
        for number in range(WORKERS):
            for value in range(RECORDS // WORKERS):
                source.produce("from", str(value), partition=number)
        assert source.flush(120) == 0
        stopping, counts = threading.Event(), {"committed": 0, "aborted": 0, "restarts": 0}
        workers = [threading.Thread(target=copy, args=(broker, number, stopping, counts), daemon=True)
                   for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        for _ in range(CYCLES):
            time.sleep(random.uniform(0.5, 2.5))
            servers.kill()
            servers.start()
        time.sleep(3)
        stopping.set()
        for worker in workers:
            worker.join(120)
        if any(worker.is_alive() for worker in workers):
            faulthandler.dump_traceback()
            sys.exit("a worker hangs")
        time.sleep(12)  # Transactions that were left open are aborted.
        violations = check(broker)
        servers.kill()
        print(f"{CYCLES} kills, {counts}, {violations} violations")
        sys.exit(1 if violations else 0)


main()
