package orders;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** The servers of {@code convoy up -- mvn test}, or servers that are started for a test class. */
public class Servers implements BeforeAllCallback, AfterAllCallback {
  /** The last line of a {@code .env} of {@code convoy up}. */
  private static final String LAST = "CONVOY_SASL_MECHANISM";

  private final Map<String, String> variables = new HashMap<>(System.getenv());
  private Process convoy;

  public String get(String name) {
    return variables.get(name);
  }

  /** Settings of Kafka's clients. */
  public Map<String, Object> kafka() {
    String login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    login += " username=\"" + get("API_KEY") + "\" password=\"" + get("API_SECRET_KEY") + "\";";
    return Map.of(
        "bootstrap.servers", get("BOOTSTRAP_SERVER"),
        "security.protocol", get("SECURITY_PROTOCOL"),
        "sasl.mechanism", get("SASL_MECHANISM"),
        "sasl.jaas.config", login);
  }

  @Override
  public void beforeAll(ExtensionContext context) throws IOException {
    if (variables.containsKey("BOOTSTRAP_SERVER")) {
      return;
    }
    String executable = variables.getOrDefault("CONVOY", "convoy");
    convoy =
        new ProcessBuilder(
                executable, "up", "--broker-port=0", "--registry-port=0", "--store-port=0",
                "--exit-with-parent", "--quiet")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    BufferedReader lines = new BufferedReader(new InputStreamReader(convoy.getInputStream()));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] parts = line.split("=", 2);
      variables.put(parts[0], parts[1].replaceAll("^'|'$", ""));
      if (parts[0].equals(LAST)) {
        return;
      }
    }
    throw new IOException("convoy did not start");
  }

  @Override
  public void afterAll(ExtensionContext context) throws InterruptedException {
    if (convoy != null) {
      convoy.destroy();
      convoy.waitFor();
    }
  }
}
