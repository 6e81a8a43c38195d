"""A consumer as articles show it: it looks right, and it loses records.

It stores documents in batches of 5,000 and lets the Kafka client commit offsets by itself. So:

* the first document is stored alone, and the others only when 5,000 of them are there: the last,
  incomplete batch is never stored;
* offsets are committed every 5 seconds, whether or not their records are stored: what is in memory
  when the process ends is lost for good;
* each document gets a random `_id`, so a record that is read twice is stored twice.

`reliable_consumer.py` is the corrected one.
"""

import json
import os

from confluent_kafka import Consumer
from pymongo import MongoClient

BATCH = 5000

collection = MongoClient(os.environ["MONGO_DB_URL"])[
    os.environ.get("CONVOY_DATABASE", "convoy")
][os.environ.get("CONVOY_COLLECTION", "sensor")]

consumer = Consumer(
    {
        "bootstrap.servers": os.environ["BOOTSTRAP_SERVER"],
        "security.protocol": os.environ.get("SECURITY_PROTOCOL", "PLAINTEXT"),
        "sasl.mechanism": os.environ.get("SASL_MECHANISM", "PLAIN"),
        "sasl.username": os.environ.get("API_KEY", ""),
        "sasl.password": os.environ.get("API_SECRET_KEY", ""),
        "group.id": os.environ.get("CONVOY_GROUP", "group7"),
        "auto.offset.reset": "earliest",
    }
)
consumer.subscribe(os.environ.get("CONVOY_TOPIC", "kafka-sensor-topic").split(","))

records = []
seen = 0
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    records.append(json.loads(message.value()))
    if seen % BATCH == 0:
        collection.insert_many(records)
        records = []
    seen += 1
