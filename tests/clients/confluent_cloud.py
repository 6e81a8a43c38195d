"""A typical program for Confluent Cloud and MongoDB Atlas: `confluent_cloud.py [ROWS.csv]`.

It takes its settings from `.env` in the current directory: with the cloud's `.env` it runs against the
cloud. A producer sends each row; its serializer registers a JSON Schema derived from the header. A
consumer in a group with automatic commits stores the rows in batches. Then the program compares the
number of rows sent with the number of documents stored. Needs confluent-kafka[json], python-dotenv and pymongo.
"""

import csv
import os
import random
import sys
import time
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import (
    MessageField,
    SerializationContext,
    StringDeserializer,
    StringSerializer,
)
from dotenv import load_dotenv
from pymongo import MongoClient

ROWS = 2500
BATCH = 500
DEADLINE_SECONDS = 60

load_dotenv(os.path.join(os.getcwd(), ".env"))


def cluster_settings():
    """Returns librdkafka's settings; by default those of Confluent Cloud, SASL_SSL and PLAIN."""
    settings = {
        "bootstrap.servers": os.environ["BOOTSTRAP_SERVER"],
        "security.protocol": os.getenv("SECURITY_PROTOCOL", "SASL_SSL"),
        "sasl.mechanisms": os.getenv("SASL_MECHANISM", "PLAIN"),
        "sasl.username": os.environ["API_KEY"],
        "sasl.password": os.environ["API_SECRET_KEY"],
    }
    if os.getenv("SSL_CA_LOCATION"):
        settings["ssl.ca.location"] = os.environ["SSL_CA_LOCATION"]
    return settings


def registry():
    key, secret = os.environ["SCHEMA_REGISTRY_API_KEY"], os.environ["SCHEMA_REGISTRY_API_SECRET"]
    url = os.environ["ENDPOINT_SCHEMA_URL"]
    return SchemaRegistryClient({"url": url, "basic.auth.user.info": f"{key}:{secret}"})


def schema_of(header):
    """Returns the schema of rows in which every column is a string."""
    properties = ", ".join(f'"{name}": {{"type": "string"}}' for name in header)
    return f"""{{
        "$id": "http://example.com/myURI.schema.json",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "additionalProperties": false,
        "description": "Sample schema to help you get started.",
        "properties": {{{properties}}},
        "title": "SampleRecord",
        "type": "object"
    }}"""


def rows(path):
    """Yields the rows of a file, or random rows of the same shape."""
    if path:
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)
        return
    draw = random.Random(7)
    for _ in range(ROWS):
        row = {"class": draw.choice(["neg"] * 59 + ["pos"])}
        row.update({f"a{n:02}_000": draw.choice(["na", str(draw.randrange(10**6))]) for n in range(30)})
        yield row


def produce(topic, path):
    header = list(next(rows(path)))
    serialize_key = StringSerializer("utf_8")
    serialize = JSONSerializer(schema_of(header), registry(), lambda row, _: row)
    producer = Producer(cluster_settings())
    failed, sent = [], 0

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    for row in rows(path):
        producer.poll(0)
        producer.produce(
            topic=topic,
            key=serialize_key(str(uuid4())),
            value=serialize(row, SerializationContext(topic, MessageField.VALUE)),
            on_delivery=delivered,
        )
        sent += 1
    left = producer.flush(DEADLINE_SECONDS)
    if failed or left:
        sys.exit(f"{len(failed)} records failed, {left} were not sent: {failed[:1]}")
    return sent, header


def consume(topic, header, expected, collection):
    settings = {"group.id": f"group-{uuid4()}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**cluster_settings(), **settings})
    consumer.subscribe([topic])
    deserialize_key = StringDeserializer("utf_8")
    deserialize = JSONDeserializer(schema_of(header), from_dict=lambda row, _: row)
    documents, stored = [], 0
    last = time.monotonic()
    while stored < expected and time.monotonic() < last + DEADLINE_SECONDS:
        message = consumer.poll(1.0)
        if message is None:
            continue
        last = time.monotonic()
        if message.error():
            sys.exit(f"consumer: {message.error()}")
        deserialize_key(message.key())
        context = SerializationContext(topic, MessageField.VALUE)
        documents.append(deserialize(message.value(), context))
        if len(documents) == BATCH or stored + len(documents) == expected:
            stored += len(collection.insert_many(documents).inserted_ids)
            documents = []
    consumer.close()
    return stored


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else None
    topic = f"kafka-sensor-topic-{uuid4().hex[:8]}"
    admin = AdminClient(cluster_settings())
    admin.create_topics([NewTopic(topic, 6, 1)])[topic].result(DEADLINE_SECONDS)
    sent, header = produce(topic, path)
    subjects = registry().get_subjects()
    if f"{topic}-value" not in subjects:
        sys.exit(f"the schema was not registered: {subjects}")
    database = MongoClient(os.environ["MONGO_DB_URL"])["machine_learning"]
    collection = database[topic]
    stored = consume(topic, header, sent, collection)
    counted = collection.count_documents({})
    positives = collection.count_documents({"class": "pos"})
    expected = sum(row["class"] == "pos" for row in rows(path))
    print(f"sent {sent}, stored {stored}, counted {counted}, of them {positives} pos")
    collection.drop()
    if not sent == stored == counted or positives != expected:
        sys.exit("rows are missing or corrupt")


if __name__ == "__main__":
    main()
