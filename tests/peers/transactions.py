"""Kills `convoy up` while transactional consumers copy a topic, and compares the copy with what was acknowledged.

Workers (librdkafka) read `in`, write a copy and commit their offsets in the same transaction; a part of the
transactions aborts. The workers of one copy have a partition each, those of the other are members of a group. The
broker is killed at random moments. At the end each acknowledged record of `in` must be in both copies exactly once, and
both groups must be at the end: `transactions.py CONVOY [--kills 100]`. Needs the Python package confluent-kafka.
"""

import argparse
import collections
import faulthandler
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SOURCE = "in"
# Names of the copies and of their groups: partitions are assigned by hand, or by the group.
FIXED, MEMBERS = "fixed", "members"
# A call into the client that takes longer than this hangs.
CALL_DEADLINE = 90


class Server:
    """`convoy up` on fixed ports, so that clients find it again."""

    def __init__(self, convoy, directory):
        self.convoy, self.directory = convoy, directory
        self.ports = free_ports(3)
        self.process = None

    @property
    def broker(self):
        return f"127.0.0.1:{self.ports[0]}"

    def start(self):
        broker, registry, store = map(str, self.ports)
        command = [self.convoy, "up", "--anonymous", "--data-dir", self.directory / "data"]
        command += ["--broker-port", broker, "--registry-port", registry, "--store-port", store]
        log = open(self.directory / "up.log", "ab")
        self.process = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=log)
        wait_for(lambda: self.process.poll() is not None or is_open(self.ports[0]), 60, "the broker's start")
        if self.process.poll() is not None:
            sys.exit("FAILED: convoy up ended:\n" + (self.directory / "up.log").read_text()[-2000:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        # Below the range from which the kernel takes ports for outgoing connections.
        while True:
            try:
                each.bind(("127.0.0.1", random.randrange(20000, 30000)))
                break
            except OSError:
                continue
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: waited {seconds} s for {what}")
        time.sleep(0.02)


class Calls:
    """Which call each worker is in, and since when."""

    def __init__(self):
        self.running = {}
        self.longest = collections.Counter()

    def __call__(self, worker, name, call, *arguments):
        began = time.monotonic()
        self.running[worker] = (name, began)
        try:
            return call(*arguments)
        finally:
            del self.running[worker]
            self.longest[name] = max(self.longest[name], time.monotonic() - began)

    def hung(self):
        now = time.monotonic()
        calls = list(self.running.items())
        return [f"{worker} in {name} for {now - began:.0f} s" for worker, (name, began) in calls if now - began > CALL_DEADLINE]


class Feeder(threading.Thread):
    """Writes numbered records; a record counts once it is acknowledged."""

    def __init__(self, server, partitions, stop, rate):
        super().__init__(daemon=True)
        self.server, self.partitions, self.stop, self.rate = server, partitions, stop, rate
        self.acknowledged, self.refused = set(), collections.Counter()

    def run(self):
        producer = Producer({"bootstrap.servers": self.server.broker, "enable.idempotence": True, "linger.ms": 5, "log_level": 0})
        number = 0
        while not self.stop.is_set():
            for _ in range(max(1, self.rate // 50)):
                producer.produce(SOURCE, b"%d" % number, partition=number % self.partitions, on_delivery=self.delivered)
                number += 1
            producer.poll(0)
            time.sleep(0.02)
        left = producer.flush(120)
        self.refused["not answered"] += left

    def delivered(self, error, message):
        if error:
            self.refused[error.name()] += 1
        else:
            self.acknowledged.add(int(message.value()))


class Worker(threading.Thread):
    """Copies records with their offsets in one transaction."""

    def __init__(self, group, index, server, stop, calls, debug):
        super().__init__(daemon=True)
        self.group, self.index, self.label = group, index, f"{group}-{index}"
        self.server, self.stop, self.calls, self.debug = server, stop, calls, debug
        self.random = random.Random(self.label)
        self.commits = self.aborts = self.unknown = 0
        self.errors = collections.Counter()

    def run(self):
        while not self.stop.is_set():
            try:
                self.copy()
            except KafkaException as error:
                self.errors[error.args[0].name()] += 1
                time.sleep(0.1)

    def settings(self, **more):
        settings = {"bootstrap.servers": self.server.broker, "log_level": 0, "reconnect.backoff.max.ms": 500, **more}
        # librdkafka (2.16) forgets its brokers when all are down, but not the coordinator that it keeps for a group:
        # send_offsets_to_transaction then waits for that connection and never returns.
        settings["metadata.recovery.strategy"] = "none"
        if self.debug:
            settings |= {"debug": "eos,broker,protocol", "log_level": 7}
        return settings

    def copy(self):
        """Works until an error makes a new producer necessary."""
        producer = Producer(self.settings(**{"transactional.id": self.label, "transaction.timeout.ms": 20000}))
        group = {"group.id": self.group, "enable.auto.commit": False, "isolation.level": "read_committed"}
        group |= {"auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        consumer = Consumer(self.settings(**group))
        try:
            self.calls(self.label, "init_transactions", producer.init_transactions, 60)
            if self.group == MEMBERS:
                consumer.subscribe([SOURCE])
            else:
                consumer.assign([TopicPartition(SOURCE, self.index)])
            while not self.stop.is_set():
                self.step(producer, consumer)
        finally:
            self.calls(self.label, "close", consumer.close)

    def step(self, producer, consumer):
        messages = [each for each in consumer.consume(self.random.randrange(1, 80), 0.2) if not each.error()]
        if not messages:
            return
        try:
            self.transact(producer, consumer, messages)
        except KafkaException as failure:
            error = failure.args[0]
            self.errors[error.name()] += 1
            if error.fatal() or not error.txn_requires_abort():
                raise
            self.calls(self.label, "abort_transaction", producer.abort_transaction, 60)
            self.aborts += 1
            self.rewind(consumer)

    def transact(self, producer, consumer, messages):
        producer.begin_transaction()
        for message in messages:
            producer.produce(self.group, message.value(), partition=message.partition())
            producer.poll(0)
        ends = {}
        for message in messages:
            ends[message.partition()] = message.offset() + 1
        offsets = [TopicPartition(SOURCE, partition, offset) for partition, offset in ends.items()]
        metadata = consumer.consumer_group_metadata()
        retry(lambda: self.calls(self.label, "send_offsets_to_transaction", producer.send_offsets_to_transaction, offsets, metadata))
        if self.random.random() < 0.2:
            retry(lambda: self.calls(self.label, "abort_transaction", producer.abort_transaction, 60))
            self.aborts += 1
            self.rewind(consumer)
            return
        try:
            retry(lambda: self.calls(self.label, "commit_transaction", producer.commit_transaction, 60))
            self.commits += 1
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                self.unknown += 1
            raise

    def rewind(self, consumer):
        """Moves back to the committed offsets."""
        assigned = consumer.assignment()
        if not assigned:
            return
        for each in self.calls(self.label, "committed", consumer.committed, assigned, 30):
            if each.offset < 0:
                each.offset = 0
            consumer.seek(each)


def retry(call):
    deadline = time.monotonic() + 60
    while True:
        try:
            return call()
        except KafkaException as failure:
            if not failure.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def read_copy(broker, copy, partitions):
    """Returns how often each number is in the copy, and how many are out of order."""
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "audit", "enable.auto.commit": False, "isolation.level": "read_committed",
         "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(copy, partition, 0) for partition in range(partitions)])
    counts, last, disordered, open_partitions = collections.Counter(), {}, 0, set(range(partitions))
    deadline = time.monotonic() + 120
    while open_partitions:
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: `{copy}` cannot be read to its end: a transaction is still open")
        for message in consumer.consume(1000, 1):
            if message.error():
                open_partitions.discard(message.partition())
                continue
            number = int(message.value())
            counts[number] += 1
            disordered += number <= last.get(message.partition(), -1)
            last[message.partition()] = number
    consumer.close()
    return counts, disordered


def lag(broker, group, partitions):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        asked = [TopicPartition(SOURCE, partition) for partition in range(partitions)]
        committed = consumer.committed(asked, 10)
        ends = [consumer.get_watermark_offsets(each, 10)[1] for each in asked]
        return sum(end - max(each.offset, 0) for end, each in zip(ends, committed))
    except KafkaException:
        return None
    finally:
        consumer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("convoy", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--members", type=int, default=2, help="members of the group")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--rate", type=int, default=400, help="records per second")
    parser.add_argument("--debug", action="store_true", help="log what the workers' clients do")
    parser.add_argument("--keep", action="store_true", help="keep the directory")
    arguments = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="transactions-"))
    server = Server(arguments.convoy.resolve(), directory)
    try:
        server.start()
        run(arguments, server)
    finally:
        server.stop()
        if arguments.keep:
            print("kept", directory)
        else:
            shutil.rmtree(directory)


def run(arguments, server):
    partitions = arguments.partitions
    admin = AdminClient({"bootstrap.servers": server.broker, "log_level": 0})
    topics = [NewTopic(name, partitions, 1) for name in (SOURCE, FIXED, MEMBERS)]
    for created in admin.create_topics(topics).values():
        created.result(30)
    fed, done, calls = threading.Event(), threading.Event(), Calls()
    feeder = Feeder(server, partitions, fed, arguments.rate)
    roles = [(FIXED, index) for index in range(partitions)] + [(MEMBERS, index) for index in range(arguments.members)]
    workers = [Worker(*role, server, done, calls, arguments.debug) for role in roles]
    for thread in [feeder, *workers]:
        thread.start()
    pause = random.Random(arguments.kills)
    for kill in range(1, arguments.kills + 1):
        # A group settles only if the broker lives longer than a session.
        time.sleep(pause.uniform(8, 12) if kill % 5 == 0 else pause.uniform(0.2, 3))
        server.kill()
        time.sleep(pause.choice([0, 0, 0.2, 1]))
        server.start()
        if kill % 10 == 0:
            print(f"{kill} kills, {len(feeder.acknowledged)} acknowledged,", counts(workers), flush=True)
        check_calls(calls, server)
    fed.set()
    feeder.join(150)
    deadline = time.monotonic() + 300
    while any(lags := [lag(server.broker, group, partitions) for group in (FIXED, MEMBERS)]) or None in lags:
        check_calls(calls, server)
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: the groups' lags are {lags} after 300 s; in {dict(calls.running)}")
        time.sleep(1)
    done.set()
    for worker in workers:
        worker.join(CALL_DEADLINE)
    report(arguments, server, feeder, workers, calls)


def check_calls(calls, server):
    hung = calls.hung()
    if hung:
        print("FAILED: " + ", ".join(hung), flush=True)
        faulthandler.dump_traceback()
        server.stop()
        # Not `exit`, which waits for the clients.
        os._exit(1)


def counts(workers):
    parts = []
    for group in (FIXED, MEMBERS):
        total = lambda name: sum(getattr(each, name) for each in workers if each.group == group)
        parts.append(f"{group}: {total('commits')} commits, {total('aborts')} aborts, {total('unknown')} unknown ends")
    return " · ".join(parts)


def report(arguments, server, feeder, workers, calls):
    errors = sum((each.errors for each in workers), collections.Counter())
    print(f"{arguments.kills} kills · {counts(workers)}")
    print(f"acknowledged {len(feeder.acknowledged)}, refused {dict(feeder.refused)}")
    print("errors of clients:", dict(errors))
    print("longest calls:", {name: f"{seconds:.1f} s" for name, seconds in calls.longest.items()})
    failed = False
    for copy in (FIXED, MEMBERS):
        found, disordered = read_copy(server.broker, copy, arguments.partitions)
        missing = feeder.acknowledged - found.keys()
        twice = sum(count > 1 for count in found.values())
        print(f"{copy}: copied {len(found)}, missing {len(missing)}, twice {twice}, out of order {disordered}")
        failed |= bool(missing or twice or disordered)
    if failed:
        sys.exit("FAILED")


if __name__ == "__main__":
    main()
