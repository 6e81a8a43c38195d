"""librdkafka through confluent-kafka: `confluent.py HOST:PORT [CHECK…]`."""

import functools
import multiprocessing
import os
import signal
import time

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from checks import expect, run, unique, until

SECONDS = 20


@functools.cache
def admin(address):
    """Returns one client per address. It must live until its replies are read."""
    return AdminClient({"bootstrap.servers": address})


def create(address, partitions=1, **config):
    topic = unique("confluent")
    config = {name.replace("_", "."): value for name, value in config.items()}
    new = NewTopic(topic, partitions, 1, config=config)
    admin(address).create_topics([new])[topic].result(SECONDS)
    return topic


def produce(address, topic, count, **config):
    """Produces `count` numbered records and returns their (partition, offset)."""
    config = {name.replace("_", "."): value for name, value in config.items()}
    producer = Producer({"bootstrap.servers": address, **config})
    placed = []

    def delivered(error, message):
        if error is not None:
            raise KafkaException(error)
        placed.append((message.partition(), message.offset()))

    for number in range(count):
        producer.produce(topic, key=str(number % 7), value=f"value {number}", on_delivery=delivered)
        producer.poll(0)
    expect(producer.flush(SECONDS), 0, "undelivered records")
    expect(len(placed), count, "acknowledged records")
    return placed


def consumer(address, group, **config):
    config = {name.replace("_", "."): value for name, value in config.items()}
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            **config,
        }
    )


def read(reader, count):
    """Polls until `count` records have been read."""
    records = []

    def poll():
        for message in reader.consume(500, 0.2):
            if message.error():
                raise KafkaException(message.error())
            records.append(message)
        return len(records) >= count

    until(poll, f"reading {count} records")
    return records


def consumed_records_keep_order_keys_headers_and_timestamps(address):
    topic = create(address)
    producer = Producer({"bootstrap.servers": address})
    for number in range(100):
        headers = {"number": str(number), "empty": None}
        producer.produce(topic, f"v{number}", f"k{number}", headers=headers, timestamp=1000 + number)
    expect(producer.flush(SECONDS), 0, "undelivered records")
    reader = consumer(address, unique("group"))
    reader.subscribe([topic])
    for number, message in enumerate(read(reader, 100)):
        expect(message.offset(), number, "offset")
        expect(message.value(), f"v{number}".encode(), "value")
        expect(message.key(), f"k{number}".encode(), "key")
        expect(message.timestamp()[1], 1000 + number, "timestamp")
        expect(dict(message.headers()), {"number": str(number).encode(), "empty": None}, "headers")
    reader.close()


def every_codec_keeps_the_values(address):
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = create(address)
        produce(address, topic, 2000, compression_type=codec, linger_ms=20)
        reader = consumer(address, unique("group"))
        reader.subscribe([topic])
        values = [message.value() for message in read(reader, 2000)]
        expect(values, [f"value {number}".encode() for number in range(2000)], codec)
        reader.close()


def idempotent_producer_delivers_each_record_once(address):
    topic = create(address, partitions=3)
    placed = produce(address, topic, 20_000, enable_idempotence=True, linger_ms=2)
    expect(len(set(placed)), 20_000, "distinct partitions and offsets")
    reader = consumer(address, unique("group"))
    reader.subscribe([topic])
    values = {message.value() for message in read(reader, 20_000)}
    expect(len(values), 20_000, "distinct values")
    reader.close()


def every_acks_setting_stores_the_records(address):
    for acks in ["0", "1", "all"]:
        topic = create(address)
        producer = Producer({"bootstrap.servers": address, "acks": acks})
        for number in range(100):
            producer.produce(topic, str(number))
        expect(producer.flush(SECONDS), 0, "undelivered records")
        reader = consumer(address, unique("group"))
        reader.subscribe([topic])
        expect(len(read(reader, 100)), 100, f"acks {acks}")
        reader.close()


def group_resumes_at_its_committed_offset(address):
    topic, group = create(address), unique("group")
    produce(address, topic, 100)
    first = consumer(address, group, enable_auto_commit=False)
    first.subscribe([topic])
    read(first, 1)
    first.commit(offsets=[TopicPartition(topic, 0, 40)], asynchronous=False)
    expect(first.committed([TopicPartition(topic, 0)])[0].offset, 40, "committed offset")
    first.close()
    second = consumer(address, group)
    second.subscribe([topic])
    expect(read(second, 60)[0].offset(), 40, "first offset after the commit")
    second.close()


def _member(address, topic, group, strategy, count, output):
    reader = consumer(address, group, partition_assignment_strategy=strategy)
    assigned = set()

    def taken(_, partitions):
        assigned.update(partition.partition for partition in partitions)
        output.put(("assigned", os.getpid(), sorted(assigned)))

    def given_back(_, partitions):
        assigned.difference_update(partition.partition for partition in partitions)

    reader.subscribe([topic], on_assign=taken, on_revoke=given_back, on_lost=given_back)
    stop = time.monotonic() + 90
    while time.monotonic() < stop:
        for message in reader.consume(100, 0.2):
            if not message.error():
                output.put(("record", os.getpid(), message.value()))


def _group_of_three_loses_one(address, strategy):
    topic, group = create(address, partitions=6), unique("group")
    output = multiprocessing.Queue()
    members = []
    for _ in range(3):
        arguments = (address, topic, group, strategy, 0, output)
        member = multiprocessing.Process(target=_member, args=arguments, daemon=True)
        member.start()
        members.append(member)
    assigned, values = {}, set()

    def drain():
        while not output.empty():
            kind, pid, what = output.get()
            if kind == "assigned":
                assigned[pid] = what
            else:
                values.add(what)
        time.sleep(0.05)

    def shares(pids, each):
        drain()
        described = admin(address).describe_consumer_groups([group])[group].result(SECONDS)
        members = described.members
        sizes = sorted(len(member.assignment.topic_partitions) for member in members)
        return described.state.name == "STABLE" and sizes == [each] * pids

    try:
        until(lambda: shares(3, 2), "three members with two partitions each")
        produce(address, topic, 600)
        until(lambda: drain() or len(values) == 600, "600 records read")
        os.kill(members[0].pid, signal.SIGKILL)
        until(lambda: shares(2, 3), "two members with three partitions each")
        produce(address, topic, 1200)
        until(lambda: drain() or len(values) == 1200, "1,200 distinct records read")
    finally:
        for member in members:
            member.kill()


def group_with_range_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "range")


def group_with_round_robin_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "roundrobin")


def group_with_cooperative_sticky_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "cooperative-sticky")


def static_member_rejoins_without_a_rebalance(address):
    topic, group = create(address, partitions=2), unique("group")

    def start(instance):
        reader = consumer(address, group, group_instance_id=instance, session_timeout_ms=30000)
        reader.subscribe([topic])
        until(lambda: reader.consume(1, 0.2) or reader.assignment(), "an assignment")
        return reader

    def generation():
        described = admin(address).describe_consumer_groups([group])[group].result(SECONDS)
        return described.state.name, {member.group_instance_id for member in described.members}

    first = start("a")
    before = first.assignment()
    first.close()
    again = start("a")
    expect(again.assignment(), before, "assignment after rejoining")
    expect(generation(), ("STABLE", {"a"}), "group")
    again.close()


def offsets_are_found_by_time(address):
    topic = create(address)
    producer = Producer({"bootstrap.servers": address})
    for number in range(100):
        producer.produce(topic, str(number), timestamp=10_000 + number * 10)
    producer.flush(SECONDS)
    reader = consumer(address, unique("group"))
    found = reader.offsets_for_times([TopicPartition(topic, 0, 10_305)], SECONDS)
    expect(found[0].offset, 31, "offset by time")
    expect(reader.get_watermark_offsets(TopicPartition(topic, 0), SECONDS), (0, 100), "watermarks")
    latest = admin(address).list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()})
    expect(list(latest.values())[0].result(SECONDS).offset, 99, "offset of the highest timestamp")
    reader.close()


def admin_client_describes_and_alters_topics_and_groups(address):
    client = admin(address)
    topic = create(address, partitions=2, retention_ms="1000")
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = client.describe_configs([resource])[resource].result(SECONDS)
    expect(config["retention.ms"].value, "1000", "retention.ms")
    change = ConfigEntry("retention.ms", "2000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    client.incremental_alter_configs([changed])[changed].result(SECONDS)
    config = client.describe_configs([resource])[resource].result(SECONDS)
    expect(config["retention.ms"].value, "2000", "retention.ms after the change")
    policy = {AlterConfigOpType.APPEND: "delete,compact", AlterConfigOpType.SUBTRACT: "delete"}
    for operation, wanted in policy.items():
        change = ConfigEntry("cleanup.policy", "compact", incremental_operation=operation)
        changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
        client.incremental_alter_configs([changed])[changed].result(SECONDS)
        config = client.describe_configs([resource])[resource].result(SECONDS)
        expect(config["cleanup.policy"].value, wanted, f"cleanup.policy after {operation.name}")
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(SECONDS)
    metadata = client.list_topics(topic, SECONDS)
    expect(len(metadata.topics[topic].partitions), 5, "partitions")
    cluster = client.describe_cluster().result(SECONDS)
    expect(len(cluster.nodes), 1, "brokers")
    group = unique("group")
    reader = consumer(address, group)
    reader.subscribe([topic])
    produce(address, topic, 10)
    read(reader, 10)
    reader.commit(asynchronous=False)
    reader.close()
    listed = client.list_consumer_groups().result(SECONDS).valid
    expect(group in [listing.group_id for listing in listed], True, "the group is listed")
    wanted = ConsumerGroupTopicPartitions(group)
    offsets = client.list_consumer_group_offsets([wanted])[group].result(SECONDS)
    expect(sum(found.offset for found in offsets.topic_partitions), 10, "committed offsets")
    client.delete_consumer_groups([group])[group].result(SECONDS)
    partition = TopicPartition(topic, 0, 1)
    client.delete_records([partition])[partition].result(SECONDS)
    client.delete_topics([topic])[topic].result(SECONDS)
    expect(topic in client.list_topics(timeout=SECONDS).topics, False, "the topic is still listed")


def unknown_topic_is_created_by_a_produce_request(address):
    topic = unique("auto")
    produce(address, topic, 10)
    expect(topic in admin(address).list_topics(timeout=SECONDS).topics, True, "created")


def invalid_topic_name_is_rejected_at_once(address):
    producer = Producer({"bootstrap.servers": address, "allow.auto.create.topics": False})
    errors = []
    producer.produce("no such topic!", on_delivery=lambda error, _: errors.append(error.code()))
    expect(producer.flush(SECONDS), 0, "undelivered messages")
    expect(errors, [KafkaError.TOPIC_EXCEPTION], "errors")


def access_control_lists_are_rejected(address):
    rule = AclBinding(
        ResourceType.TOPIC,
        "trucks",
        ResourcePatternType.LITERAL,
        "User:driver",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    try:
        admin(address).create_acls([rule])[rule].result(SECONDS)
    except KafkaException as error:
        expect(error.args[0].code(), KafkaError.SECURITY_DISABLED, "error")
        return
    raise AssertionError("created an access control list")


def transactional(address, name, **config):
    """Returns a producer that may begin transactions."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": name, **config})
    producer.init_transactions(SECONDS)
    return producer


def committed_values(address, topic, count, level="read_committed"):
    """Reads `count` values from the start of a topic."""
    config = {"group.id": unique("readers"), "auto.offset.reset": "earliest", "isolation.level": level}
    consumer = Consumer({"bootstrap.servers": address, **config})
    consumer.subscribe([topic])
    values = []

    def enough():
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            values.append(message.value().decode())
        return len(values) >= count

    until(enough, f"{count} values")
    extra = consumer.poll(1)
    consumer.close()
    expect(extra, None, "values after the last committed one")
    return sorted(values)


def transactions_commit_and_abort(address):
    topic = create(address, partitions=3)
    producer = transactional(address, unique("transaction"))
    kept = []
    for round in range(6):
        producer.begin_transaction()
        for number in range(20):
            value = f"{round}-{number}"
            producer.produce(topic, value, key=value)
            if round % 3 != 1:
                kept.append(value)
        if round % 3 == 1:
            producer.flush(SECONDS)
            producer.abort_transaction(SECONDS)
        else:
            producer.commit_transaction(SECONDS)
    expect(committed_values(address, topic, len(kept)), sorted(kept), "committed values")
    all_values = committed_values(address, topic, 120, "read_uncommitted")
    expect(len(all_values), 120, "values with the aborted ones")


def open_transaction_is_not_read(address):
    topic = create(address)
    producer = transactional(address, unique("transaction"))
    producer.begin_transaction()
    producer.produce(topic, "open")
    producer.flush(SECONDS)
    consumer = Consumer({"bootstrap.servers": address, "group.id": unique("readers")})
    partition = TopicPartition(topic, 0)
    expect(consumer.get_watermark_offsets(partition, SECONDS), (0, 0), "stable offsets")
    producer.commit_transaction(SECONDS)
    expect(consumer.get_watermark_offsets(partition, SECONDS), (0, 2), "stable offsets")
    consumer.close()
    expect(committed_values(address, topic, 1), ["open"], "values")


def new_instance_fences_the_old_one(address):
    topic, name = create(address), unique("transaction")
    old = transactional(address, name)
    old.begin_transaction()
    old.produce(topic, "lost")
    old.flush(SECONDS)
    new = transactional(address, name)
    new.begin_transaction()
    new.produce(topic, "kept")
    new.commit_transaction(SECONDS)
    try:
        old.commit_transaction(SECONDS)
        raise AssertionError("the old instance committed")
    except KafkaException as error:
        expect(error.args[0].fatal(), True, "a fatal error")
    expect(committed_values(address, topic, 1), ["kept"], "values")


def offsets_are_committed_with_the_transaction(address):
    source, target = create(address), create(address)
    produce(address, source, 100)
    group = unique("readers")
    config = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": address, **config})
    consumer.subscribe([source])
    producer = transactional(address, unique("transaction"))
    moved = aborts = 0
    while moved < 100:
        messages = consumer.consume(10, SECONDS)
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, message.value())
        positions = consumer.position(consumer.assignment())
        metadata = consumer.consumer_group_metadata()
        producer.send_offsets_to_transaction(positions, metadata, SECONDS)
        if aborts < 2 and moved >= 20 * (aborts + 1):
            aborts += 1
            producer.abort_transaction(SECONDS)
            for partition in consumer.committed(consumer.assignment(), SECONDS):
                consumer.seek(partition)
        else:
            producer.commit_transaction(SECONDS)
            moved += len(messages)
    committed = consumer.committed([TopicPartition(source, 0)], SECONDS)[0].offset
    consumer.close()
    expect(committed, 100, "committed offset")
    expect(len(committed_values(address, target, 100)), 100, "values")


if __name__ == "__main__":
    run(
        consumed_records_keep_order_keys_headers_and_timestamps,
        every_codec_keeps_the_values,
        idempotent_producer_delivers_each_record_once,
        every_acks_setting_stores_the_records,
        group_resumes_at_its_committed_offset,
        group_with_range_assignment_survives_a_killed_member,
        group_with_round_robin_assignment_survives_a_killed_member,
        group_with_cooperative_sticky_assignment_survives_a_killed_member,
        static_member_rejoins_without_a_rebalance,
        offsets_are_found_by_time,
        admin_client_describes_and_alters_topics_and_groups,
        unknown_topic_is_created_by_a_produce_request,
        invalid_topic_name_is_rejected_at_once,
        access_control_lists_are_rejected,
        transactions_commit_and_abort,
        open_transaction_is_not_read,
        new_instance_fences_the_old_one,
        offsets_are_committed_with_the_transaction,
    )
