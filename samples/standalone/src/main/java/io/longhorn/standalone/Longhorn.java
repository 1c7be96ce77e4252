package io.longhorn.standalone;

import io.longhorn.standalone.demo.DemoCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The {@code longhorn} command. Exit codes: 0 ok, 1 failed, 2 wrong usage.
 *
 * <p>{@code longhorn replica}, {@code longhorn engine} and {@code longhorn instance-manager} are
 * processes of their own: the launcher script starts their mains without this class.
 */
@Command(
    name = "longhorn",
    description = "Replicated block storage.",
    versionProvider = LonghornVersion.class,
    mixinStandardHelpOptions = true,
    subcommands = DemoCommand.class,
    footer = {
      "",
      "One process by hand:",
      "  longhorn replica --help   serve one copy of a volume",
      "  longhorn engine --help    replicate a volume and export it over NBD",
      "  longhorn instance-manager --help   start, stop and watch those of one node",
    })
public final class Longhorn implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  private Longhorn() {}

  /** Runs one command and exits with its code. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return commandLine().execute(args);
  }

  static CommandLine commandLine() {
    return new CommandLine(new Longhorn()).setCaseInsensitiveEnumValuesAllowed(true);
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command: see longhorn --help");
  }
}
