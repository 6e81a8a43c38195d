"""Pipelines: what each stage gives, in the semantics of MongoDB's manual."""

from bson import Int64

from harness import Checks, same

DOCUMENTS = [
    {"_id": 1, "class": "pos", "n": 10, "tags": ["a", "b"], "o": {"x": 1}},
    {"_id": 2, "class": "neg", "n": 20, "tags": ["b"], "o": {"x": 2}},
    {"_id": 3, "class": "neg", "n": 5, "tags": [], "o": {"x": 3, "y": 1}},
    {"_id": 4, "class": "neg", "n": None},
    {"_id": 5, "n": 2.5, "tags": "c"},
]

# name, pipeline, documents
CASES = [
    ("$match", [{"$match": {"n": {"$gte": 10}}}, {"$project": {"_id": 1}}], [{"_id": 1}, {"_id": 2}]),
    ("$match after a stage", [{"$project": {"m": "$n"}}, {"$match": {"m": 5}}], [{"_id": 3, "m": 5}]),
    ("$sort, $skip, $limit", [{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 2}, {"$project": {"n": 1}}],
     [{"_id": 1, "n": 10}, {"_id": 3, "n": 5}]),
    ("$limit before $skip", [{"$sort": {"_id": 1}}, {"$limit": 3}, {"$skip": 1}, {"$project": {"_id": 1}}],
     [{"_id": 2}, {"_id": 3}]),
    ("$count", [{"$match": {"class": "neg"}}, {"$count": "many"}], [{"many": 3}]),
    ("$count of all", [{"$count": "many"}], [{"many": 5}]),
    ("$count of nothing", [{"$match": {"class": "x"}}, {"$count": "many"}], []),
    ("$group by a field", [{"$group": {"_id": "$class", "many": {"$sum": 1}, "sum": {"$sum": "$n"}}}, {"$sort": {"_id": 1}}],
     [{"_id": None, "many": 1, "sum": 2.5}, {"_id": "neg", "many": 3, "sum": 25}, {"_id": "pos", "many": 1, "sum": 10}]),
    ("$group of all", [{"$group": {"_id": None, "avg": {"$avg": "$n"}, "min": {"$min": "$n"}, "max": {"$max": "$n"}}}],
     [{"_id": None, "avg": 9.375, "min": 2.5, "max": 20}]),
    ("$group of nothing", [{"$match": {"class": "x"}}, {"$group": {"_id": None, "many": {"$sum": 1}}}], []),
    ("$group counts", [{"$group": {"_id": 1, "n": {"$sum": 1}}}], [{"_id": 1, "n": 5}]),
    ("$count as accumulator", [{"$group": {"_id": None, "n": {"$count": {}}}}], [{"_id": None, "n": 5}]),
    ("$first and $last", [{"$sort": {"_id": 1}}, {"$group": {"_id": "$class", "f": {"$first": "$n"}, "l": {"$last": "$n"}}}, {"$sort": {"_id": 1}}],
     [{"_id": None, "f": 2.5, "l": 2.5}, {"_id": "neg", "f": 20, "l": None}, {"_id": "pos", "f": 10, "l": 10}]),
    ("$push", [{"$sort": {"_id": 1}}, {"$group": {"_id": "$class", "all": {"$push": "$n"}}}, {"$sort": {"_id": 1}}],
     [{"_id": None, "all": [2.5]}, {"_id": "neg", "all": [20, 5, None]}, {"_id": "pos", "all": [10]}]),
    ("$addToSet", [{"$unwind": "$tags"}, {"$group": {"_id": None, "all": {"$addToSet": "$tags"}}}, {"$project": {"n": {"$size": "$all"}}}],
     [{"_id": None, "n": 3}]),
    ("$group by a document", [{"$group": {"_id": {"c": "$class", "big": {"$gte": ["$n", 10]}}, "n": {"$sum": 1}}}, {"$match": {"n": 2}}],
     [{"_id": {"c": "neg", "big": False}, "n": 2}]),
    ("$mergeObjects", [{"$sort": {"_id": 1}}, {"$group": {"_id": None, "m": {"$mergeObjects": "$o"}}}], [{"_id": None, "m": {"x": 3, "y": 1}}]),
    ("$stdDevPop", [{"$match": {"_id": {"$lte": 2}}}, {"$group": {"_id": None, "d": {"$stdDevPop": "$n"}}}], [{"_id": None, "d": 5.0}]),
    ("$topN", [{"$group": {"_id": None, "t": {"$topN": {"n": 2, "sortBy": {"n": -1}, "output": "$_id"}}}}], [{"_id": None, "t": [2, 1]}]),
    ("$maxN", [{"$group": {"_id": None, "t": {"$maxN": {"n": 2, "input": "$n"}}}}], [{"_id": None, "t": [20, 10]}]),
    ("$firstN", [{"$sort": {"_id": 1}}, {"$group": {"_id": None, "t": {"$firstN": {"n": 2, "input": "$_id"}}}}], [{"_id": None, "t": [1, 2]}]),
    ("$project with _id out", [{"$match": {"_id": 1}}, {"$project": {"_id": 0, "n": 1}}], [{"n": 10}]),
    ("$project computes", [{"$match": {"_id": 1}}, {"$project": {"double": {"$multiply": ["$n", 2]}}}], [{"_id": 1, "double": 20}]),
    ("$project excludes", [{"$match": {"_id": 1}}, {"$project": {"tags": 0, "o": 0}}], [{"_id": 1, "class": "pos", "n": 10}]),
    ("$project nested", [{"$match": {"_id": 3}}, {"$project": {"o.y": 1}}], [{"_id": 3, "o": {"y": 1}}]),
    ("$project nested and computed", [{"$match": {"_id": 1}}, {"$project": {"o": {"z": "$n"}}}], [{"_id": 1, "o": {"z": 10}}]),
    ("$project of a missing field", [{"$match": {"_id": 5}}, {"$project": {"c": "$class", "n": 1}}], [{"_id": 5, "n": 2.5}]),
    ("$project with $$REMOVE", [{"$match": {"_id": 1}}, {"$project": {"n": {"$cond": [False, "$n", "$$REMOVE"]}}}], [{"_id": 1}]),
    ("$addFields", [{"$match": {"_id": 5}}, {"$addFields": {"m": {"$add": ["$n", 1]}, "n": "x"}}], [{"_id": 5, "n": "x", "tags": "c", "m": 3.5}]),
    ("$addFields nested", [{"$match": {"_id": 2}}, {"$project": {"o": 1}}, {"$set": {"o.z": 9, "p.q": 1}}],
     [{"_id": 2, "o": {"x": 2, "z": 9}, "p": {"q": 1}}]),
    ("$unset", [{"$match": {"_id": 1}}, {"$unset": ["tags", "o.x", "class"]}], [{"_id": 1, "n": 10, "o": {}}]),
    ("$unwind", [{"$sort": {"_id": 1}}, {"$unwind": "$tags"}, {"$project": {"tags": 1}}],
     [{"_id": 1, "tags": "a"}, {"_id": 1, "tags": "b"}, {"_id": 2, "tags": "b"}, {"_id": 5, "tags": "c"}]),
    ("$unwind keeps the empty", [{"$sort": {"_id": 1}}, {"$match": {"_id": {"$gte": 3}}}, {"$unwind": {"path": "$tags", "preserveNullAndEmptyArrays": True}}, {"$project": {"tags": 1}}],
     [{"_id": 3}, {"_id": 4}, {"_id": 5, "tags": "c"}]),
    ("$unwind with the index", [{"$match": {"_id": 1}}, {"$unwind": {"path": "$tags", "includeArrayIndex": "at"}}, {"$project": {"tags": 1, "at": 1}}],
     [{"_id": 1, "tags": "a", "at": 0}, {"_id": 1, "tags": "b", "at": 1}]),
    ("$unwind with the index below a field", [{"$match": {"_id": 1}}, {"$unwind": {"path": "$tags", "includeArrayIndex": "tags.at"}}, {"$project": {"tags": 1}}],
     [{"_id": 1, "tags": {"at": 0}}, {"_id": 1, "tags": {"at": 1}}]),
    ("$sortByCount", [{"$unwind": "$tags"}, {"$sortByCount": "$tags"}, {"$limit": 1}], [{"_id": "b", "count": 2}]),
    ("$replaceRoot", [{"$match": {"_id": 3}}, {"$replaceRoot": {"newRoot": "$o"}}], [{"x": 3, "y": 1}]),
    ("$replaceWith", [{"$match": {"_id": 3}}, {"$replaceWith": {"$mergeObjects": [{"x": 0, "z": 1}, "$o"]}}], [{"x": 3, "z": 1, "y": 1}]),
    ("$bucket", [{"$match": {"n": {"$type": "number"}}}, {"$bucket": {"groupBy": "$n", "boundaries": [0, 5, 15], "default": "more", "output": {"ids": {"$sum": "$_id"}}}}],
     [{"_id": 0, "ids": 5}, {"_id": 5, "ids": 4}, {"_id": "more", "ids": 2}]),
    ("$bucket without output", [{"$match": {"_id": {"$lte": 3}}}, {"$bucket": {"groupBy": "$n", "boundaries": [0, 10, 100]}}],
     [{"_id": 0, "count": 1}, {"_id": 10, "count": 2}]),
    ("$facet", [{"$sort": {"_id": 1}}, {"$facet": {"few": [{"$limit": 1}, {"$project": {"_id": 1}}], "count": [{"$count": "n"}], "none": [{"$match": {"_id": 99}}]}}],
     [{"few": [{"_id": 1}], "count": [{"n": 5}], "none": []}]),
    ("$sample of more than there is", [{"$sample": {"size": 99}}, {"$count": "n"}], [{"n": 5}]),
    ("$sample", [{"$sample": {"size": 2}}, {"$count": "n"}], [{"n": 2}]),
    ("$sum of text is zero", [{"$group": {"_id": None, "s": {"$sum": "$class"}}}], [{"_id": None, "s": 0}]),
    ("$avg of nothing", [{"$group": {"_id": None, "s": {"$avg": "$class"}}}], [{"_id": None, "s": None}]),
    ("$sum of longs", [{"$group": {"_id": None, "s": {"$sum": Int64(1)}}}], [{"_id": None, "s": 5}]),
    ("$expr in $match", [{"$match": {"$expr": {"$gt": ["$n", "$o.x"]}}}, {"$match": {"o": {"$exists": True}}}, {"$count": "n"}], [{"n": 3}]),
]

# name, pipeline, code
REFUSED = [
    ("an unknown stage", [{"$foo": {}}], 40324),
    ("a stage of two", [{"$match": {}, "$limit": 1}], 40323),
    ("a stage that is not an object", ["$match"], 14),
    ("$limit of zero", [{"$limit": 0}], 15958),
    ("$group without _id", [{"$group": {"n": {"$sum": 1}}}], 15955),
    ("$group with an unknown accumulator", [{"$group": {"_id": None, "n": {"$foo": 1}}}], 15952),
    ("$group without an accumulator", [{"$group": {"_id": None, "n": 1}}], 40234),
    ("$project of nothing", [{"$project": {}}], 51272),
    ("$project in and out", [{"$project": {"a": 1, "b": 0}}], 31254),
    ("$unwind without a dollar", [{"$unwind": "tags"}], 28818),
    ("$sort of nothing", [{"$sort": {}}], 15976),
    ("$sort by two", [{"$sort": {"a": 2}}], 15975),
    ("$count of no name", [{"$count": ""}], 40157),
    ("$replaceRoot of a number", [{"$replaceRoot": {"newRoot": "$n"}}], 40228),
    ("$bucket outside of the boundaries", [{"$bucket": {"groupBy": "$n", "boundaries": [0, 1]}}], 40066),
    ("$bucket with unsorted boundaries", [{"$bucket": {"groupBy": "$n", "boundaries": [2, 1]}}], 40194),
    ("$facet in $facet", [{"$facet": {"a": [{"$facet": {"b": []}}]}}], 40600),
    ("$sample of nothing", [{"$sample": {"size": 0}}], 28747),
]


def main():
    checks = Checks()
    collection = checks.collection(DOCUMENTS)
    for suffix in ("", " (indexed)"):
        for name, pipeline, expected in CASES:
            with checks.case(name + suffix):
                found = list(collection.aggregate(pipeline))
                assert same(found, expected), f"{found!r} instead of {expected!r}"
        collection.create_index("n")
        collection.create_index("class")
    for name, pipeline, code in REFUSED:
        checks.refused(name, code, lambda: list(collection.aggregate(pipeline)))
    many = checks.collection([{"_id": n, "v": n % 10} for n in range(5000)])
    found = list(many.aggregate([{"$match": {"v": {"$lt": 5}}}, {"$addFields": {"w": "x" * 100}}], batchSize=7))
    checks.equal("batches", (len(found), found[-1]["_id"]), (2500, 4994))
    groups = list(many.aggregate([{"$group": {"_id": "$_id"}}, {"$sort": {"_id": -1}}, {"$limit": 2}]))
    checks.equal("many groups", groups, [{"_id": 4999}, {"_id": 4998}])
    checks.finish()


if __name__ == "__main__":
    main()
