import os
import shlex
import subprocess

import pymongo
import pytest

# The last line of a `.env` of `convoy up`.
LAST = "CONVOY_SASL_MECHANISM"


@pytest.fixture(scope="session")
def servers():
    """The variables of `convoy up -- pytest`, or of servers that are started here."""
    if "BOOTSTRAP_SERVER" in os.environ:
        yield os.environ
        return
    ports = ["--broker-port=0", "--registry-port=0", "--store-port=0"]
    command = [os.environ.get("CONVOY", "convoy"), "up", *ports, "--exit-with-parent", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as convoy:
        variables = {}
        for line in convoy.stdout:
            name, value = shlex.split(line)[0].split("=", 1)
            variables[name] = value
            if name == LAST:
                break
        yield variables
        convoy.terminate()


@pytest.fixture
def kafka(servers):
    """Settings for confluent-kafka."""
    return {
        "bootstrap.servers": servers["BOOTSTRAP_SERVER"],
        "security.protocol": servers["SECURITY_PROTOCOL"],
        "sasl.mechanism": servers["SASL_MECHANISM"],
        "sasl.username": servers["API_KEY"],
        "sasl.password": servers["API_SECRET_KEY"],
    }


@pytest.fixture
def database(servers):
    """An empty database."""
    with pymongo.MongoClient(servers["MONGO_DB_URL"]) as client:
        name = f"test_{os.urandom(6).hex()}"
        yield client[name]
        client.drop_database(name)
