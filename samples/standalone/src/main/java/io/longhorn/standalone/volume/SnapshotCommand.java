package io.longhorn.standalone.volume;

import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.TakeSnapshot;
import io.longhorn.standalone.cluster.ClusterOptions;
import io.longhorn.standalone.cluster.OutputOptions;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports;
import io.longhorn.standalone.report.Reports.SnapshotReport;
import io.longhorn.standalone.report.Table;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn snapshot}. */
@Command(
    description = "Takes and lists snapshots of attached volumes.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class SnapshotCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public SnapshotCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(
      description = "Takes a snapshot of what has been written so far, while I/O goes on.",
      mixinStandardHelpOptions = true)
  void create(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "VOLUME", description = "The volume.") String volume,
      @Parameters(paramLabel = "NAME", description = "The snapshot's name.") String name) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new TakeSnapshot(volume, name));
    }
    cluster.out().println("snapshot " + name + " of volume " + volume);
  }

  @Command(description = "Lists snapshots, oldest first.", mixinStandardHelpOptions = true)
  void ls(
      @Mixin ClusterOptions cluster,
      @Mixin OutputOptions output,
      @Parameters(paramLabel = "VOLUME", description = "The volume.") String volume) {
    try (ClusterClient client = cluster.connect()) {
      List<SnapshotReport> snapshots =
          client.snapshots(volume).stream()
              .map(snapshot ->
                  new SnapshotReport(
                      snapshot.name(),
                      Reports.time(snapshot.createdMillis()),
                      snapshot.isUserCreated()))
              .toList();
      if (!output.isTable()) {
        Printer.print(cluster.out(), output.format(), snapshots);
        return;
      }
      Table table = new Table("SNAPSHOT", "CREATED");
      snapshots.forEach(snapshot -> table.row(snapshot.name(), snapshot.created()));
      table.print(cluster.out());
    }
  }
}
