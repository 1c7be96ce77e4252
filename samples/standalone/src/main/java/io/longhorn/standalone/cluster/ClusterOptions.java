package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.execution.RuntimeLayout;
import java.io.PrintWriter;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which cluster: every command of one has these options. */
public final class ClusterOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command = CommandSpec.create();

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description = "State directory of the cluster (default: $LONGHORN_STATE, or ~/.longhorn).")
  private Path state = defaultState();

  @Option(names = "--debug", description = "Shows where an error came from.")
  private boolean isDebug;

  /** For the command line's parser. */
  public ClusterOptions() {}

  private static Path defaultState() {
    String named = System.getenv("LONGHORN_STATE");
    return named != null && !named.isEmpty()
        ? Path.of(named)
        : Path.of(System.getProperty("user.home", "."), ".longhorn");
  }

  RuntimeLayout layout() {
    return RuntimeLayout.of(state);
  }

  boolean isDebug() {
    return isDebug;
  }

  /** Where the command prints. */
  public PrintWriter out() {
    return command.commandLine().getOut();
  }

  /** What the parser could not see: a second line says where the command is explained. */
  public ParameterException misused(String message) {
    return new ParameterException(command.commandLine(), message);
  }

  /** Connects to the daemon; one line that says what to do if there is none. */
  public ClusterClient connect() {
    RuntimeLayout layout = layout();
    try {
      return ClusterClient.connect(layout.daemonAddress());
    } catch (VolumeException e) {
      if (!ClusterClient.isNobodyThere(e)) {
        throw e;
      }
      throw new VolumeException(
          IoError.DISCONNECTED,
          "no cluster is up with the state directory " + layout.state() + "; start it: longhorn up",
          e);
    }
  }
}
