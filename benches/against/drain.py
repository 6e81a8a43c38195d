"""How fast a program moves a full topic into MongoDB, and how much CPU time it takes."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import psutil
from common import HERE
from pymongo import MongoClient
from sink import NAMES

POLL_SECONDS = 0.02
DATABASE = "bench"


def fill(executable, address, topic, records):
    """Puts rows of the built-in dataset into a topic of 4 partitions."""
    command = [executable, "produce", "--no-env-file", "--quiet", "--broker", address, "--topic", topic]
    command += ["--partitions", "4", "--vehicles", "1000", "--rate", "max", "--records", str(records)]
    with tempfile.TemporaryDirectory() as output:
        command += ["--output", output]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)


def drain(name, executable, servers, topic, records, directory, deadline=600):
    """Returns records per second and microseconds of CPU per record, from the first document to the
    last, and seconds until the first one."""
    address, uri = servers
    label = f"{name}-{uuid.uuid4().hex[:8]}"
    collection = MongoClient(uri)[DATABASE][label]
    place = {"CONVOY_TOPIC": topic, "CONVOY_GROUP": label, "CONVOY_DATABASE": DATABASE, "CONVOY_COLLECTION": label}
    variables = os.environ | place | {"BOOTSTRAP_SERVER": address, "MONGO_DB_URL": uri}
    command = [sys.executable, str(HERE / "sink.py"), name, executable, f"{directory}/{label}"]
    began = time.monotonic()
    with open(f"{directory}/{label}.log", "w", encoding="utf-8") as log:
        sink = subprocess.Popen(command, env=variables, stdout=log, stderr=log, process_group=0)
    try:
        first = wait(collection, 1, began + deadline, sink)
        last = wait(collection, records, began + deadline, sink)
    except TimeoutError as error:
        sys.exit(f"{NAMES[name]}: {error}; its output is in {log.name}\n{open(log.name).read()[-2000:]}")
    finally:
        os.killpg(sink.pid, signal.SIGKILL)
        sink.wait()
    documents = collection.count_documents({})
    collection.drop()
    if documents != records:
        sys.exit(f"{NAMES[name]}: {documents} documents of {records} records")
    moved = last["count"] - first["count"]
    if moved == 0:
        sys.exit(f"{NAMES[name]}: all {records} records came at once: pass a larger `--records`")
    return {
        "records/s": moved / (last["at"] - first["at"]),
        "µs/record": (last["cpu"] - first["cpu"]) / moved * 1e6,
        "start": first["at"] - began,
    }


def wait(collection, count, deadline, sink):
    """Waits until a collection has enough documents; returns when, how many, and the CPU time so far."""
    while True:
        found = collection.estimated_document_count()
        if found >= count:
            times = psutil.Process(sink.pid).cpu_times()
            return {"at": time.monotonic(), "count": found, "cpu": times.user + times.system}
        if sink.poll() is not None:
            raise TimeoutError(f"it ended with {sink.returncode} after {found} documents")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found} of {count} documents")
        time.sleep(POLL_SECONDS)
