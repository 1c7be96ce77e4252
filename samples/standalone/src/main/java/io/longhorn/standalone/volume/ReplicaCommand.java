package io.longhorn.standalone.volume;

import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.standalone.cluster.ClusterOptions;
import io.longhorn.standalone.cluster.ClusterReader;
import io.longhorn.standalone.cluster.OutputOptions;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.VolumeReport;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn replica}, as far as the cluster is concerned. */
@Command(
    description =
        "Lists replicas. One process by hand: longhorn replica create and serve, see longhorn"
            + " replica serve --help.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class ReplicaCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public ReplicaCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Lists the replicas of a volume.", mixinStandardHelpOptions = true)
  void ls(
      @Mixin ClusterOptions cluster,
      @Mixin OutputOptions output,
      @Parameters(paramLabel = "VOLUME", description = "The volume.") String name) {
    try (ClusterClient client = cluster.connect()) {
      VolumeReport volume = new ClusterReader(client).volume(name);
      if (output.isTable()) {
        VolumeCommand.replicas(cluster.out(), volume.replicas());
      } else {
        Printer.print(cluster.out(), output.format(), volume.replicas());
      }
    }
  }
}
