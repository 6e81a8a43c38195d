"""How the cost of a record grows: `scale.py CONVOY [--row NAME]… [--full] [--markdown]`.

Each row varies one size and keeps the others. A row ends with the slope of a straight line through
the logarithms of size and CPU time per record (of all processes, from start to end): 0 means that a
record costs the same at any size, 1 that its cost grows in proportion. `audit` is the time of audit
and report as a part of that of the run. Sizes that the machine cannot hold are left out, and said so.
Without `--full`, each row stops one or two sizes earlier.
"""

import argparse
import csv
import datetime
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROWS = {
    # name: (sizes, with `--full`, what a size is)
    "records": ([10**5, 10**6], [10**5, 10**6, 10**7], "records of 10 columns"),
    "vehicles": ([10**3, 10**4, 10**5], [10**3, 10**4, 10**5, 10**6], "vehicles"),
    "partitions": ([4, 40, 200], [4, 40, 200, 1000], "partitions"),
    "columns": ([10, 100, 500], [10, 100, 500, 2000], "columns"),
    "cores": ([1, 2], [1, 2, 4, 8, 16, 32], "cores"),
    "consumers": ([1, 2, 4], [1, 2, 4, 8], "consumer processes"),
}

# Largest exponents of CPU time per record. A record of twice the columns has twice the bytes.
MOST = {"columns": 1.1}
MOST_OF_OTHERS = 0.3

# Time limit of one run.
TIMEOUT = 1_200


def dataset(directory, columns, rows=2_000):
    """Writes a CSV file of numbers; returns its path."""
    path = os.path.join(directory, f"columns-{columns}.csv")
    if not os.path.exists(path):
        chance = random.Random(columns)
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow([f"c{column:04}" for column in range(columns)])
            for _ in range(rows):
                out.writerow([chance.choice((0, 17, 2.5, 123456, 0.0625)) for _ in range(columns)])
    return path


def started(command, directory, cores=None, env=None):
    """Starts a command with its output in a file."""
    if cores is not None:
        command = ["taskset", "--cpu-list", f"0-{cores - 1}"] + command
    output = tempfile.TemporaryFile(dir=directory)
    errors = tempfile.TemporaryFile(dir=directory)
    env = {**os.environ, **(env or {}), "TMPDIR": directory}
    process = subprocess.Popen(command, stdout=output, stderr=errors, cwd=directory, env=env)
    return process, output, errors


def waited(process, output, errors):
    """Waits for a command; returns its output, CPU seconds and peak memory in bytes."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid != 0:
            break
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    output.seek(0)
    errors.seek(0)
    if process.returncode != 0:
        sys.exit(f"exit status {process.returncode}: {errors.read().decode()[-2000:]}")
    return output.read().decode(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def audit_share(path):
    """Returns the time of the audit and the report, as a part of the run's and the drain's."""
    began = {}
    # The last event is written with the report, before the servers stop and their data is removed.
    ended = os.path.getmtime(path)
    with open(path) as file:
        for event in map(json.loads, file):
            if event["event"] == "phase":
                at = datetime.datetime.fromisoformat(event["began_at"].replace("Z", "+00:00"))
                began.setdefault(event["phase"], at.timestamp())
    first = min(began[phase] for phase in ("warm_up", "run") if phase in began)
    return (ended - began["audit"]) / (began["audit"] - first)


def simulate(executable, directory, columns, records, options=(), cores=None):
    """Runs a simulation; returns its measurements."""
    command = [executable, "simulate", "--backend", "embedded", "--rate", "max", "--progress", "never"]
    command += ["--records", str(records), "--dataset", dataset(directory, columns)]
    command += ["--format", "json", "--output", os.path.join(directory, "runs")]
    events = os.path.join(directory, "events")
    command += ["--drain-timeout", "10m", "--events", events, *options]
    out, cpu, memory = waited(*started(command, directory, cores))
    audit = audit_share(events)
    report = json.loads(out)
    shutil.rmtree(os.path.join(directory, "runs"), ignore_errors=True)
    verdict = report["verdict"]
    if (verdict["stored"], verdict["missing"], verdict["corrupt"]) != (records, 0, 0):
        sys.exit(f"the audit found {verdict}")
    return {
        "records/s": report["summary"]["throughput_records_per_second"],
        "CPU µs": cpu * 1e6 / records,
        "MB": memory / 1e6,
        "audit": audit,
    }


def consume(executable, directory, processes, records=200_000):
    """Produces to `convoy up`, and consumes with a number of processes; returns measurements."""
    up = [executable, "up", "--anonymous", "--data-dir", os.path.join(directory, "data")]
    up += ["--broker-port", "0", "--registry-port", "0", "--store-port", "0"]
    server = subprocess.Popen(up, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=directory)
    try:
        env = {}
        for line in server.stdout:
            name, _, value = line.decode().strip().partition("=")
            env[name] = value
            # The last line.
            if name == "CONVOY_SASL_MECHANISM":
                break
        topic = ["--partitions", "8", "--topic", "scale", "--progress", "never", "--format", "json"]
        produce = [executable, "produce", *topic, "--vehicles", "1000", "--rate", "max"]
        produce += ["--records", str(records), "--dataset", dataset(directory, 10)]
        waited(*started(produce, directory, env=env))
        command = [executable, "consume", *topic, "--group", "scale", "--idle", "3s"]
        runs = [started(command, directory, env=env) for _ in range(processes)]
        ended = [waited(*run) for run in runs]
        stored = [json.loads(out)["summary"]["records_stored"] for out, _, _ in ended]
        if sum(stored) != records:
            sys.exit(f"stored {sum(stored)} of {records} records")
        rates = [json.loads(out)["summary"]["throughput_records_per_second"] or 0 for out, _, _ in ended]
        return {
            "records/s": sum(rates),
            "CPU µs": sum(cpu for _, cpu, _ in ended) * 1e6 / records,
            "MB": max(memory for _, _, memory in ended) / 1e6,
        }
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(os.path.join(directory, "data"), ignore_errors=True)


def measured(row, executable, directory, size):
    """Runs one size of a row."""
    fleet = ["--vehicles", "1000"]
    if row == "records":
        return simulate(executable, directory, 10, size, fleet)
    if row == "vehicles":
        return simulate(executable, directory, 10, 1_000_000 if size > 10**5 else 200_000, ["--vehicles", str(size)])
    if row == "partitions":
        return simulate(executable, directory, 10, 200_000, [*fleet, "--partitions", str(size)])
    if row == "columns":
        return simulate(executable, directory, size, max(2_000, 1_000_000 // size), fleet)
    if row == "cores":
        return simulate(executable, directory, 10, 200_000, fleet, cores=size)
    return consume(executable, directory, size)


def fits(row, size, directory):
    """Returns why a size is left out, or `None`."""
    if row == "cores" and size > os.cpu_count():
        return f"{os.cpu_count()} cores"
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if row == "partitions" and size * 12 > files:
        return f"`ulimit -Hn` is {files}"
    if row == "records" and size * 700 > shutil.disk_usage(directory).free // 2:
        return "less than twice its space on the disk"
    return None


def slope(points):
    """Returns the slope of a straight line through the logarithms of points."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread


def bar(value, most, width=24):
    return "█" * max(1, round(width * value / most))


def show(row, unit, results, markdown):
    """Draws a row; returns the slope of CPU time per record."""
    most = max(result["CPU µs"] for _, result in results)
    if markdown:
        print(f"\n| {unit} | records/s | CPU per record | | peak memory | audit |\n|---|---|---|---|---|---|")
    for size, result in results:
        drawn = bar(result["CPU µs"], most)
        audit = f"{result['audit']:.0%}" if "audit" in result else ""
        cells = (f"{size:,}", f"{result['records/s']:,.0f}", f"{result['CPU µs']:.1f} µs", drawn, f"{result['MB']:.0f} MB", audit)
        text = "  {:>12} {:>9}/s {:>11} {:24} {:>8} {:>5}".format(*cells)
        print("| " + " | ".join(cells) + " |" if markdown else text, flush=True)
    if len(results) < 2:
        return 0.0
    exponent = slope([(size, result["CPU µs"]) for size, result in results])
    memory = slope([(size, result["MB"]) for size, result in results])
    print(f"{row}: CPU per record grows with exponent {exponent:.2f}, peak memory with {memory:.2f}", flush=True)
    return exponent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy")
    parser.add_argument("--row", action="append", choices=ROWS)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    executable = os.path.abspath(arguments.convoy)
    steep = []
    for row in arguments.row or ROWS:
        few, all_sizes, unit = ROWS[row]
        results = []
        print(f"{row}:", flush=True)
        for size in all_sizes if arguments.full else few:
            with tempfile.TemporaryDirectory() as directory:
                if reason := fits(row, size, directory):
                    print(f"  {size:,} {unit} left out: {reason}", flush=True)
                    continue
                results.append((size, measured(row, executable, directory, size)))
        if show(row, unit, results, arguments.markdown) > MOST.get(row, MOST_OF_OTHERS):
            steep.append(row)
    if steep:
        sys.exit(f"CPU time per record grows with {', '.join(steep)}")


if __name__ == "__main__":
    main()
