"""aiokafka and kafka-python-ng, which implement the protocol in Python: `pure_python.py HOST:PORT`."""

import asyncio
import contextlib

import aiokafka
import kafka
import kafka.admin

from checks import expect, run, unique, until

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]


def aiokafka_keeps_values_with_every_codec(address):
    async def check():
        for codec in CODECS:
            topic = unique("aiokafka")
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=address, compression_type=codec, enable_idempotence=True
            )
            async with producer:
                sends = [await producer.send(topic, b"%d" % number) for number in range(500)]
                offsets = [(await sent).offset for sent in sends]
            expect(offsets, list(range(500)), "offsets")
            consumer = aiokafka.AIOKafkaConsumer(
                topic,
                bootstrap_servers=address,
                group_id=unique("group"),
                auto_offset_reset="earliest",
            )
            async with consumer:
                for number in range(500):
                    record = await asyncio.wait_for(consumer.getone(), 20)
                    expect(record.value, b"%d" % number, f"{codec}")

    asyncio.run(check())


def aiokafka_shares_partitions_and_takes_over_those_of_a_closed_member(address):
    async def check():
        topic, group = unique("aiokafka"), unique("group")
        admin = kafka.admin.KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics([kafka.admin.NewTopic(topic, 4, 1)])
        async with contextlib.AsyncExitStack() as stack:
            consumers = []
            for _ in range(2):
                consumer = aiokafka.AIOKafkaConsumer(
                    topic,
                    bootstrap_servers=address,
                    group_id=group,
                    session_timeout_ms=6000,
                    heartbeat_interval_ms=500,
                )
                await consumer.start()
                consumers.append(consumer)
            stack.push_async_callback(consumers[0].stop)

            async def shares(members, wanted):
                for _ in range(300):
                    for consumer in members:
                        await consumer.getmany(timeout_ms=50)
                    sizes = [len(consumer.assignment()) for consumer in members]
                    if sizes == wanted:
                        return
                raise AssertionError(f"shares of {wanted} were not reached: {sizes}")

            await shares(consumers, [2, 2])
            await consumers[1].stop()
            await shares(consumers[:1], [4])

    asyncio.run(check())


def kafka_python_keeps_values_with_every_codec(address):
    for codec in CODECS:
        topic = unique("kafka-python")
        producer = kafka.KafkaProducer(bootstrap_servers=address, compression_type=codec, linger_ms=20)
        sent = [producer.send(topic, b"%d" % number, headers=[("h", b"v")]) for number in range(500)]
        expect([future.get(20).offset for future in sent], list(range(500)), "offsets")
        producer.close()
        consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=address,
            group_id=unique("group"),
            auto_offset_reset="earliest",
            consumer_timeout_ms=20_000,
        )
        for number, record in zip(range(500), consumer):
            expect((record.value, record.headers), (b"%d" % number, [("h", b"v")]), f"{codec}")
        consumer.close()


def kafka_python_commits_and_seeks(address):
    topic, group = unique("kafka-python"), unique("group")
    producer = kafka.KafkaProducer(bootstrap_servers=address)
    for number in range(100):
        producer.send(topic, b"%d" % number, timestamp_ms=1_000 + number)
    producer.flush()
    partition = kafka.TopicPartition(topic, 0)
    consumer = kafka.KafkaConsumer(bootstrap_servers=address, group_id=group)
    consumer.assign([partition])
    expect(consumer.beginning_offsets([partition])[partition], 0, "beginning")
    expect(consumer.end_offsets([partition])[partition], 100, "end")
    expect(consumer.offsets_for_times({partition: 1_050})[partition].offset, 50, "by time")
    consumer.commit({partition: kafka.OffsetAndMetadata(42, "note")})
    expect(consumer.committed(partition, metadata=True).metadata, "note", "metadata of the commit")
    consumer.close()
    again = kafka.KafkaConsumer(bootstrap_servers=address, group_id=group)
    again.assign([partition])
    expect(again.position(partition), 42, "position after the commit")
    again.close()


def kafka_python_administers_topics(address):
    topic = unique("kafka-python")
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([kafka.admin.NewTopic(topic, 2, 1, topic_configs={"retention.ms": "5"})])
    until(lambda: topic in admin.list_topics(), "the topic is listed", 10)
    resource = kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, topic)
    described = admin.describe_configs([resource])[0].resources[0]
    settings = {setting[0]: setting[1] for setting in described[4]}
    expect(settings["retention.ms"], "5", "retention.ms")
    admin.create_partitions({topic: kafka.admin.NewPartitions(3)})
    expect(len(admin.describe_topics([topic])[0]["partitions"]), 3, "partitions")
    admin.delete_topics([topic])
    expect(topic in admin.list_topics(), False, "the topic is still listed")


if __name__ == "__main__":
    run(
        aiokafka_keeps_values_with_every_codec,
        aiokafka_shares_partitions_and_takes_over_those_of_a_closed_member,
        kafka_python_keeps_values_with_every_codec,
        kafka_python_commits_and_seeks,
        kafka_python_administers_topics,
    )
