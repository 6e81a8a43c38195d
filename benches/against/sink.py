"""Becomes one of the programs that move records from Kafka into MongoDB: `sink.py NAME CONVOY DIR`.

The variables of `convoy simulate --consumer external` say where; CONVOY is the executable, DIR has room
for files. `python sink.py` lists the names.
"""

import os
import subprocess
import sys
from pathlib import Path

from common import CONNECT, HERE, TARGET, free_port, jars

CONNECT_SETTINGS = {
    "connect": {},
    # As many tasks as partitions, large batches, no order within a batch.
    "connect-tuned": {
        "tasks.max": 4,
        "max.batch.size": 1000,
        "bulk.write.ordered": "false",
        "consumer.override.max.poll.records": 2000,
    },
    # The settings that its documentation gives for documents that are not repeated.
    "connect-once": {
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
        "writemodel.strategy": "com.mongodb.kafka.connect.sink.writemodel.strategy.ReplaceOneDefaultStrategy",
    },
}

NAMES = {
    "convoy": "convoy consume",
    "connect": "Connect, default",
    "connect-tuned": "Connect, tuned",
    "connect-once": "Connect, idempotent",
    "python": "Python (confluent-kafka, pymongo)",
    "native": "C (librdkafka, libmongoc)",
}


def variable(name):
    return os.environ[name]


def convoy(executable, _directory):
    return [executable, "consume", "--no-env-file", "--quiet", "--output", "consumed"]


def connect(name, directory):
    worker = {
        "bootstrap.servers": variable("BOOTSTRAP_SERVER"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": f"{directory}/offsets",
        "listeners": f"http://127.0.0.1:{free_port()}",
        "plugin.discovery": "hybrid_warn",
    }
    sink = {
        "name": variable("CONVOY_GROUP"),
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": variable("CONVOY_TOPIC"),
        "connection.uri": variable("MONGO_DB_URL"),
        "database": variable("CONVOY_DATABASE"),
        "collection": variable("CONVOY_COLLECTION"),
        "tasks.max": 1,
    } | CONNECT_SETTINGS[name]
    files = []
    for file, properties in [("worker.properties", worker), ("sink.properties", sink)]:
        path = Path(directory, file)
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        files.append(str(path))
    path = jars("connect", CONNECT)
    return ["java", "-Xmx1g", "-cp", path, "org.apache.kafka.connect.cli.ConnectStandalone", *files]


def python(*_):
    return [sys.executable, str(HERE / "plain_consumer.py")]


def native(*_):
    return [str(TARGET / "tmp/native_consumer")]


def build_native():
    """Builds the consumer in C; returns whether its libraries are there."""
    libraries = ["rdkafka", "libmongoc-1.0"]
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *libraries], capture_output=True, text=True)
    if flags.returncode != 0:
        print(f"the consumer in C is left out: {flags.stderr.strip().splitlines()[0]}", flush=True)
        return False
    (TARGET / "tmp").mkdir(parents=True, exist_ok=True)
    source, program = str(HERE / "native_consumer.c"), native()[0]
    subprocess.run(["cc", "-O2", "-o", program, source, *flags.stdout.split()], check=True)
    return True


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: sink.py {{{'|'.join(NAMES)}}} CONVOY DIR")
    name, executable, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    if name.startswith("connect"):
        command = connect(name, directory)
    else:
        command = {"convoy": convoy, "python": python, "native": native}[name](executable, directory)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
