"""Filters: which documents they find, in the semantics of MongoDB's manual."""

import re
from datetime import datetime

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from harness import Checks

# Documents, each found by its _id in the cases below.
DOCUMENTS = [
    {"_id": "int", "v": 5},
    {"_id": "long", "v": Int64(5)},
    {"_id": "double", "v": 5.5},
    {"_id": "decimal", "v": Decimal128("5")},
    {"_id": "text", "v": "five"},
    {"_id": "upper", "v": "FIVE"},
    {"_id": "null", "v": None},
    {"_id": "none"},
    {"_id": "true", "v": True},
    {"_id": "date", "v": datetime(2024, 1, 1)},
    {"_id": "array", "v": [1, 5, 9]},
    {"_id": "empty", "v": []},
    {"_id": "texts", "v": ["five", "six"]},
    {"_id": "arrays", "v": [[1, 5], [9]]},
    {"_id": "doc", "v": {"a": 1, "b": 2}},
    {"_id": "doc_ab", "v": {"b": 2, "a": 1}},
    {"_id": "docs", "v": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
    {"_id": "deep", "v": {"a": [{"c": 7}, {"c": 8}]}},
    {"_id": "nan", "v": float("nan")},
    {"_id": "min", "v": MinKey()},
    {"_id": "max", "v": MaxKey()},
    {"_id": "regex", "v": Regex("^f")},
    {"_id": "binary", "v": Binary(b"abc", 0)},
    {"_id": "oid", "v": ObjectId("507f1f77bcf86cd799439011")},
]

EVERY = {document["_id"] for document in DOCUMENTS}

CASES = [
    # equality
    ("numbers are equal across types", {"v": 5}, {"int", "long", "decimal", "array"}),
    ("also as a double", {"v": 5.0}, {"int", "long", "decimal", "array"}),
    ("text", {"v": "five"}, {"text", "texts"}),
    ("null is also missing", {"v": None}, {"null", "none"}),
    ("a whole array", {"v": [1, 5, 9]}, {"array"}),
    ("an array in an array", {"v": [1, 5]}, {"arrays"}),
    ("an empty array", {"v": []}, {"empty"}),
    ("documents are equal in order", {"v": {"a": 1, "b": 2}}, {"doc", "docs"}),
    ("true is not one", {"v": True}, {"true"}),
    ("one is not true", {"v": 1}, {"array"}),
    ("a date", {"v": datetime(2024, 1, 1)}, {"date"}),
    ("binary", {"v": Binary(b"abc", 0)}, {"binary"}),
    ("binary of another subtype", {"v": Binary(b"abc", 5)}, set()),
    ("an identifier", {"v": ObjectId("507f1f77bcf86cd799439011")}, {"oid"}),
    ("not a number", {"v": float("nan")}, {"nan"}),
    ("$eq", {"v": {"$eq": 5}}, {"int", "long", "decimal", "array"}),
    ("$eq of a pattern is that pattern", {"v": {"$eq": Regex("^f")}}, {"regex"}),
    # comparison stays within a type
    ("$gt", {"v": {"$gt": 5}}, {"double", "array"}),
    ("$gte", {"v": {"$gte": 5}}, {"int", "long", "double", "decimal", "array"}),
    ("$lt", {"v": {"$lt": 5}}, {"array"}),
    ("$lte", {"v": {"$lte": 5}}, {"int", "long", "decimal", "array"}),
    ("$gt of text", {"v": {"$gt": "a"}}, {"text", "texts"}),
    ("$lt of text", {"v": {"$lt": "a"}}, {"upper"}),
    ("$gte null is null or missing", {"v": {"$gte": None}}, {"null", "none"}),
    ("$gt null is nothing", {"v": {"$gt": None}}, set()),
    ("$lt of a date", {"v": {"$lt": datetime(2025, 1, 1)}}, {"date"}),
    ("$gt false", {"v": {"$gt": False}}, {"true"}),
    ("a range over an array is met by two elements", {"v": {"$gt": 5, "$lt": 5}}, {"array"}),
    ("$gte not a number", {"v": {"$gte": float("nan")}}, {"nan"}),
    ("$lt not a number is nothing", {"v": {"$lt": float("nan")}}, set()),
    ("$gt an array", {"v": {"$gt": [1, 5]}}, {"array", "texts", "arrays", "docs"}),
    # several values
    ("$in", {"v": {"$in": [5, "five"]}}, {"int", "long", "decimal", "array", "text", "texts"}),
    ("$in null", {"v": {"$in": [None]}}, {"null", "none"}),
    ("$in a pattern", {"v": {"$in": [re.compile("^F")]}}, {"upper"}),
    ("$in nothing", {"v": {"$in": []}}, set()),
    ("$nin", {"v": {"$nin": [5, None]}}, EVERY - {"int", "long", "decimal", "array", "null", "none"}),
    ("$ne", {"v": {"$ne": 5}}, EVERY - {"int", "long", "decimal", "array"}),
    ("$ne null", {"v": {"$ne": None}}, EVERY - {"null", "none"}),
    # existence and type
    ("$exists", {"v": {"$exists": True}}, EVERY - {"none"}),
    ("not $exists", {"v": {"$exists": False}}, {"none"}),
    ("$type by name", {"v": {"$type": "string"}}, {"text", "upper", "texts"}),
    ("$type by number", {"v": {"$type": 16}}, {"int", "array"}),
    ("$type number", {"v": {"$type": "number"}}, {"int", "long", "double", "decimal", "array", "nan"}),
    ("$type array", {"v": {"$type": "array"}}, {"array", "empty", "texts", "arrays", "docs"}),
    ("$type of several", {"v": {"$type": ["null", "bool"]}}, {"null", "true"}),
    ("$type minKey", {"v": {"$type": "minKey"}}, {"min"}),
    ("$type object", {"v": {"$type": "object"}}, {"doc", "doc_ab", "docs", "deep"}),
    # logic
    ("$and", {"$and": [{"v": {"$gte": 5}}, {"v": {"$lte": 5}}]}, {"int", "long", "decimal", "array"}),
    ("$or", {"$or": [{"v": 5.5}, {"v": "six"}]}, {"double", "texts"}),
    ("$nor", {"$nor": [{"v": {"$exists": True}}]}, {"none"}),
    ("$not", {"v": {"$not": {"$gte": 5}}}, EVERY - {"int", "long", "double", "decimal", "array"}),
    ("$not of a pattern", {"v": {"$not": re.compile("five", re.I)}}, EVERY - {"text", "upper", "texts"}),
    ("several conditions", {"v": {"$gte": 5, "$ne": 9}}, {"int", "long", "double", "decimal"}),
    ("$comment is nothing", {"v": 5.5, "$comment": "why"}, {"double"}),
    # patterns
    ("$regex", {"v": {"$regex": "^fi"}}, {"text", "texts"}),
    ("$regex with options", {"v": {"$regex": "^FI", "$options": "i"}}, {"text", "upper", "texts"}),
    ("a pattern finds itself", {"v": Regex("^f")}, {"text", "texts", "regex"}),
    # arrays
    ("$all", {"v": {"$all": [1, 9]}}, {"array"}),
    ("$all of one", {"v": {"$all": [5]}}, {"int", "long", "decimal", "array"}),
    ("$all of an array", {"v": {"$all": [[1, 5]]}}, {"arrays"}),
    ("$all of nothing", {"v": {"$all": []}}, set()),
    ("$size", {"v": {"$size": 2}}, {"texts", "arrays", "docs"}),
    ("$size of nothing", {"v": {"$size": 0}}, {"empty"}),
    ("$elemMatch of values", {"v": {"$elemMatch": {"$gt": 4, "$lt": 6}}}, {"array"}),
    ("$elemMatch of documents", {"v": {"$elemMatch": {"a": 1, "b": 4}}}, set()),
    ("$elemMatch of one document", {"v": {"$elemMatch": {"a": 3, "b": 4}}}, {"docs"}),
    ("$elemMatch of $all of nothing", {"v": {"$elemMatch": {"$all": []}}}, set()),
    ("$elemMatch with $ne", {"v": {"$elemMatch": {"$ne": 5}}}, {"array", "texts", "arrays", "docs"}),
    ("$all of $elemMatch", {"v": {"$all": [{"$elemMatch": {"a": 1}}, {"$elemMatch": {"a": 3}}]}}, {"docs"}),
    ("an element by index", {"v.0": 1}, {"array"}),
    ("an element of an element", {"v.0.1": 5}, {"arrays"}),
    # dotted paths
    ("a field of a document", {"v.a": 1}, {"doc", "doc_ab", "docs"}),
    ("two conditions may be met by two documents", {"v.a": 1, "v.b": 4}, {"docs"}),
    ("through an array in a document", {"v.a.c": 8}, {"deep"}),
    ("by index in a document", {"v.a.1.c": 8}, {"deep"}),
    ("a missing field is null", {"v.a": None}, EVERY - {
        "doc", "doc_ab", "docs", "deep", "array", "empty", "texts", "arrays"}),
    ("a missing field does not exist", {"v.a": {"$exists": False}}, EVERY - {
        "doc", "doc_ab", "docs", "deep"}),
    ("$ne through an array", {"v.a": {"$ne": 1}}, EVERY - {"doc", "doc_ab", "docs"}),
    # arithmetic
    ("$mod", {"v": {"$mod": [4, 1]}}, {"int", "long", "double", "decimal", "array"}),
    ("$bitsAllSet", {"v": {"$bitsAllSet": 5}}, {"int", "long", "decimal", "array"}),
    ("$bitsAnyClear", {"v": {"$bitsAnyClear": [0, 1]}}, {"int", "long", "decimal", "array", "binary"}),
    # expressions
    ("$expr", {"$expr": {"$eq": [{"$type": "$v"}, "missing"]}}, {"none"}),
    ("$expr within $or", {"$or": [{"$expr": {"$isArray": "$v"}}, {"v": 5.5}]},
     {"array", "empty", "texts", "arrays", "docs", "double"}),
]

REFUSED = [
    ("an unknown operator", {"v": {"$foo": 1}}, 2),
    ("an unknown operator at the top", {"$foo": 1}, 2),
    ("$in without an array", {"v": {"$in": 1}}, 2),
    ("$and without an array", {"$and": {}}, 2),
    ("$or of nothing", {"$or": []}, 2),
    ("an unknown type", {"v": {"$type": "strnig"}}, 2),
    ("$mod by zero", {"v": {"$mod": [0, 1]}}, 2),
    ("a negative $size", {"v": {"$size": -1}}, 2),
    ("a broken pattern", {"v": {"$regex": "("}}, 51091),
    ("$options alone", {"v": {"$options": "i"}}, 2),
    ("$elemMatch without a document", {"v": {"$elemMatch": 1}}, 2),
    ("$not without operators", {"v": {"$not": 1}}, 2),
    ("an unknown expression", {"$expr": {"$foo": 1}}, 168),
    ("$where", {"$where": "true"}, 2),
]

# In ascending order, as MongoDB orders types and values.
ASCENDING = [
    MinKey(), None, float("nan"), float("-inf"), -1, Decimal128("-0.5"), 0, 0.5, Int64(2 ** 53 + 1),
    1e300, float("inf"), "", "A", "a", "aa", {}, {"a": 1}, {"a": 1, "b": 0}, {"b": 0}, Binary(b"", 0),
    Binary(b"a", 0), Binary(b"a", 5), Binary(b"aa", 0), ObjectId("000000000000000000000000"),
    ObjectId("ffffffffffffffffffffffff"), False, True, datetime(1960, 1, 1), datetime(2024, 1, 1),
    Timestamp(0, 1), Timestamp(1, 0), Regex("a"), Regex("b"), Code("x"), MaxKey(),
]


def main():
    checks = Checks()
    collection = checks.collection(DOCUMENTS)
    for indexed in (False, True):
        suffix = " (indexed)" if indexed else ""
        if indexed:
            collection.create_index("v")
            collection.create_index("v.a")
        for name, query, expected in CASES:
            with checks.case(name + suffix):
                found = {document["_id"] for document in collection.find(query)}
                assert found == expected, f"too many {found - expected}, too few {expected - found}"
                counted = collection.count_documents(query)
                assert counted == len(expected), f"counted {counted}"
        for name, query, code in REFUSED:
            checks.refused(name + suffix, code, lambda: list(collection.find(query)))

    ordered = checks.collection([{"_id": n, "v": v} for n, v in enumerate(ASCENDING)])
    places = list(range(len(ASCENDING)))
    for suffix in ("", " (indexed)"):
        found = [document["_id"] for document in ordered.find().sort("v", 1)]
        checks.equal("types and values in ascending order" + suffix, found, places)
        found = [document["_id"] for document in ordered.find().sort("v", -1)]
        checks.equal("types and values in descending order" + suffix, found, places[::-1])
        ordered.create_index([("v", 1)])

    shapes(checks)
    checks.finish()


def shapes(checks):
    """Sort, skip, limit and projection."""
    collection = checks.collection(
        [{"_id": n, "a": n % 3, "b": {"c": n, "d": n}, "e": [n, n + 1, n + 2]} for n in range(10)]
    )

    def find(**options):
        return list(collection.find(**options))

    checks.equal("sort by two, skip, limit", [d["_id"] for d in find(sort=[("a", -1), ("_id", 1)], skip=2, limit=3)], [8, 1, 4])
    checks.equal("sort by an array takes its least", [d["_id"] for d in find(sort=[("e", 1)], limit=2)], [0, 1])
    arrays = checks.collection([
        {"_id": 1, "a": [{"x": 1, "y": 5}, {"x": 2, "y": 2}], "b": [1, 9]},
        {"_id": 2, "a": [{"x": 1, "y": 3}], "b": [{"z": 1}, 0]},
        {"_id": 3, "a": [7, {"x": 4, "y": 4}], "b": [[3], 2]},
    ])
    order = lambda **keys: [d["_id"] for d in arrays.find().sort(list(keys.items()))]
    checks.equal("sort by fields of one array keeps them together", order(**{"a.x": 1, "a.y": 1}), [3, 2, 1])
    checks.equal("sort by a position", order(**{"b.0": 1}), [1, 2, 3])
    checks.equal("sort by a position that is an array", order(**{"b.0": -1}), [3, 2, 1])
    checks.equal("sort below a position", order(**{"b.0.z": -1, "_id": -1}), [2, 3, 1])
    checks.refused("sort by two arrays", 2, lambda: order(a=1, b=1))
    checks.refused("sort by a name that is a position as well", 16746, lambda: list(
        checks.collection([{"a": [1, {"0": 1}]}]).find().sort("a.0", 1)))
    checks.equal("sort by an array takes its greatest", [d["_id"] for d in find(sort=[("e", -1)], limit=2)], [9, 8])
    checks.equal("batches", len(list(collection.find(batch_size=3))), 10)
    one = {"filter": {"_id": 2}}
    for name, projection, expected in [
        ("inclusion", {"a": 1}, {"_id": 2, "a": 2}),
        ("inclusion without _id", {"a": 1, "_id": 0}, {"a": 2}),
        ("inclusion keeps the order of the document", {"e": 1, "a": 1}, {"_id": 2, "a": 2, "e": [2, 3, 4]}),
        ("exclusion", {"e": 0, "b": 0}, {"_id": 2, "a": 2}),
        ("only _id", {"_id": 1}, {"_id": 2}),
        ("without _id", {"_id": 0}, {"a": 2, "b": {"c": 2, "d": 2}, "e": [2, 3, 4]}),
        ("nested inclusion", {"b.c": 1}, {"_id": 2, "b": {"c": 2}}),
        ("nested exclusion", {"b.c": 0, "e": 0}, {"_id": 2, "a": 2, "b": {"d": 2}}),
        ("$slice", {"e": {"$slice": 1}, "b": 0}, {"_id": 2, "a": 2, "e": [2]}),
        ("$slice from the end", {"e": {"$slice": -1}, "b": 0}, {"_id": 2, "a": 2, "e": [4]}),
        ("$slice of a part", {"e": {"$slice": [1, 1]}, "a": 1}, {"_id": 2, "a": 2, "e": [3]}),
        ("an expression", {"a": 1, "sum": {"$add": ["$a", 1]}}, {"_id": 2, "a": 2, "sum": 3}),
        ("a field of another name", {"x": "$b.c"}, {"_id": 2, "x": 2}),
    ]:
        checks.equal("projection: " + name, find(projection=projection, **one), [expected])
    docs = checks.collection([{"_id": 1, "e": [{"k": 1}, {"k": 2}, {"k": 2, "l": 3}]}])
    found = list(docs.find({}, {"e": {"$elemMatch": {"k": 2}}}))
    checks.equal("projection: $elemMatch", found, [{"_id": 1, "e": [{"k": 2}]}])
    found = list(docs.find({}, {"e.k": 1}))
    checks.equal("projection: through an array", found, [{"_id": 1, "e": [{"k": 1}, {"k": 2}, {"k": 2}]}])
    checks.refused("projection: mixed", 31254, lambda: find(projection={"a": 1, "b": 0}))
    checks.refused("projection: mixed the other way", 31253, lambda: find(projection={"a": 0, "b": 1}))
    checks.refused("projection: collision", 31250, lambda: find(projection={"b": 1, "b.c": 1}))
    checks.equal("distinct", sorted(collection.distinct("a")), [0, 1, 2])
    checks.equal("distinct of an array", sorted(collection.distinct("e", {"_id": {"$lt": 2}})), [0, 1, 2, 3])
    checks.equal("distinct of a nested field", sorted(collection.distinct("b.c", {"a": 0})), [0, 3, 6, 9])
    checks.equal("count with limit", collection.count_documents({}, limit=4, skip=8), 2)
    checks.equal("estimated count", collection.estimated_document_count(), 10)


if __name__ == "__main__":
    main()
