package io.longhorn.standalone;

import io.longhorn.api.VolumeException;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

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
    footer = {
      "",
      "One process by hand:",
      "  longhorn replica serve --help          serve one copy of a volume",
      "  longhorn engine serve --help           replicate a volume and export it over NBD",
      "  longhorn instance-manager run --help   start and watch such processes",
    })
public final class Longhorn implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  private Longhorn() {}

  /** Runs one command and exits with its code. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return commandLine(args).execute(args);
  }

  /** With as many commands as {@code args} can mean; to be executed with the same. */
  static CommandLine commandLine(String... args) {
    return complete(CommandTree.of(new Longhorn(), args));
  }

  /** With all of them. */
  static CommandLine wholeCommandLine() {
    return complete(CommandTree.whole(new Longhorn()));
  }

  private static CommandLine complete(CommandLine commands) {
    return commands
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(Longhorn::misused)
        .setExecutionExceptionHandler(Longhorn::failed);
  }

  /** One line that says what is wrong, one that says where it is explained. */
  private static int misused(ParameterException e, String[] words) {
    CommandLine command = e.getCommandLine();
    PrintWriter err = command.getErr();
    err.println("longhorn: " + e.getMessage());
    if (!UnmatchedArgumentException.printSuggestions(e, err)) {
      err.println("See " + command.getCommandSpec().qualifiedName() + " --help");
    }
    err.flush();
    return CommandLine.ExitCode.USAGE;
  }

  /** What went wrong in one line; where it came from only if that was asked for. */
  private static int failed(Exception e, CommandLine command, ParseResult words) throws Exception {
    if (words.originalArgs().contains("--debug")) {
      throw e;
    }
    command
        .getErr()
        .println(
            e instanceof VolumeException
                ? "longhorn: " + e.getMessage()
                : "longhorn: a defect, please report what --debug prints: " + e);
    command.getErr().flush();
    return CommandLine.ExitCode.SOFTWARE;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }
}
