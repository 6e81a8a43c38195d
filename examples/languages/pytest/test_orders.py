import json
import os

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def store(consumer, orders, count):
    """The code under test: stores a number of orders, then commits."""
    for _ in range(count):
        message = consumer.poll(30)
        assert message is not None and message.error() is None, message
        order = json.loads(message.value())
        orders.replace_one({"_id": order["number"]}, order, upsert=True)
    consumer.commit(asynchronous=False)


def test_orders_are_stored_once(kafka, database):
    topic = f"orders-{os.urandom(6).hex()}"
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(topic, 3)])[topic].result(30)
    producer = Producer(kafka)
    for number in range(20):
        producer.produce(topic, json.dumps({"number": number, "cents": 100}), str(number))
    assert producer.flush(30) == 0

    settings = {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**kafka, **settings})
    consumer.subscribe([topic])
    store(consumer, database.orders, 20)

    assert database.orders.count_documents({"cents": 100}) == 20
    committed = consumer.committed(consumer.assignment(), 30)
    assert sum(partition.offset for partition in committed if partition.offset > 0) == 20
    consumer.close()
