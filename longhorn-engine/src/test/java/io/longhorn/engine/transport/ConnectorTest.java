package io.longhorn.engine.transport;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ConnectorTest {
  private static final long TIMEOUT_MILLIS = 5_000;

  private static String failureOf(Endpoint endpoint) throws Exception {
    CompletableFuture<String> why = new CompletableFuture<>();
    try (VolumeLoop loop = new VolumeLoop("test")) {
      loop.execute(() ->
          Connector.connect(
              loop,
              endpoint,
              TIMEOUT_MILLIS,
              stream -> {
                throw new AssertionError("connected to " + stream.peer());
              },
              why::complete));
      return why.get(2 * TIMEOUT_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  @Test
  void aSocketThatIsNotThereIsSaidInWords(@TempDir Path directory) throws Exception {
    assertThat(failureOf(new Endpoint.Unix(directory.resolve("nobody"))))
        .isEqualTo("there is no such socket");
  }

  @Test
  void aPortWhereNobodyListensIsSaidInWords() throws Exception {
    assertThat(failureOf(new Endpoint.Tcp("127.0.0.1", 1))).contains("refused");
  }
}
