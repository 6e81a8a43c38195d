"""Cost of the audit in throughput: `overhead.py CONVOY UNAUDITED_CONVOY`.

`just overhead` builds convoy with and without the hashes of the audit. Both builds run at
`--rate max` in turns, so that other load on the machine affects both. Fails if the audit costs a
tenth of the throughput or more in the median of all pairs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

PAIRS = 7
MAX_COST = 0.10
RECORDS = 200_000
DATASET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sample_data")


def throughput(executable, audited):
    """Runs a build once; returns records per second."""
    with tempfile.TemporaryDirectory() as directory:
        command = [os.path.abspath(executable), "simulate", "--backend", "embedded", "--progress", "never"]
        command += ["--vehicles", "1000", "--rate", "max", "--records", str(RECORDS)]
        command += ["--format", "json", "--dataset", DATASET]
        run = subprocess.run(command, cwd=directory, env={"TMPDIR": directory}, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    report = json.loads(run.stdout)
    if report["verdict"]["stored"] != RECORDS:
        sys.exit(f"stored {report['verdict']['stored']} of {RECORDS} records")
    if any(warning["code"] == "unaudited_build" for warning in report["warnings"]) == audited:
        sys.exit(f"`{executable}` is the wrong build")
    return report["summary"]["throughput_records_per_second"]


def main(audited_build, unaudited_build):
    costs = []
    for pair in range(PAIRS):
        # The first run of a pair has the colder caches.
        if pair % 2 == 0:
            audited = throughput(audited_build, True)
            unaudited = throughput(unaudited_build, False)
        else:
            unaudited = throughput(unaudited_build, False)
            audited = throughput(audited_build, True)
        costs.append(1 - audited / unaudited)
        print(f"audited {audited:,.0f}/s, unaudited {unaudited:,.0f}/s: {costs[-1]:.1%}", flush=True)
    median = statistics.median(costs)
    print(f"median {median:.1%}")
    if median >= MAX_COST:
        sys.exit(f"the audit costs {MAX_COST:.0%} of the throughput or more")


if __name__ == "__main__":
    main(*sys.argv[1:])
