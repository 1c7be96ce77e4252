package io.longhorn.replica.main;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.replica.main.CommandLine.UsageException;
import io.longhorn.replica.server.ListenAddress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CommandLineTest {
  private static final String ID = "00000000-0000-0000-0000-000000000001";
  private static final String OTHER = "00000000-0000-0000-0000-000000000002";
  private static final String CREATE =
      "create --dir d --volume v --volume-id " + ID + " --replica-id " + ID;

  /** Words, the code they exit with, and a part of the one line. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "NOTHING | 2 | no command",
        "foo | 2 | no command 'foo'",
        "serve | 2 | --dir is missing",
        "serve --dir d | 2 | --listen is missing",
        "serve --dir | 2 | --dir needs a value",
        "serve --dir d --dir e | 2 | --dir is there twice",
        "serve --dir d --size 5 | 2 | no option '--size'",
        "serve --dir d --listen here | 2 | use tcp:HOST:PORT or unix:PATH",
        "serve --dir d --listen tcp:host:99999 | 2 | use tcp:HOST:PORT or unix:PATH",
        "serve --dir d --listen tcp:: | 2 | use tcp:HOST:PORT or unix:PATH",
        "serve --dir d --listen unix: | 2 | use tcp:HOST:PORT or unix:PATH",
        "serve --dir /nowhere/at/all --listen tcp:127.0.0.1:0 | 1 | /nowhere/at/all",
        "CREATE --size 4096 | 2 | --members is missing",
        "CREATE --size 4096 --members OTHER | 2 | does not name --replica-id",
        "CREATE --size 4096 --members ID,ID | 2 | named twice",
        "CREATE --size 4096 --members ID,x | 2 | 'x' is not a UUID",
        "CREATE --size 1000 --members ID | 2 | multiple of 4096",
        "CREATE --size big --members ID | 2 | 'big' is not a number",
        "CREATE --size 4096 --members ID --authority store: | 2 | use 'replicas' or 'store:'",
        "create --dir d --volume ? --volume-id ID --replica-id ID --size 4096 --members ID | 2 | '?'",
        "create --dir d --volume v --volume-id 1-2 --replica-id ID --size 4096 --members ID | 2 | UUID",
      })
  void badInputIsOneLineThatSaysWhatIsWrong(String words, int code, String part) {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    String text = words.replace("CREATE", CREATE).replace("OTHER", OTHER);
    // Only where it stands for itself.
    text = text.replace(" ID", " " + ID).replace(",ID", "," + ID);
    int got =
        ReplicaMain.run(
            text.equals("NOTHING") ? new String[0] : text.split(" ", -1),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    String line = err.toString(StandardCharsets.UTF_8);
    assertThat(line).startsWith("longhorn replica: ").contains(part);
    assertThat(line.lines()).hasSize(1);
    assertThat(got).isEqualTo(code);
    assertThat(out.toString(StandardCharsets.UTF_8)).isEmpty();
  }

  @Test
  void goodWordsAreUnderstood() throws UsageException {
    assertThat(CommandLine.parse("serve --listen unix:/r.sock --direct --dir d".split(" ")))
        .isEqualTo(
            new CommandLine.Serve(
                Path.of("d"), new ListenAddress.Unix(Path.of("/r.sock")), IoMode.DIRECT));
    assertThat(CommandLine.parse("serve --dir d --listen tcp:[::1]:7".split(" ")))
        .isEqualTo(
            new CommandLine.Serve(
                Path.of("d"), new ListenAddress.Tcp("[::1]", 7), IoMode.BUFFERED));
    CommandLine create =
        CommandLine.parse((CREATE + " --size 8192 --members " + OTHER + "," + ID).split(" "));
    assertThat(((CommandLine.Create) create).spec().sizeBytes()).isEqualTo(8192);
    assertThat(((CommandLine.Create) create).spec().record().members()).hasSize(2);
    assertThat(CommandLine.parse(new String[] {"serve", "--help"}))
        .isEqualTo(new CommandLine.Help());
  }
}
