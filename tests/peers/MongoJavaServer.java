import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** Serves mongo-java-server at a free port and prints `127.0.0.1:PORT`: `MongoJavaServer [WIRE_VERSION]`. */
public class MongoJavaServer {
    public static void main(String[] arguments) throws Exception {
        MemoryBackend backend = new MemoryBackend();
        if (arguments.length > 0) {
            int wireVersion = Integer.parseInt(arguments[0]);
            backend.version(new MongoVersion() {
                public List<Integer> getVersionArray() {
                    return ServerVersion.MONGO_5_0.getVersionArray();
                }

                public int getWireVersion() {
                    return wireVersion;
                }
            });
        }
        MongoServer server = new MongoServer(backend);
        System.out.println("127.0.0.1:" + server.bind().getPort());
        Thread.currentThread().join();
    }
}
