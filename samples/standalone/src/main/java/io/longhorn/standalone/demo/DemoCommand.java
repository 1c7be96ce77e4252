package io.longhorn.standalone.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.random.RandomGenerator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code longhorn demo}: exit code 0 if every promise was kept. */
@Command(
    description =
        "The tour: three nodes and a volume under load while a replica, an instance manager, the"
            + " daemon, the engine, and at last everything is killed. Prints what it measured;"
            + " exits with 1 if a promise was broken.",
    mixinStandardHelpOptions = true)
public final class DemoCommand implements Callable<Integer> {
  // Kept, since loggers are held weakly: the steps say what happens, in order.
  private static final List<Logger> LOGGERS =
      List.of(Logger.getLogger("io.longhorn"), Logger.getLogger("net.openhft"));

  private static final int MIN_SECONDS = 2;
  private static final int MAX_SECONDS = 3600;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--seconds",
      paramLabel = "N",
      defaultValue = "15",
      description = "How long it writes and reads, all steps together (default ${DEFAULT-VALUE}).")
  private int seconds;

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description =
          "Where it makes its temporary directory (default: that of the system). Needs 1 GiB.")
  private Path state = Path.of(System.getProperty("java.io.tmpdir", "/tmp"));

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Of the load (default: another one each time).")
  private long seed = RandomGenerator.getDefault().nextLong(1, 1_000_000);

  @Option(
      names = {"-v", "--verbose"},
      description = "Shows the log of engine and replicas, on stderr.")
  private boolean isVerbose;

  /** For the command line's parser. */
  public DemoCommand() {}

  @Override
  public Integer call() throws IOException {
    if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
      throw new ParameterException(
          spec.commandLine(),
          "--seconds " + seconds + ": use a number from " + MIN_SECONDS + " to " + MAX_SECONDS);
    }
    if (!Files.isDirectory(state)) {
      throw new ParameterException(spec.commandLine(), state + " is not a directory");
    }
    if (!isVerbose) {
      LOGGERS.forEach(logger -> logger.setLevel(Level.OFF));
    }
    Journal journal = new Journal(spec.commandLine().getOut());
    try (TemporaryDirectory home = TemporaryDirectory.in(state);
        Tour tour = new Tour(home.path(), seed, seconds, journal)) {
      tour.run();
    }
    return journal.isClean() ? 0 : 1;
  }
}
