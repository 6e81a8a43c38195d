import com.mongodb.client.MongoClients;
import com.mongodb.client.model.IndexOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bson.Document;

/**
 * Inserts documents with MongoDB's Java driver, and finds some: URI, collection, documents, batch, fields,
 * searches. Prints documents per second and searches per second of the second half, when the code is warm.
 */
public class InsertMany {
  public static void main(String[] given) {
    int documents = Integer.parseInt(given[2]);
    int batch = Integer.parseInt(given[3]);
    int fields = Integer.parseInt(given[4]);
    int searches = Integer.parseInt(given[5]);
    Random draw = new Random(7);
    List<List<Document>> batches = new ArrayList<>();
    for (int first = 0; first < documents; first += batch) {
      List<Document> rows = new ArrayList<>();
      for (int number = first; number < first + batch; number++) {
        Document row = new Document("number", number);
        for (int field = 0; field < fields; field++) {
          row.append("f" + field, field % 2 == 0 ? (Object) draw.nextInt(1_000_000) : draw.nextDouble());
        }
        rows.add(row);
      }
      batches.add(rows);
    }
    try (var client = MongoClients.create(given[0])) {
      var collection = client.getDatabase("bench").getCollection(given[1]);
      collection.createIndex(new Document("number", 1), new IndexOptions());
      int half = batches.size() / 2;
      batches.subList(0, half).forEach(collection::insertMany);
      long began = System.nanoTime();
      batches.subList(half, batches.size()).forEach(collection::insertMany);
      double seconds = (System.nanoTime() - began) / 1e9;
      double inserted = (batches.size() - half) * (double) batch / seconds;
      began = System.nanoTime();
      for (int n = 0; n < searches; n++) {
        if (collection.find(new Document("number", draw.nextInt(documents))).first() == null) {
          throw new IllegalStateException("a document is not found");
        }
      }
      System.out.printf("%.1f %.1f%n", inserted, searches / ((System.nanoTime() - began) / 1e9));
    }
  }
}
