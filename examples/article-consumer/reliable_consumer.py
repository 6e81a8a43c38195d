"""The same consumer, corrected: no record is lost, and none is stored twice.

* Offsets are committed only after their records are stored, and never by the client itself.
* A batch is stored when it is full or when it has waited long enough, and once more at the end.
* `_id` is made of topic, partition and offset: a record that is read again is not stored again.
* Writes are acknowledged when they are on disk. A store that is away is waited for.
"""

import json
import os
import signal
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from pymongo import MongoClient, WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError

BATCH = 5000
WAIT = 0.2  # seconds that an incomplete batch waits
DUPLICATE_KEY = 11000

running = True


def stop(_signal, _frame):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)

database = MongoClient(os.environ["MONGO_DB_URL"], serverSelectionTimeoutMS=2000)[
    os.environ.get("CONVOY_DATABASE", "convoy")
]
collection = database.get_collection(
    os.environ.get("CONVOY_COLLECTION", "sensor"),
    write_concern=WriteConcern(w="majority", j=True),
)

consumer = Consumer(
    {
        "bootstrap.servers": os.environ["BOOTSTRAP_SERVER"],
        "security.protocol": os.environ.get("SECURITY_PROTOCOL", "PLAINTEXT"),
        "sasl.mechanism": os.environ.get("SASL_MECHANISM", "PLAIN"),
        "sasl.username": os.environ.get("API_KEY", ""),
        "sasl.password": os.environ.get("API_SECRET_KEY", ""),
        "group.id": os.environ.get("CONVOY_GROUP", "group7"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        # A killed consumer holds its partitions for this long.
        "session.timeout.ms": 6000,
    }
)
consumer.subscribe(os.environ.get("CONVOY_TOPIC", "kafka-sensor-topic").split(","))


def document(message):
    fields = json.loads(message.value())
    fields["_id"] = f"{message.topic()}/{message.partition()}/{message.offset()}"
    return fields


def store(messages):
    """Stores messages until the store has all of them; then commits the offsets after them."""
    documents = [document(message) for message in messages]
    while True:
        try:
            collection.insert_many(documents, ordered=False)
            break
        except BulkWriteError as error:
            # Stored before: this process, or one before it, read the records twice.
            others = [it for it in error.details["writeErrors"] if it["code"] != DUPLICATE_KEY]
            if not others and not error.details["writeConcernErrors"]:
                break
            print(f"inserting again: {others[:1]}", flush=True)
        except PyMongoError as error:
            print(f"inserting again: {error}", flush=True)
        time.sleep(0.2)
    after = {}
    for message in messages:
        place = (message.topic(), message.partition())
        after[place] = max(after.get(place, 0), message.offset() + 1)
    offsets = [TopicPartition(topic, number, offset) for (topic, number), offset in after.items()]
    try:
        consumer.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        # Another member may have the partitions now; it reads and stores the same records.
        print(f"not committed: {error}", flush=True)


batch = []
since = time.monotonic()
while running:
    message = consumer.poll(0.1)
    if message is not None and message.error():
        print(f"consuming: {message.error()}", flush=True)
    elif message is not None:
        if not batch:
            since = time.monotonic()
        batch.append(message)
    if batch and (len(batch) >= BATCH or time.monotonic() - since >= WAIT):
        store(batch)
        batch = []
if batch:
    store(batch)
consumer.close()
