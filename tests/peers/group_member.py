"""Joins a group with librdkafka's cooperative assignor and leaves it on SIGTERM."""

import signal
import sys

from confluent_kafka import Consumer

broker, topic, group = sys.argv[1:]
running = True


def stop(*_):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
consumer = Consumer(
    {
        "bootstrap.servers": broker,
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
    }
)
consumer.subscribe([topic])
while running:
    consumer.poll(0.2)
consumer.close()
