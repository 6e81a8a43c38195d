"""Runs Kafka's own tools against `convoy up`: `java.py CONVOY [CHECK…]`. Needs Java and Maven."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "benches/against"))

from kafka import JARS, install, start_convoy  # noqa: E402


def main():
    executable = os.path.abspath(sys.argv[1])
    install()
    with tempfile.TemporaryDirectory() as directory:
        convoy, address = start_convoy(executable, directory)
        try:
            checks = [sys.executable, str(HERE / "kafka/java.py"), address, *sys.argv[2:]]
            environment = {**os.environ, "KAFKA_JARS": f"{JARS}/lib"}
            sys.exit(subprocess.run(checks, env=environment, check=False).returncode)
        finally:
            convoy.terminate()
            convoy.wait(60)


if __name__ == "__main__":
    main()
