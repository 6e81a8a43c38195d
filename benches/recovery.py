"""How long `convoy up --data-dir` takes to come back after `kill -9`: `recovery.py CONVOY [GB]`.

Fills broker and store with so much each, kills the process, starts
it again, times the start until the `.env` is printed, and counts what was acknowledged. Needs
confluent-kafka and pymongo.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from pymongo import MongoClient, WriteConcern

RECORD_BYTES, BATCH = 2_000, 1_000


def start(executable, directory):
    """Returns the process, its addresses and the seconds it took to say them."""
    command = [executable, "up", "--anonymous", "--data-dir", f"{directory}/data"]
    command += ["--broker-port", "0", "--registry-port", "0", "--store-port", "0"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=directory)
    env = {}
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        env[name] = value
        if name == "MONGO_DB_URL":
            return process, env, time.perf_counter() - started
    sys.exit("convoy did not start")


def fill_broker(address, records):
    """Produces records; returns how many were acknowledged."""
    acknowledged = 0

    def delivered(error, _):
        nonlocal acknowledged
        acknowledged += error is None

    producer = Producer({"bootstrap.servers": address, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    value = os.urandom(RECORD_BYTES)
    for _ in range(records):
        while True:
            try:
                producer.produce("recovery", value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(60)
    return acknowledged


def fill_store(uri, documents):
    """Inserts documents durably; returns how many were acknowledged."""
    database = MongoClient(uri).get_database("bench", write_concern=WriteConcern(w="majority", j=True))
    value = os.urandom(RECORD_BYTES)
    for first in range(0, documents, BATCH):
        database.recovery.insert_many([{"_id": first + n, "value": value} for n in range(BATCH)])
    return documents


def main():
    executable = os.path.abspath(sys.argv[1])
    gigabytes = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    count = int(gigabytes * 1e9 / RECORD_BYTES) // BATCH * BATCH
    with tempfile.TemporaryDirectory() as directory:
        process, env, took = start(executable, directory)
        print(f"empty: up after {took:.2f} s", flush=True)
        records = fill_broker(env["BOOTSTRAP_SERVER"], count)
        documents = fill_store(env["MONGO_DB_URL"], count)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process, env, took = start(executable, directory)
        print(f"{records:,} records and {documents:,} documents of {RECORD_BYTES} bytes: up after {took:.2f} s")
        try:
            reader = Consumer({"bootstrap.servers": env["BOOTSTRAP_SERVER"], "group.id": "count", "log_level": 0})
            _, end = reader.get_watermark_offsets(TopicPartition("recovery", 0), 30)
            reader.close()
            found = MongoClient(env["MONGO_DB_URL"]).bench.recovery.count_documents({})
            print(f"found {end:,} records and {found:,} documents")
            sys.exit(0 if end >= records and found >= documents else 1)
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
