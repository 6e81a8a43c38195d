"""Programs that move records from Kafka into MongoDB, in turns: `sinks.py CONVOY [OPTIONS]`.

CONVOY is the executable. The same load goes through convoy's consumer, Kafka Connect with MongoDB's
sink connector (default, tuned, idempotent), a consumer in Python and one in C, into the same store:

* a full topic, from the first document to the last: records per second and CPU time per record;
* a steady load: end-to-end latency until the document is durable, as convoy's embedded store sees it.
  If the machine keeps even the producer waiting, the measurement is made again, and then marked;
* the steady load and a `kill -9` in the middle: what is missing or there twice, by convoy's audit and
  by a count of its own with pymongo.

Rounds alternate: every other one begins with the last program. Three take about ten minutes on two
quiet cores; what does not fit into `--minutes` is left out. The kills are made at the same time: they
count documents, and measure no speed. The tables at the end are Markdown, with the median and the range of the rounds.

Needs Java, Maven, confluent-kafka, pymongo and psutil; for the consumer in C pkg-config, librdkafka-dev
and libmongoc-dev.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import (
    CONNECT, HERE, Budget, alternate, create_topic, end_on_signals, finish, jars, ranged, ratios, shown,
    start_convoy, stop, table,
)
from drain import drain, fill
from pymongo import MongoClient
from sink import NAMES, build_native

# A load is steady if 99 of 100 readings were handed to the producer's client this soon.
HELD_BACK_MS = 20
TRIES = 3
# The shares of the time after which no further round begins.
FULL_SHARE = 0.4
STEADY_SHARE = 0.85
LATE = "producer late by, p99"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy")
    parser.add_argument("--sinks", default=",".join(NAMES), help="names, separated by commas")
    parser.add_argument("--parts", default="full,steady,kill", help="what to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=12, help="time for all of it")
    parser.add_argument("--records", type=int, default=40_000, help="records of the full topic")
    parser.add_argument("--rate", type=int, default=100, help="records per second of the steady load")
    parser.add_argument("--kill-sinks", default="convoy,connect,connect-once,python", help="those to kill")
    given = parser.parse_args()
    given.convoy = os.path.abspath(given.convoy)
    given.sinks = given.sinks.split(",")
    given.budget = Budget(given.minutes)
    given.kill_sinks = [name for name in given.kill_sinks.split(",") if name in given.sinks]
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
    done = finish(command, 300, cwd=data)
    try:
        return json.loads(done.stdout), data
    except ValueError:
        sys.exit(f"{NAMES[name]}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def steady(given, name, directory):
    """Returns the end-to-end latency of a steady load in milliseconds, and how late its producer was."""
    load = ["--warmup", "5s", "--duration", "10s", "--settle", "30s"]
    for number in range(TRIES):
        report, _ = simulate(given, name, directory, load)
        stages = report["summary"]["stages"]
        latency, delay = stages["end_to_end_latency"], stages["publish_delay"]
        late = delay["p99_us"] / 1_000
        one = {"p50": latency["p50_us"] / 1_000, "p99": latency["p99_us"] / 1_000, LATE: late}
        if late <= HELD_BACK_MS or given.budget.used() > STEADY_SHARE:
            break
        print(f"{NAMES[name]}: try {number + 1}: the machine kept the producer waiting: {json.dumps(one)}", flush=True)
    return one


def kill(given, name, directory):
    """Returns what is missing and doubled after a `kill -9`, by the audit and by pymongo."""
    load = ["--warmup", "0s", "--duration", "12s", "--settle", "60s", "--faults", "consumer-crash@6s"]
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


def full(given, directory):
    """Prints how the programs empty a full topic."""
    path = jars("connect", CONNECT)
    process, address, uri = start_convoy(given.convoy, directory)
    try:
        topic = create_topic(path, address, partitions=4)
        fill(given.convoy, address, topic, given.records)
        measured = []
        for number in given.budget.rounds("full topic", given.rounds, FULL_SHARE):
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
        against = None if name == "convoy" else ranged(ratios(rates, "convoy", name))
        speed, cpu = (ranged([it[key] for it in of], 0) for key in ("records/s", "µs/record"))
        rows.append([NAMES[name], speed, against, cpu, ranged([it["start"] for it in of], 1)])
    table(["full topic", "records/s", "convoy ÷ this", "µs of CPU per record", "s to the first"], rows)


def latencies(given, directory):
    """Prints the latencies of a steady load."""
    what = f"{given.rate} records/s"
    rounds = []
    for number in given.budget.rounds(what, given.rounds, STEADY_SHARE):
        one = {}
        for name in alternate(given.sinks, number):
            one[name] = steady(given, name, directory)
            print(f"{what}, round {number + 1}, {NAMES[name]}: {json.dumps(one[name])}", flush=True)
        rounds.append(one)
    fair = [{name: it for name, it in one.items() if it[LATE] <= HELD_BACK_MS} for one in rounds]
    p50s = [{name: it["p50"] for name, it in one.items()} for one in fair]
    rows = []
    for name in given.sinks:
        row = [ranged([one[name][key] for one in fair if name in one], 1) for key in ("p50", "p99", LATE)]
        against = None if name == "convoy" else ranged(ratios(p50s, name, "convoy"), 1)
        rows.append([NAMES[name], row[0], against, *row[1:]])
    table([what, "p50, ms", "this ÷ convoy", "p99, ms", f"{LATE}, ms"], rows)
    left_out = sum(len(one) for one in rounds) - sum(len(one) for one in fair)
    if left_out:
        print(f"{left_out} measurements are left out: the machine kept the producer waiting for more than {HELD_BACK_MS} ms")


def losses(given, directory):
    """Prints what a `kill -9` leaves."""
    what = f"`kill -9` at {given.rate} records/s"
    with ThreadPoolExecutor(max_workers=max(1, len(given.kill_sinks))) as pool:
        measured = pool.map(lambda name: kill(given, name, directory), given.kill_sinks)
        rows = [[NAMES[name], *(shown(it) for it in one.values())] for name, one in zip(given.kill_sinks, measured)]
    table([what, "missing", "doubled", "missing, counted", "doubled, counted"], rows)


def main():
    end_on_signals()
    given = arguments()
    if "native" in given.sinks and not build_native():
        given.sinks.remove("native")
    if any(name.startswith("connect") for name in given.sinks):
        jars("connect", CONNECT)
    with tempfile.TemporaryDirectory() as directory:
        if "full" in given.parts:
            Path(directory, "full").mkdir()
            full(given, f"{directory}/full")
        if "steady" in given.parts:
            latencies(given, directory)
        if "kill" in given.parts:
            losses(given, directory)
    print(given.budget.told(), flush=True)


if __name__ == "__main__":
    main()
