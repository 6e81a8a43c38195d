package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.ReplaceOptions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.bson.Document;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

class OrdersTest {
  @RegisterExtension static final Servers SERVERS = new Servers();

  private static final int COUNT = 20;

  @Test
  @Timeout(60)
  void ordersAreStoredOnce() throws Exception {
    String topic = "orders-" + UUID.randomUUID();
    StringSerializer text = new StringSerializer();
    try (var producer = new KafkaProducer<>(SERVERS.kafka(), text, text)) {
      for (int number = 0; number < COUNT; number++) {
        producer.send(new ProducerRecord<>(topic, "" + number, "paid")).get();
      }
    }

    // The code under test.
    Map<String, Object> settings = new HashMap<>(SERVERS.kafka());
    settings.putAll(Map.of("group.id", topic, "auto.offset.reset", "earliest"));
    StringDeserializer decode = new StringDeserializer();
    try (MongoClient client = MongoClients.create(SERVERS.get("MONGO_DB_URL"));
        var consumer = new KafkaConsumer<>(settings, decode, decode)) {
      MongoCollection<Document> orders = client.getDatabase("shop").getCollection(topic);
      consumer.subscribe(List.of(topic));
      for (int stored = 0; stored < COUNT; consumer.commitSync()) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
          Document order = new Document("state", record.value());
          ReplaceOptions upsert = new ReplaceOptions().upsert(true);
          orders.replaceOne(Filters.eq("_id", record.key()), order, upsert);
          stored++;
        }
      }
      assertEquals(COUNT, orders.countDocuments(Filters.eq("state", "paid")));
    }
  }
}
