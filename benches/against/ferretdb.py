"""pymongo's insert_many against convoy and FerretDB (SQLite) in turns: `ferretdb.py CONVOY FERRETDB [ROUNDS]`.

CONVOY and FERRETDB are executables. Rows of the shape of the APS data go in by batches of 1,000; then
both must give the same answers to counts, to a search by an indexed field and to a grouping. Each
server is measured while the other is idle: the ratio is what counts. Needs pymongo.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time

from common import start_convoy, start_ferretdb, stop
from pymongo import MongoClient, WriteConcern
from pymongo.errors import PyMongoError

DOCUMENTS, BATCH = 10_000, 1_000

# FerretDB takes milliseconds per document that it looks at.
ASKED = 1_000

FIELDS = 170
DEADLINE_SECONDS = 60


def rows():
    """Returns documents of a class and 170 numbers, a tenth of them missing."""
    draw = random.Random(7)
    names = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}_000" for n in range(FIELDS)]
    made = []
    for number in range(DOCUMENTS):
        row = {"class": "pos" if draw.random() < 0.02 else "neg", "number": number}
        for name in names:
            value = draw.choice([0, draw.randrange(100), draw.randrange(10**6), draw.random() * 1e6])
            row[name] = None if draw.random() < 0.1 else value
        made.append(row)
    return made


def compare_answers(clients, documents):
    """Ends the program unless all servers say the same."""
    said = {}
    for name, client in clients.items():
        _, collection = measure(client, documents, "asked")
        started = time.perf_counter()
        said[name] = answers(collection)
        print(f"{name} answered the questions in {time.perf_counter() - started:.2f} s", flush=True)
    if said["convoy"] != said["FerretDB"]:
        sys.exit(f"the answers differ: {said}")
    print(f"the same answers: {json.dumps(said['convoy']['groups'])}")


def measure(client, documents, name, **concern):
    """Returns documents per second and the collection they are in."""
    database = client.get_database("bench", write_concern=WriteConcern(**concern))
    collection = database[name]
    batches = [documents[n : n + BATCH] for n in range(0, len(documents), BATCH)]
    started = time.perf_counter()
    for batch in batches:
        collection.insert_many([dict(row) for row in batch])
    return len(documents) / (time.perf_counter() - started), collection


def answers(collection):
    """Returns what the collection says to the questions."""
    collection.create_index("number")
    group = [{"$group": {"_id": "$class", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    found = [
        {key: value for key, value in row.items() if key != "_id"}
        for row in collection.find({"number": {"$in": [3, 777, ASKED - 1]}}).sort("number", 1)
    ]
    return {
        "all": collection.count_documents({}),
        "pos": collection.count_documents({"class": "pos"}),
        "above": collection.count_documents({"aa_000": {"$gt": 500_000}}),
        "found": found,
        "groups": list(collection.aggregate(group)),
    }


def connect(uri):
    client = MongoClient(uri, serverSelectionTimeoutMS=2_000, socketTimeoutMS=60_000)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            client.admin.command("ping")
            return client
        except PyMongoError:
            if time.monotonic() > deadline:
                raise


def main():
    convoy, ferretdb = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    documents = rows()
    with tempfile.TemporaryDirectory() as directory:
        process, _, uri = start_convoy(convoy, directory)
        servers = {
            "convoy": (process, uri),
            "FerretDB": start_ferretdb(ferretdb, directory),
        }
        try:
            clients = {name: connect(uri) for name, (_, uri) in servers.items()}
            results = []
            # The first run warms both up and is not counted.
            for number in range(rounds + 1):
                pair = {}
                for name, client in clients.items():
                    pair[name], collection = measure(client, documents, f"rows{number}")
                    collection.drop()
                if number > 0:
                    results.append(pair)
                rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in pair.items())
                print(f"round {number}: {rates} documents/s", flush=True)
            compare_answers(clients, documents[:ASKED])
            durable, _ = measure(clients["convoy"], documents, "durable", w="majority", j=True)
            print(f"convoy with j: true: {durable:,.0f} documents/s")
        finally:
            stop([process for process, _ in servers.values()])
    medians = {name: round(statistics.median(pair[name] for pair in results)) for name in results[0]}
    ratios = [round(pair["convoy"] / pair["FerretDB"], 2) for pair in results]
    print(json.dumps({"median documents/s": medians, "ratios": ratios}))


if __name__ == "__main__":
    main()
