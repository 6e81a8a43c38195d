"""Runs the program of `franz/` against `convoy up`, without and with `--tls`: `go.py CONVOY`. Needs Go."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "franz"
DEADLINE_SECONDS = 300

# The variable on the last line of the `.env`.
LAST = "CONVOY_SASL_MECHANISM"


def start(executable, directory, *flags):
    """Starts the servers; returns their process and the `.env` as variables."""
    command = [executable, "up", *flags, "--broker-port", "0", "--registry-port", "0"]
    command += ["--store-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory)
    variables = {}
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        variables[name] = value
        if name == LAST:
            return process, variables
    sys.exit("convoy did not start")


def main():
    executable = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        built = f"{directory}/franz"
        build = ["go", "build", "-o", built, "."]
        subprocess.run(build, cwd=PROGRAM, check=True, timeout=DEADLINE_SECONDS)
        for flags in [[], ["--tls"]]:
            convoy, variables = start(executable, directory, *flags)
            try:
                environment = {**os.environ, **variables}
                subprocess.run([built], env=environment, check=True, timeout=DEADLINE_SECONDS)
            finally:
                convoy.terminate()
                convoy.wait(60)


if __name__ == "__main__":
    main()
