"""The Java client and Kafka's own tools: `KAFKA_JARS=DIR java.py HOST:PORT [CHECK…]`.

DIR holds kafka-clients, kafka-tools and what they need, for example from
`mvn dependency:copy-dependencies` of `org.apache.kafka:kafka-tools`.
"""

import json
import os
import re
import subprocess
import tempfile
import time

from checks import expect, run, unique, until

SECONDS = 90
JARS = os.environ.get("KAFKA_JARS", "")
TOOLS = "org.apache.kafka.tools."


def command(tool, *arguments):
    """Returns the command line of one of Kafka's tools."""
    return ["java", "-Xmx256m", "-cp", f"{JARS}/*", TOOLS + tool, *arguments]


def tool(name, *arguments, given=None):
    """Runs one of Kafka's tools and returns its output."""
    done = subprocess.run(
        command(name, *arguments),
        input=given,
        capture_output=True,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{name}: {done.stdout}\n{done.stderr}")
    return done.stdout


def create(address, partitions=1):
    topic = unique("java")
    shape = ["--partitions", str(partitions), "--replication-factor", "1"]
    tool("TopicCommand", "--bootstrap-server", address, "--create", "--topic", topic, *shape)
    return topic


def consume(address, topic, count, *arguments):
    return tool(
        "consumer.ConsoleConsumer",
        *("--bootstrap-server", address, "--topic", topic, "--from-beginning"),
        *("--max-messages", str(count), "--timeout-ms", "20000", *arguments),
    )


def topics_are_created_described_and_deleted(address):
    topic = create(address, partitions=3)
    server = ["--bootstrap-server", address]
    described = tool("TopicCommand", *server, "--describe", "--topic", topic)
    expect("PartitionCount: 3" in described, True, "partition count")
    tool("TopicCommand", *server, "--alter", "--topic", topic, "--partitions", "5")
    described = tool("TopicCommand", *server, "--describe", "--topic", topic)
    expect("PartitionCount: 5" in described, True, "partition count after growing")
    tool("TopicCommand", *server, "--delete", "--topic", topic)
    expect(topic in tool("TopicCommand", *server, "--list"), False, "the topic is still listed")


def every_codec_keeps_the_lines_of_the_console_tools(address):
    lines = "".join(f"line {number}\n" for number in range(1000))
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = create(address)
        tool(
            "ConsoleProducer",
            *("--bootstrap-server", address, "--topic", topic, "--compression-codec", codec),
            given=lines,
        )
        expect(consume(address, topic, 1000), lines, codec)


def idempotent_producer_delivers_each_record_once(address):
    topic = create(address, partitions=3)
    sent = tool(
        "VerifiableProducer",
        *("--bootstrap-server", address, "--topic", topic, "--max-messages", "20000"),
    )
    reports = [json.loads(line) for line in sent.splitlines() if line.startswith("{")]
    acked = [report for report in reports if report.get("name") == "producer_send_success"]
    expect(len(acked), 20_000, "acknowledged")
    places = {(report["partition"], report["offset"]) for report in acked}
    expect(len(places), 20_000, "distinct partitions and offsets")
    values = consume(address, topic, 20_000).split()
    expect(sorted(values, key=int), [str(number) for number in range(20_000)], "values")


class Members:
    """Verifiable consumers of one group, each a process."""

    def __init__(self, address, topic, group, strategy):
        self.arguments = ["--bootstrap-server", address, "--topic", topic, "--group-id", group]
        self.arguments += ["--assignment-strategy", strategy, "--session-timeout", "6000"]
        self.arguments += ["--reset-policy", "earliest"]
        self.processes, self.outputs = [], []

    def __enter__(self):
        for _ in range(3):
            output = tempfile.NamedTemporaryFile("w")
            self.outputs.append(output)
            process = subprocess.Popen(
                command("VerifiableConsumer", *self.arguments, "--verbose"),
                stdout=output,
                stderr=subprocess.DEVNULL,
            )
            self.processes.append(process)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def values(self):
        found = set()
        for output in self.outputs:
            # A file object of its own: the process writes at the position of the other one.
            with open(output.name, encoding="utf-8") as lines:
                for line in lines:
                    if '"record_data"' in line and line.endswith("\n"):
                        found.add(json.loads(line)["value"])
        return found


def describe(address, group):
    """Returns the members and the partitions of each, as the group tool prints them."""
    done = subprocess.run(
        command(
            "consumer.group.ConsumerGroupCommand",
            *("--bootstrap-server", address, "--describe", "--group", group, "--members"),
        ),
        capture_output=True,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(group)]
    return sorted(int(row[4]) for row in rows)


def _group_of_three_loses_one(address, strategy):
    topic, group = create(address, partitions=6), unique("group")
    with Members(address, topic, group, "org.apache.kafka.clients.consumer." + strategy) as members:
        until(lambda: describe(address, group) == [2, 2, 2], "two partitions each")
        produce = ["--bootstrap-server", address, "--topic", topic, "--max-messages"]
        tool("VerifiableProducer", *produce, "3000")
        until(lambda: time.sleep(0.2) or len(members.values()) == 3000, "3,000 records read")
        members.processes[0].kill()
        until(lambda: describe(address, group) == [3, 3], "three partitions each")
        tool("VerifiableProducer", *produce, "3000", "--value-prefix", "7")
        until(lambda: time.sleep(0.2) or len(members.values()) == 6000, "6,000 records read")


def group_with_range_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "RangeAssignor")


def group_with_round_robin_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "RoundRobinAssignor")


def group_with_cooperative_sticky_assignment_survives_a_killed_member(address):
    _group_of_three_loses_one(address, "CooperativeStickyAssignor")


def groups_are_listed_reset_and_deleted(address):
    topic, group = create(address), unique("group")
    lines = "".join(f"line {number}\n" for number in range(100))
    tool("ConsoleProducer", "--bootstrap-server", address, "--topic", topic, given=lines)
    consume(address, topic, 100, "--group", group)

    def groups(*arguments):
        return tool("consumer.group.ConsumerGroupCommand", "--bootstrap-server", address, *arguments)

    expect(group in groups("--list").split(), True, "the group is listed")
    state = groups("--describe", "--group", group, "--state")
    expect("Empty" in state, True, "the group is empty")
    described = groups("--describe", "--group", group)
    row = next(line.split() for line in described.splitlines() if line.startswith(group))
    expect(row[1:6], [topic, "0", "100", "100", "0"], "offset, end and lag")
    reset = ["--reset-offsets", "--to-offset", "40", "--topic", topic, "--execute"]
    groups("--group", group, *reset)
    rest = consume(address, topic, 60, "--group", group)
    expect(rest.splitlines()[0], "line 40", "first record after the reset")
    groups("--delete", "--group", group)
    expect(group in groups("--list").split(), False, "the group is still listed")


def offset_tool_lists_offsets(address):
    topic = create(address)
    tool("ConsoleProducer", "--bootstrap-server", address, "--topic", topic, given="a\nb\n")
    for time_, offset in [("-1", "2"), ("-2", "0"), ("-3", "1")]:
        arguments = ["--bootstrap-server", address, "--topic", topic, "--time", time_]
        line = tool("GetOffsetShell", *arguments).strip()
        expect(line, f"{topic}:0:{offset}", f"offset at {time_}")


def deletion_tool_deletes_records(address):
    topic = create(address)
    tool("ConsoleProducer", "--bootstrap-server", address, "--topic", topic, given="a\nb\nc\n")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"partitions": [{"topic": topic, "partition": 0, "offset": 2}]}, file)
        file.flush()
        arguments = ["--bootstrap-server", address, "--offset-json-file", file.name]
        deleted = tool("DeleteRecordsCommand", *arguments)
    expect("low_watermark: 2" in deleted, True, "low watermark")
    expect(consume(address, topic, 1), "c\n", "remaining record")


def new_group_protocol_is_rejected_with_a_reason(address):
    topic = create(address)
    arguments = ["--bootstrap-server", address, "--topic", topic, "--group", unique("group")]
    arguments += ["--consumer-property", "group.protocol=consumer", "--timeout-ms", "20000"]
    done = subprocess.run(
        command("consumer.ConsoleConsumer", *arguments),
        capture_output=True,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    reason = "The cluster does not support the new CONSUMER group protocol"
    expect(reason in done.stdout + done.stderr, True, "the reason is in the output")


def access_control_lists_are_rejected(address):
    done = subprocess.run(
        command("AclCommand", "--bootstrap-server", address, "--list"),
        capture_output=True,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    expect("SecurityDisabledException" in done.stdout + done.stderr, True, "the error is in the output")


def log_directory_is_described(address):
    topic = create(address)
    arguments = ["--bootstrap-server", address, "--describe", "--topic-list", topic]
    described = tool("LogDirsCommand", *arguments)
    expect(f"{topic}-0" in described, True, "the partition is described")


def performance_tool_finishes(address):
    topic = create(address)
    arguments = ["--topic", topic, "--num-records", "50000", "--record-size", "2300"]
    arguments += ["--throughput", "-1", "--producer-props", f"bootstrap.servers={address}", "acks=all"]
    report = tool("ProducerPerformance", *arguments)
    print("     " + report.strip().splitlines()[-1])
    expect(bool(re.search(r"50000 records sent", report)), True, "50,000 records sent")
    expect(offsets(address, topic), 50_000, "records stored")


def transactional_performance_tool_commits(address):
    topic = create(address)
    arguments = ["--topic", topic, "--num-records", "20000", "--record-size", "200"]
    arguments += ["--transactional-id", unique("perf"), "--transaction-duration-ms", "100"]
    arguments += ["--throughput", "-1", "--producer-props", f"bootstrap.servers={address}"]
    report = tool("ProducerPerformance", *arguments)
    expect(bool(re.search(r"20000 records sent", report)), True, "20,000 records sent")
    read = consume(address, topic, 20_000, "--isolation-level", "read_committed")
    expect(len(read.splitlines()), 20_000, "committed records")
    expect(offsets(address, topic) > 20_000, True, "markers stored")


def transactions_are_listed_described_and_their_producers_known(address):
    topic, name = create(address), unique("listed")
    arguments = ["--topic", topic, "--num-records", "10", "--record-size", "200"]
    arguments += ["--transactional-id", name, "--transaction-duration-ms", "100"]
    arguments += ["--throughput", "-1", "--producer-props", f"bootstrap.servers={address}"]
    tool("ProducerPerformance", *arguments)
    server = ["--bootstrap-server", address]
    expect(name in tool("TransactionsCommand", *server, "list"), True, "the id is listed")
    described = tool("TransactionsCommand", *server, "describe", "--transactional-id", name)
    expect("CompleteCommit" in described, True, "the state is described")
    partition = ["--topic", topic, "--partition", "0"]
    producers = tool("TransactionsCommand", *server, "describe-producers", *partition)
    expect(len(producers.strip().splitlines()), 2, "a heading and a producer")
    found = tool("TransactionsCommand", *server, "find-hanging", "--topic", topic)
    expect(len(found.strip().splitlines()), 1, "only a heading")


def offsets(address, topic):
    line = tool("GetOffsetShell", "--bootstrap-server", address, "--topic", topic).strip()
    return int(line.rsplit(":", 1)[1])


if __name__ == "__main__":
    run(
        topics_are_created_described_and_deleted,
        every_codec_keeps_the_lines_of_the_console_tools,
        idempotent_producer_delivers_each_record_once,
        group_with_range_assignment_survives_a_killed_member,
        group_with_round_robin_assignment_survives_a_killed_member,
        group_with_cooperative_sticky_assignment_survives_a_killed_member,
        groups_are_listed_reset_and_deleted,
        offset_tool_lists_offsets,
        deletion_tool_deletes_records,
        new_group_protocol_is_rejected_with_a_reason,
        access_control_lists_are_rejected,
        log_directory_is_described,
        performance_tool_finishes,
        transactional_performance_tool_commits,
        transactions_are_listed_described_and_their_producers_known,
    )
