"""Everything around documents: indexes and their use, collections, statistics, cursors, errors."""

import threading

from bson import Code, Int64, ObjectId, SON
from pymongo import ASCENDING, DESCENDING, DeleteMany, DeleteOne, IndexModel, InsertOne, ReplaceOne, UpdateMany, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, CursorNotFound, DuplicateKeyError, OperationFailure

from harness import Checks


def main():
    checks = Checks()
    greeting(checks)
    inserting(checks)
    bulk(checks)
    indexes(checks)
    plans(checks)
    explained_filters(checks)
    collections(checks)
    statistics(checks)
    cursors(checks)
    sessions(checks)
    refusals(checks)
    concurrency(checks)
    checks.finish()


def greeting(checks):
    hello = checks.client.admin.command("hello")
    checks.equal("primary", hello["isWritablePrimary"], True)
    checks.equal("standalone", "setName" in hello, False)
    checks.equal("document limit", hello["maxBsonObjectSize"], 16 * 1024 * 1024)
    checks.equal("message limit", hello["maxMessageSizeBytes"], 48000000)
    checks.equal("batch limit", hello["maxWriteBatchSize"], 100000)
    for command in ("ping", "buildInfo", "hostInfo", "serverStatus", "connectionStatus", "whatsmyuri", "getCmdLineOpts"):
        checks.equal(command, checks.client.admin.command(command)["ok"], 1.0)
    version = checks.client.admin.command({"getParameter": 1, "featureCompatibilityVersion": 1})
    checks.equal("feature version", version["featureCompatibilityVersion"]["version"], "7.0")
    checks.equal("server_info", checks.client.server_info()["versionArray"][:2], [7, 0])
    checks.equal("getLog", checks.client.admin.command("getLog", "startupWarnings")["log"], [])


def inserting(checks):
    collection = checks.collection()
    made = collection.insert_one({"a": 1})
    checks.equal("an _id is made", isinstance(made.inserted_id, ObjectId), True)
    for name, identifier in [("text", "x"), ("document", {"a": 1}), ("binary", b"1"), ("null", None), ("number", 1.5)]:
        collection.insert_one({"_id": identifier})
        checks.equal("found by " + name, collection.find_one({"_id": identifier}), {"_id": identifier})
        with checks.case("twice by " + name):
            try:
                collection.insert_one({"_id": identifier})
            except DuplicateKeyError as error:
                assert error.code == 11000
                assert error.details["keyPattern"] == {"_id": 1}, error.details
                assert error.details["keyValue"] == {"_id": identifier}, error.details
            else:
                raise AssertionError("inserted twice")
    checks.refused("an array as _id", 53, lambda: collection.insert_one({"_id": [1]}))
    raw = checks.database.command("insert", collection.name, documents=[{"b": 1, "_id": "moved"}])
    checks.equal("raw insert", raw["n"], 1)
    checks.equal("_id comes first", list(collection.find_one({"_id": "moved"})), ["_id", "b"])
    journaled = collection.with_options(write_concern=WriteConcern(w="majority", j=True))
    journaled.insert_many([{"_id": f"j{n}"} for n in range(10)])
    checks.equal("journaled", collection.count_documents({"_id": {"$regex": "^j"}}), 10)
    unacknowledged = collection.with_options(write_concern=WriteConcern(w=0))
    unacknowledged.insert_one({"_id": "unacknowledged"})
    checks.refused("an impossible write concern", 2, lambda: collection.with_options(
        write_concern=WriteConcern(w=2)).insert_one({"_id": "w2"}))
    large = {"_id": "large", "x": "x" * (16 * 1024 * 1024 - 100)}
    collection.insert_one(large)
    checks.equal("a large document", len(collection.find_one({"_id": "large"})["x"]), len(large["x"]))
    checks.equal("large documents come back in batches", len(list(collection.find())), collection.count_documents({}))


def bulk(checks):
    collection = checks.collection()
    done = collection.bulk_write([
        InsertOne({"_id": 1, "n": 1}), InsertOne({"_id": 2, "n": 1}), UpdateOne({"_id": 1}, {"$inc": {"n": 5}}),
        UpdateMany({}, {"$set": {"t": 1}}), ReplaceOne({"_id": 3}, {"n": 3}, upsert=True), DeleteOne({"_id": 2}),
        DeleteMany({"n": 77}),
    ])
    counts = (done.inserted_count, done.matched_count, done.modified_count, done.deleted_count, done.upserted_ids)
    checks.equal("bulk", counts, (2, 3, 3, 1, {4: 3}))
    for ordered, inserted, errors in [(True, 1, [1]), (False, 2, [1, 2])]:
        other = checks.collection([{"_id": 0}])
        with checks.case(f"bulk with errors, ordered {ordered}"):
            try:
                other.insert_many([{"_id": 1}, {"_id": 0}, {"_id": 1}, {"_id": 2}], ordered=ordered)
            except BulkWriteError as error:
                assert error.details["nInserted"] == inserted, error.details
                assert [one["index"] for one in error.details["writeErrors"]] == errors, error.details
            else:
                raise AssertionError("no error")
    documents = [{"_id": n, "x": "y" * 500} for n in range(20000)]
    many = checks.collection()
    checks.equal("many in one call", len(many.insert_many(documents, ordered=False).inserted_ids), 20000)


def indexes(checks):
    collection = checks.collection([{"_id": n, "a": n % 5, "b": n, "c": [n, -n]} for n in range(1, 101)])
    checks.equal("name", collection.create_index("a"), "a_1")
    checks.equal("again", collection.create_index("a"), "a_1")
    checks.equal("several", collection.create_indexes([IndexModel([("a", ASCENDING), ("b", DESCENDING)]), IndexModel("b", unique=True)]), ["a_1_b_-1", "b_1"])
    checks.equal("listed", sorted(collection.index_information()), ["_id_", "a_1", "a_1_b_-1", "b_1"])
    checks.equal("described", collection.index_information()["b_1"], {"v": 2, "key": [("b", 1)], "unique": True})
    checks.refused("the same name for another", 86, lambda: collection.create_index("z", name="a_1"))
    checks.refused("the same index by another name", 85, lambda: collection.create_index("a", name="other"))
    checks.refused("other options", 86, lambda: collection.create_index("b", name="b_1", unique=False))
    with checks.case("unique"):
        try:
            collection.insert_one({"_id": 1000, "b": 5})
        except DuplicateKeyError as error:
            message = error.details["errmsg"]
            assert "index: b_1 dup key: { b: 5 }" in message, message
            assert error.details["keyValue"] == {"b": 5}, error.details
        else:
            raise AssertionError("inserted twice")
    checks.refused("unique on update", 11000, lambda: collection.update_one({"_id": 1}, {"$set": {"b": 2}}))
    checks.refused("unique over duplicates", 11000, lambda: collection.create_index("a", name="ua", unique=True))
    checks.equal("nothing is left of it", sorted(collection.index_information()), ["_id_", "a_1", "a_1_b_-1", "b_1"])
    collection.drop_index("a_1")
    collection.drop_index([("a", 1), ("b", -1)])
    checks.equal("dropped", sorted(collection.index_information()), ["_id_", "b_1"])
    checks.refused("an unknown index", 27, lambda: collection.drop_index("x_1"))
    checks.refused("the index on _id", 72, lambda: collection.drop_index("_id_"))
    collection.drop_indexes()
    checks.equal("dropped all", sorted(collection.index_information()), ["_id_"])
    checks.refused("parallel arrays", 171, lambda: checks.collection([{"a": [1], "b": [2]}]).create_index([("a", 1), ("b", 1)]))
    checks.refused("a direction of zero", 67, lambda: collection.create_index([("a", 0)]))
    sparse = checks.collection()
    sparse.create_index("a", unique=True, sparse=True)
    sparse.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "a": 1}])
    checks.equal("sparse and unique", sparse.count_documents({}), 3)
    checks.equal("a sparse index hides nothing", [d["_id"] for d in sparse.find().sort("a", 1)], [1, 2, 3])
    partial = checks.collection()
    partial.create_index("a", unique=True, partialFilterExpression={"live": True})
    partial.insert_many([{"a": 1, "live": False}, {"a": 1, "live": False}, {"a": 1, "live": True}])
    checks.refused("partial and unique", 11000, lambda: partial.insert_one({"a": 1, "live": True}))
    multikey = checks.collection([{"_id": 1, "a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}])
    multikey.create_index([("a.b", 1), ("a.c", 1)], unique=True)
    multikey.insert_one({"_id": 2, "a": [{"b": 1, "c": 2}]})
    checks.equal("pairs of one array", multikey.count_documents({}), 2)


def plan(collection, query, **options):
    """Returns the index used and the keys and documents looked at."""
    explained = collection.database.command(
        "explain", SON([("find", collection.name), ("filter", query), *options.items()]), verbosity="executionStats")
    stage = explained["queryPlanner"]["winningPlan"]
    names = []
    while stage:
        names.append(stage["stage"])
        index = stage.get("indexName")
        stage = stage.get("inputStage")
    stats = explained["executionStats"]
    return names, index, stats["totalKeysExamined"], stats["totalDocsExamined"], stats["nReturned"]


def explained_filters(checks):
    collection = checks.collection([{"_id": n, "a": n} for n in range(10)])
    query = {"a": {"$gt": 7}}

    def planner(*command):
        return checks.database.command("explain", SON(command), verbosity="queryPlanner")

    name = collection.name
    pipeline = [{"$match": query}, {"$group": {"_id": "$a"}}]
    for kind, reply in [
        ("distinct", planner(("distinct", name), ("key", "a"), ("query", query))),
        ("update", planner(("update", name), ("updates", [{"q": query, "u": {"$set": {"b": 1}}}]))),
        ("delete", planner(("delete", name), ("deletes", [{"q": query, "limit": 0}]))),
        ("aggregate", planner(("aggregate", name), ("pipeline", pipeline[:1]), ("cursor", {}))),
    ]:
        checks.equal(f"filter of {kind} explained", reply["queryPlanner"]["parsedQuery"], query)
    stages = planner(("aggregate", name), ("pipeline", pipeline), ("cursor", {}))["stages"]
    checks.equal("stages behind the filter", stages[1:], pipeline[1:])
    checks.equal("the filter before them", stages[0]["$cursor"]["queryPlanner"]["parsedQuery"], query)


def plans(checks):
    collection = checks.collection([{"_id": n, "a": n % 10, "b": n, "s": f"k{n:04}"} for n in range(1000)])
    fetch = ["FETCH", "IXSCAN"]
    checks.equal("no index", plan(collection, {"a": 1}), (["COLLSCAN"], None, 0, 1000, 100))
    checks.equal("by _id", plan(collection, {"_id": 5}), (fetch, "_id_", 1, 1, 1))
    checks.equal("by several _id", plan(collection, {"_id": {"$in": [1, 2, 7777]}}), (fetch, "_id_", 2, 2, 2))
    checks.equal("by a range of _id", plan(collection, {"_id": {"$gte": 10, "$lt": 20}}), (fetch, "_id_", 10, 10, 10))
    collection.create_index([("a", 1), ("b", -1)])
    collection.create_index("s")
    checks.equal("equality", plan(collection, {"a": 3}), (fetch, "a_1_b_-1", 100, 100, 100))
    checks.equal("equality and range", plan(collection, {"a": 3, "b": {"$lt": 100}}), (fetch, "a_1_b_-1", 10, 10, 10))
    checks.equal("equality and order", plan(collection, {"a": 3}, sort={"b": 1}, limit=2), (["LIMIT", *fetch], "a_1_b_-1", 2, 2, 2))
    checks.equal("order", plan(collection, {}, sort={"s": -1}, limit=3), (["LIMIT", *fetch], "s_1", 3, 3, 3))
    checks.equal("another order", plan(collection, {"a": 3}, sort={"s": 1})[0], ["SORT", *fetch])
    checks.equal("a range of text", plan(collection, {"s": {"$gte": "k0990"}}), (fetch, "s_1", 10, 10, 10))
    checks.equal("other types are left out", plan(collection, {"s": {"$lt": 5}})[2:], (0, 0, 0))
    checks.equal("hint", plan(collection, {"a": 3}, hint="s_1")[1:4], ("s_1", 1000, 1000))
    checks.equal("natural order", plan(collection, {"a": 3}, hint={"$natural": 1})[0], ["COLLSCAN"])
    checks.refused("an unknown hint", 2, lambda: plan(collection, {}, hint="x_1"))
    found = [d["b"] for d in collection.find({"a": 3, "b": {"$gte": 900}}).sort("b", -1)]
    checks.equal("the order is right", found, list(range(993, 900, -10)))
    found = [d["_id"] for d in collection.find({"a": {"$in": [1, 2]}}).sort([("a", -1), ("b", 1)]).limit(3)]
    checks.equal("several ranges in order", found, [2, 12, 22])
    collection.delete_many({"a": 3})
    checks.equal("deleted by index", plan(collection, {"a": 3})[2:], (0, 0, 0))
    collection.update_many({"a": 4}, {"$set": {"a": 3}})
    checks.equal("updated in the index", plan(collection, {"a": 3})[2:], (100, 100, 100))


def collections(checks):
    database = checks.database
    database.create_collection("made")
    checks.refused("made twice", 48, lambda: database.command("create", "made"))
    checks.equal("listed", "made" in database.list_collection_names(), True)
    checks.equal("listed by filter", database.list_collection_names(filter={"name": "made"}), ["made"])
    (info,) = database.list_collections(filter={"name": "made"})
    checks.equal("described", (info["type"], info["options"], info["idIndex"]["name"]), ("collection", {}, "_id_"))
    database.made.insert_one({"_id": 1})
    database.made.rename("renamed")
    checks.equal("renamed", (database.made.find_one(), database.renamed.find_one()), (None, {"_id": 1}))
    database.other.insert_one({"_id": 2})
    checks.refused("renamed over another", 48, lambda: database.renamed.rename("other"))
    database.renamed.rename("other", dropTarget=True)
    checks.equal("renamed over another by force", database.other.find_one(), {"_id": 1})
    checks.refused("renamed from nothing", 26, lambda: database.nothing.rename("x"))
    database.other.drop()
    checks.equal("dropped", "other" in database.list_collection_names(), False)
    database.other.drop()
    checks.refused("a bad name", 73, lambda: database.command("create", "a$b"))
    checks.equal("databases", database.name in checks.client.list_database_names(), True)
    gone = checks.client[database.name + "_gone"]
    gone.c.insert_one({})
    checks.client.drop_database(gone.name)
    checks.equal("a dropped database", gone.name in checks.client.list_database_names(), False)
    checks.refused("a capped collection", 238, lambda: database.command("create", "capped", capped=True, size=100))


def statistics(checks):
    collection = checks.collection([{"_id": n, "x": "x" * 100} for n in range(100)])
    collection.create_index("x")
    stats = checks.database.command("collStats", collection.name)
    checks.equal("collStats", (stats["count"], stats["nindexes"], stats["size"] > 10000), (100, 2, True))
    (stats,) = collection.aggregate([{"$collStats": {"count": {}, "storageStats": {}}}])
    checks.equal("$collStats", (stats["count"], stats["storageStats"]["count"]), (100, 100))
    (first, _) = sorted(collection.aggregate([{"$indexStats": {}}]), key=lambda index: index["name"])
    checks.equal("$indexStats", (first["name"], first["key"]), ("_id_", {"_id": 1}))
    stats = checks.database.command("dbStats")
    checks.equal("dbStats", (stats["db"], stats["objects"] >= 100), (checks.database.name, True))
    (operation,) = checks.client.admin.aggregate([{"$currentOp": {}}])
    checks.equal("$currentOp", operation["active"], True)
    documents = list(checks.database.aggregate([{"$documents": [{"a": 1}, {"a": 2}]}, {"$match": {"a": 2}}]))
    checks.equal("$documents", documents, [{"a": 2}])
    checks.equal("operations are counted", checks.client.admin.command("serverStatus")["opcounters"]["insert"] > 0, True)
    status = checks.client.admin.command("serverStatus")
    checks.equal("bytes are counted", min(status["network"].values()) > 0, True)
    checks.equal("nobody waits", status["globalLock"]["currentQueue"]["total"], 0)
    report = checks.database.command("validate", collection.name)
    checks.equal("validate", (report["valid"], report["nrecords"], report["keysPerIndex"]), (True, 100, {"_id_": 100, "x_1": 100}))
    checks.refused("validate of nothing", 26, lambda: checks.database.command("validate", "nothing"))


def cursors(checks):
    collection = checks.collection([{"_id": n} for n in range(500)])
    cursor = collection.find(batch_size=10)
    first = [next(cursor)["_id"] for _ in range(25)]
    checks.equal("the first batches", first, list(range(25)))
    with checks.case("a killed cursor"):
        checks.database.command("killCursors", collection.name, cursors=[Int64(cursor.cursor_id)])
        try:
            list(cursor)
        except CursorNotFound as error:
            assert error.code == 43
        else:
            raise AssertionError("went on")
    checks.equal("limit", len(list(collection.find(limit=7, batch_size=3))), 7)
    checks.equal("single batch", len(list(collection.find(limit=-5))), 5)
    reply = checks.database.command("find", collection.name, batchSize=0)
    checks.equal("an empty first batch", (reply["cursor"]["firstBatch"], reply["cursor"]["id"] != 0), ([], True))
    checks.refused("a time limit", 50, lambda: list(checks.collection([{"_id": n} for n in range(20000)]).find(
        {"$expr": {"$eq": [{"$reduce": {"input": {"$range": [0, 200]}, "initialValue": 0, "in": {"$add": ["$$value", 1]}}}, -1]}}, max_time_ms=20)))
    while_deleting = collection.find(batch_size=50)
    next(while_deleting)
    collection.delete_many({"_id": {"$gte": 100}})
    checks.equal("a cursor over deleted documents", sum(1 for _ in while_deleting) < 499, True)


def sessions(checks):
    with checks.client.start_session() as session:
        collection = checks.collection()
        collection.insert_one({"_id": 1}, session=session)
        checks.equal("in a session", collection.find_one({}, session=session), {"_id": 1})
        with checks.case("no transactions"):
            try:
                with session.start_transaction():
                    collection.insert_one({"_id": 2}, session=session)
            except OperationFailure as error:
                assert error.code == 20, error
            else:
                raise AssertionError("a transaction")


def refusals(checks):
    database = checks.database
    checks.refused("an unknown command", 59, lambda: database.command("inventCommand"))
    checks.refused("an unknown argument", 40415, lambda: database.command("find", "c", fitler={}))
    checks.refused("an argument of the wrong type", 14, lambda: database.command("find", "c", filter=1))
    checks.refused("a negative skip", 51024, lambda: database.command("find", "c", skip=-1))
    checks.refused("no collection", 73, lambda: database.command("find", 1))
    checks.refused("an empty batch", 16, lambda: database.command("insert", "c", documents=[]))
    checks.refused("no batch", 40414, lambda: database.command("insert", "c"))
    checks.refused("aggregate without cursor", 9, lambda: database.command("aggregate", "c", pipeline=[]))
    checks.refused("a tailable cursor", 2, lambda: database.command("find", "c", tailable=True))
    checks.refused("a collation", 238, lambda: database.command("find", "c", collation={"locale": "de"}))
    checks.refused("mapReduce", 59, lambda: database.command("mapReduce", "c", map=Code("x"), reduce=Code("x"), out={"inline": 1}))
    checks.refused("a change stream", 40573, lambda: database.c.watch())
    checks.refused("a snapshot", 123, lambda: database.command("find", "c", readConcern={"level": "snapshot"}))
    checks.refused("a level that is none", 9, lambda: database.command("find", "c", readConcern={"level": "best"}))
    checks.refused("a wildcard index", 238, lambda: database.c.create_index([("$**", 1)]))
    for name in ["collMod", "createUser", "killOp", "bulkWrite"]:
        with checks.case(f"{name} is said to be missing"):
            try:
                database.command(name, "c")
            except OperationFailure as error:
                assert error.code == 59 and "does not support" in str(error), error
            else:
                raise AssertionError("answered")
    checks.refused("replica set status", 76, lambda: checks.client.admin.command("replSetGetStatus"))


def concurrency(checks):
    collection = checks.collection([{"_id": 0, "n": 0}])

    def count():
        for _ in range(100):
            collection.update_one({"_id": 0}, {"$inc": {"n": 1}})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checks.equal("nothing is counted twice or not at all", collection.find_one()["n"], 800)


if __name__ == "__main__":
    main()
