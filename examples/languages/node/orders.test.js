import assert from "node:assert";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { Kafka, logLevel } from "kafkajs";
import { MongoClient } from "mongodb";

import { startServers } from "./servers.js";

let servers, kafka, mongo;

before(async () => {
  servers = await startServers();
  const { variables } = servers;
  const [username, password] = [variables.API_KEY, variables.API_SECRET_KEY];
  kafka = new Kafka({
    brokers: [variables.BOOTSTRAP_SERVER],
    sasl: { mechanism: "plain", username, password },
    ssl: false,
    logLevel: logLevel.NOTHING,
  });
  mongo = await MongoClient.connect(variables.MONGO_DB_URL);
});

after(async () => {
  await mongo.close();
  await servers.stop();
});

test("orders are stored once", async () => {
  const topic = `orders-${randomUUID()}`;
  const admin = kafka.admin();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  const numbers = [...Array(20).keys()];
  const messages = numbers.map((number) => ({ key: `${number}`, value: JSON.stringify({ number }) }));
  await producer.send({ topic, messages });
  await producer.disconnect();

  // The code under test.
  const orders = mongo.db("shop").collection(topic);
  const consumer = kafka.consumer({ groupId: topic });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let stored = 0;
  await new Promise((resolve, reject) => {
    const eachMessage = async ({ message }) => {
      const order = JSON.parse(message.value);
      await orders.replaceOne({ _id: order.number }, order, { upsert: true });
      if (++stored === numbers.length) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();

  assert.equal(await orders.countDocuments(), numbers.length);
});
