package io.longhorn.engine.main;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.Authority;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EngineArgumentsTest {
  private static final String SERVE =
      "serve --volume v --replica 00000000-0000-0000-0000-000000000001@unix:/r --nbd unix:/n";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "go | unknown word 'go'",
        "serve | --volume, --replica and --nbd are needed",
        "SERVE --authority | --authority needs a value",
        "SERVE --authority mine | authority 'mine'",
        "SERVE --authority store:c | --authority store:c needs --store",
        "SERVE --store unix:/s | --store needs --authority store:CLUSTER",
        "SERVE --authority replicas --store unix:/s | --store needs --authority store:CLUSTER",
        "SERVE --authority store:c --store here | 'here' is neither tcp:HOST:PORT nor unix:PATH",
        "SERVE --control tcp:127.0.0.1:9 | use unix:PATH",
        "SERVE --control unix:/LONG | is longer than 107 bytes",
      })
  void badInputIsOneLineThatSaysWhatIsWrong(String words, String part) {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    String text = words.replace("SERVE", SERVE).replace("LONG", "x".repeat(120));
    int code =
        EngineMain.run(
            List.of(text.split(" ", -1)),
            new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    assertThat(code).isEqualTo(2);
    assertThat(err.toString(StandardCharsets.UTF_8).lines().findFirst().orElse(""))
        .startsWith("longhorn engine: ")
        .contains(part);
  }

  @Test
  void theReplicasKeepTheRecordUnlessAStoreIsNamed() {
    EngineArguments plain = EngineArguments.parse(List.of(SERVE.split(" ", -1)));
    assertThat(plain.config().authority()).isEqualTo(Authority.REPLICAS);
    assertThat(plain.config().store()).isEmpty();
    assertThat(plain.control()).isEmpty();
    String more = SERVE + " --authority store:c --store unix:/s --store tcp:h:1 --control unix:/c";
    EngineArguments stored = EngineArguments.parse(List.of(more.split(" ", -1)));
    assertThat(stored.config().authority()).isEqualTo("store:c");
    assertThat(stored.config().store()).hasToString("[unix:/s, tcp:h:1]");
    assertThat(stored.control().orElseThrow()).hasToString("unix:/c");
  }
}
