// Commands as users type them: `mongosh URI --quiet --file mongosh.js`. Exits with 1 if a result is
// not the one of MongoDB's manual.

let failed = 0;
let passed = 0;

function check(what, found, expected) {
  const [a, b] = [EJSON.stringify(found), EJSON.stringify(expected)];
  if (a === b) {
    passed += 1;
  } else {
    failed += 1;
    print(`FAILED ${what}: ${a} instead of ${b}`);
  }
}

function rejected(what, code, action) {
  try {
    action();
  } catch (error) {
    return check(what, error.code, code);
  }
  check(what, "succeeded", "rejected");
}

const shell = db.getSiblingDB("mongosh_check_" + new ObjectId().toString().slice(16));
shell.dropDatabase();

check("insertMany", shell.sensor.insertMany([
  { _id: 1, class: "neg", aa_000: 76698, ab_000: null },
  { _id: 2, class: "pos", aa_000: 33058, ab_000: 2.5 },
  { _id: 3, class: "neg", aa_000: 41040, tags: ["a", "b"] },
]).acknowledged, true);
check("find", shell.sensor.find({ class: "pos" }).toArray(), [{ _id: 2, class: "pos", aa_000: 33058, ab_000: 2.5 }]);
check("findOne", shell.sensor.findOne({ tags: "b" })._id, 3);
check("projection", shell.sensor.find({}, { aa_000: 1, _id: 0 }).sort({ aa_000: 1 }).limit(1).toArray(), [{ aa_000: 33058 }]);
check("skip", shell.sensor.find().sort({ _id: -1 }).skip(2).next()._id, 1);
check("count", shell.sensor.countDocuments({ ab_000: null }), 2);
check("estimated", shell.sensor.estimatedDocumentCount(), 3);
check("distinct", shell.sensor.distinct("class"), ["neg", "pos"]);
check("updateOne", shell.sensor.updateOne({ _id: 1 }, { $set: { ab_000: 7 }, $inc: { aa_000: 2 } }).modifiedCount, 1);
check("updated", shell.sensor.findOne({ _id: 1 }), { _id: 1, class: "neg", aa_000: 76700, ab_000: 7 });
check("updateMany", shell.sensor.updateMany({ class: "neg" }, { $push: { tags: "c" } }).modifiedCount, 2);
check("upsert", shell.sensor.updateOne({ _id: 9 }, { $setOnInsert: { class: "new" } }, { upsert: true }).insertedId, 9);
check("replaceOne", shell.sensor.replaceOne({ _id: 9 }, { class: "neg", aa_000: 1 }).modifiedCount, 1);
check("findOneAndUpdate", shell.sensor.findOneAndUpdate({ _id: 9 }, { $inc: { aa_000: 1 } }, { returnDocument: "after" }).aa_000, 2);
check("group", shell.sensor.aggregate([
  { $group: { _id: "$class", n: { $sum: 1 }, most: { $max: "$aa_000" } } },
  { $sort: { _id: 1 } },
]).toArray(), [{ _id: "neg", n: 3, most: 76700 }, { _id: "pos", n: 1, most: 33058 }]);
check("unwind", shell.sensor.aggregate([{ $unwind: "$tags" }, { $count: "n" }]).toArray(), [{ n: 4 }]);
check("createIndex", shell.sensor.createIndex({ class: 1, aa_000: -1 }), "class_1_aa_000_-1");
check("getIndexes", shell.sensor.getIndexes().map((index) => index.name), ["_id_", "class_1_aa_000_-1"]);
check("explain", EJSON.stringify(shell.sensor.find({ class: "pos" }).explain()).includes("class_1_aa_000_-1"), true);
check("executionStats", shell.sensor.find({ class: "pos" }).explain("executionStats").executionStats.nReturned, 1);
check("unique", shell.users.createIndex({ name: 1 }, { unique: true }), "name_1");
shell.users.insertOne({ name: "a" });
rejected("duplicate", 11000, () => shell.users.insertOne({ name: "a" }));
check("bulkWrite", shell.sensor.bulkWrite([
  { insertOne: { document: { _id: 20 } } },
  { updateOne: { filter: { _id: 20 }, update: { $set: { a: 1 } } } },
  { deleteOne: { filter: { _id: 20 } } },
]).deletedCount, 1);
check("deleteMany", shell.sensor.deleteMany({ class: "pos" }).deletedCount, 1);
check("show collections", shell.getCollectionNames().sort(), ["sensor", "users"]);
check("createCollection", shell.createCollection("empty").ok, 1);
check("stats", shell.sensor.stats().count, 3);
check("db.stats", shell.stats().collections >= 3, true);
check("validate", shell.sensor.validate().valid, true);
check("serverStatus", shell.serverStatus().ok, 1);
check("hello", shell.hello().isWritablePrimary, true);
check("version", shell.version().split(".").length, 3);
check("renameCollection", shell.empty.renameCollection("other").ok, 1);
check("cursor of many", shell.many.insertMany(Array.from({ length: 1000 }, (_, n) => ({ n }))) && shell.many.find().toArray().length, 1000);
check("drop", shell.sensor.drop(), true);
check("listDatabases", db.getMongo().getDBNames().includes(shell.getName()), true);
rejected("unknown operator", 2, () => shell.users.find({ a: { $unheard: 1 } }).toArray());
rejected("unknown stage", 40324, () => shell.users.aggregate([{ $unheard: 1 }]).toArray());
check("dropDatabase", shell.dropDatabase().ok, 1);

print(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
