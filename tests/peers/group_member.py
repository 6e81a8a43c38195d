"""Joins a group with librdkafka's cooperative assignor, waits until it owns a partition, and leaves."""

import sys
import time

from confluent_kafka import Consumer

broker, topic, group = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": broker,
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
    }
)
owned = set()
consumer.subscribe(
    [topic],
    on_assign=lambda _, partitions: owned.update(it.partition for it in partitions),
)
start = time.monotonic()
owned_since = None
# Long enough for a tool to see the member.
while owned_since is None or time.monotonic() - owned_since < 12:
    consumer.poll(0.2)
    if owned and owned_since is None:
        owned_since = time.monotonic()
    if owned_since is None and time.monotonic() - start > 40:
        sys.exit("no partition after 40 s")
print(sorted(owned))
consumer.close()
