"""What pymongo itself does with a store: bulk writes, cursors, sessions, threads. `driver.py URI`.

The answers to single commands are in the tables of `fixtures/mongo`, which `tables.py` runs. This
script prints each failure and exits with 1 if there is one.
"""

import sys
import threading
import uuid

from bson import Int64, ObjectId
from pymongo import (
    DeleteMany, DeleteOne, InsertOne, MongoClient, ReplaceOne, UpdateMany, UpdateOne, WriteConcern,
)
from pymongo.errors import BulkWriteError, CursorNotFound, OperationFailure

MEGABYTE = 1024 * 1024


def inserted_document_gets_an_object_id(database):
    made = database.c.insert_one({"a": 1})
    assert isinstance(made.inserted_id, ObjectId), made


def unacknowledged_insert_returns_at_once(database):
    unacknowledged = database.c.with_options(write_concern=WriteConcern(w=0))
    assert not unacknowledged.insert_one({"_id": 1}).acknowledged


def document_of_16_megabytes_is_stored(database):
    large = {"_id": "large", "x": "x" * (16 * MEGABYTE - 100)}
    database.c.insert_one(large)
    assert database.c.find_one({"_id": "large"}) == large


def large_documents_are_returned_in_batches(database):
    database.c.insert_many([{"_id": n, "x": "x" * (9 * MEGABYTE)} for n in range(3)])
    database.c.insert_many([{"_id": n} for n in range(3, 10)])
    found = [document["_id"] for document in database.c.find()]
    assert found == list(range(10)), found
    assert database.c.count_documents({}) == 10


def bulk_write_counts_every_operation(database):
    done = database.c.bulk_write([
        InsertOne({"_id": 1, "n": 1}), InsertOne({"_id": 2, "n": 1}), UpdateOne({"_id": 1}, {"$inc": {"n": 5}}),
        UpdateMany({}, {"$set": {"t": 1}}), ReplaceOne({"_id": 3}, {"n": 3}, upsert=True), DeleteOne({"_id": 2}),
        DeleteMany({"n": 77}),
    ])
    counts = (done.inserted_count, done.matched_count, done.modified_count, done.deleted_count, done.upserted_ids)
    assert counts == (2, 3, 3, 1, {4: 3}), counts


def insert_with_duplicates(database, ordered):
    database.c.insert_one({"_id": 0})
    try:
        database.c.insert_many([{"_id": 1}, {"_id": 0}, {"_id": 1}, {"_id": 2}], ordered=ordered)
    except BulkWriteError as error:
        errors = [one["index"] for one in error.details["writeErrors"]]
        return error.details["nInserted"], errors
    raise AssertionError("inserted duplicates")


def ordered_insert_many_stops_at_the_first_duplicate(database):
    assert insert_with_duplicates(database, ordered=True) == (1, [1])


def unordered_insert_many_reports_every_duplicate(database):
    assert insert_with_duplicates(database, ordered=False) == (2, [1, 2])


def insert_many_takes_20000_documents(database):
    documents = [{"_id": n, "x": "y" * 500} for n in range(20000)]
    inserted = database.c.insert_many(documents, ordered=False).inserted_ids
    assert len(inserted) == 20000 == database.c.count_documents({}), len(inserted)


def numbered(database, count=500):
    """Fills the collection with `_id` from 0 and returns it."""
    database.c.insert_many([{"_id": n} for n in range(count)])
    return database.c


def cursor_iterates_across_batches(database):
    cursor = numbered(database).find(batch_size=10)
    first = [next(cursor)["_id"] for _ in range(25)]
    assert first == list(range(25)), first


def killed_cursor_raises(database):
    cursor = numbered(database).find(batch_size=10)
    next(cursor)
    database.command("killCursors", "c", cursors=[Int64(cursor.cursor_id)])
    try:
        list(cursor)
    except CursorNotFound as error:
        assert error.code == 43, error
    else:
        raise AssertionError("iterated to the end")


def limit_ends_a_cursor_across_batches(database):
    found = len(list(numbered(database).find(limit=7, batch_size=3)))
    assert found == 7, found


def negative_limit_is_a_single_batch(database):
    found = len(list(numbered(database).find(limit=-5)))
    assert found == 5, found


def cursor_leaves_out_deleted_documents(database):
    collection = numbered(database)
    cursor = collection.find(batch_size=50)
    next(cursor)
    collection.delete_many({"_id": {"$gte": 100}})
    found = sum(1 for _ in cursor)
    assert found < 499, found


def session_reads_its_own_writes(database):
    with database.client.start_session() as session:
        database.c.insert_one({"_id": 1}, session=session)
        assert database.c.find_one({}, session=session) == {"_id": 1}


def transaction_is_rejected(database):
    with database.client.start_session() as session:
        try:
            with session.start_transaction():
                database.c.insert_one({"_id": 2}, session=session)
        except OperationFailure as error:
            assert error.code == 20, error
        else:
            raise AssertionError("committed a transaction")


def concurrent_increments_are_all_counted(database):
    database.c.insert_one({"_id": 0, "n": 0})

    def count():
        for _ in range(100):
            database.c.update_one({"_id": 0}, {"$inc": {"n": 1}})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.c.find_one()["n"] == 800


CASES = [
    inserted_document_gets_an_object_id,
    unacknowledged_insert_returns_at_once,
    document_of_16_megabytes_is_stored,
    large_documents_are_returned_in_batches,
    bulk_write_counts_every_operation,
    ordered_insert_many_stops_at_the_first_duplicate,
    unordered_insert_many_reports_every_duplicate,
    insert_many_takes_20000_documents,
    cursor_iterates_across_batches,
    killed_cursor_raises,
    limit_ends_a_cursor_across_batches,
    negative_limit_is_a_single_batch,
    cursor_leaves_out_deleted_documents,
    session_reads_its_own_writes,
    transaction_is_rejected,
    concurrent_increments_are_all_counted,
]


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} mongodb://host:port/")
    client = MongoClient(sys.argv[1], serverSelectionTimeoutMS=5000)
    failed = 0
    for case in CASES:
        database = client[f"driver_{uuid.uuid4().hex[:12]}"]
        try:
            case(database)
        except (AssertionError, OperationFailure) as error:
            failed += 1
            print(f"FAILED {case.__name__}: {error}")
        finally:
            client.drop_database(database.name)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
