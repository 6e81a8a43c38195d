"""What the comparisons share: jars from Maven Central, servers to start, and rounds that alternate."""

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

KAFKA_VERSION = "4.1.0"
DEADLINE_SECONDS = 300

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target"

TOOLS = [
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
]
KAFKA = [*TOOLS, ("org.slf4j", "slf4j-simple", "1.7.36")]
CONNECT = [
    *TOOLS,
    ("org.apache.kafka", "connect-runtime", KAFKA_VERSION),
    ("org.apache.kafka", "connect-json", KAFKA_VERSION),
    ("org.mongodb.kafka", "mongo-kafka-connect", "2.0.1"),
]
JAVA_DRIVER = [("org.mongodb", "mongodb-driver-sync", "5.5.1"), ("org.slf4j", "slf4j-nop", "1.7.36")]


def jars(name, artifacts):
    """Brings jars and what they need here, once; returns the class path."""
    directory = TARGET / "tmp" / name
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in artifacts
    )
    pom = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>convoy</groupId><artifactId>bench</artifactId><version>1</version>"
        f"<dependencies>{wanted}</dependencies></project>\n"
    )
    receipt = directory / "installed.txt"
    if not receipt.exists() or receipt.read_text() != pom:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pom.xml").write_text(pom)
        copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
        subprocess.run(copy, cwd=directory, check=True, timeout=DEADLINE_SECONDS)
        receipt.write_text(pom)
    return f"{directory}/lib/*"


def java(path, main, *arguments, heap="512m", **options):
    command = ["java", f"-Xmx{heap}", "-cp", path, main, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, **options)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_kafka(path, directory):
    """Starts one Kafka node that is its own controller; returns process and address."""
    broker, controller = free_port(), free_port()
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": f"{directory}/kafka",
        "offsets.topic.replication.factor": 1,
    }
    file = Path(directory, "server.properties")
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    identity = java(path, "kafka.tools.StorageTool", "random-uuid", check=True).stdout.split()[-1]
    java(path, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(file), check=True)
    log = open(Path(directory, "kafka.log"), "w", encoding="utf-8")
    command = ["java", "-Xmx1g", "-Xms1g", "-XX:+UseG1GC", "-cp", path, "kafka.Kafka", str(file)]
    return subprocess.Popen(command, stdout=log, stderr=log), f"127.0.0.1:{broker}"


def start_convoy(executable, directory, data=None, options=()):
    """Starts `convoy up`; returns process, address of the broker and URI of the store."""
    os.makedirs(directory, exist_ok=True)
    command = [executable, "up", "--anonymous", "--data-dir", data or f"{directory}/convoy"]
    command += ["--broker-port", "0", "--registry-port", "0", "--store-port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory)
    variables = {}
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        variables[name] = value
        if {"BOOTSTRAP_SERVER", "MONGO_DB_URL"} <= variables.keys():
            return process, variables["BOOTSTRAP_SERVER"], variables["MONGO_DB_URL"]
    sys.exit("convoy did not start")


def start_ferretdb(executable, directory):
    """Starts FerretDB with SQLite; returns process and URI."""
    port = free_port()
    command = [executable, "--handler=sqlite", f"--sqlite-url=file:{directory}/ferret/"]
    command += [f"--state-dir={directory}/ferret", f"--listen-addr=127.0.0.1:{port}"]
    command += ["--telemetry=disable", "--debug-addr=-", "--log-level=error"]
    os.makedirs(f"{directory}/ferret")
    with open(f"{directory}/ferretdb.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    return process, f"mongodb://127.0.0.1:{port}/"


def stop(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def create_topic(path, address, partitions=1, prefix="bench"):
    """Creates a topic with a new name; waits for a broker that starts."""
    topic = f"{prefix}-{uuid.uuid4().hex[:8]}"
    shape = ["--partitions", str(partitions), "--replication-factor", "1"]
    deadline = time.monotonic() + 60
    while True:
        created = java(
            path,
            "org.apache.kafka.tools.TopicCommand",
            *("--bootstrap-server", address, "--create", "--topic", topic, *shape),
        )
        if created.returncode == 0:
            return topic
        if time.monotonic() > deadline:
            sys.exit(f"{address}: {created.stderr}")


class Budget:
    """Time for a comparison: it ends with fewer rounds rather than later."""

    def __init__(self, minutes):
        self.began = time.monotonic()
        self.seconds = minutes * 60

    def used(self):
        """Returns the share that is used."""
        return (time.monotonic() - self.began) / self.seconds

    def rounds(self, what, count, share):
        """Yields numbers of rounds: at least one, and no more than end within a share of the time."""
        longest = 0
        for number in range(count):
            if number > 0 and self.used() + longest > share:
                print(f"{what}: {number} of {count} rounds fit into {self.seconds / 60:g} minutes (`--minutes`)", flush=True)
                return
            before = self.used()
            yield number
            longest = max(longest, self.used() - before)

    def told(self):
        return f"{(time.monotonic() - self.began) / 60:.1f} minutes"


def end_on_signals():
    """Makes SIGTERM and SIGHUP end this program as Ctrl-C does: what it has started ends before it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("interrupted"))


def finish(command, seconds, **options):
    """Runs a command and returns it as `subprocess.run` does. One that runs for too long, or still runs
    when this program ends, gets SIGTERM first, so that it can end what it has started."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, **options) as process:
        try:
            out, errors = process.communicate(timeout=seconds)
        except BaseException:
            process.terminate()
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def alternate(sides, number):
    """Returns the sides in the order of a round: every other round begins with the last one."""
    sides = list(sides)
    return sides if number % 2 == 0 else sides[::-1]


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def ratios(rounds, ours, other):
    """Returns ours ÷ other of each round that has both."""
    pairs = [(one.get(ours), one.get(other)) for one in rounds]
    return [a / b for a, b in pairs if a and b]


def table(head, rows):
    """Prints a table in Markdown."""
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join('–' if cell is None else str(cell) for cell in row)} |")
    sys.stdout.flush()


def shown(value, digits=0):
    return None if value is None else f"{value:,.{digits}f}"


def ranged(values, digits=2):
    """Returns the median of values, with the smallest and the largest one: `1.90 (1.70–2.10)`."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(known), min(known), max(known)))
    return middle if len(known) == 1 else f"{middle} ({low}–{high})"
