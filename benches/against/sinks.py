"""Programs that move records from Kafka into MongoDB, in turns: `sinks.py CONVOY [OPTIONS]`.

CONVOY is the executable. The same load goes through convoy's consumer, Kafka Connect with MongoDB's
sink connector (default, tuned, idempotent), a consumer in Python and one in C, into the same store:

* a full topic, from the first document to the last: records per second and CPU time per record;
* a steady load: end-to-end latency until the document is durable, as convoy's embedded store sees it;
* the steady load and a `kill -9` in the middle: what is missing or there twice, by convoy's audit and
  by a count of its own with pymongo.

Needs Java, Maven, confluent-kafka, pymongo and psutil; for the consumer in C pkg-config, librdkafka-dev
and libmongoc-dev.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from common import (
    CONNECT, HERE, alternate, create_topic, jars, listed, median, ratios, shown, start_convoy, stop, table,
)
from drain import drain, fill
from pymongo import MongoClient
from sink import NAMES, build_native


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy")
    parser.add_argument("--sinks", default=",".join(NAMES), help="names, separated by commas")
    parser.add_argument("--parts", default="full,steady,kill", help="what to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=60_000, help="records of the full topic")
    parser.add_argument("--rate", type=int, default=500, help="records per second of the steady load")
    given = parser.parse_args()
    given.convoy = os.path.abspath(given.convoy)
    given.sinks = given.sinks.split(",")
    given.parts = given.parts.split(",")
    unknown = set(given.sinks) - set(NAMES)
    if unknown:
        parser.error(f"unknown sinks: {', '.join(sorted(unknown))}")
    return given


def simulate(given, name, directory, options):
    """Runs the load with a program as external consumer; returns the report and the run's directory."""
    data = tempfile.mkdtemp(dir=directory)
    sink = [sys.executable, str(HERE / "sink.py"), name, given.convoy, f"{data}/sink"]
    command = [given.convoy, "simulate", "--no-env-file", "--backend", "embedded", "--consumer", "external"]
    command += ["--consumer-command", f"exec {shlex.join(sink)}", "--vehicles", "100", "--partitions", "4"]
    command += ["--total-rate", str(given.rate), "--data-dir", f"{data}/servers", "--output", f"{data}/runs"]
    command += ["--start-timeout", "180s", "--format", "json", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=data)
    try:
        return json.loads(done.stdout), data
    except ValueError:
        sys.exit(f"{NAMES[name]}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def steady(given, name, directory):
    """Returns the end-to-end latency of a steady load in milliseconds."""
    load = ["--warmup", "10s", "--duration", "20s", "--settle", "30s"]
    report, _ = simulate(given, name, directory, load)
    latency = report["summary"]["stages"]["end_to_end_latency"]
    return {"p50": latency["p50_us"] / 1_000, "p99": latency["p99_us"] / 1_000}


def kill(given, name, directory):
    """Returns what is missing and doubled after a `kill -9`, by the audit and by pymongo."""
    load = ["--warmup", "0s", "--duration", "20s", "--settle", "180s", "--faults", "consumer-crash@10s"]
    report, data = simulate(given, name, directory, load)
    verdict = report["verdict"]
    process, _, uri = start_convoy(given.convoy, f"{data}/up", f"{data}/servers")
    try:
        collection = MongoClient(uri)["convoy"]["sensor"]
        group = {"$group": {"_id": ["$convoy_vehicle", "$convoy_sequence"], "n": {"$sum": 1}}}
        count = {"$group": {"_id": None, "readings": {"$sum": 1}, "documents": {"$sum": "$n"}}}
        found = next(collection.aggregate([group, count]), {"readings": 0, "documents": 0})
    finally:
        stop([process])
    return {
        "missing": verdict["missing"],
        "doubled": verdict["duplicated"],
        "counted missing": verdict["emitted"] - found["readings"],
        "counted doubled": found["documents"] - found["readings"],
    }


def full(given, rounds, directory):
    """Prints how the programs empty a full topic."""
    path = jars("connect", CONNECT)
    process, address, uri = start_convoy(given.convoy, directory)
    try:
        topic = create_topic(path, address, partitions=4)
        fill(given.convoy, address, topic, given.records)
        measured = []
        for number in range(rounds):
            one = {}
            for name in alternate(given.sinks, number):
                one[name] = drain(name, given.convoy, (address, uri), topic, given.records, directory)
                told = ", ".join(f"{key} {value:,.1f}" for key, value in one[name].items())
                print(f"full topic, round {number + 1}, {NAMES[name]}: {told}", flush=True)
            measured.append(one)
    finally:
        stop([process])
    rates = [{name: it["records/s"] for name, it in one.items()} for one in measured]
    rows = []
    for name in given.sinks:
        of = [one[name] for one in measured]
        medians = [median([it[key] for it in of]) for key in ("records/s", "µs/record", "start")]
        against = None if name == "convoy" else listed(ratios(rates, "convoy", name))
        rows.append([NAMES[name], shown(medians[0]), against, shown(medians[1]), shown(medians[2], 1)])
    table(["full topic", "records/s", "convoy ÷ this, by round", "µs of CPU per record", "s to the first"], rows)


def by_rounds(given, rounds, directory, what, measure, columns):
    """Prints a measurement of each program, one after the other in every round."""
    measured = {name: [] for name in given.sinks}
    for number in range(rounds):
        for name in alternate(given.sinks, number):
            one = measure(given, name, directory)
            measured[name].append(one)
            print(f"{what}, round {number + 1}, {NAMES[name]}: {json.dumps(one)}", flush=True)
    rows = []
    for name, of in measured.items():
        rows.append([NAMES[name]] + [shown(median([it[key] for it in of]), digits) for key, digits in columns])
    table([what] + [key for key, _ in columns], rows)


def main():
    given = arguments()
    if "native" in given.sinks and not build_native():
        given.sinks.remove("native")
    if any(name.startswith("connect") for name in given.sinks):
        jars("connect", CONNECT)
    with tempfile.TemporaryDirectory() as directory:
        if "full" in given.parts:
            Path(directory, "full").mkdir()
            full(given, given.rounds, f"{directory}/full")
        if "steady" in given.parts:
            columns = [("p50", 1), ("p99", 1)]
            by_rounds(given, given.rounds, directory, f"{given.rate} records/s, ms", steady, columns)
        if "kill" in given.parts:
            columns = [(key, 0) for key in ("missing", "doubled", "counted missing", "counted doubled")]
            by_rounds(given, 1, directory, "`kill -9`", kill, columns)


if __name__ == "__main__":
    main()
