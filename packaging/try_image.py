"""Runs the image `convoy` as Testcontainers' generic container, and stores a record of its broker in its store.

Needs a container engine, testcontainers, confluent-kafka and pymongo.
"""

import json
import os
import socket

# Testcontainers' own helper would have to be pulled; the container ends with this program.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from confluent_kafka import Consumer, Producer
from pymongo import MongoClient
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

READY = "stop the servers with Ctrl-C"
PASSWORD = "secret"
TOPIC = "orders"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port):
    container = (
        DockerContainer("convoy")
        .with_env("CONVOY_PASSWORD", PASSWORD)
        .with_command(f"up --advertise localhost:{port} --topic {TOPIC}:1")
        .with_bind_ports(9092, port)
        .with_exposed_ports(8081, 27017)
    )
    container.start()
    wait_for_logs(container, READY, timeout=60)
    return container


def main():
    port = free_port()
    container = start(port)
    try:
        kafka = {
            "bootstrap.servers": f"localhost:{port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "convoy",
            "sasl.password": PASSWORD,
        }
        producer = Producer(kafka)
        producer.produce(TOPIC, json.dumps({"amount": 42}))
        assert producer.flush(30) == 0, "the record was not acknowledged"
        consumer = Consumer(kafka | {"group.id": "test", "auto.offset.reset": "earliest"})
        consumer.subscribe([TOPIC])
        message = consumer.poll(60)
        assert message is not None and message.error() is None, message and message.error()
        store_port = container.get_exposed_port(27017)
        client = MongoClient(f"mongodb://convoy:{PASSWORD}@localhost:{store_port}/?directConnection=true")
        client["shop"]["orders"].insert_one(json.loads(message.value()))
        assert client["shop"]["orders"].find_one()["amount"] == 42
        consumer.close()
        print("ok: a record of the container's broker is in its store")
    finally:
        container.stop()


if __name__ == "__main__":
    main()
