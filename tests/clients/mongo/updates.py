"""Updates: what they leave behind and what they refuse, in the semantics of MongoDB's manual."""

from bson import Int64, ObjectId
from pymongo import ReturnDocument

from harness import Checks, same

# name, document before, update, document after
CASES = [
    ("$set", {"a": 1}, {"$set": {"a": 2}}, {"a": 2}),
    ("$set a new field", {"a": 1}, {"$set": {"b": 2}}, {"a": 1, "b": 2}),
    ("$set new fields come by name", {}, {"$set": {"c": 1, "a": 2, "b": 3}}, {"a": 2, "b": 3, "c": 1}),
    ("$set keeps the place", {"a": 1, "b": 2}, {"$set": {"a": "x"}}, {"a": "x", "b": 2}),
    ("$set a nested field", {"a": {"b": 1}}, {"$set": {"a.c": 2}}, {"a": {"b": 1, "c": 2}}),
    ("$set creates documents on the way", {}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    ("$set an element", {"a": [1, 2]}, {"$set": {"a.1": 9}}, {"a": [1, 9]}),
    ("$set beyond an array fills it up", {"a": [1]}, {"$set": {"a.3": 9}}, {"a": [1, None, None, 9]}),
    ("$set a number as a name", {"a": {}}, {"$set": {"a.0": 1}}, {"a": {"0": 1}}),
    ("$set a field of an element", {"a": [{"b": 1}]}, {"$set": {"a.0.b": 2}}, {"a": [{"b": 2}]}),
    ("$set a whole document", {"a": 1}, {"$set": {"a": {"b": [1]}}}, {"a": {"b": [1]}}),
    ("$unset", {"a": 1, "b": 2}, {"$unset": {"a": ""}}, {"b": 2}),
    ("$unset nested", {"a": {"b": 1, "c": 2}}, {"$unset": {"a.b": 1}}, {"a": {"c": 2}}),
    ("$unset an element leaves null", {"a": [1, 2, 3]}, {"$unset": {"a.1": ""}}, {"a": [1, None, 3]}),
    ("$unset what is not there", {"a": 1}, {"$unset": {"b": "", "a.c": ""}}, {"a": 1}),
    ("$inc", {"a": 1}, {"$inc": {"a": 2}}, {"a": 3}),
    ("$inc a missing field", {}, {"$inc": {"a": 2}}, {"a": 2}),
    ("$inc by a double", {"a": 1}, {"$inc": {"a": 0.5}}, {"a": 1.5}),
    ("$inc beyond 32 bits", {"a": 2147483647}, {"$inc": {"a": 1}}, {"a": 2147483648}),
    ("$inc nested", {"a": {"b": [1, 2]}}, {"$inc": {"a.b.1": -3}}, {"a": {"b": [1, -1]}}),
    ("$mul", {"a": 3}, {"$mul": {"a": 2}}, {"a": 6}),
    ("$mul a missing field", {}, {"$mul": {"a": 2}}, {"a": 0}),
    ("$mul a missing field by a double", {}, {"$mul": {"a": 2.5}}, {"a": 0.0}),
    ("$min", {"a": 3}, {"$min": {"a": 2}}, {"a": 2}),
    ("$min keeps", {"a": 3}, {"$min": {"a": 4}}, {"a": 3}),
    ("$min of a missing field", {}, {"$min": {"a": 4}}, {"a": 4}),
    ("$max", {"a": 3}, {"$max": {"a": 4}}, {"a": 4}),
    ("$max across types", {"a": 3}, {"$max": {"a": "x"}}, {"a": "x"}),
    ("$rename", {"a": 1, "b": 2}, {"$rename": {"a": "c"}}, {"b": 2, "c": 1}),
    ("$rename over a field", {"a": 1, "b": 2}, {"$rename": {"a": "b"}}, {"b": 1}),
    ("$rename into a document", {"a": 1}, {"$rename": {"a": "b.c"}}, {"b": {"c": 1}}),
    ("$rename what is not there, beside an array", {"a": 1, "c": [1]}, {"$rename": {"x": "c.d", "c.5": "y"}}, {"a": 1, "c": [1]}),
    ("$rename what is not there", {"a": 1}, {"$rename": {"x": "y"}}, {"a": 1}),
    ("$setOnInsert does nothing to a document", {"a": 1}, {"$setOnInsert": {"b": 1}}, {"a": 1}),
    ("$bit", {"a": 13}, {"$bit": {"a": {"and": 10}}}, {"a": 8}),
    ("$bit or", {"a": 3}, {"$bit": {"a": {"or": 5}}}, {"a": 7}),
    ("$bit xor of a missing field", {}, {"$bit": {"a": {"xor": 5}}}, {"a": 5}),
    ("$push", {"a": [1]}, {"$push": {"a": 2}}, {"a": [1, 2]}),
    ("$push makes an array", {}, {"$push": {"a": 2}}, {"a": [2]}),
    ("$push an array", {"a": [1]}, {"$push": {"a": [2, 3]}}, {"a": [1, [2, 3]]}),
    ("$push $each", {"a": [1]}, {"$push": {"a": {"$each": [2, 3]}}}, {"a": [1, 2, 3]}),
    ("$push $position", {"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": 0}}}, {"a": [9, 1, 2]}),
    ("$push $position from the end", {"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": -1}}}, {"a": [1, 9, 2]}),
    ("$push $slice", {"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": 2}}}, {"a": [1, 2]}),
    ("$push $slice from the end", {"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": -2}}}, {"a": [2, 3]}),
    ("$push $sort", {"a": [3, 1]}, {"$push": {"a": {"$each": [2], "$sort": 1}}}, {"a": [1, 2, 3]}),
    ("$push $sort by a field", {"a": [{"n": 3}, {"n": 1}]},
     {"$push": {"a": {"$each": [{"n": 2}], "$sort": {"n": -1}, "$slice": 2}}}, {"a": [{"n": 3}, {"n": 2}]}),
    ("$addToSet", {"a": [1]}, {"$addToSet": {"a": 2}}, {"a": [1, 2]}),
    ("$addToSet what is there", {"a": [1]}, {"$addToSet": {"a": 1.0}}, {"a": [1]}),
    ("$addToSet $each", {"a": [1]}, {"$addToSet": {"a": {"$each": [1, 2, 2]}}}, {"a": [1, 2]}),
    ("$pull", {"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
    ("$pull leaves what is inside of an element", {"a": [[1, 2], 1]}, {"$pull": {"a": 1}}, {"a": [[1, 2]]}),
    ("$pull by a condition looks into an element", {"a": [[1, 2], 1]}, {"$pull": {"a": {"$gte": 2}}}, {"a": [1]}),
    ("$pull, $pop beyond the end", {"a": [1], "b": {}}, {"$pull": {"a.5": 1}, "$pop": {"b.x.y": 1}}, {"a": [1], "b": {}}),
    ("$push, $sort by a field that is an array", {"a": [{"b": [0, 9]}, {"b": [1, 2]}]}, {"$push": {"a": {"$each": [], "$sort": {"b": -1}}}}, {"a": [{"b": [1, 2]}, {"b": [0, 9]}]}),
    ("$pull by a condition", {"a": [1, 5, 9]}, {"$pull": {"a": {"$gte": 5}}}, {"a": [1]}),
    ("$pull documents", {"a": [{"b": 1, "c": 1}, {"b": 2}]}, {"$pull": {"a": {"b": 1}}}, {"a": [{"b": 2}]}),
    ("$pull from nothing", {"b": 1}, {"$pull": {"a": 1}}, {"b": 1}),
    ("$pullAll", {"a": [1, 2, 3, 1]}, {"$pullAll": {"a": [1, 3]}}, {"a": [2]}),
    ("$pop", {"a": [1, 2, 3]}, {"$pop": {"a": 1}}, {"a": [1, 2]}),
    ("$pop the first", {"a": [1, 2, 3]}, {"$pop": {"a": -1}}, {"a": [2, 3]}),
    ("every element", {"a": [1, 2]}, {"$inc": {"a.$[]": 10}}, {"a": [11, 12]}),
    ("a field of every element", {"a": [{"b": 1}, {"b": 2}]}, {"$set": {"a.$[].b": 0}}, {"a": [{"b": 0}, {"b": 0}]}),
    ("several operators", {"a": 1, "b": [1]}, {"$inc": {"a": 1}, "$push": {"b": 2}, "$set": {"c": 3}}, {"a": 2, "b": [1, 2], "c": 3}),
    ("a pipeline", {"a": 1, "b": 2}, [{"$set": {"c": {"$add": ["$a", "$b"]}}}, {"$unset": "a"}], {"b": 2, "c": 3}),
]

# name, document before, update, code
REFUSED = [
    ("an unknown operator", {"a": 1}, {"$foo": {"a": 1}}, 9),
    ("$inc of text", {"a": "x"}, {"$inc": {"a": 1}}, 14),
    ("$inc by text", {"a": 1}, {"$inc": {"a": "x"}}, 14),
    ("$inc beyond 64 bits", {"a": Int64(2 ** 63 - 1)}, {"$inc": {"a": 1}}, 2),
    ("$set below a number", {"a": 1}, {"$set": {"a.b": 1}}, 28),
    ("$set a name in an array", {"a": [1]}, {"$set": {"a.b": 1}}, 28),
    ("$push to a number", {"a": 1}, {"$push": {"a": 1}}, 2),
    ("$addToSet to a number", {"a": 1}, {"$addToSet": {"a": 1}}, 2),
    ("$pull below a number", {"a": 1}, {"$pull": {"a.b": 1}}, 28),
    ("$pullAll below an array", {"a": [1]}, {"$pullAll": {"a.b": [1]}}, 28),
    ("$pop below a number", {"a": 1}, {"$pop": {"a.b": 1}}, 28),
    ("$rename below a number", {"a": 1}, {"$rename": {"a.b": "c"}}, 28),
    ("a field and its part, with a name between", {"a": 1}, {"$set": {"a": 1, "a-x": 2, "a.b": 3}}, 40),
    ("an element and all of them", {"a": [1]}, {"$set": {"a.0": 1}, "$inc": {"a.$[]": 1}}, 40),
    ("all elements twice", {"a": [1]}, {"$set": {"a.$[]": 1, "a.$[].b": 1}}, 40),
    ("$pull from a number", {"a": 1}, {"$pull": {"a": 1}}, 2),
    ("$pop from a number", {"a": 1}, {"$pop": {"a": 1}}, 14),
    ("$pop of two", {"a": [1]}, {"$pop": {"a": 2}}, 9),
    ("two operators on one field", {"a": 1}, {"$set": {"a": 1}, "$inc": {"a": 1}}, 40),
    ("a field and one below it", {"a": {}}, {"$set": {"a": 1, "a.b": 1}}, 40),
    ("another _id", {"a": 1}, {"$set": {"_id": 5}}, 66),
    ("no _id", {"a": 1}, {"$unset": {"_id": ""}}, 66),
    ("an empty name", {"a": 1}, {"$set": {"a.": 1}}, 56),
    ("a name with a dollar", {"a": 1}, {"$set": {"a.$b": 1}}, 52),
    ("an operator without fields", {"a": 1}, {"$set": 5}, 9),
    ("$rename to itself", {"a": 1}, {"$rename": {"a": "a"}}, 2),
    ("$bit of a double", {"a": 1.5}, {"$bit": {"a": {"and": 1}}}, 2),
    ("a stage that is not for updates", {"a": 1}, [{"$match": {}}], 72),
]


def main():
    checks = Checks()
    collection = checks.collection()
    for name, before, update, after in CASES:
        with checks.case(name):
            collection.delete_many({})
            collection.insert_one({"_id": 1, **before})
            answer = collection.update_one({"_id": 1}, update)
            found = collection.find_one({"_id": 1})
            expected = {"_id": 1, **after}
            assert same(found, expected), f"{found!r} instead of {expected!r}"
            changed = 0 if before == after else 1
            assert (answer.matched_count, answer.modified_count) == (1, changed), answer.raw_result
    for name, before, update, code in REFUSED:
        collection.delete_many({})
        collection.insert_one({"_id": 1, **before})
        checks.refused(name, code, lambda: collection.update_one({"_id": 1}, update))
        checks.equal(name + " leaves the document", collection.find_one(), {"_id": 1, **before})

    array_filters(checks)
    positional(checks)
    upserts(checks)
    replacing(checks)
    find_and_modify(checks)
    current_date(checks)
    checks.finish()


def array_filters(checks):
    collection = checks.collection([{"_id": 1, "a": [{"k": 1, "v": 1}, {"k": 2, "v": 1}], "n": [1, 5, 9]}])
    collection.update_one({}, {"$set": {"a.$[x].v": 7}}, array_filters=[{"x.k": 2}])
    checks.refused("one element by two filters", 40, lambda: collection.update_one(
        {}, {"$set": {"a.$[x].v": 1}, "$inc": {"a.$[y].v": 1}}, array_filters=[{"x.k": 2}, {"y.k": {"$gt": 0}}]))
    chosen = checks.collection([{"_id": 1, "n": [1, 2, 3]}])
    chosen.update_one({}, {"$set": {"n.$[a]": 2}, "$inc": {"n.$[b]": 10}}, array_filters=[{"a": 1}, {"b": 2}])
    checks.equal("filters see elements as they were", chosen.find_one(), {"_id": 1, "n": [2, 12, 3]})
    collection.update_one({}, {"$inc": {"n.$[y]": 100}}, array_filters=[{"y": {"$gte": 5}}])
    expected = {"_id": 1, "a": [{"k": 1, "v": 1}, {"k": 2, "v": 7}], "n": [1, 105, 109]}
    checks.equal("array filters", collection.find_one(), expected)
    checks.refused("an unused array filter", 9, lambda: collection.update_one(
        {}, {"$set": {"b": 1}}, array_filters=[{"x": 1}]))
    checks.refused("a missing array filter", 2, lambda: collection.update_one({}, {"$set": {"a.$[x]": 1}}))


def positional(checks):
    collection = checks.collection([{"_id": 1, "n": [1, 5, 9], "a": [{"k": 1, "v": 1}, {"k": 2, "v": 1}]}])
    collection.update_one({"n": 5}, {"$set": {"n.$": 50}})
    collection.update_one({"a.k": 2}, {"$inc": {"a.$.v": 10}})
    collection.update_one({"a": {"$elemMatch": {"k": 1, "v": 1}}}, {"$set": {"a.$.w": True}})
    expected = {"_id": 1, "n": [1, 50, 9], "a": [{"k": 1, "v": 1, "w": True}, {"k": 2, "v": 11}]}
    checks.equal("the element that matched", collection.find_one(), expected)
    checks.refused("the element that matched, without one", 2, lambda: collection.update_one(
        {"_id": 1}, {"$set": {"n.$": 1}}))


def upserts(checks):
    collection = checks.collection()
    answer = collection.update_one({"_id": 1, "a": 2}, {"$set": {"b": 3}, "$setOnInsert": {"c": 4}}, upsert=True)
    checks.equal("upsert says which", (answer.matched_count, answer.upserted_id), (0, 1))
    checks.equal("upsert takes equalities", collection.find_one({"_id": 1}), {"_id": 1, "a": 2, "b": 3, "c": 4})
    answer = collection.update_one({"x.y": 5, "n": {"$gt": 3}, "m": {"$eq": 1}}, {"$inc": {"z": 1}}, upsert=True)
    checks.equal("upsert makes an _id", isinstance(answer.upserted_id, ObjectId), True)
    found = collection.find_one({"_id": answer.upserted_id}, {"_id": 0})
    checks.equal("upsert of nested equalities", found, {"x": {"y": 5}, "m": 1, "z": 1})
    collection.update_one({"$and": [{"q": 1}, {"r": 2}]}, {"$set": {"s": 3}}, upsert=True)
    checks.equal("upsert through $and", collection.find_one({"q": 1}, {"_id": 0}), {"q": 1, "r": 2, "s": 3})
    answer = collection.replace_one({"_id": 9, "t": 1}, {"u": 1}, upsert=True)
    checks.equal("upsert of a replacement", collection.find_one({"_id": 9}), {"_id": 9, "u": 1})
    answer = collection.update_many({"none": 1}, {"$set": {"many": 1}}, upsert=True)
    checks.equal("upsert of many is one", collection.count_documents({"many": 1}), 1)
    answer = collection.update_one({"_id": 1}, {"$set": {"b": 4}}, upsert=True)
    checks.equal("no upsert where one is found", (answer.matched_count, answer.upserted_id), (1, None))


def replacing(checks):
    collection = checks.collection([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}])
    answer = collection.replace_one({"a": 1}, {"b": 1})
    checks.equal("replaced one", (answer.matched_count, answer.modified_count), (1, 1))
    checks.equal("replacement keeps _id", collection.find_one({"_id": 1}), {"_id": 1, "b": 1})
    checks.refused("replacement of _id", 66, lambda: collection.replace_one({"_id": 1}, {"_id": 5}))
    answer = collection.update_many({}, {"$set": {"c": 1}})
    checks.equal("updated all", (answer.matched_count, answer.modified_count), (2, 2))
    answer = collection.update_many({}, {"$set": {"c": 1}})
    checks.equal("nothing to update", (answer.matched_count, answer.modified_count), (2, 0))
    many = checks.database.command("update", collection.name, updates=[{"q": {}, "u": {"z": 1}, "multi": True}])
    checks.equal("replacement of many", [error["code"] for error in many["writeErrors"]], [9])
    checks.refused("an unknown stage", 40324, lambda: collection.update_one({}, [{"$foo": 1}]))


def find_and_modify(checks):
    collection = checks.collection([{"_id": n, "n": n} for n in range(5)])
    before = collection.find_one_and_update({"n": {"$gte": 2}}, {"$inc": {"n": 10}}, sort=[("n", -1)])
    checks.equal("found before", before, {"_id": 4, "n": 4})
    after = collection.find_one_and_update(
        {"_id": 3}, {"$inc": {"n": 10}}, projection={"_id": 0}, return_document=ReturnDocument.AFTER)
    checks.equal("found after", after, {"n": 13})
    checks.equal("found nothing", collection.find_one_and_update({"_id": 77}, {"$set": {"a": 1}}), None)
    made = collection.find_one_and_update(
        {"_id": 77}, {"$set": {"a": 1}}, upsert=True, return_document=ReturnDocument.AFTER)
    checks.equal("found by making", made, {"_id": 77, "a": 1})
    checks.equal("replaced", collection.find_one_and_replace({"_id": 77}, {"b": 1}), {"_id": 77, "a": 1})
    checks.equal("deleted", collection.find_one_and_delete({"_id": 77}), {"_id": 77, "b": 1})
    checks.equal("deleted nothing", collection.find_one_and_delete({"_id": 77}), None)


def current_date(checks):
    collection = checks.collection([{"_id": 1}])
    collection.update_one({}, {"$currentDate": {"a": True, "b": {"$type": "timestamp"}}})
    found = collection.find_one()
    checks.equal("$currentDate", [type(found["a"]).__name__, type(found["b"]).__name__], ["datetime", "Timestamp"])


if __name__ == "__main__":
    main()
