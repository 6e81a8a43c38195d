"""What the scripts of this folder share: a connection, a fresh collection, cases that are counted.

Each script takes a mongodb:// address as its only argument, runs its table of cases against that
server and exits 1 if an answer is not the one that MongoDB's manual promises. They need pymongo.
"""

import contextlib
import sys
import uuid

from pymongo import MongoClient
from pymongo.errors import OperationFailure


class Checks:
    """Runs cases and remembers which failed."""

    def __init__(self):
        if len(sys.argv) != 2:
            sys.exit(f"usage: {sys.argv[0]} mongodb://host:port/")
        self.client = MongoClient(sys.argv[1], serverSelectionTimeoutMS=5000)
        self.database = self.client[f"check_{uuid.uuid4().hex[:12]}"]
        self.failed = []
        self.passed = 0
        self.collections = 0

    def collection(self, documents=()):
        """Returns a collection of its own, filled."""
        self.collections += 1
        collection = self.database[f"c{self.collections}"]
        if documents:
            collection.insert_many(documents)
        return collection

    @contextlib.contextmanager
    def case(self, name):
        """Counts what happens inside as one case."""
        try:
            yield
        except AssertionError as error:
            self.failed.append(name)
            print(f"FAILED {name}: {error}")
        except OperationFailure as error:
            self.failed.append(name)
            print(f"FAILED {name}: refused with {error.code}: {error}")
        else:
            self.passed += 1

    def equal(self, name, found, expected):
        """One case: two values are equal, and of equal types."""
        with self.case(name):
            assert same(found, expected), f"{found!r} instead of {expected!r}"

    def refused(self, name, code, action):
        """One case: the server refuses with a code."""
        with self.case(name):
            try:
                answer = action()
            except OperationFailure as error:
                assert error.code == code, f"refused with {error.code} instead of {code}: {error}"
            else:
                raise AssertionError(f"answered {answer!r} instead of refusing with {code}")

    def finish(self):
        """Cleans up, says what happened and exits."""
        self.client.drop_database(self.database.name)
        print(f"{self.passed} passed, {len(self.failed)} failed")
        sys.exit(1 if self.failed else 0)


def same(found, expected):
    """Compares without taking 1, 1.0 and True for the same, and with NaN equal to itself."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and list(found) == list(expected)
            and all(same(found[key], expected[key]) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    if isinstance(expected, float) and expected != expected:
        return isinstance(found, float) and found != found
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, float) != isinstance(found, float):
        return False
    return found == expected


