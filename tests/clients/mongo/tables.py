"""Runs the tables of `fixtures/mongo` against a MongoDB server: `tables.py URI [FILE...]`.

`fixtures/mongo/README.md` describes their format. The script drops the database `convoy_tables`
before every case. It prints each failure with file and case, and exits with 1 if there is one.
"""

import json
import re
import sys
from pathlib import Path

from bson import json_util
from pymongo import MongoClient
from pymongo.errors import OperationFailure

TABLES = Path(__file__).parents[3] / "fixtures" / "mongo"

DATABASE = "convoy_tables"

# The objects of extended JSON, by their first key. `json_util` alone would also convert `{"$regex": …}`.
TYPES = {
    "$binary", "$code", "$date", "$maxKey", "$minKey", "$numberDecimal", "$numberDouble",
    "$numberInt", "$numberLong", "$oid", "$regularExpression", "$timestamp",
}

COLUMN = re.compile("<([a-z_]+)>")


def pairs(found):
    """Converts an object of a table."""
    if found and found[0][0] in TYPES:
        return json_util.object_pairs_hook(found)
    return dict(found)


def text(value):
    """Returns a text that is equal for equal values of equal types, with fields in equal order."""
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def filled(template, row):
    """Replaces each string `<column>` by that column of a row."""
    if isinstance(template, dict):
        return {key: filled(value, row) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, row) for value in template]
    column = COLUMN.fullmatch(template) if isinstance(template, str) else None
    return row[column[1]] if column else template


def resolved(command, reply):
    """Replaces each `{"$reply": path}` by the value at that path of the reply before."""
    if isinstance(command, dict):
        if list(command) == ["$reply"]:
            return at(reply, command["$reply"])
        return {key: resolved(value, reply) for key, value in command.items()}
    if isinstance(command, list):
        return [resolved(value, reply) for value in command]
    return command


def at(value, path):
    """Returns the value at a dotted path; a name collects the fields of an array's elements."""
    for name in path.split("."):
        if isinstance(value, list) and name.isdigit():
            value = value[int(name)]
        elif isinstance(value, list):
            value = [element[name] for element in value if name in element]
        else:
            value = value[name]
    return value


def exists(value, path):
    try:
        at(value, path)
    except (IndexError, KeyError, TypeError):
        return False
    return True


def problems(step, reply):
    """Yields what is wrong with a reply."""
    error = reply.get("code") if not reply["ok"] else None
    if error != step.get("error"):
        yield f"error {error} ({reply.get('errmsg')}) instead of {step.get('error')}"
        return
    for kind in ("reply", "unordered", "contains", "least"):
        for path, expected in step.get(kind, {}).items():
            if not exists(reply, path):
                yield f"no {path} in {reply}"
                continue
            found = at(reply, path)
            if not MEETS[kind](found, expected):
                yield f"{path}: {text(found)} instead of {kind} {text(expected)}"
    for path in step.get("missing", []):
        if exists(reply, path):
            yield f"{path}: {text(at(reply, path))}, which must be missing"


MEETS = {
    "reply": lambda found, expected: text(found) == text(expected),
    "unordered": lambda found, expected: sorted(map(text, found)) == sorted(map(text, expected)),
    "contains": lambda found, expected: expected in found,
    "least": lambda found, expected: found >= expected,
}


def documents(collection):
    """Returns the documents of a setup: a list, or a number of documents with `_id` from 0."""
    found = collection.get("documents", [])
    return found if isinstance(found, list) else [{"_id": n} for n in range(found)]


def set_up(client, collections, indexes):
    client.drop_database(DATABASE)
    database = client[DATABASE]
    for name, collection in collections.items():
        if documents(collection):
            database.command("insert", name, documents=documents(collection))
        wanted = collection.get("indexes", []) + indexes.get(name, [])
        if wanted:
            database.command("createIndexes", name, indexes=wanted)


def run(client, table, case, indexes):
    """Runs a case; returns the first problem or None."""
    set_up(client, case.get("collections", table.get("collections", {})), indexes)
    steps = case["steps"] if "steps" in case else filled(table["steps"], case)
    reply = None
    for number, step in enumerate(steps):
        command = resolved(step["command"], reply)
        try:
            reply = client[step.get("database", DATABASE)].command(command)
        except OperationFailure as error:
            reply = dict(error.details)
        for problem in problems(step, reply):
            return f"step {number}: {problem}"
    return None


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} mongodb://host:port/ [FILE...]")
    client = MongoClient(sys.argv[1], serverSelectionTimeoutMS=5000)
    paths = [Path(name) for name in sys.argv[2:]] or sorted(TABLES.rglob("*.json"))
    passed = failed = 0
    for path in paths:
        table = json.loads(path.read_text("utf-8"), object_pairs_hook=pairs)
        for indexes in [{}, table["also_with_indexes"]] if "also_with_indexes" in table else [{}]:
            for case in table["cases"]:
                if '"lsid"' in json_util.dumps(case):
                    continue  # The driver sends sessions of its own.
                problem = run(client, table, case, indexes)
                passed += not problem
                failed += bool(problem)
                if problem:
                    suffix = " (with indexes)" if indexes else ""
                    print(f"FAILED {path.name}: {case['name']}{suffix}: {problem}")
    client.drop_database(DATABASE)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
