"""A plain consumer with confluent-kafka and pymongo; the variables say where.

It stores what one call of the client returns, with `_id`s made of topic, partition and offset and
writes that are on disk when they are acknowledged, and commits the offsets afterwards.
"""

import json
import os
import signal
import sys

from confluent_kafka import Consumer
from pymongo import MongoClient, WriteConcern
from pymongo.errors import BulkWriteError

BATCH, WAIT_SECONDS = 1_000, 0.1
DUPLICATE_KEY = 11000


def document(message):
    fields = json.loads(message.value())
    fields["_id"] = f"{message.topic()}/{message.partition()}/{message.offset()}"
    return fields


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    collection = MongoClient(os.environ["MONGO_DB_URL"])[os.environ["CONVOY_DATABASE"]].get_collection(
        os.environ["CONVOY_COLLECTION"], write_concern=WriteConcern(w="majority", j=True)
    )
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["BOOTSTRAP_SERVER"],
            "group.id": os.environ["CONVOY_GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([os.environ["CONVOY_TOPIC"]])
    while True:
        messages = [it for it in consumer.consume(BATCH, WAIT_SECONDS) if not it.error()]
        if not messages:
            continue
        try:
            collection.insert_many([document(message) for message in messages], ordered=False)
        except BulkWriteError as error:
            if any(it["code"] != DUPLICATE_KEY for it in error.details["writeErrors"]):
                raise
        consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
